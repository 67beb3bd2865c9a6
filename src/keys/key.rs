//! What a key is and how far it may go.

use chrono::{DateTime, Utc};
use ipnet::IpNet;

use crate::{
    ids::{ApiKeyId, InstitutionId, ModelId, UserId},
    policy::Scope,
    quota::Project,
};

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Somebody asked for it.
    Requested,
    /// It may be shown to who asked; there is no secret yet.
    Approved,
    /// Shown, and in use until it expires.
    Active,
    /// Refused, with a reason.
    Rejected,
    /// Ended by a person.
    Revoked,
}

impl Status {
    const ALL: [Self; 5] = [
        Self::Requested,
        Self::Approved,
        Self::Active,
        Self::Rejected,
        Self::Revoked,
    ];

    /// The word in the database and in keys of texts (`key-status-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == text)
    }

    /// Approved or rejected, from requested only.
    #[must_use]
    pub fn decide(self, is_approved: bool) -> Option<Self> {
        let decided = if is_approved {
            Self::Approved
        } else {
            Self::Rejected
        };
        (self == Self::Requested).then_some(decided)
    }

    /// Active, from approved only: a secret is shown once.
    #[must_use]
    pub fn reveal(self) -> Option<Self> {
        (self == Self::Approved).then_some(Self::Active)
    }

    /// Revoked, from anything that is or could become of use.
    #[must_use]
    pub fn revoke(self) -> Option<Self> {
        matches!(self, Self::Requested | Self::Approved | Self::Active).then_some(Self::Revoked)
    }
}

/// What a key may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Prompt and answer together, each day of the Netherlands.
    pub tokens_per_day: i64,
    pub requests_per_minute: i64,
}

/// A key, without its secret, which is kept nowhere.
#[derive(Debug, Clone)]
pub struct Key {
    pub id: ApiKeyId,
    /// The readable part: `gptnl_<public id>_…`.
    pub public_id: String,
    pub institution: InstitutionId,
    pub institution_name: String,
    /// Whose limits it shares, where it stands under one.
    pub project: Option<Project>,
    pub name: String,
    pub purpose: String,
    pub is_commercial: bool,
    /// Whether it may ask models.
    pub may_infer: bool,
    /// Whether it may also send files and ask for jobs, as who requested it.
    pub may_fine_tune: bool,
    /// From where it may be used; empty: from everywhere.
    pub allowed_networks: Vec<IpNet>,
    pub limits: Limits,
    pub status: Status,
    pub models: Vec<KeyModel>,
    pub requested_by: UserId,
    pub requester_name: String,
    pub requested_at: DateTime<Utc>,
    pub decider_name: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    pub reason: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A model that a key is for.
#[derive(Debug, Clone)]
pub struct KeyModel {
    pub id: ModelId,
    pub name: String,
    /// Whether it may be used no more, because data in its lineage was withdrawn.
    pub is_withdrawn: bool,
}

impl Key {
    /// What policy looks at.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::of(self.institution).requested_by(Some(self.requested_by))
    }

    /// Whether none of its models may be used any more, because data in their lineage was withdrawn.
    #[must_use]
    pub fn has_no_model_left(&self) -> bool {
        !self.models.is_empty() && self.models.iter().all(|model| model.is_withdrawn)
    }

    /// Whether it answers no more, though nobody ended it.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.status == Status::Active && self.expires_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_decided_once_and_shown_once() {
        for status in Status::ALL {
            assert_eq!(
                status.decide(true).is_some(),
                status == Status::Requested,
                "{status:?}"
            );
            assert_eq!(
                status.reveal().is_some(),
                status == Status::Approved,
                "{status:?}"
            );
        }
    }

    #[test]
    fn what_has_ended_cannot_be_revoked() {
        assert_eq!(Status::Revoked.revoke(), None);
        assert_eq!(Status::Rejected.revoke(), None);
        assert_eq!(Status::Active.revoke(), Some(Status::Revoked));
    }

    #[test]
    fn names_come_back() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.name()), Some(status));
        }
    }
}
