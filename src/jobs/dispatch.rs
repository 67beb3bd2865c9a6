//! Approved jobs start: the decision is bound and written down first, then the place is told ([`super::submit`]).

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::{
    compute::{Compute, Site},
    conclude::refused_by,
    error::JobError,
    estimate::{self, Asked, rates},
    evaluate,
    happened::Happened,
    job::Job,
    memory, places,
    queue::{CORES_A_GPU, Waiting, order},
    status::Step,
    store::{self, NewAttempt},
    submit,
};
use crate::{
    app::Ports,
    budgets::{self, Budget, Reserving},
    config::Config,
    datasets,
    db::{Db, StoreError, WriteTx},
    ids::{AttemptId, DatasetVersionId, JobId},
    permissions::{Territory, Use, Verdict},
    policy::{self, Action, Actor, Scope},
};

/// What became of a job that was looked at.
enum Outcome {
    /// It has an attempt there.
    Started(String),
    /// The places are full after all.
    NoRoom,
    /// The places that have room may not have its data, and those that may have them are full.
    NoRoomThere,
    /// Its institution has not that much left.
    NoBudget,
    /// It does not wait any more: blocked, cancelled, or another worker has it.
    Gone,
}

/// The chore: starts what waits, in the order of the queue and as long as there is room, and tells the places.
///
/// # Errors
/// Where the database is away.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    places::look(ports).await?;
    let (waiting, ordered) = queue(&ports.db, &ports.config, &ports.compute).await?;
    let mut rooms = rooms(ports).await?;
    for job in ordered {
        let Some(one) = waiting.get(&job) else {
            continue;
        };
        if one.not_before.is_some_and(|until| ports.db.now() < until) {
            note(ports, one, "retry").await?;
            continue;
        }
        let fitting = fitting(&ports.compute, one);
        let open: Vec<&Site> = fitting
            .iter()
            .copied()
            .filter(|site| rooms.get(site.id()).is_some_and(|room| *room > 0))
            .collect();
        if open.is_empty() {
            note(ports, one, why(&fitting)).await?;
            continue;
        }
        let (closed, now) = (&ports.compute.closed, ports.db.now());
        if closed.are(job, open.iter().map(|site| site.id()), now) {
            note(ports, one, "room").await?;
            continue;
        }
        match dispatch(ports, one, (&fitting, &open)).await {
            Ok(Outcome::Started(place)) => {
                if let Some(room) = rooms.get_mut(place.as_str()) {
                    *room -= 1;
                }
            }
            Ok(Outcome::NoRoom) => {
                for site in open {
                    rooms.insert(site.id().to_owned(), 0);
                }
                note(ports, one, "room").await?;
            }
            // What is open stays open: others may go there.
            Ok(Outcome::NoRoomThere) => {
                closed.note(job, open.iter().map(|site| site.id()), now);
                note(ports, one, "room").await?;
            }
            Ok(Outcome::NoBudget) => note(ports, one, "budget").await?,
            Ok(Outcome::Gone) => {}
            // One that cannot be started holds up no other.
            Err(error) => tracing::warn!(%job, %error, "a job cannot be started"),
        }
    }
    submit::submit_all(ports).await
}

/// The jobs that wait, in the order in which they go.
pub(super) async fn line(
    db: &Db,
    config: &Config,
    compute: &Compute,
) -> Result<Vec<JobId>, StoreError> {
    let (_, ordered) = queue(db, config, compute).await?;
    Ok(ordered)
}

/// What waits, and in which order it goes.
pub(super) async fn queue(
    db: &Db,
    config: &Config,
    compute: &Compute,
) -> Result<(HashMap<JobId, Waiting>, Vec<JobId>), StoreError> {
    let settings = &config.compute;
    let mut conn = db.read().await?;
    let mut waiting = store::waiting(&mut conn, settings.default_time_limit_seconds).await?;
    if waiting.is_empty() {
        return Ok((HashMap::new(), Vec::new()));
    }
    let usage = budgets::recent_use(
        &mut conn,
        db.now(),
        settings.share_half_life_hours,
        CORES_A_GPU,
    )
    .await?;
    let kept = store::kept(&mut conn, None).await?;
    for one in &mut waiting {
        let site = fitting(compute, one).first().copied();
        let seconds = match (site, kept.get(&one.job)) {
            (Some(site), Some(kept)) => kept.left_at(compute, site, one.seconds),
            _ => one.seconds,
        };
        let asked = one.time_limit_seconds;
        let limit = asked.unwrap_or(settings.default_time_limit_seconds);
        one.weight = seconds.min(u64::from(limit)) as f64 * site.map_or(1.0, cores_of);
    }
    let ordered = order(&waiting, &usage);
    let waiting = waiting.into_iter().map(|one| (one.job, one)).collect();
    Ok((waiting, ordered))
}

/// What a job has of a place, in cores as shares count them.
fn cores_of(site: &Site) -> f64 {
    let rates = rates(site);
    if rates.gpus > 0 {
        f64::from(rates.gpus) * CORES_A_GPU
    } else {
        f64::from(rates.cores)
    }
}

/// The free slots of each place that works, as far as is known without a lock.
async fn rooms(ports: &Ports) -> Result<HashMap<String, i64>, JobError> {
    let mut conn = ports.db.read().await?;
    let mut rooms = HashMap::new();
    for site in ports.compute.sites() {
        if site.trouble().is_none() {
            let live = store::live_count(&mut conn, site.id()).await?;
            rooms.insert(site.id().to_owned(), site.slots() - live);
        }
    }
    Ok(rooms)
}

/// The places where a job may go, in the order of the settings; the rules are asked for those alone, when it starts. A
/// request is taken only where they say yes for one of them. Where they do for none any more, they have changed or the
/// settings have, and the job is blocked: a place that has not the memory would be of no help.
fn fitting<'a>(compute: &'a Compute, job: &Waiting) -> Vec<&'a Site> {
    let where_to = (job.place.as_deref(), job.time_limit_seconds);
    memory::fitting(compute, where_to, job.memory_bytes)
}

/// Why a job waits for which no place is open.
fn why(fitting: &[&Site]) -> &'static str {
    if fitting.is_empty() {
        "place"
    } else if fitting.iter().all(|site| site.trouble().is_some()) {
        "trouble"
    } else {
        "room"
    }
}

async fn note(ports: &Ports, job: &Waiting, what: &str) -> Result<(), JobError> {
    if job.waits_for.as_deref() == Some(what) {
        return Ok(());
    }
    let mut tx = ports.db.meter().await?;
    store::set_waits_for(&mut tx, job.job, what).await?;
    tx.commit().await?;
    Ok(())
}

/// Decides on one job and writes its attempt down, at the first of the `open` places where it may be.
async fn dispatch(
    ports: &Ports,
    waiting: &Waiting,
    (fitting, open): (&[&Site], &[&Site]),
) -> Result<Outcome, JobError> {
    let id = waiting.job;
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    let mut free = Vec::new();
    // Always in the order of the settings, so that workers do not wait for each other.
    for site in open {
        store::slots_lock(&mut tx, site.id()).await?;
        if store::live_count(tx.conn(), site.id()).await? < site.slots() {
            free.push(*site);
        }
    }
    if free.is_empty() {
        return Ok(Outcome::NoRoom);
    }
    // Datasets before jobs, as withdrawals do it: nobody waits for each other.
    let versions = store::input_versions(tx.conn(), id).await?;
    for version in &versions {
        datasets::lock_for_use(&mut tx, *version).await?;
    }
    let Some(base) = store::base_of(tx.conn(), id).await? else {
        return Ok(Outcome::Gone);
    };
    let is_base_usable = match base {
        Some(base) => evaluate::lock_models(&mut tx, id, base).await?,
        None => true,
    };
    let Some(mut job) = store::claim(&mut tx, id).await? else {
        return Ok(Outcome::Gone);
    };
    let mut rules = Vec::new();
    let mut judged: HashSet<Territory> = HashSet::new();
    let mut allowed = None;
    // Those that have room first; whether the others would do decides between waiting and no.
    let full = fitting
        .iter()
        .filter(|site| !free.iter().any(|other| other.id() == site.id()));
    for site in free.iter().chain(full) {
        if !judged.insert(site.location) {
            continue;
        }
        let wanted = job.wanted(site.location);
        match decide(&mut tx, &wanted, &versions, is_base_usable).await? {
            Ok(decisions) => {
                allowed = Some((*site, decisions));
                break;
            }
            Err(found) => rules.extend(found),
        }
    }
    let outcome = match allowed {
        Some((site, _)) if !free.iter().any(|other| other.id() == site.id()) => {
            return Ok(Outcome::NoRoomThere);
        }
        Some((site, decisions)) => {
            let limit = site.time_limit(&ports.config, waiting.time_limit_seconds);
            let wanted = (&mut job, limit);
            if !start(&mut tx, &ports.compute, wanted, site, &decisions).await? {
                return Ok(Outcome::NoBudget);
            }
            Outcome::Started(site.id().to_owned())
        }
        None => {
            rules.sort_unstable();
            rules.dedup();
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
            Outcome::Gone
        }
    };
    tx.commit(permit).await?;
    Ok(outcome)
}

/// Writes the attempt down and reserves what is left of its job; false where its institution has not that much left.
async fn start(
    tx: &mut WriteTx<'_>,
    compute: &Compute,
    (job, time_limit): (&mut Job, u32),
    site: &Site,
    decisions: &Decisions,
) -> Result<bool, JobError> {
    let versions: Vec<DatasetVersionId> = decisions.iter().map(|(version, _)| *version).collect();
    let asked = Asked {
        task: &job.task,
        base: job.base,
        versions: &versions,
    };
    let whole = estimate::at(tx.conn(), site, &asked).await?.cost.seconds;
    let kept = store::kept(tx.conn(), Some(job.id)).await?;
    let left = kept
        .get(&job.id)
        .map_or(whole, |kept| kept.left_at(compute, site, whole));
    let seconds = left.min(u64::from(time_limit));
    let attempt = AttemptId::fresh();
    let reserving = Reserving {
        institution: job.institution,
        attempt,
        place: site.name(),
        rates: rates(site),
        seconds,
    };
    let budget = budgets::lock_current(tx, job.institution).await?;
    let cost = reserving.rates.cost(seconds);
    if !budget
        .as_ref()
        .is_none_or(|budget: &Budget| budget.has_room_for(&cost))
    {
        return Ok(false);
    }
    let new = NewAttempt {
        id: attempt,
        job: job.id,
        place: site.id(),
        processing_location: site.location,
    };
    let number = store::insert_attempt(tx, &new).await?;
    budgets::reserve(tx, &reserving, budget.as_ref()).await?;
    for (version, decision) in decisions {
        store::bind_use(tx, attempt, *version, decision).await?;
    }
    job.status = job.status.after(Step::Dispatch)?;
    store::save(tx, job, None).await?;
    let policies: Vec<_> = decisions
        .iter()
        .map(|(version, decision)| {
            json!({ "version": version, "policy_sha256": decision.policy_sha256 })
        })
        .collect();
    tx.record(&Happened::to(
        job,
        "jobs.dispatched",
        json!({
            "attempt": attempt, "number": number, "place": site.id(), "policies": policies,
            "reserved": { "seconds": cost.seconds, "milli_sbu": cost.milli_sbu },
        }),
    ))?;
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
