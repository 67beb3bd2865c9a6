//! Whoever holds a key.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::ids::{ApiKeyId, InstitutionId, ModelId, UserId};

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
