//! Setting limits and making projects: an administrator everywhere; a manager below the institution, which keeps the limits that
//! an administrator set.

use quota::{Measure, Window};
use serde::Serialize;
use uuid::Uuid;

use super::{
    shares::{BeyondShares, lock_shares_besides},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    error::{AppError, Say},
    ids::{ApiKeyId, InstitutionId, RequestId},
    policy::{self, Action, Actor, Denied, Role, Scope},
};

/// The highest limit.
const MOST: i64 = 1_000_000_000_000_000;
/// Projects of one institution. Each has counters of its own that requests under it lock.
const MOST_PROJECTS: i64 = 200;

/// A limit as somebody wants it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) node: Uuid,
    pub(super) of: (Measure, Window),
    /// None: no limit.
    pub(super) cap: Option<i64>,
    /// So many tokens a day a manager may give a key.
    pub(super) most_by_manager: i64,
}

impl Change {
    /// Whether it takes an administrator: what a whole institution may use, and keys with more tokens a day than a manager may
    /// approve.
    fn is_beyond_managers(&self, kind: &str) -> bool {
        let is_day = self.of == (Measure::Tokens, Window::Day);
        let is_more = self.cap.is_none_or(|cap| cap > self.most_by_manager);
        kind == "institution" || kind == "key" && is_day && is_more
    }

    /// A manager gives no key more than the institution has left for it; less than before is always well.
    async fn check_shares(
        &self,
        tx: &mut WriteTx<'_>,
        institution: InstitutionId,
    ) -> Result<(), SetError> {
        let (Some(cap), (Measure::Tokens, Window::Day)) = (self.cap, self.of) else {
            return Ok(());
        };
        let shares = lock_shares_besides(tx, institution, self.node).await?;
        let limits = store::limits(tx.conn(), self.node).await?;
        let is_less = limits
            .iter()
            .any(|one| (one.measure, one.window) == self.of && cap <= one.cap);
        if !is_less {
            shares.fit(cap)?;
        }
        Ok(())
    }
}

/// Why nothing was set.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("there is no such institution, project or key")]
    NotFound,
    #[error("a limit is from nothing to {MOST}")]
    Limit,
    #[error("a project has a name of 1 to 100 characters")]
    Name,
    #[error("an institution has at most {MOST_PROJECTS} projects")]
    TooManyProjects,
    #[error(transparent)]
    Beyond(#[from] BeyondShares),
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
            SetError::Limit => Self::invalid("quota-limit-wrong"),
            SetError::Name => Self::invalid("quota-project-name"),
            SetError::TooManyProjects => {
                Self::Conflict(Say::new("quota-projects-many").with("most", MOST_PROJECTS))
            }
            SetError::Beyond(BeyondShares { cap, given }) => Self::Forbidden(
                Say::new("quota-beyond-institution")
                    .with("cap", cap)
                    .with("given", given),
            ),
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
/// [`SetError`]; [`SetError::Beyond`] where a manager would give the keys more than the institution has.
pub(super) async fn set(db: &Db, actor: &Actor, change: &Change) -> Result<(), SetError> {
    let &Change { node, of, cap, .. } = change;
    if cap.is_some_and(|cap| !(0..=MOST).contains(&cap)) {
        return Err(SetError::Limit);
    }
    let mut tx = db.write(actor).await?;
    let found = store::node(tx.conn(), node).await?;
    let found = found.ok_or(SetError::NotFound)?;
    let institution = found.institution;
    let action = if change.is_beyond_managers(&found.kind) {
        Action::SetBudget
    } else {
        Action::ShareBudget
    };
    let permit = policy::check(actor, action, &found.scope())?;
    if found.kind == "key" && !actor.is(Role::Admin) {
        change.check_shares(&mut tx, institution).await?;
    }
    store::set_limit(tx.conn(), node, of, cap).await?;
    let (measure, window) = of;
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
    let name = name.trim();
    if !(1..=100).contains(&name.chars().count()) {
        return Err(SetError::Name);
    }
    let permit = policy::check(actor, Action::ShareBudget, &Scope::of(institution))?;
    let mut tx = db.write(actor).await?;
    if !store::lock_institution(&mut tx, institution).await? {
        return Err(SetError::NotFound);
    }
    if store::count_projects(tx.conn(), institution).await? >= MOST_PROJECTS {
        return Err(SetError::TooManyProjects);
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
    let found = found
        .filter(|node| node.kind == "key")
        .ok_or(SetError::NotFound)?;
    let institution = found.institution;
    let permit = policy::check(actor, Action::ShareBudget, &found.scope())?;
    if let Some(project) = project {
        let found = store::node(tx.conn(), project).await?;
        // Another institution's is not there.
        found
            .filter(|node| node.kind == "project" && node.institution == institution)
            .ok_or(SetError::NotFound)?;
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
