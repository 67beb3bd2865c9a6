//! The exact text that a verdict was read from, so that it can be made again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    DatasetFacts, Layer, Permission, PermissionId, RULE_SET, State, Terms, Use, Verdict, decide,
    first,
};

/// SHA-256 of a text, in hexadecimal.
#[must_use]
pub fn sha256_hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// A permission as a verdict read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadPermission {
    /// Its id.
    pub id: PermissionId,
    /// Which question it answers.
    pub layer: Layer,
    /// How it stood.
    pub state: State,
    /// What it said, as this rule set reads it.
    pub terms: Terms,
    /// Hash of the terms' text as it was recorded.
    pub terms_sha256: String,
}

/// All that a verdict of rule set 2 is read from, but for the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The dataset version.
    pub facts: DatasetFacts,
    /// Every permission that speaks about it, by id.
    pub permissions: Vec<ReadPermission>,
    /// The rules.
    pub rule_set: u32,
    /// What was asked.
    #[serde(rename = "use")]
    pub wanted: Use,
}

/// Why a recorded policy cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not a policy, or not one of the rule set that it names.
    #[error("the policy cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Made by a later version of this program.
    #[error("rule set {0} is not known")]
    UnknownRuleSet(u32),
}

impl Policy {
    /// What a decision at this moment would be read from.
    #[must_use]
    pub fn of(facts: &DatasetFacts, permissions: &[Permission], wanted: &Use) -> Self {
        let mut read: Vec<_> = permissions
            .iter()
            .map(|permission| ReadPermission {
                id: permission.id,
                layer: permission.layer,
                state: permission.state,
                terms: permission.terms.normal(),
                terms_sha256: permission.terms_sha256.clone(),
            })
            .collect();
        read.sort_unstable_by_key(|permission| permission.id);
        Self {
            facts: facts.clone(),
            permissions: read,
            rule_set: RULE_SET,
            wanted: wanted.clone(),
        }
    }

    /// The canonical text: JSON by RFC 8785. Its SHA-256 names the policy.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The verdict at `at`.
    #[must_use]
    pub fn decide(&self, at: DateTime<Utc>) -> Verdict {
        let permissions: Vec<_> = self
            .permissions
            .iter()
            .map(|read| Permission {
                id: read.id,
                version: None,
                layer: read.layer,
                terms: read.terms.clone(),
                terms_sha256: read.terms_sha256.clone(),
                state: read.state,
                decided_by: String::new(),
                decided_at: at,
            })
            .collect();
        decide(&self.facts, &permissions, &self.wanted, at)
    }
}

/// A policy of any rule set, as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedPolicy {
    /// Of rule set 1.
    First(first::Policy),
    /// Of rule set 2.
    Second(Policy),
}

impl RecordedPolicy {
    /// Reads the canonical text of a policy.
    ///
    /// # Errors
    /// [`PolicyError`] where it is not one.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        #[derive(Deserialize)]
        struct Version {
            rule_set: u32,
        }
        let version: Version = serde_json::from_str(text)?;
        match version.rule_set {
            first::RULE_SET => Ok(Self::First(serde_json::from_str(text)?)),
            RULE_SET => Ok(Self::Second(serde_json::from_str(text)?)),
            unknown => Err(PolicyError::UnknownRuleSet(unknown)),
        }
    }

    /// The same, as if these permissions had been withdrawn then.
    #[must_use]
    pub fn without(mut self, ended: &[PermissionId]) -> Self {
        let states: Vec<(PermissionId, &mut State)> = match &mut self {
            Self::First(policy) => policy
                .permissions
                .iter_mut()
                .map(|one| (one.id, &mut one.state))
                .collect(),
            Self::Second(policy) => policy
                .permissions
                .iter_mut()
                .map(|one| (one.id, &mut one.state))
                .collect(),
        };
        for (id, state) in states {
            if ended.contains(&id) {
                *state = State::Withdrawn;
            }
        }
        self
    }

    /// The verdict that its own rules give at `at`.
    #[must_use]
    pub fn decide(&self, at: DateTime<Utc>) -> Verdict {
        match self {
            Self::First(policy) => policy.decide(at),
            Self::Second(policy) => policy.decide(at),
        }
    }
}
