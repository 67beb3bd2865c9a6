//! How one dataset version came out of others: the edge of lineage between versions.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    config::BUILT_FROM_COMMIT,
    db::{CommitError, Event, StoreError, Subject, WriteTx},
    ids::{CurationRunId, DatasetId, DatasetVersionId, InstitutionId},
};

/// What kind of run it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CurationKind {
    /// Cleaned, filtered, deduplicated, masked.
    Curation,
    /// The same without documents that had to go.
    Exclusion,
}

impl CurationKind {
    /// The word in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Curation => "curation",
            Self::Exclusion => "exclusion",
        }
    }
}

/// A run to be written down with its output.
#[derive(Debug)]
pub struct NewCuration<'a> {
    /// What went in; at least one version.
    pub inputs: &'a [DatasetVersionId],
    /// What came out; a version that came out of no other run.
    pub output: DatasetVersionId,
    /// Whose output it is, for the audit log.
    pub dataset: DatasetId,
    pub institution: InstitutionId,
    pub kind: CurationKind,
    /// The settings, as canonical JSON text: what is hashed.
    pub config: &'a str,
    /// What the run counted, a JSON object.
    pub statistics: serde_json::Value,
}

#[derive(Debug, Serialize)]
struct Curated<'a> {
    run: CurationRunId,
    kind: CurationKind,
    inputs: &'a [DatasetVersionId],
    output: DatasetVersionId,
    config_sha256: &'a str,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Curated<'_> {
    fn kind(&self) -> &'static str {
        "datasets.curated"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Why a run was not written down.
#[derive(Debug, thiserror::Error)]
pub enum CurationError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for CurationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Writes a run down in the caller's transaction, with its edges of lineage. The output may not be an ancestor of
/// an input: the database refuses circles.
///
/// # Errors
/// Where the database refuses.
pub async fn record_curation(
    tx: &mut WriteTx<'_>,
    new: &NewCuration<'_>,
) -> Result<CurationRunId, CurationError> {
    let id = CurationRunId::fresh();
    let (now, actor) = (tx.now(), tx.actor());
    let config_sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(new.config));
    sqlx::query!(
        "INSERT INTO curation_runs (id, output_version_id, kind, config, config_sha256, code_commit, statistics,
             created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        id.0,
        new.output.0,
        new.kind.name(),
        new.config,
        config_sha256,
        BUILT_FROM_COMMIT,
        new.statistics,
        (!actor.user.0.is_nil()).then_some(actor.user.0),
        now,
    )
    .execute(tx.conn())
    .await?;
    for input in new.inputs {
        sqlx::query!(
            "INSERT INTO curation_run_inputs (run_id, dataset_version_id) VALUES ($1, $2)",
            id.0,
            input.0,
        )
        .execute(tx.conn())
        .await?;
    }
    tx.record(&Curated {
        run: id,
        kind: new.kind,
        inputs: new.inputs,
        output: new.output,
        config_sha256: &config_sha256,
        dataset: new.dataset,
        institution: new.institution,
    })?;
    Ok(id)
}
