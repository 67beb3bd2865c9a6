//! A month's journal in double entry, computed from raw facts. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use sha2::{Digest as _, Sha256};

use super::formula::Formula;
use crate::ids::{AttemptId, DatasetVersionId, JobId, ModelId};

/// Tokens that an attempt read of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) attempt: AttemptId,
    pub(super) job: JobId,
    pub(super) version: DatasetVersionId,
    pub(super) tokens: u64,
}

/// What a model served between two withdrawals, and whose permission had been withdrawn by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) tokens: u64,
    pub(super) withdrawn: BTreeSet<DatasetVersionId>,
}

/// What a model served in the month, and what its lineage read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) model: ModelId,
    pub(super) stretches: Vec<Stretch>,
    pub(super) weights: BTreeMap<DatasetVersionId, u64>,
}

/// The raw events of one month.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) reads: Vec<Read>,
    pub(super) served: Vec<Served>,
}

/// What a transaction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Read {
        attempt: AttemptId,
        version: DatasetVersionId,
    },
    Served {
        model: ModelId,
    },
}

/// One side of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Account {
    /// Used data: the other side of what was read.
    Job(JobId),
    /// Answered: the other side of what was served.
    Model(ModelId),
    /// Whose data it was.
    Version(DatasetVersionId),
    /// Whose data it was, after the permission had been withdrawn.
    Withheld(DatasetVersionId),
    /// Served by a model that read no dataset.
    Own(ModelId),
}

impl Account {
    /// Its word in the database and in the canonical text, and the id behind it.
    pub(super) fn parts(self) -> (&'static str, uuid::Uuid) {
        match self {
            Self::Job(id) => ("job", id.0),
            Self::Model(id) => ("model", id.0),
            Self::Version(id) => ("dataset_version", id.0),
            Self::Withheld(id) => ("withheld", id.0),
            Self::Own(id) => ("own", id.0),
        }
    }

    pub(super) fn from_parts(word: &str, id: uuid::Uuid) -> Option<Self> {
        Some(match word {
            "job" => Self::Job(JobId(id)),
            "model" => Self::Model(ModelId(id)),
            "dataset_version" => Self::Version(DatasetVersionId(id)),
            "withheld" => Self::Withheld(DatasetVersionId(id)),
            "own" => Self::Own(ModelId(id)),
            _ => return None,
        })
    }
}

/// Transactions by source; the entries of each add up to zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Journal(pub(super) BTreeMap<Source, BTreeMap<Account, i64>>);

impl Journal {
    /// Computes it from the facts by a version of the formula.
    pub(super) fn of(facts: &Facts, formula: Formula) -> Self {
        let mut journal = Self::default();
        for read in facts.reads.iter().filter(|read| read.tokens > 0) {
            let source = Source::Read {
                attempt: read.attempt,
                version: read.version,
            };
            let entries = journal.0.entry(source).or_default();
            credit(entries, Account::Version(read.version), read.tokens);
            debit(entries, Account::Job(read.job), read.tokens);
        }
        for served in &facts.served {
            let mut entries = BTreeMap::new();
            for stretch in served.stretches.iter().filter(|one| one.tokens > 0) {
                let parts = formula.divide(stretch.tokens, &served.weights);
                if parts.is_empty() {
                    credit(&mut entries, Account::Own(served.model), stretch.tokens);
                }
                for (version, tokens) in parts.into_iter().filter(|(_, tokens)| *tokens > 0) {
                    let account = if stretch.withdrawn.contains(&version) {
                        Account::Withheld(version)
                    } else {
                        Account::Version(version)
                    };
                    credit(&mut entries, account, tokens);
                }
                debit(&mut entries, Account::Model(served.model), stretch.tokens);
            }
            if !entries.is_empty() {
                let source = Source::Served {
                    model: served.model,
                };
                journal.0.insert(source, entries);
            }
        }
        journal
    }

    /// Tokens read and tokens served in the month, by everybody.
    pub(super) fn totals(&self) -> (i64, i64) {
        let (mut read, mut served) = (0, 0);
        for (source, entries) in &self.0 {
            let used: i64 = entries.values().filter(|tokens| **tokens > 0).sum();
            match source {
                Source::Read { .. } => read += used,
                Source::Served { .. } => served += used,
            }
        }
        (read, served)
    }

    /// A line for each transaction, `read ATTEMPT VERSION` or `served MODEL`, then one for each of its entries,
    /// `  ACCOUNT ID TOKENS`; all in order.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        for (source, entries) in &self.0 {
            // Writing to a String cannot fail.
            let _ = match source {
                Source::Read { attempt, version } => writeln!(text, "read {attempt} {version}"),
                Source::Served { model } => writeln!(text, "served {model}"),
            };
            for (account, tokens) in entries {
                let (word, id) = account.parts();
                let _ = writeln!(text, "  {word} {id} {tokens}");
            }
        }
        text
    }

    /// SHA-256 of the canonical text, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(self.canonical().as_bytes()))
    }
}

fn credit(entries: &mut BTreeMap<Account, i64>, account: Account, tokens: u64) {
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    let entry = entries.entry(account).or_default();
    *entry = entry.saturating_add(tokens);
}

fn debit(entries: &mut BTreeMap<Account, i64>, account: Account, tokens: u64) {
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    let entry = entries.entry(account).or_default();
    *entry = entry.saturating_sub(tokens);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn served(
        stretches: &[(u64, &[DatasetVersionId])],
        weights: &[(DatasetVersionId, u64)],
    ) -> Facts {
        Facts {
            reads: vec![],
            served: vec![Served {
                model: ModelId::fresh(),
                stretches: stretches
                    .iter()
                    .map(|(tokens, withdrawn)| Stretch {
                        tokens: *tokens,
                        withdrawn: withdrawn.iter().copied().collect(),
                    })
                    .collect(),
                weights: weights.iter().copied().collect(),
            }],
        }
    }

    #[test]
    fn what_is_served_after_a_withdrawal_is_withheld() {
        let (a, b) = (DatasetVersionId::fresh(), DatasetVersionId::fresh());
        let journal = Journal::of(
            &served(&[(100, &[]), (40, &[a])], &[(a, 3), (b, 1)]),
            Formula::NEWEST,
        );
        let entries = journal.0.values().next().unwrap();
        assert_eq!(entries[&Account::Version(a)], 75);
        assert_eq!(entries[&Account::Withheld(a)], 30);
        assert_eq!(entries[&Account::Version(b)], 35);
        assert_eq!(journal.totals(), (0, 140));
    }

    #[test]
    fn a_base_model_is_its_own() {
        let journal = Journal::of(&served(&[(9, &[])], &[]), Formula::NEWEST);
        let entries = journal.0.values().next().unwrap();
        assert_eq!(entries.values().copied().max(), Some(9));
        assert!(
            entries
                .keys()
                .any(|account| matches!(account, Account::Own(_)))
        );
    }

    proptest! {
        #[test]
        fn every_transaction_balances_and_no_token_is_lost(
            reads in prop::collection::vec(0..5_000_u64, 0..8),
            stretches in prop::collection::vec((0..10_000_u64, any::<u8>()), 1..4),
            weights in prop::collection::vec(0..1_000_u64, 0..8),
        ) {
            let versions: Vec<_> = (0..8).map(|_| DatasetVersionId::fresh()).collect();
            let facts = Facts {
                reads: reads.iter().zip(&versions).map(|(tokens, version)| Read {
                    attempt: AttemptId::fresh(), job: JobId::fresh(), version: *version, tokens: *tokens,
                }).collect(),
                served: vec![Served {
                    model: ModelId::fresh(),
                    stretches: stretches.iter().map(|(tokens, mask)| Stretch {
                        tokens: *tokens,
                        withdrawn: versions.iter().enumerate()
                            .filter(|(n, _)| mask >> n & 1 == 1).map(|(_, version)| *version).collect(),
                    }).collect(),
                    weights: weights.iter().zip(&versions).map(|(weight, version)| (*version, *weight)).collect(),
                }],
            };
            let journal = Journal::of(&facts, Formula::NEWEST);
            for entries in journal.0.values() {
                prop_assert_eq!(entries.values().sum::<i64>(), 0);
                prop_assert!(entries.values().all(|tokens| *tokens != 0));
            }
            let total = |tokens: u64| i64::try_from(tokens).unwrap();
            prop_assert_eq!(journal.totals(), (
                total(reads.iter().sum()), total(stretches.iter().map(|(tokens, _)| tokens).sum())));
            let mut turned = facts.clone();
            turned.reads.reverse();
            prop_assert_eq!(Journal::of(&turned, Formula::NEWEST).sha256(), journal.sha256());
        }
    }
}
