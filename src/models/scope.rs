//! How far a model may go: the intersection over everything in its lineage.
//!
//! The database computes the same in `model_scope` and refuses a release that is wider; this is the pure form of the
//! rule, for pages and for comparing.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use crate::permissions::{Recipients, Training, licence_flags};

/// What sets a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// The licence of a model in the lineage.
    Model,
    /// What a job asked for, and was decided on.
    Job,
    /// A permission that a binding verdict read.
    Permission,
    /// The licence of a dataset.
    Licence,
}

impl LimitKind {
    /// The word in the database and in keys of texts (`scope-by-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Job => "job",
            Self::Permission => "permission",
            Self::Licence => "licence",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Model, Self::Job, Self::Permission, Self::Licence]
            .into_iter()
            .find(|kind| kind.name() == text)
    }
}

/// One limit from the lineage of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub kind: LimitKind,
    /// Of the model, job, permission, or dataset (for a licence).
    pub id: Uuid,
    /// For people: the title of the dataset, the name of the model.
    pub label: String,
    pub scope: DistributionScope,
}

/// How far something may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DistributionScope {
    /// The widest circle that may receive the weights.
    pub recipients: Recipients,
    pub allows_commercial_use: bool,
    /// ISO 3166-1 alpha-2 codes of where it may be used; none: anywhere. Empty: nowhere.
    pub territories: Option<BTreeSet<String>>,
    /// Whether what is handed on keeps the terms under which the data came.
    pub is_share_alike: bool,
}

impl DistributionScope {
    /// No limit at all: what the empty lineage gives.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            recipients: Recipients::Public,
            allows_commercial_use: true,
            territories: None,
            is_share_alike: false,
        }
    }

    /// Nothing but the consortium's own work, on the same terms: what is allowed where nobody knows what is.
    #[must_use]
    pub fn narrowest() -> Self {
        Self {
            recipients: Recipients::Consortium,
            allows_commercial_use: false,
            territories: None,
            is_share_alike: true,
        }
    }

    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            recipients: self.recipients.min(other.recipients),
            allows_commercial_use: self.allows_commercial_use && other.allows_commercial_use,
            territories: match (&self.territories, &other.territories) {
                (None, any) | (any, None) => any.clone(),
                (Some(here), Some(there)) => Some(here.intersection(there).cloned().collect()),
            },
            is_share_alike: self.is_share_alike || other.is_share_alike,
        }
    }

    /// What all limits allow.
    #[must_use]
    pub fn of(limits: &[Limit]) -> Self {
        limits
            .iter()
            .fold(Self::unlimited(), |scope, limit| scope.and(&limit.scope))
    }

    /// Whether a release of `wanted` stays within this.
    #[must_use]
    pub fn covers(&self, wanted: &Self) -> bool {
        self.and(wanted) == *wanted
    }
}

/// The limits without which the scope would be wider, in their order.
#[must_use]
pub fn binding(limits: &[Limit]) -> Vec<&Limit> {
    let scope = DistributionScope::of(limits);
    let unlimited = DistributionScope::unlimited();
    let sets = |limit: &&Limit| {
        let one = &limit.scope;
        (one.recipients == scope.recipients && scope.recipients != unlimited.recipients)
            || (!one.allows_commercial_use && !scope.allows_commercial_use)
            || (one.territories.is_some())
            || one.is_share_alike
    };
    limits.iter().filter(sets).collect()
}

/// What a licence allows of handing on what was made with the work, by the flags of `permission-policy`. One that is
/// not known, or that leaves it to an agreement, allows nothing by itself.
#[must_use]
pub(super) fn of_licence(license: &str) -> DistributionScope {
    let known = licence_flags(license).filter(|flags| flags.allows_training == Training::Yes);
    let Some(flags) = known else {
        return DistributionScope::narrowest();
    };
    DistributionScope {
        recipients: if flags.no_derivatives {
            Recipients::Consortium
        } else {
            Recipients::Public
        },
        allows_commercial_use: !flags.non_commercial,
        is_share_alike: flags.share_alike,
        territories: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_scope()(
            recipients in 0..Recipients::ALL.len(),
            allows_commercial_use in any::<bool>(),
            territories in prop::option::of(prop::collection::btree_set("(NL|BE|DE|FR)", 0..4)),
            is_share_alike in any::<bool>(),
        ) -> DistributionScope {
            DistributionScope {
                recipients: Recipients::ALL[recipients], allows_commercial_use, territories, is_share_alike,
            }
        }
    }

    proptest! {
        #[test]
        fn another_limit_never_makes_it_wider(a in any_scope(), b in any_scope()) {
            let both = a.and(&b);
            prop_assert!(a.covers(&both) && b.covers(&both));
        }

        #[test]
        fn the_order_of_limits_does_not_matter(a in any_scope(), b in any_scope(), c in any_scope()) {
            prop_assert_eq!(a.and(&b).and(&c), c.and(&a).and(&b));
            prop_assert_eq!(a.and(&a), a);
        }
    }

    #[test]
    fn a_licence_speaks_by_its_flags_and_one_that_nobody_knows_allows_nothing() {
        assert!(!of_licence("CC-BY-NC-SA-4.0").allows_commercial_use);
        assert!(of_licence("cc-by-sa-4.0").is_share_alike);
        assert_eq!(of_licence("Apache-2.0"), DistributionScope::unlimited());
        let unlimited = DistributionScope::unlimited();
        let no_derivatives = of_licence("CC-BY-ND-4.0");
        assert_eq!(no_derivatives.recipients, Recipients::Consortium);
        for unknown in [
            "LicenseRef-Llama-3.2",
            "OpenRAIL-M",
            "proprietary",
            "none",
            "LicenseRef-no-training",
            "",
        ] {
            let scope = of_licence(unknown);
            assert_eq!(scope, DistributionScope::narrowest(), "{unknown}");
            assert!(unlimited.covers(&scope));
        }
    }
}
