//! The dataset registry: register, submit, review.

mod agreement_store;
mod catalogue;
mod coverage;
mod curation;
mod dataset;
mod exclude;
mod file;
mod history;
mod memorisation;
mod memorisation_store;
mod next_version;
mod problem;
mod public_details;
mod public_facts;
mod public_store;
mod register;
mod review;
mod review_store;
mod status;
mod store;
mod submit;
mod supply;
mod version_store;
mod waiting;
pub mod web;

pub use self::{
    catalogue::{PublishedVersion, ReadyFile, published, ready_files},
    coverage::{Decision, decide_use, decide_use_without, lock_for_use, read as read_policy},
    curation::{CurationError, CurationKind, NewCuration, record_curation},
    dataset::{Confidentiality, Dataset, Facts, RawFacts, Version},
    exclude::{Exclusion, exclude, excluded},
    file::{File, FileState, Format, ManifestEntry, UnknownName, manifest_sha256, manifest_text},
    history::{VersionRow, history, is_superseded},
    memorisation::{
        MemorisationLimit, NewMemorisationLimit, RawMemorisationLimit, SetLimit,
        limit_memorisation, memorisation_history, percent,
    },
    next_version::{CarryFile, CommitOrStore, NextVersionError, begin_next_version},
    problem::{BadLine, Fault, LineProblem, Problem},
    public_details::{Crawl, Details, Maker, Users},
    public_facts::{CONTENT_TYPES, PublicFacts, RawPublicFacts, SourceCategory, UnknownCategory},
    register::{EditError, check_edit, describe, lock, lock_editable, register, register_in},
    review::{Decision as ReviewDecision, Kind as ReviewKind, Review, ReviewError, review},
    status::{Status, Step, WrongStatus},
    submit::{SubmitError, submit},
    supply::{StatedFacts, stated, supply},
    waiting::{Waiting, WaitsFor, waiting_for},
};
use crate::{
    db::{Db, StoreError},
    ids::{DatasetId, DatasetVersionId},
    policy::{self, Action, Actor, Scope},
};

/// One dataset with its newest version, whoever asks.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find(db: &Db, id: DatasetId) -> Result<Option<Dataset>, StoreError> {
    let mut conn = db.read().await?;
    store::find(&mut conn, id).await
}

/// One dataset, where `actor` may see it: with its newest version for its own people and the platform, with its
/// newest approved version for everybody else.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find_visible(
    db: &Db,
    actor: &Actor,
    id: DatasetId,
) -> Result<Option<Dataset>, StoreError> {
    let Some(found) = find(db, id).await? else {
        return Ok(None);
    };
    let unpublished = Scope::of(found.institution);
    if policy::check(actor, Action::ViewDataset, &unpublished).is_ok() {
        Ok(Some(found))
    } else if policy::check(actor, Action::ViewDataset, &found.scope()).is_ok() {
        let mut conn = db.read().await?;
        store::find_approved(&mut conn, id).await
    } else {
        Ok(None)
    }
}

/// The files of a version by path, without those given up; of a path sent more than once, the newest.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn files(db: &Db, version: DatasetVersionId) -> Result<Vec<File>, StoreError> {
    let mut conn = db.read().await?;
    store::files(&mut conn, version).await
}
