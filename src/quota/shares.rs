//! What an institution has given its keys of its own tokens a day: up to there managers decide, beyond it an administrator.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::store;
use crate::{
    db::{StoreError, WriteTx},
    ids::InstitutionId,
};

/// What an institution may use a day, and what of that its keys in use were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// None: it has no limit of its own.
    pub cap: Option<i64>,
    /// The sum of the limits of its keys that are approved or in use. One without a limit may take all there is.
    pub given: i64,
}

/// The keys would together be given more than their institution has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its keys have {given} of the {cap} tokens a day of the institution")]
pub struct BeyondShares {
    pub cap: i64,
    pub given: i64,
}

impl Shares {
    /// Whether a key more of so many tokens a day still fits.
    ///
    /// # Errors
    /// [`BeyondShares`] where it does not: an administrator decides.
    pub fn fit(&self, tokens_per_day: i64) -> Result<(), BeyondShares> {
        match self.cap {
            Some(cap) if self.given.saturating_add(tokens_per_day) > cap => Err(BeyondShares {
                cap,
                given: self.given,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// What an institution has given its keys, all but one that is being decided on.
///
/// # Errors
/// Where the database is away.
pub async fn shares_besides(
    conn: &mut PgConnection,
    institution: InstitutionId,
    key: Uuid,
    now: DateTime<Utc>,
) -> Result<Shares, StoreError> {
    store::shares_besides(conn, institution, key, now).await
}

/// As [`shares_besides`], kept from changing by other decisions until the transaction ends.
///
/// # Errors
/// Where the database is away.
pub async fn lock_shares_besides(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    key: Uuid,
) -> Result<Shares, StoreError> {
    store::lock_institution(tx, institution).await?;
    let now = tx.now();
    store::shares_besides(tx.conn(), institution, key, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_up_to_the_last_token_of_their_institution() {
        let shares = Shares {
            cap: Some(1000),
            given: 900,
        };
        assert_eq!(shares.fit(100), Ok(()));
        let beyond = BeyondShares {
            cap: 1000,
            given: 900,
        };
        assert_eq!(shares.fit(101), Err(beyond));
        assert_eq!(shares.fit(i64::MAX), Err(beyond));
        let unlimited = Shares {
            cap: None,
            given: i64::MAX,
        };
        assert_eq!(unlimited.fit(1), Ok(()));
    }
}
