//! Approved jobs start: the decision is bound and written down first, then the backend is told.

use compute::ComputeError;
use serde_json::json;

use super::{
    conclude::{Ending, refused_by},
    end::{self, Told},
    error::JobError,
    happened::Happened,
    status::Step,
    store::{self, NewAttempt},
};
use crate::{
    app::Ports,
    datasets,
    db::{Db, WriteTx},
    ids::{AttemptId, DatasetVersionId, JobId},
    models,
    permissions::{Use, Verdict},
    policy::{self, Action, Actor, Scope},
};

/// The chore: starts what waits, as long as there is room, and tells the backend.
///
/// # Errors
/// Where the database is away.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    let waiting = {
        let mut conn = ports.db.read().await?;
        store::next_approved(&mut conn).await?
    };
    for job in waiting {
        if !dispatch(ports, job).await? {
            break;
        }
    }
    submit_all(ports).await
}

/// Decides on one job and writes its attempt down; false where there is no room.
async fn dispatch(ports: &Ports, id: JobId) -> Result<bool, JobError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let place = &ports.compute.place;
    let slots = i64::try_from(ports.config.training.slots).unwrap_or(i64::MAX);
    let mut tx = ports.db.write(&actor).await?;
    store::slots_lock(&mut tx, place).await?;
    if store::live_count(tx.conn(), place).await? >= slots {
        return Ok(false);
    }
    // Datasets before jobs, as withdrawals do it: nobody waits for each other.
    let versions = store::input_versions(tx.conn(), id).await?;
    for version in &versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    let Some(base) = store::base_of(tx.conn(), id).await? else {
        return Ok(true);
    };
    let is_base_usable = match base {
        Some(base) => models::lock_for_use(&mut tx, base).await?,
        None => true,
    };
    let Some(mut job) = store::claim(&mut tx, id).await? else {
        return Ok(true);
    };
    let location = ports.config.training.location;
    let wanted = job.wanted(location);
    match decide(&mut tx, &wanted, &versions, is_base_usable).await? {
        Ok(decisions) => {
            let attempt = AttemptId::fresh();
            let new = NewAttempt {
                id: attempt,
                job: id,
                place,
                processing_location: location,
            };
            let number = store::insert_attempt(&mut tx, &new).await?;
            for (version, decision) in &decisions {
                store::bind_use(&mut tx, attempt, *version, decision).await?;
            }
            job.status = job.status.after(Step::Dispatch)?;
            store::save(&mut tx, &job, None).await?;
            let policies: Vec<_> = decisions
                .iter()
                .map(|(version, decision)| json!({ "version": version, "policy_sha256": decision.policy_sha256 }))
                .collect();
            tx.record(&Happened::to(
                &job,
                "jobs.dispatched",
                json!({ "attempt": attempt, "number": number, "place": place, "policies": policies }),
            ))?;
        }
        Err(rules) => {
            job.status = job.status.after(Step::Block)?;
            job.status_code = Some(refused_by(&rules).to_owned());
            job.status_message = Some(rules.join(", "));
            job.ended_at = Some(tx.now());
            store::save(&mut tx, &job, None).await?;
            tx.record(&Happened::to(
                &job,
                "jobs.blocked",
                json!({ "rules": rules }),
            ))?;
        }
    }
    tx.commit(permit).await?;
    Ok(true)
}

type Decisions = Vec<(DatasetVersionId, datasets::Decision)>;

/// The decision on every version at this instant; or the rules that stand in the way.
async fn decide(
    tx: &mut WriteTx<'_>,
    wanted: &Use,
    versions: &[DatasetVersionId],
    is_base_usable: bool,
) -> Result<Result<Decisions, Vec<String>>, JobError> {
    let now = tx.now();
    let mut decisions = Vec::with_capacity(versions.len());
    let mut rules = Vec::new();
    if !is_base_usable {
        rules.push("base-model-retired".to_owned());
    }
    for version in versions {
        let decision = datasets::decide_use(tx.conn(), *version, wanted, now)
            .await?
            .ok_or(JobError::UnknownVersion(*version))?;
        if !decision.verdict.is_allowed {
            rules.extend(rules_of(&decision.verdict));
        }
        decisions.push((*version, decision));
    }
    rules.sort_unstable();
    rules.dedup();
    Ok(if rules.is_empty() {
        Ok(decisions)
    } else {
        Err(rules)
    })
}

pub(super) fn rules_of(verdict: &Verdict) -> Vec<String> {
    verdict
        .reasons
        .iter()
        .map(|reason| reason.rule.name().to_owned())
        .collect()
}

/// Hands the backend every attempt that it may not have; also those of a worker that died in between.
async fn submit_all(ports: &Ports) -> Result<(), JobError> {
    let attempts = {
        let mut conn = ports.db.read().await?;
        store::attempts_at(&mut conn, &ports.compute.place).await?
    };
    for attempt in attempts {
        let launch = ports.compute.launch(&ports.config, attempt.id);
        match ports.compute.backend.submit(&launch).await {
            Ok(handle) => keep_handle(&ports.db, attempt.id, &handle.0).await?,
            Err(error @ (ComputeError::Unreachable(_) | ComputeError::Locked(_))) => {
                tracing::warn!(attempt = %attempt.id, error = ?error, "the backend is away");
            }
            Err(ComputeError::Refused(refusal)) => {
                tracing::error!(attempt = %attempt.id, %refusal, "the backend refuses an attempt");
                let told = Told {
                    code: Some("not_started".into()),
                    message: Some(refusal.to_string()),
                    outcome: None,
                };
                end::end(ports, attempt.id, Ending::NotStarted, told).await?;
            }
        }
    }
    Ok(())
}

async fn keep_handle(db: &Db, attempt: AttemptId, handle: &str) -> Result<(), JobError> {
    let mut tx = db.meter().await?;
    store::set_handle(&mut tx, attempt, handle).await?;
    tx.commit().await?;
    Ok(())
}
