//! The next version of a dataset: a draft that begins with the files of the newest approved one, or with none after
//! all were withdrawn.

use serde::{Deserialize, Serialize};

use super::{
    Dataset, Status,
    curation::{CurationError, CurationKind, NewCuration, record_curation},
    register::{EditError, check_edit},
    store, version_store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, Task, WriteTx},
    error::AppError,
    ids::{DatasetId, DatasetVersionId, FileId, InstitutionId},
    policy::{Actor, Denied},
};

/// Carries a file into the version that is being made, without the documents that are excluded.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CarryFile {
    /// The file as it was.
    pub source: FileId,
    /// Its row in the version that is being made; it waits for its bytes.
    pub file: FileId,
}

impl Task for CarryFile {
    const KIND: &'static str = "datasets.carry_file";
}

/// Why no next version was begun.
#[derive(Debug, thiserror::Error)]
pub enum NextVersionError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("a version that is {} comes first", .0.name())]
    Open(Status),
    #[error("no version was approved yet")]
    NothingApproved,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for NextVersionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<NextVersionError> for AppError {
    fn from(error: NextVersionError) -> Self {
        match error {
            NextVersionError::NotFound(dataset) => EditError::NotFound(dataset).into(),
            NextVersionError::Open(_) => Self::conflict("datasets-version-open"),
            NextVersionError::NothingApproved => Self::conflict("datasets-version-none-approved"),
            NextVersionError::Denied(why) => why.into(),
            NextVersionError::Store(why) => why.into(),
            NextVersionError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Begun {
    #[serde(skip)]
    institution: InstitutionId,
    #[serde(skip)]
    dataset: DatasetId,
    version: DatasetVersionId,
    number: i32,
    /// The version whose files it begins with; none after everything was withdrawn.
    after: Option<DatasetVersionId>,
    files: usize,
}

impl Event for Begun {
    fn kind(&self) -> &'static str {
        "datasets.version_begun"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Begins the next version of a dataset: a draft with the files of the newest approved version. Where every version was
/// withdrawn its copies are gone, and the draft is empty.
///
/// # Errors
/// [`NextVersionError::Open`] while a version is being made or reviewed.
pub async fn begin_next_version(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
) -> Result<DatasetVersionId, NextVersionError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, dataset)
        .await?
        .ok_or(NextVersionError::NotFound(dataset))?;
    let permit = check_edit(actor, &found)?;
    let status = found.version.status;
    if status.is_editable() || status == Status::Submitted {
        return Err(NextVersionError::Open(status));
    }
    let version = match begin(&mut tx, &found).await? {
        Some(version) => version,
        None if status == Status::Withdrawn => begin_empty(&mut tx, &found).await?,
        None => return Err(NextVersionError::NothingApproved),
    };
    tx.commit(permit).await?;
    Ok(version)
}

/// Writes the next version down, with a place for each file and the task that fills it; none where no version was
/// ever approved. The caller holds the dataset's lock and knows that no version is open.
pub(super) async fn begin(
    tx: &mut WriteTx<'_>,
    dataset: &Dataset,
) -> Result<Option<DatasetVersionId>, CommitOrStore> {
    let Some(base) = version_store::newest_approved(tx.conn(), dataset.id).await? else {
        return Ok(None);
    };
    let version = DatasetVersionId::fresh();
    let number = dataset.version.number + 1;
    version_store::insert(tx, dataset.id, version, number).await?;
    let sources = version_store::ready_file_ids(tx.conn(), base).await?;
    for source in &sources {
        place(tx, dataset.id, *source, version).await?;
    }
    let excluded = version_store::excluded(tx.conn(), dataset.id).await?.len();
    record_curation(
        tx,
        &NewCuration {
            inputs: &[base],
            output: version,
            dataset: dataset.id,
            institution: dataset.institution,
            kind: CurationKind::Exclusion,
            config: r#"{"keeps":"every document that is not excluded from the dataset"}"#,
            statistics: serde_json::json!({ "files": sources.len(), "documents_excluded_from_dataset": excluded }),
        },
    )
    .await?;
    tx.record(&Begun {
        institution: dataset.institution,
        dataset: dataset.id,
        version,
        number,
        after: Some(base),
        files: sources.len(),
    })?;
    Ok(Some(version))
}

/// Writes down a next version that stands on nothing.
async fn begin_empty(
    tx: &mut WriteTx<'_>,
    dataset: &Dataset,
) -> Result<DatasetVersionId, CommitOrStore> {
    let version = DatasetVersionId::fresh();
    let number = dataset.version.number + 1;
    version_store::insert(tx, dataset.id, version, number).await?;
    tx.record(&Begun {
        institution: dataset.institution,
        dataset: dataset.id,
        version,
        number,
        after: None,
        files: 0,
    })?;
    Ok(version)
}

/// Makes a place for `source` in `version` and has it filled.
pub(super) async fn place(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    source: FileId,
    version: DatasetVersionId,
) -> Result<(), CommitOrStore> {
    let file = FileId::fresh();
    version_store::insert_place(tx, (dataset, version), source, file).await?;
    tx.enqueue(&CarryFile { source, file })?;
    Ok(())
}

/// What writing within a caller's transaction can fail with.
#[derive(Debug, thiserror::Error)]
pub enum CommitOrStore {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<CurationError> for CommitOrStore {
    fn from(error: CurationError) -> Self {
        match error {
            CurationError::Store(why) => Self::Store(why),
            CurationError::Commit(why) => Self::Commit(why),
        }
    }
}

impl From<CommitOrStore> for NextVersionError {
    fn from(error: CommitOrStore) -> Self {
        match error {
            CommitOrStore::Store(why) => Self::Store(why),
            CommitOrStore::Commit(why) => Self::Commit(why),
        }
    }
}
