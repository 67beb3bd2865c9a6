//! The withdrawal itself: what happens on withdrawal, in one transaction.

use serde::Serialize;
use serde_json::json;

use super::{reach::reach, store};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{DatasetId, InstitutionId, JobId, ModelId, PermissionId, WithdrawalId},
    jobs::{self, JobError},
    models, permissions,
    policy::{self, Action, Actor, Denied, Scope},
};

/// Why nothing was withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("no permission counts, so there is none to withdraw")]
    NothingToWithdraw,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Jobs(#[from] JobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for WithdrawError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<WithdrawError> for AppError {
    fn from(error: WithdrawError) -> Self {
        match error {
            WithdrawError::NotFound(_) => Self::NotFound,
            WithdrawError::NothingToWithdraw => Self::conflict("withdrawal-nothing"),
            WithdrawError::Denied(why) => why.into(),
            WithdrawError::Jobs(why) => why.into(),
            WithdrawError::Store(why) => why.into(),
            WithdrawError::Commit(why) => why.into(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Withdrawn {
    withdrawal: WithdrawalId,
    permissions: Vec<PermissionId>,
    jobs: Vec<JobId>,
    models: Vec<ModelId>,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Withdrawn {
    fn kind(&self) -> &'static str {
        "permissions.withdrawn"
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

/// Withdraws every permission of a dataset: from the commit on, no use is allowed, no file is granted, jobs
/// that waited are blocked, running ones are asked to stop, and every model made from it is marked.
///
/// # Errors
/// [`WithdrawError::NothingToWithdraw`] where no permission counts.
pub async fn withdraw(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    reason: &str,
) -> Result<WithdrawalId, WithdrawError> {
    let mut tx = db.write(actor).await?;
    // Whoever decides on a use of this dataset holds a share of this lock until they commit.
    let institution = store::lock_dataset(&mut tx, dataset)
        .await?
        .ok_or(WithdrawError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::WithdrawPermission, &Scope::of(institution))?;
    let permissions = permissions::withdraw_all(&mut tx, dataset, reason).await?;
    if permissions.is_empty() {
        return Err(WithdrawError::NothingToWithdraw);
    }
    let id = WithdrawalId::fresh();
    let touched = reach(db, dataset).await?;
    let stopped = jobs::stop_for_withdrawal(&mut tx, dataset).await?;
    let all_jobs: Vec<JobId> = touched.jobs.iter().map(|job| job.id).collect();
    let marked = models::mark_of_jobs(&mut tx, &all_jobs, "permission_withdrawn").await?;
    for (model, _) in &marked {
        let owner = models::find(tx.conn(), *model)
            .await?
            .map_or(institution, |model| model.institution);
        tx.record(&Marked {
            withdrawal: id,
            model: *model,
            institution: owner,
        })?;
    }
    let affected = json!({
        "permissions": permissions,
        "versions": touched.versions,
        "jobs": all_jobs,
        "jobs_stopped": stopped.iter().map(|job| job.id).collect::<Vec<_>>(),
        "models": marked.iter().map(|(model, _)| model).collect::<Vec<_>>(),
        "keys": touched.keys,
    });
    store::insert(&mut tx, id, dataset, institution, reason, &affected).await?;
    tx.record(&Withdrawn {
        withdrawal: id,
        permissions,
        jobs: stopped.iter().map(|job| job.id).collect(),
        models: marked.iter().map(|(model, _)| *model).collect(),
        dataset,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(id)
}
