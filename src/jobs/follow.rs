//! Running attempts are looked after: what their place sees is joined with what the program told.

use std::collections::HashMap;

use chrono::TimeDelta;
use compute::{Handle, Report, State as Seen};
use futures_util::future::join_all;

use super::{
    compute::Site,
    conclude::{Ending, Life, Move, Patience, code_of, look},
    end::{self, Told},
    error::JobError,
    job::{Attempt, Job, PAUSED},
    store,
};
use crate::{
    app::Ports,
    ids::AttemptId,
    policy::{self, Action, Actor, Scope},
};

/// The chore: looks at every live attempt.
///
/// # Errors
/// Where the database is away; what goes wrong with one attempt is logged and tried again.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    let live = {
        let mut conn = ports.db.read().await?;
        let mut live = Vec::new();
        for attempt in store::live_attempts(&mut conn).await? {
            if let Some(job) = store::find(&mut conn, attempt.job).await? {
                live.push((job, attempt));
            }
        }
        live
    };
    ports
        .compute
        .forget(|id| live.iter().any(|(_, attempt)| attempt.id == id));
    let seen = see(ports, &live).await;
    // Stopping one takes seconds; the others do not wait for it.
    join_all(live.iter().map(|(job, attempt)| {
        let seen = seen.get(&attempt.id).copied();
        async move {
            if let Err(error) = follow(ports, job, attempt, seen).await {
                tracing::warn!(attempt = %attempt.id, %error, "an attempt cannot be followed");
            }
        }
    }))
    .await;
    Ok(())
}

/// What places see of attempts; nothing of those that they cannot tell of now, or were not told of yet.
async fn see(ports: &Ports, live: &[(Job, Attempt)]) -> HashMap<AttemptId, Seen> {
    let at_place = |site: &Site| -> Vec<(AttemptId, Handle)> {
        live.iter()
            .filter(|(_, attempt)| attempt.backend == site.id())
            .filter_map(|(_, attempt)| Some((attempt.id, Handle(attempt.handle.clone()?))))
            .collect()
    };
    // A place that takes long to answer holds up no other.
    let told = join_all(ports.compute.sites().iter().map(|site| async move {
        let asked = at_place(site);
        let reports = ask(ports, site, &asked).await;
        keep(ports, site, &reports).await;
        reports
    }))
    .await;
    let mut seen: HashMap<_, _> = told
        .into_iter()
        .flatten()
        .map(|(attempt, report)| (attempt, report.state))
        .collect();
    for (_, attempt) in live {
        // Another machine looks after it. Where that one is gone, the heartbeats stop.
        if ports.compute.site(&attempt.backend).is_none() {
            seen.insert(attempt.id, Seen::Unknown);
        }
    }
    seen
}

async fn ask(
    ports: &Ports,
    site: &Site,
    asked: &[(AttemptId, Handle)],
) -> Vec<(AttemptId, Report)> {
    // One that a person has to mend is looked at again by `places::look`.
    if asked.is_empty() || site.trouble().is_some_and(|trouble| trouble.is_locked) {
        return Vec::new();
    }
    let handles: Vec<Handle> = asked.iter().map(|(_, handle)| handle.clone()).collect();
    let told = site.place.backend.statuses(&handles).await;
    site.note(&told, ports.db.now());
    match told {
        Ok(reports) => asked.iter().map(|(id, _)| *id).zip(reports).collect(),
        Err(error) => {
            tracing::warn!(
                place = site.id(),
                ?error,
                "a place cannot tell how its attempts stand"
            );
            Vec::new()
        }
    }
}

/// Writes down what is new.
async fn keep(ports: &Ports, site: &Site, reports: &[(AttemptId, Report)]) {
    for (attempt, report) in reports {
        if !site.is_news(*attempt, report) {
            continue;
        }
        let kept = async {
            let mut tx = ports.db.meter().await?;
            store::put_report(&mut tx, *attempt, report).await?;
            tx.commit().await?;
            Ok::<_, JobError>(())
        };
        if let Err(error) = kept.await {
            site.untold(*attempt);
            tracing::warn!(%attempt, %error, "what a place told of an attempt cannot be kept");
        }
    }
}

async fn follow(
    ports: &Ports,
    job: &Job,
    attempt: &Attempt,
    seen: Option<Seen>,
) -> Result<(), JobError> {
    let now = ports.db.now();
    let unknown_since = ports.compute.unknown_since(attempt.id, seen, now);
    let Some(seen) = seen else {
        // Its place says nothing of it, which may be because it never heard of it.
        return settle_unsubmitted(ports, job, attempt).await;
    };
    let has_ended = matches!(seen, Seen::Ended { .. });
    let life = Life {
        last_sign: attempt.heartbeat_at.unwrap_or(attempt.created_at),
        unknown_since,
        silent_since: ports.compute.silent_since(attempt, seen, now),
        cancel_since: job.cancel_requested_at,
        pause_since: job.pause_requested_at,
        ended_since: has_ended.then(|| ports.compute.ended_since(attempt.id, now)),
    };
    let training = &ports.config.training;
    let patience = Patience {
        lost_after: TimeDelta::seconds(training.lost_after_seconds),
        silent_after: TimeDelta::seconds(training.silent_after_seconds),
    };
    match look(seen, &life, now, &patience) {
        Move::Wait => {}
        Move::Stop => {
            if let (Some(handle), Some(site)) =
                (&attempt.handle, ports.compute.site(&attempt.backend))
                && let Err(error) = site.place.backend.cancel(&Handle(handle.clone())).await
            {
                tracing::warn!(attempt = %attempt.id, ?error, "an attempt cannot be stopped");
            }
        }
        Move::End(seen) => {
            let told = Told {
                code: Some(code_of(seen)),
                ..Told::default()
            };
            end::end(ports, attempt.id, Ending::Lost(seen), told).await?;
        }
    }
    Ok(())
}

/// Ends an attempt of a job that is asked to stop or rest and that its place never took, as far as is known. Nobody waits
/// for a place that is away: a program that starts after all is told that its attempt is over, before it reads anything,
/// and whoever submits it just now stops it again.
async fn settle_unsubmitted(ports: &Ports, job: &Job, attempt: &Attempt) -> Result<(), JobError> {
    if job.asked_to_stop().is_none() || !never_taken(attempt) {
        return Ok(());
    }
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = ports.db.write(&actor).await?;
    let Some((mut job, mut attempt)) = end::lock(&mut tx, attempt.id).await? else {
        return Ok(());
    };
    let Some(reason) = job.asked_to_stop().map(str::to_owned) else {
        return Ok(());
    };
    if !never_taken(&attempt) {
        return Ok(());
    }
    let ending = if reason == PAUSED {
        Ending::Paused
    } else {
        Ending::Cancelled
    };
    let told = Told {
        code: Some(reason),
        ..Told::default()
    };
    end::conclude_in(
        &mut tx,
        (&mut job, &mut attempt),
        ending,
        told,
        &ports.config.training,
    )
    .await?;
    tx.commit(permit).await?;
    Ok(())
}

/// Whether neither the place nor the program ever said that they have it.
fn never_taken(attempt: &Attempt) -> bool {
    attempt.handle.is_none() && attempt.heartbeat_at.is_none()
}
