//! From a key in a request to what its holder may do.

use secrecy::SecretString;

use super::{key::Limits, secret::Secret, store};
use crate::{
    db::{Db, StoreError},
    ids::{ApiKeyId, InstitutionId, ModelId, UserId},
};

/// Whoever holds a valid key.
#[derive(Debug, Clone)]
pub struct Holder {
    pub key: ApiKeyId,
    pub institution: InstitutionId,
    /// Who asked for the key: what it does beside asking models is done as this person.
    pub requested_by: UserId,
    /// Whether it may send files and ask for jobs.
    pub may_fine_tune: bool,
    /// Whether what is made with it is for profit.
    pub is_commercial: bool,
    pub limits: Limits,
    /// What the key is for.
    pub models: Vec<ModelId>,
}

/// The holder of a key; none where it is malformed, unknown, wrong, not active, revoked or expired, or where
/// its institution does not take part any more. Read from the database each time, so that revoking is instant.
///
/// # Errors
/// Where the database is away: nobody is let in then.
pub async fn authenticate(
    db: &Db,
    pepper: &SecretString,
    text: &str,
) -> Result<Option<Holder>, StoreError> {
    let Some(secret) = Secret::parse(text) else {
        return Ok(None);
    };
    let mut conn = db.read().await?;
    let found = store::find_active(&mut conn, secret.public_id(), db.now()).await?;
    // An unknown public id costs the same hash as a wrong secret.
    let (stored, holder) = match found {
        Some((stored, holder)) => (stored, Some(holder)),
        None => (vec![0; 32], None),
    };
    let is_right = secret.matches(pepper, &stored);
    Ok(holder.filter(|_| is_right))
}
