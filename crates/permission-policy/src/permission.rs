//! A permission as it stands.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Layer, Terms, word::words};

/// One permission, in one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionId(pub Uuid);

impl PermissionId {
    /// A fresh, time-ordered identifier (UUID version 7, RFC 9562).
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for PermissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PermissionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

words! {
    /// How a permission stands; event states of ISO/IEC TS 27560:2023.
    State {
        Given = "given",
        Renewed = "renewed",
        Withdrawn = "withdrawn",
        Revoked = "revoked",
        Refused = "refused",
    }
}

impl State {
    /// Whether it counts, within its dates.
    #[must_use]
    pub fn counts(self) -> bool {
        match self {
            Self::Given | Self::Renewed => true,
            Self::Withdrawn | Self::Revoked | Self::Refused => false,
        }
    }
}

/// A permission with what was last decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// Its id.
    pub id: PermissionId,
    /// The dataset version it is about; none: all versions of the dataset, also later ones.
    pub version: Option<Uuid>,
    /// Which question it answers.
    pub layer: Layer,
    /// What it says.
    pub terms: Terms,
    /// Hash of the terms' text as it was recorded.
    pub terms_sha256: String,
    /// How it stands.
    pub state: State,
    /// Name of the person who last gave, withdrew or revoked it.
    pub decided_by: String,
    /// When that was.
    pub decided_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_named_by_its_id() {
        let id = uuid::Uuid::from_u128(7);
        assert_eq!(PermissionId(id).to_string(), id.to_string());
    }
}
