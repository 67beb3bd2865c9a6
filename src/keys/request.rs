//! Asking for a key.

use chrono::TimeDelta;
use ipnet::IpNet;
use serde::Serialize;
use uuid::Uuid;

use super::{
    commerce::NotForProfit,
    key::{Key, Limits, Status},
    secret::fresh_public_id,
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    ids::{ApiKeyId, InstitutionId, ModelId},
    models,
    policy::{self, Action, Actor, Denied, Scope},
    quota::{self, Project},
};

/// What is asked for; bounds are checked by the edge.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub name: String,
    pub purpose: String,
    pub is_commercial: bool,
    /// Whether it may ask models.
    pub may_infer: bool,
    /// Whether it may also send files and ask for jobs.
    pub may_fine_tune: bool,
    /// From where it may be used; empty: from everywhere.
    pub allowed_networks: Vec<IpNet>,
    /// At least one.
    pub models: Vec<ModelId>,
    /// One of the institution; none: right under the institution itself.
    pub project: Option<Uuid>,
    pub limits: Limits,
    /// How long it holds, from the request.
    pub lifetime: TimeDelta,
}

/// Why a key was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("the institution may not use this model")]
    ModelNotUsable,
    #[error(transparent)]
    NotForProfit(#[from] NotForProfit),
    #[error("the institution has no such project")]
    NoSuchProject,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RequestError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct Requested<'a> {
    key: ApiKeyId,
    public_id: &'a str,
    name: &'a str,
    is_commercial: bool,
    may_infer: bool,
    may_fine_tune: bool,
    allowed_networks: &'a [IpNet],
    models: &'a [ModelId],
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Uuid>,
    tokens_per_day: i64,
    requests_per_minute: i64,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Requested<'_> {
    fn kind(&self) -> &'static str {
        "keys.requested"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "api_key",
            id: self.key.0,
            institution: self.institution,
        }
    }
}

/// Asks for a key for the actor's own institution.
///
/// # Errors
/// [`RequestError::ModelNotUsable`] where a model is not released, or another institution's;
/// [`RequestError::NotForProfit`] where the key is for commercial use and a model is not;
/// [`RequestError::NoSuchProject`] where the project is another institution's too.
pub async fn request(db: &Db, actor: &Actor, new: NewKey) -> Result<ApiKeyId, RequestError> {
    let permit = policy::check(actor, Action::RequestKey, &Scope::of(actor.institution))?;
    let usable = models::usable_by(db, actor.institution).await?;
    let is_usable = |id: &ModelId| usable.iter().any(|model| model.id == *id);
    if new.models.is_empty() || !new.models.iter().all(is_usable) {
        return Err(RequestError::ModelNotUsable);
    }
    let mut tx = db.write(actor).await?;
    if new.is_commercial
        && let Some(refused) = store::not_for_profit(&mut tx, &new.models).await?
    {
        return Err(refused.into());
    }
    let project = match new.project {
        Some(id) => Some(find_project(&mut tx, actor.institution, id).await?),
        None => None,
    };
    let now = tx.now();
    let key = Key {
        id: ApiKeyId::fresh(),
        public_id: fresh_public_id(),
        institution: actor.institution,
        institution_name: String::new(),
        project,
        name: new.name,
        purpose: new.purpose,
        is_commercial: new.is_commercial,
        may_infer: new.may_infer,
        may_fine_tune: new.may_fine_tune,
        allowed_networks: new.allowed_networks,
        limits: new.limits,
        status: Status::Requested,
        models: Vec::new(),
        requested_by: actor.user,
        requester_name: String::new(),
        requested_at: now,
        decider_name: None,
        decided_at: None,
        reason: None,
        expires_at: now + new.lifetime,
        revoked_at: None,
        last_used_at: None,
    };
    store::insert(&mut tx, &key, &new.models).await?;
    if let Some(project) = &key.project {
        quota::place_new_key(&mut tx, key.id, project).await?;
    }
    tx.record(&Requested {
        key: key.id,
        public_id: &key.public_id,
        name: &key.name,
        is_commercial: key.is_commercial,
        may_infer: key.may_infer,
        may_fine_tune: key.may_fine_tune,
        allowed_networks: &key.allowed_networks,
        models: &new.models,
        project: new.project,
        tokens_per_day: key.limits.tokens_per_day,
        requests_per_minute: key.limits.requests_per_minute,
        institution: key.institution,
    })?;
    tx.commit(permit).await?;
    Ok(key.id)
}

async fn find_project(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    id: Uuid,
) -> Result<Project, RequestError> {
    let projects = quota::projects_of(tx.conn(), institution).await?;
    let found = projects.into_iter().find(|project| project.id == id);
    found.ok_or(RequestError::NoSuchProject)
}
