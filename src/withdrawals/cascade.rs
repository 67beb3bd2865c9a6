//! The withdrawal itself: what happens on withdrawal, in one transaction.

use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;

use super::{
    duty::Kind,
    error::WithdrawError,
    purge::Purge,
    reach::{Derived, Reach, ReachedModel, reach},
    scope::{Consequence, Target},
    store::{self, NewWithdrawal},
    tell::{self, Told},
};
use crate::{
    db::{Db, Event, Subject, WriteTx},
    ids::{DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId, PermissionId, WithdrawalId},
    jobs, licensees,
    models::{self, Quarantine},
    permissions,
    policy::{self, Action, Actor, Permit, Scope},
    uploads,
};

/// What is to be withdrawn, and why.
#[derive(Debug, Clone)]
pub struct Request {
    pub target: Target,
    /// For everybody whom it touches; 1 to 2000 characters.
    pub reason: String,
    /// What the one who confirms was shown ([`Reach::in_short`]); none where nothing was.
    pub seen: Option<String>,
}

#[derive(Debug, Serialize)]
struct Withdrawn {
    withdrawal: WithdrawalId,
    extent: String,
    consequence: Consequence,
    permissions: Vec<PermissionId>,
    jobs: Vec<JobId>,
    models: Vec<ModelId>,
    #[serde(skip)]
    is_revoked: bool,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Withdrawn {
    fn kind(&self) -> &'static str {
        if self.is_revoked {
            "permissions.revoked"
        } else {
            "permissions.withdrawn"
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

#[derive(Debug, Serialize)]
struct Marked {
    withdrawal: WithdrawalId,
    consequence: Consequence,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Marked {
    fn kind(&self) -> &'static str {
        "models.marked"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// A version that somebody curated from withdrawn data.
#[derive(Debug, Serialize)]
struct CuratedWithdrawn {
    withdrawal: WithdrawalId,
    version: DatasetVersionId,
    number: i32,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for CuratedWithdrawn {
    fn kind(&self) -> &'static str {
        "datasets.version_withdrawn"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Why a model is marked: the word that its pages and the gateway know.
const MARK: &str = "permission_withdrawn";
/// Tries at a withdrawal that Postgres gives up because two transactions waited for each other.
const TRIES: usize = 4;

/// Withdraws permissions of a dataset: from the commit on no use that stood on them is allowed and no file is
/// granted; jobs that waited are blocked and running ones asked to stop; every model made from it, at any depth,
/// is kept, quarantined or retired as the agreement says; who holds one is told; what has to follow has a day and
/// an owner. All of it is committed at once, or nothing.
///
/// A manager of the institution withdraws; a legal reviewer of the platform revokes.
///
/// # Errors
/// [`WithdrawError::NothingToWithdraw`] where nothing of that extent counts; [`WithdrawError::Changed`] where it
/// touches something else by now than was shown.
pub async fn withdraw(
    db: &Db,
    actor: &Actor,
    request: &Request,
) -> Result<WithdrawalId, WithdrawError> {
    let mut tries = 1;
    loop {
        match attempt(db, actor, request).await {
            Err(error) if error.is_deadlock() && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

/// Leave to end permissions of `institution`, and whether it is for the platform.
pub(super) fn leave(
    actor: &Actor,
    institution: InstitutionId,
) -> Result<(Permit, bool), policy::Denied> {
    let scope = Scope::of(institution);
    match policy::check(actor, Action::WithdrawPermission, &scope) {
        Ok(permit) => Ok((permit, false)),
        Err(denied) => policy::check(actor, Action::RevokePermission, &scope)
            .map(|permit| (permit, true))
            .map_err(|_| denied),
    }
}

async fn attempt(db: &Db, actor: &Actor, request: &Request) -> Result<WithdrawalId, WithdrawError> {
    let (target, reason) = (&request.target, request.reason.as_str());
    let (dataset, extent) = (target.dataset, target.extent);
    let mut tx = db.write(actor).await?;
    // Whoever decides on a use of this dataset holds a share of this lock until they commit.
    let held = store::lock_dataset(&mut tx, dataset)
        .await?
        .ok_or(WithdrawError::NotFound(dataset))?;
    let (permit, is_revoked) = leave(actor, held.institution)?;
    let touched = settle(&mut tx, target).await?;
    if touched.is_empty {
        return Err(WithdrawError::NothingToWithdraw);
    }
    if request
        .seen
        .as_ref()
        .is_some_and(|seen| *seen != touched.in_short())
    {
        return Err(WithdrawError::Changed);
    }
    let id = WithdrawalId::fresh();
    permissions::end(&mut tx, &touched.permissions, is_revoked, reason).await?;
    let stopped = jobs::stop_for_withdrawal(&mut tx, &touched.jobs, dataset).await?;
    let now = tx.now();
    let made = store::models(tx.conn(), &touched.models).await?;
    let keys = store::keys(tx.conn(), &touched.models, now).await?;
    let curated = record_curated(&mut tx, id, &touched.derived)?;
    let licensees = licensees::of_models(tx.conn(), &touched.models, now).await?;
    mark(&mut tx, id, &touched).await?;

    let delete_by = (!touched.fallen.is_empty())
        .then(|| now + TimeDelta::days(i64::from(touched.delete_within_days)));
    let affected = json!({
        "permissions": touched.permissions,
        "versions": touched.fallen,
        "jobs": touched.jobs.len(),
        "jobs_stopped": stopped.len(),
        "models": touched.models.len(),
        "keys": keys.len(),
        "licensees": licensees.len(),
    });
    let new = NewWithdrawal {
        id,
        dataset,
        institution: held.institution,
        is_revoked,
        extent,
        reason,
        consequence: touched.consequence,
        delete_by,
        affected: &affected,
    };
    store::insert(&mut tx, &new).await?;
    store::insert_versions(&mut tx, id, &touched.fallen).await?;
    store::insert_jobs(&mut tx, id, &touched.jobs, &stopped).await?;
    store::insert_models(&mut tx, id, &made, touched.consequence).await?;
    store::insert_keys(&mut tx, id, &keys).await?;
    store::revoke_grants(&mut tx, id, dataset, &touched).await?;
    follow_up(&mut tx, id, &touched, delete_by).await?;
    let told = Told {
        withdrawal: id,
        dataset,
        title: &held.title,
        owner: held.institution,
        reason,
        is_revoked,
        consequence: touched.consequence,
        stopped: &stopped,
        models: &made,
        keys: &keys,
        licensees: &licensees,
        curated: &curated,
    };
    tell::everybody(db, &mut tx, &told).await?;
    tx.record(&Withdrawn {
        withdrawal: id,
        extent: extent.to_string(),
        consequence: touched.consequence,
        permissions: touched.permissions,
        jobs: stopped.iter().map(|one| one.job).collect(),
        models: touched.models,
        is_revoked,
        dataset,
        institution: held.institution,
    })?;
    tx.commit(permit).await?;
    Ok(id)
}

/// Finds what is touched and keeps it from changing, until looking again finds nothing new: a program that ends
/// meanwhile may have registered another model from one of these.
async fn settle(tx: &mut WriteTx<'_>, target: &Target) -> Result<Reach, WithdrawError> {
    let now = tx.now();
    let mut known = usize::MAX;
    loop {
        let found = reach(tx.conn(), target, now).await?;
        let size = found.jobs.len() + found.models.len();
        if size == known {
            return Ok(found);
        }
        known = size;
        store::lock_datasets_of(tx, &found.fallen).await?;
        store::lock_models(tx, &found.models).await?;
        jobs::lock_unfinished(tx, &found.jobs).await?;
    }
}

/// Writes into the log of each owner which curated versions fall with the data; answers those that counted until now.
fn record_curated<'a>(
    tx: &mut WriteTx<'_>,
    withdrawal: WithdrawalId,
    derived: &'a [Derived],
) -> Result<Vec<&'a Derived>, WithdrawError> {
    let counted: Vec<&Derived> = derived.iter().filter(|one| !one.is_over).collect();
    for one in &counted {
        tx.record(&CuratedWithdrawn {
            withdrawal,
            version: one.version,
            number: one.number,
            dataset: one.dataset,
            institution: one.owner,
        })?;
    }
    Ok(counted)
}

/// Marks every model and keeps it from use as the agreement says.
async fn mark(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    touched: &Reach,
) -> Result<(), WithdrawError> {
    let marked = models::mark(tx, &touched.models, MARK).await?;
    match touched.consequence {
        Consequence::Keep => {}
        Consequence::Retrain => {
            models::quarantine(tx, &touched.models, Quarantine::Retrain).await?;
        }
        Consequence::Retire => {
            models::quarantine(tx, &touched.models, Quarantine::Retire).await?;
        }
    }
    for owned in marked {
        tx.record(&Marked {
            withdrawal: id,
            consequence: touched.consequence,
            model: owned.model,
            institution: owned.institution,
        })?;
    }
    Ok(())
}

/// What has to follow, each with a day and an owner; and what the worker begins at once.
async fn follow_up(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    touched: &Reach,
    delete_by: Option<chrono::DateTime<chrono::Utc>>,
) -> Result<(), WithdrawError> {
    let now = tx.now();
    if delete_by.is_some() {
        for file in store::abort_uploads(tx, &touched.fallen).await? {
            tx.enqueue(&uploads::Discard::of(file))?;
        }
        store::withdraw_versions(tx, &touched.fallen).await?;
        store::plan_purge(tx, id, &touched.fallen, &touched.jobs).await?;
        store::add_duty(tx, id, Kind::Purge, Kind::Purge.due(now, delete_by)).await?;
        tx.enqueue(&Purge { withdrawal: id })?;
    }
    if touched.consequence == Consequence::Retrain && !touched.models.is_empty() {
        let due = Kind::DecideModels.due(now, delete_by);
        store::add_duty(tx, id, Kind::DecideModels, due).await?;
    }
    if !touched.models.is_empty() {
        let due = Kind::UpdateDocuments.due(now, delete_by);
        store::add_duty(tx, id, Kind::UpdateDocuments, due).await?;
    }
    Ok(())
}

/// How many models are served, for what people are told.
pub(super) fn served(models: &[ReachedModel]) -> usize {
    models.iter().filter(|model| model.is_served).count()
}
