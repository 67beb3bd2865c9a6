//! An administrator sets limits and makes projects.

use quota::{Measure, Window};
use serde::Serialize;
use uuid::Uuid;

use super::store;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{ApiKeyId, InstitutionId, RequestId},
    policy::{self, Action, Actor, Denied, Scope},
};

/// Why nothing was set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("there is no such institution, project or key")]
    NotFound,
    #[error("the project is another institution's")]
    NotTheirs,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for SetError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<SetError> for AppError {
    fn from(error: SetError) -> Self {
        match error {
            SetError::NotFound => Self::NotFound,
            SetError::NotTheirs => Self::conflict("quota-project-not-theirs"),
            SetError::Denied(why) => why.into(),
            SetError::Store(why) => why.into(),
            SetError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Happened<'a> {
    LimitSet {
        node: Uuid,
        measure: &'static str,
        period: &'static str,
        cap: Option<i64>,
        #[serde(skip)]
        institution: InstitutionId,
    },
    ProjectMade {
        project: Uuid,
        name: &'a str,
        #[serde(skip)]
        institution: InstitutionId,
    },
    KeyMoved {
        key: ApiKeyId,
        under: Uuid,
        #[serde(skip)]
        institution: InstitutionId,
    },
}

impl Event for Happened<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::LimitSet { .. } => "quota.limit_set",
            Self::ProjectMade { .. } => "quota.project_made",
            Self::KeyMoved { .. } => "quota.key_moved",
        }
    }

    fn subject(&self) -> Subject {
        let (id, institution) = match self {
            Self::LimitSet {
                node, institution, ..
            } => (*node, *institution),
            Self::ProjectMade {
                project,
                institution,
                ..
            } => (*project, *institution),
            Self::KeyMoved {
                key, institution, ..
            } => (key.0, *institution),
        };
        Subject {
            kind: "quota",
            id,
            institution,
        }
    }
}

/// Sets a limit, or lifts it; it binds the very next grant.
///
/// # Errors
/// [`SetError`].
pub(super) async fn set(
    db: &Db,
    actor: &Actor,
    node: Uuid,
    (measure, window): (Measure, Window),
    cap: Option<i64>,
) -> Result<(), SetError> {
    let mut tx = db.write(actor).await?;
    let found = store::node(tx.conn(), node).await?;
    let institution = found.ok_or(SetError::NotFound)?.institution;
    let permit = policy::check(actor, Action::SetBudget, &Scope::of(institution))?;
    store::set_limit(tx.conn(), node, (measure, window), cap).await?;
    tx.record(&Happened::LimitSet {
        node,
        measure: measure.name(),
        period: window.name(),
        cap,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Makes a project of an institution, under which keys can share limits.
///
/// # Errors
/// [`SetError`].
pub(super) async fn make_project(
    db: &Db,
    actor: &Actor,
    institution: InstitutionId,
    name: &str,
) -> Result<Uuid, SetError> {
    let permit = policy::check(actor, Action::SetBudget, &Scope::of(institution))?;
    let mut tx = db.write(actor).await?;
    let found = store::node(tx.conn(), institution.0).await?;
    if found.is_none_or(|node| node.kind != "institution") {
        return Err(SetError::NotFound);
    }
    let project = RequestId::fresh().0;
    store::make_project(&mut tx, project, institution, name).await?;
    tx.record(&Happened::ProjectMade {
        project,
        name,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(project)
}

/// Moves a key under a project of its institution, or back under the institution itself; from the next minute on it
/// counts there.
///
/// # Errors
/// [`SetError`].
pub(super) async fn move_key(
    db: &Db,
    actor: &Actor,
    key: ApiKeyId,
    project: Option<Uuid>,
) -> Result<(), SetError> {
    let mut tx = db.write(actor).await?;
    let found = store::node(tx.conn(), key.0).await?;
    let institution = found
        .filter(|node| node.kind == "key")
        .ok_or(SetError::NotFound)?
        .institution;
    let permit = policy::check(actor, Action::SetBudget, &Scope::of(institution))?;
    if let Some(project) = project {
        let found = store::node(tx.conn(), project).await?;
        let found = found
            .filter(|node| node.kind == "project")
            .ok_or(SetError::NotFound)?;
        if found.institution != institution {
            return Err(SetError::NotTheirs);
        }
    }
    let under = project.unwrap_or(institution.0);
    store::move_key(&mut tx, key.0, under).await?;
    tx.record(&Happened::KeyMoved {
        key,
        under,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
