//! What a contributor is told of a month. Holds ids and counts alone, so that it can be made again from raw events
//! to the byte; pages put the names beside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    formula::Formula,
    journal::{Account, Journal, Source},
    month::Month,
};
use crate::ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId};

/// The type that the signed envelope names.
pub(super) const PAYLOAD_TYPE: &str = crate::audit::bundle::STATEMENT_TYPE;

/// A version of somebody's dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) institution: InstitutionId,
    pub(super) dataset: DatasetId,
    pub(super) manifest_sha256: Option<String>,
}

/// Tokens that one attempt of a job read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadLine {
    pub(super) job: JobId,
    pub(super) attempt: AttemptId,
    pub(super) tokens: i64,
}

/// A version's part in what one model served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServedLine {
    pub(super) model: ModelId,
    /// Credited.
    pub(super) tokens: i64,
    /// Not credited: served after the permission had been withdrawn.
    pub(super) withheld: i64,
}

/// What was used of one dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VersionLine {
    pub(super) dataset: DatasetId,
    pub(super) version: DatasetVersionId,
    pub(super) manifest_sha256: Option<String>,
    pub(super) read: Vec<ReadLine>,
    pub(super) served: Vec<ServedLine>,
    pub(super) tokens_read: i64,
    pub(super) tokens_served: i64,
    pub(super) tokens_withheld: i64,
}

/// One institution's month. Written as JSON with the fields in this order: the form that is hashed and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Statement {
    /// Version of this form.
    pub(super) statement: u32,
    pub(super) institution: InstitutionId,
    pub(super) month: Month,
    /// Version of the formula.
    pub(super) formula: i32,
    /// Of the whole month's journal, everybody's.
    pub(super) journal_sha256: String,
    pub(super) versions: Vec<VersionLine>,
    pub(super) tokens_read: i64,
    pub(super) tokens_served: i64,
    pub(super) tokens_withheld: i64,
    /// Read by all jobs together, of everybody's data.
    pub(super) all_tokens_read: i64,
    /// Served by all models together.
    pub(super) all_tokens_served: i64,
}

impl Statement {
    /// One in which nothing of the institution was used.
    pub(super) fn empty(
        institution: InstitutionId,
        (month, formula): (Month, Formula),
        journal: &Journal,
    ) -> Self {
        let (all_tokens_read, all_tokens_served) = journal.totals();
        Self {
            statement: 1,
            institution,
            month,
            formula: formula.number(),
            journal_sha256: journal.sha256(),
            versions: Vec::new(),
            tokens_read: 0,
            tokens_served: 0,
            tokens_withheld: 0,
            all_tokens_read,
            all_tokens_served,
        }
    }

    /// The canonical text: what is stored, hashed and signed.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub(super) fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// SHA-256 of a statement's canonical text, in hexadecimal.
pub(super) fn body_sha256(body: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(body.as_bytes()))
}

/// The statements of everybody whose data the journal of a month names, by institution.
pub(super) fn statements(
    (month, formula): (Month, Formula),
    journal: &Journal,
    owned: &BTreeMap<DatasetVersionId, Owned>,
) -> BTreeMap<InstitutionId, Statement> {
    let mut lines: BTreeMap<(InstitutionId, DatasetVersionId), VersionLine> = BTreeMap::new();
    for (source, entries) in &journal.0 {
        for (account, tokens) in entries {
            let (Account::Version(version) | Account::Withheld(version)) = *account else {
                continue;
            };
            let Some(owner) = owned.get(&version) else {
                continue;
            };
            let line = lines
                .entry((owner.institution, version))
                .or_insert_with(|| empty_line(version, owner));
            match source {
                Source::Read { attempt, .. } => {
                    let job = entries.keys().find_map(|account| match account {
                        Account::Job(job) => Some(*job),
                        _ => None,
                    });
                    line.tokens_read += tokens;
                    line.read.extend(job.map(|job| ReadLine {
                        job,
                        attempt: *attempt,
                        tokens: *tokens,
                    }));
                }
                Source::Served { model } => served(line, *model, *account, *tokens),
            }
        }
    }
    let mut statements = BTreeMap::new();
    for ((institution, _), line) in lines {
        let statement = statements
            .entry(institution)
            .or_insert_with(|| Statement::empty(institution, (month, formula), journal));
        statement.tokens_read += line.tokens_read;
        statement.tokens_served += line.tokens_served;
        statement.tokens_withheld += line.tokens_withheld;
        statement.versions.push(line);
    }
    statements
}

fn empty_line(version: DatasetVersionId, owner: &Owned) -> VersionLine {
    VersionLine {
        dataset: owner.dataset,
        version,
        manifest_sha256: owner.manifest_sha256.clone(),
        read: Vec::new(),
        served: Vec::new(),
        tokens_read: 0,
        tokens_served: 0,
        tokens_withheld: 0,
    }
}

fn served(line: &mut VersionLine, model: ModelId, account: Account, tokens: i64) {
    if line.served.last().is_none_or(|last| last.model != model) {
        line.served.push(ServedLine {
            model,
            tokens: 0,
            withheld: 0,
        });
    }
    let Some(last) = line.served.last_mut() else {
        return;
    };
    if matches!(account, Account::Withheld(_)) {
        last.withheld += tokens;
        line.tokens_withheld += tokens;
    } else {
        last.tokens += tokens;
        line.tokens_served += tokens;
    }
}
