//! From a key in a request to what its holder may do.

use std::net::IpAddr;

use ipnet::IpNet;
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
    /// Whether it may ask models.
    pub may_infer: bool,
    /// Whether it may send files and ask for jobs.
    pub may_fine_tune: bool,
    /// Whether what is made with it is for profit.
    pub is_commercial: bool,
    /// From where it may be used; empty: from everywhere.
    pub allowed_networks: Vec<IpNet>,
    pub limits: Limits,
    /// What the key is for.
    pub models: Vec<ModelId>,
}

impl Holder {
    /// Whether the key may be used from an address; from one that is not known only where it may be from everywhere.
    #[must_use]
    pub fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        if self.allowed_networks.is_empty() {
            return true;
        }
        // `::ffff:192.0.2.1` is 192.0.2.1, seen by a socket for both kinds.
        let Some(address) = address.map(|address| address.to_canonical()) else {
            return false;
        };
        let is_in = |network: &IpNet| network.contains(&address);
        self.allowed_networks.iter().any(is_in)
    }
}

/// The holder of a key; none where it is malformed, unknown, wrong, not active, rotated away, revoked or expired, or where
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
