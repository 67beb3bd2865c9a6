//! The purge: every copy goes, and that it is gone is looked for and written down.
//!
//! Each step is its own record and harmless to do again, so that a worker that was killed in between goes on where
//! it was: what was deleted is noted before it is looked for, and a proof is noted only after nothing was found.

use serde::{Deserialize, Serialize};

use super::{
    duty::Kind,
    error::WithdrawError,
    store::{self, Deleted, Item, Words},
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, Task, WriteTx},
    documents,
    ids::{DatasetId, InstitutionId, WithdrawalId},
    jobs::Compute,
    objects::{ObjectError, ObjectStore},
    policy::{self, Action, Actor, Denied, Scope},
};

/// Deletes the copies of what a withdrawal covered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Purge {
    pub(super) withdrawal: WithdrawalId,
}

impl Task for Purge {
    const KIND: &'static str = "withdrawals.purge";
}

/// Why a purge is not complete yet; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// So many objects could not be deleted; each says why on the withdrawal's page.
    #[error("{left} of {all} copies could not be deleted; first: {first}")]
    Left {
        left: usize,
        all: usize,
        first: String,
    },
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Withdrawal(#[from] WithdrawError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for PurgeError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Purged {
    withdrawal: WithdrawalId,
    copies: i64,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Purged {
    fn kind(&self) -> &'static str {
        "datasets.purged"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Takes the words of a withdrawal out of the search index, deletes every object version, and proves that all is gone. Doing it twice is harmless.
///
/// # Errors
/// [`PurgeError::Left`] where the store did not let some go; the others are gone then.
pub async fn purge(db: &Db, objects: &ObjectStore, task: &Purge) -> Result<(), PurgeError> {
    let (words, items) = {
        let mut conn = db.read().await?;
        let words = store::unproven_words(&mut conn, task.withdrawal).await?;
        let items = store::unproven_objects(&mut conn, task.withdrawal).await?;
        (words, items)
    };
    for indexed in words {
        purge_words(db, &indexed).await?;
    }
    let all = items.len();
    let mut problems = Vec::new();
    for item in items {
        match purge_object(db, objects, &item).await? {
            Ok(()) => {}
            Err(problem) => {
                let mut tx = db.meter().await?;
                store::add_failure(&mut tx, item.id, &problem).await?;
                tx.commit().await?;
                problems.push(problem);
            }
        }
    }
    conclude(db, task.withdrawal).await?;
    match problems.first() {
        None => Ok(()),
        Some(first) => Err(PurgeError::Left {
            left: problems.len(),
            all,
            first: first.clone(),
        }),
    }
}

/// The chore: tries those again whose task was given up on, however long the object store was away.
///
/// # Errors
/// As [`purge`], for the first that is still stuck; the others were tried all the same.
pub async fn purge_again(db: &Db, objects: &ObjectStore) -> Result<(), PurgeError> {
    let stuck = {
        let mut conn = db.read().await?;
        store::given_up(&mut conn, Purge::KIND).await?
    };
    // One that is stuck holds up no other.
    let mut first = Ok(());
    for withdrawal in stuck {
        let done = purge(db, objects, &Purge { withdrawal }).await;
        first = first.and(done);
    }
    first
}

/// Takes the words of one file out of the search index and looks again whether they are gone.
async fn purge_words(db: &Db, words: &Words) -> Result<(), PurgeError> {
    let mut tx = db.meter().await?;
    documents::forget(&mut tx, words.file).await?;
    tx.commit().await?;
    let mut tx = db.meter().await?;
    if documents::is_forgotten(tx.conn(), words.file).await? {
        store::add_proof(&mut tx, words.item).await?;
    } else {
        let problem = "words are still in the search index";
        store::add_failure(&mut tx, words.item, problem).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Deletes one object whole; the inner error is the store's, in words for the page.
async fn purge_object(
    db: &Db,
    objects: &ObjectStore,
    item: &Item,
) -> Result<Result<(), String>, PurgeError> {
    if let Some(upload) = &item.upload
        && let Err(error) = objects.abort_multipart(&item.key, upload).await
        && !error.is_missing
    {
        return Ok(Err(words(&error)));
    }
    let versions = match objects.versions(&item.key).await {
        Ok(versions) => versions,
        Err(error) => return Ok(Err(words(&error))),
    };
    for found in versions {
        if let Err(error) = objects.delete(&item.key, &found.version).await {
            return Ok(Err(words(&error)));
        }
        // The hash is of the version that was verified; of others only that they were there is known.
        let is_verified = item.object_version.as_deref() == Some(found.version.as_str());
        let mut tx = db.meter().await?;
        let deleted = Deleted {
            version: &found.version,
            is_delete_marker: found.is_delete_marker,
            size_bytes: found.size_bytes,
            sha256: item.sha256.as_deref().filter(|_| is_verified),
        };
        store::add_deletion(&mut tx, item.id, &deleted).await?;
        tx.commit().await?;
    }
    match objects.versions(&item.key).await {
        Ok(left) if left.is_empty() => {}
        Ok(left) => return Ok(Err(format!("{} versions are still there", left.len()))),
        Err(error) => return Ok(Err(words(&error))),
    }
    let mut tx = db.meter().await?;
    store::add_proof(&mut tx, item.id).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// What the store said, without its address.
fn words(error: &ObjectError) -> String {
    let why = if error.is_refused {
        "refused by the object store"
    } else {
        "the object store is away"
    };
    format!("{}: {why}", error.operation)
}

/// The chore: removes the work folders at this machine's places whose program has ended, and proves that they are gone.
///
/// # Errors
/// Where the database is away; a folder that stays says why on the withdrawal's page.
pub async fn purge_folders(db: &Db, compute: &Compute) -> Result<(), PurgeError> {
    for place in compute.place_ids() {
        let folders = {
            let mut conn = db.read().await?;
            store::unproven_folders(&mut conn, place).await?
        };
        for folder in folders {
            let outcome = compute.remove_work(place, folder.attempt).await;
            let mut tx = db.meter().await?;
            match outcome {
                Ok(()) => store::add_proof(&mut tx, folder.item).await?,
                Err(problem) => store::add_failure(&mut tx, folder.item, &problem).await?,
            }
            tx.commit().await?;
            conclude(db, folder.withdrawal).await?;
        }
    }
    Ok(())
}

/// The chore: deletes what attempts put in the store of what they had learnt, once nobody can be putting it any more.
///
/// # Errors
/// Where the database is away; an object that stays says why on the withdrawal's page.
pub async fn purge_artifacts(db: &Db, objects: &ObjectStore) -> Result<(), PurgeError> {
    let learnt = {
        let mut conn = db.read().await?;
        store::unproven_artifacts(&mut conn, db.now()).await?
    };
    for one in learnt {
        if let Err(problem) = purge_object(db, objects, &one.item).await? {
            let mut tx = db.meter().await?;
            store::add_failure(&mut tx, one.item.id, &problem).await?;
            tx.commit().await?;
        }
        conclude(db, one.withdrawal).await?;
    }
    Ok(())
}

/// Ends the duty once every copy is proven gone, with a line in the audit log.
async fn conclude(db: &Db, id: WithdrawalId) -> Result<(), PurgeError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    if conclude_in(&mut tx, id).await? {
        tx.commit(permit).await?;
    }
    Ok(())
}

/// As [`conclude`], in the caller's transaction; says whether the duty ended.
pub(super) async fn conclude_in(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
) -> Result<bool, WithdrawError> {
    let copies = store::count_items(tx.conn(), id, None).await?;
    if copies.left > 0 {
        return Ok(false);
    }
    let withdrawal = store::find(tx.conn(), id)
        .await?
        .ok_or(WithdrawError::UnknownWithdrawal(id))?;
    let is_new = store::end_duty(tx, id, Kind::Purge, "").await?;
    if is_new {
        tx.record(&Purged {
            withdrawal: id,
            copies: copies.all,
            dataset: withdrawal.dataset,
            institution: withdrawal.institution,
        })?;
    }
    Ok(is_new)
}
