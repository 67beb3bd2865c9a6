//! Leave for projects to use a checkpoint. A project is an institution here, and only one's own can be given leave: others get
//! a model when an operator releases it, within what its data allow.

use openai_api::{ApiError, CheckpointPermission, Page};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    create::Written,
    failure::refused,
    happened::Happened,
    ids::Of,
    store::{self, permissions::Kept},
};
use crate::{
    db::Db,
    ids::JobId,
    models::{self, Kind},
    policy::{self, Action, Actor, Scope},
};

/// Projects named in one request.
const MOST: usize = 100;

/// A checkpoint of a job of the actor's institution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checkpoint {
    job: JobId,
    step: i32,
}

/// The checkpoint of that name.
pub(super) async fn checkpoint(
    conn: &mut PgConnection,
    actor: &Actor,
    name: &str,
) -> Result<Checkpoint, ApiError> {
    let missing = || Of::Checkpoint.missing(name);
    let own = Scope::of(actor.institution);
    let _permit = policy::check(actor, Action::GivePermission, &own).map_err(|_| {
        ApiError::permission_denied(
            "role_missing",
            "Only a manager's key may see and give leave to use checkpoints.",
        )
    })?;
    let (model, step) = name.rsplit_once(":ckpt-step-").ok_or_else(missing)?;
    let step: u32 = step.parse().map_err(|_| missing())?;
    let by_job = model
        .rsplit(':')
        .next()
        .and_then(|last| Of::Job.parse(last));
    let job = match by_job {
        Some(id) => JobId(id),
        None => {
            let found = models::find_by_name(conn, model).await.map_err(refused)?;
            match found.map(|model| model.kind) {
                Some(Kind::Adapter { job, .. }) => job,
                _ => return Err(missing()),
            }
        }
    };
    store::jobs::find_of(conn, actor.institution, job)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    let is_there = store::events::has_checkpoint(conn, job, step)
        .await
        .map_err(refused)?;
    if !is_there {
        return Err(missing());
    }
    let step = i32::try_from(step).map_err(|_| missing())?;
    Ok(Checkpoint { job, step })
}

fn as_wire(kept: &Kept) -> CheckpointPermission {
    CheckpointPermission {
        id: Of::Permission.id(kept.id),
        object: "checkpoint.permission".into(),
        created_at: kept.created_at.timestamp(),
        project_id: kept.project.clone(),
    }
}

/// The projects that a request names.
///
/// # Errors
/// 403 for a project of another institution.
pub(super) fn projects(body: &[u8], actor: &Actor) -> Result<Vec<String>, ApiError> {
    let wrong = || {
        let message = format!("'project_ids' is a list of 1 to {MOST} ids.");
        ApiError::invalid_param("project_ids", message)
    };
    let body: serde_json::Value = serde_json::from_slice(body)
        .map_err(|_| ApiError::invalid_body("The request body is not valid JSON."))?;
    let list = body["project_ids"].as_array().ok_or_else(wrong)?;
    if list.is_empty() || list.len() > MOST {
        return Err(wrong());
    }
    let mut projects = Vec::new();
    for id in list {
        let id = id.as_str().ok_or_else(wrong)?;
        let is_own = [Of::Project, Of::Organisation]
            .iter()
            .any(|of| of.parse(id) == Some(actor.institution.0));
        if !is_own {
            let message = "A checkpoint is for the institution that made it. Others get a model when it is released.";
            let error = ApiError::permission_denied("project_not_permitted", message);
            return Err(error.with_param("project_ids"));
        }
        projects.push(id.to_owned());
    }
    projects.sort_unstable();
    projects.dedup();
    Ok(projects)
}

/// Gives leave; what was given before stays as it is.
pub(super) async fn give(
    db: &Db,
    actor: &Actor,
    checkpoint: Checkpoint,
    projects: &[String],
) -> Result<Page<CheckpointPermission>, ApiError> {
    let own = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::GivePermission, &own).map_err(refused)?;
    let written = async {
        let mut tx = db.write(actor).await?;
        let of = (checkpoint.job, checkpoint.step);
        for project in projects {
            store::permissions::insert(&mut tx, of, project).await?;
        }
        let kept = store::permissions::list(tx.conn(), of).await?;
        tx.record(&Happened {
            kind: "fine_tuning.checkpoint_permitted",
            subject: ("job", checkpoint.job.0),
            institution: actor.institution,
            facts: json!({ "job": checkpoint.job, "step": checkpoint.step, "projects": projects }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, Written>(kept)
    };
    let kept = written.await.map_err(refused)?;
    let data = kept
        .iter()
        .filter(|one| projects.contains(&one.project))
        .map(as_wire)
        .collect();
    Ok(Page::new(data, false, |one: &CheckpointPermission| {
        one.id.clone()
    }))
}

/// The leaves of a checkpoint, newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    checkpoint: Checkpoint,
) -> Result<Vec<CheckpointPermission>, ApiError> {
    let kept = store::permissions::list(conn, (checkpoint.job, checkpoint.step))
        .await
        .map_err(refused)?;
    Ok(kept.iter().map(as_wire).collect())
}

/// Takes leave back.
pub(super) async fn take_back(
    db: &Db,
    actor: &Actor,
    checkpoint: Checkpoint,
    id: Uuid,
) -> Result<(), ApiError> {
    let own = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::GivePermission, &own).map_err(refused)?;
    let written = async {
        let mut tx = db.write(actor).await?;
        let of = (checkpoint.job, checkpoint.step);
        if !store::permissions::delete(&mut tx, of, id).await? {
            return Ok(false);
        }
        tx.record(&Happened {
            kind: "fine_tuning.checkpoint_closed",
            subject: ("job", checkpoint.job.0),
            institution: actor.institution,
            facts: json!({ "job": checkpoint.job, "step": checkpoint.step, "permission": id }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, Written>(true)
    };
    if written.await.map_err(refused)? {
        Ok(())
    } else {
        Err(Of::Permission.missing(&Of::Permission.id(id)))
    }
}
