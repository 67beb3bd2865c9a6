//! Keeping documents out of a dataset: out of the version that is being made, and of every one to come.

use std::collections::HashSet;

use serde::Serialize;
use sqlx::PgConnection;

use super::{
    Status,
    next_version::{CommitOrStore, begin, place},
    status::Step,
    store, version_store,
};
use crate::{
    db::{Event, StoreError, Subject, WriteTx},
    ids::{DatasetId, DatasetVersionId, ExclusionId, InstitutionId},
};

/// What keeping documents out came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exclusion {
    /// Its id.
    pub id: ExclusionId,
    /// Documents that were not out already.
    pub documents: i64,
    /// The version that is made without them; none where nothing was approved yet or nothing has to change.
    pub version: Option<DatasetVersionId>,
}

#[derive(Serialize)]
struct Excluded {
    #[serde(skip)]
    institution: InstitutionId,
    #[serde(skip)]
    dataset: DatasetId,
    exclusion: ExclusionId,
    documents: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<DatasetVersionId>,
    /// A submission that held some of them went back to its institution.
    is_returned: bool,
}

impl Event for Excluded {
    fn kind(&self) -> &'static str {
        "datasets.documents_excluded"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// The hashes of the documents that stay out of a dataset.
///
/// # Errors
/// Where the database is away.
pub async fn excluded(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<HashSet<[u8; 32]>, StoreError> {
    version_store::excluded(conn, dataset).await
}

/// Keeps the documents with these hashes out of `dataset`, in the caller's transaction: of the version that is being
/// made, or of a next one that begins with the newest approved version. Approved versions stay as they are, for
/// proof. None where there is no such dataset.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn exclude(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    sha256: &[[u8; 32]],
) -> Result<Option<Exclusion>, CommitOrStore> {
    let Some(found) = store::lock(tx, dataset).await? else {
        return Ok(None);
    };
    let id = ExclusionId::fresh();
    let documents = version_store::insert_exclusion(tx, id, dataset, sha256).await?;
    let (mut version, mut is_returned) = (None, false);
    match found.version.status {
        Status::Approved | Status::Rejected | Status::Withdrawn => {
            version = begin(tx, &found).await?;
        }
        Status::Draft | Status::ChangesRequested | Status::Submitted => {
            let current = found.version.id;
            let files = version_store::files_with(tx.conn(), current, sha256).await?;
            if !files.is_empty() {
                version = Some(current);
                if let Ok(after) = found.version.status.after(Step::Return) {
                    let mut changed = found.version.clone();
                    (changed.status, changed.decided_at) = (after, Some(tx.now()));
                    store::save_version(tx, &changed).await?;
                    is_returned = true;
                }
            }
            for file in files {
                version_store::retire(tx, file).await?;
                place(tx, dataset, file, current).await?;
            }
        }
    }
    tx.record(&Excluded {
        institution: found.institution,
        dataset,
        exclusion: id,
        documents,
        version,
        is_returned,
    })?;
    Ok(Some(Exclusion {
        id,
        documents,
        version,
    }))
}
