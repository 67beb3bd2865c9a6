//! Roles, and the person who holds them.

use std::str::FromStr;

use uuid::Uuid;

use crate::ids::{InstitutionId, UserId};

/// What a person is, in one institution or on the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Registers, uploads and submits the institution's datasets.
    Contributor,
    /// All a contributor may; gives and withdraws permission; grants keys within the quota.
    Manager,
    /// Signs the privacy assessment (FG).
    PrivacyOfficer,
    /// Requests fine-tuning jobs and uses models.
    Researcher,
    /// Requests and holds inference keys.
    Developer,
    /// Reviews data, for the platform.
    Steward,
    /// Decides on rights, for the platform.
    LegalReviewer,
    /// Approves and watches jobs, releases and deploys models.
    Operator,
    /// Runs institutions and quotas.
    Admin,
    /// Reads everything, writes nothing.
    Auditor,
    /// The portal's own worker; no person has it.
    System,
}

impl Role {
    /// Every role, in the order above.
    pub const ALL: [Self; 11] = [
        Self::Contributor,
        Self::Manager,
        Self::PrivacyOfficer,
        Self::Researcher,
        Self::Developer,
        Self::Steward,
        Self::LegalReviewer,
        Self::Operator,
        Self::Admin,
        Self::Auditor,
        Self::System,
    ];

    /// The name in the database and in texts (`role-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contributor => "contributor",
            Self::Manager => "manager",
            Self::PrivacyOfficer => "privacy_officer",
            Self::Researcher => "researcher",
            Self::Developer => "developer",
            Self::Steward => "steward",
            Self::LegalReviewer => "legal_reviewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::System => "system",
        }
    }

    /// Whether it is held on the platform rather than in a partner institution.
    #[must_use]
    pub fn is_platform(self) -> bool {
        matches!(
            self,
            Self::Steward
                | Self::LegalReviewer
                | Self::Operator
                | Self::Admin
                | Self::Auditor
                | Self::System
        )
    }
}

/// A role name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text && *role != Self::System)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// The person (or the portal's own worker) on whose behalf something is done.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Who; nil for the worker.
    pub user: UserId,
    /// For which institution they act in this session.
    pub institution: InstitutionId,
    /// What they are there.
    pub roles: Vec<Role>,
}

impl Actor {
    /// The portal's own worker.
    #[must_use]
    pub fn system() -> Self {
        Self {
            user: UserId(Uuid::nil()),
            institution: InstitutionId(Uuid::nil()),
            roles: vec![Role::System],
        }
    }

    /// Somebody who is not signed in, where that is no matter.
    #[must_use]
    pub fn visitor() -> Self {
        Self {
            user: UserId(Uuid::max()),
            institution: InstitutionId(Uuid::max()),
            roles: Vec::new(),
        }
    }

    /// Whether the actor holds `role`.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the actor holds any role on the platform.
    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.roles.iter().any(|role| role.is_platform())
    }

    /// Whether the actor may hear who of `institution` decided something and why: people of the institution itself,
    /// and the platform. Others hear what holds and since when.
    #[must_use]
    pub fn is_close_to(&self, institution: InstitutionId) -> bool {
        self.is_platform() || self.institution == institution
    }
}
