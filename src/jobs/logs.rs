//! The logs of attempts: read from their places while they run and once more at their end, kept for people to read.
//!
//! What leaves `compute` has no secrets in it any more. A program writes what it does and what went wrong, never what is
//! in the data.

use chrono::TimeDelta;
use compute::{Handle, State};
use futures_util::future::join_all;

use super::{
    compute::Site,
    error::JobError,
    job::Attempt,
    store::{self, LogState, OpenLog},
};
use crate::{
    app::Ports,
    db::{Db, StoreError},
    ids::AttemptId,
};

/// Of one attempt; the rest is left out, and said to be.
const LONGEST: i64 = 8 << 20;
/// How long after an attempt's end its place may still be asked.
const LATEST: TimeDelta = TimeDelta::hours(1);
/// How long a log is kept after its attempt ended.
const KEPT: TimeDelta = TimeDelta::days(180);

/// How long a worker's turn lasts that does not say again that it goes on. Two at once would do no harm: a part is kept
/// once.
const TURN: TimeDelta = TimeDelta::seconds(15);
/// How often it says so.
const HOLD_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// A log as people see it.
pub(super) struct Log {
    pub(super) text: String,
    /// It was longer than what is kept.
    pub(super) is_cut: bool,
}

/// The log of an attempt; none where it is not one of the job's.
///
/// # Errors
/// Where the database is away.
pub(super) async fn log(db: &Db, attempt: &Attempt) -> Result<Option<Log>, StoreError> {
    let mut conn = db.read().await?;
    let found = store::log_of(&mut conn, attempt.job, attempt.id).await?;
    Ok(found.map(|(text, is_cut)| Log { text, is_cut }))
}

/// The chore: reads on.
///
/// # Errors
/// Where the database is away; a place that does not answer is asked again.
pub(super) async fn sweep(ports: &Ports) -> Result<(), JobError> {
    // A place that takes long to answer holds up no other.
    let swept = ports.compute.sites().iter().map(|site| async move {
        if site.trouble().is_some() {
            return Ok(());
        }
        sweep_at(ports, site).await
    });
    join_all(swept).await.into_iter().collect()
}

/// Reads on at one place, where no other worker does.
async fn sweep_at(ports: &Ports, site: &Site) -> Result<(), JobError> {
    let open = {
        let mut conn = ports.db.read().await?;
        store::open_logs(&mut conn, site.id()).await?
    };
    if open.is_empty() || !hold(ports, site).await? {
        return Ok(());
    }
    // One question for all of them.
    let handles: Vec<Handle> = open.iter().map(|log| Handle(log.handle.clone())).collect();
    let told = site.place.backend.statuses(&handles).await;
    site.note(&told, ports.db.now());
    let states: Vec<State> = match told {
        Ok(reports) => reports.into_iter().map(|report| report.state).collect(),
        Err(error) => {
            tracing::debug!(place = site.id(), ?error, "logs cannot be read now");
            return Ok(());
        }
    };
    let mut held_at = ports.db.now();
    for (log, seen) in open.into_iter().zip(states) {
        if ports.db.now() - held_at >= HOLD_AGAIN {
            if !hold(ports, site).await? {
                return Ok(());
            }
            held_at = ports.db.now();
        }
        // What waits has written nothing yet.
        if seen != State::Pending || log.ended_at.is_some() {
            read_on(ports, site, log, seen).await?;
        }
    }
    Ok(())
}

/// Takes or renews this worker's turn at the logs of a place; false where it is another's.
async fn hold(ports: &Ports, site: &Site) -> Result<bool, JobError> {
    let mut tx = ports.db.meter().await?;
    let until = tx.now() + TURN;
    let is_held = store::hold_logs(&mut tx, site.id(), (ports.compute.worker(), until)).await?;
    tx.commit().await?;
    Ok(is_held)
}

/// The chore: old logs go.
///
/// # Errors
/// Where the database is away.
pub(super) async fn forget(ports: &Ports) -> Result<(), JobError> {
    let mut tx = ports.db.meter().await?;
    let before = tx.now() - KEPT;
    store::delete_logs(&mut tx, before).await?;
    tx.commit().await?;
    Ok(())
}

async fn read_on(ports: &Ports, site: &Site, log: OpenLog, seen: State) -> Result<(), JobError> {
    let (mut next, mut size) = (log.next_byte, log.size_bytes);
    let handle = Handle(log.handle);
    loop {
        let from = next.unsigned_abs();
        let is_late = log
            .ended_at
            .is_some_and(|ended| ports.db.now() - ended > LATEST);
        let part = match site.place.backend.log_as_seen(&handle, from, seen).await {
            Ok(part) => part,
            Err(error) => {
                tracing::debug!(attempt = %log.attempt, ?error, "a log cannot be read now");
                if is_late {
                    keep(ports, log.attempt, (next, ""), (next, size), (true, false)).await?;
                }
                return Ok(());
            }
        };
        let after = i64::try_from(part.next).unwrap_or(i64::MAX);
        let length = i64::try_from(part.text.len()).unwrap_or(i64::MAX);
        let is_cut = size.saturating_add(length) > LONGEST;
        let is_gone = is_late && after == next;
        let is_closed = is_cut || (part.is_complete && log.ended_at.is_some()) || is_gone;
        if after == next && !is_closed {
            return Ok(());
        }
        let text = if is_cut { "" } else { part.text.as_str() };
        size += if is_cut { 0 } else { length };
        keep(
            ports,
            log.attempt,
            (next, text),
            (after, size),
            (is_closed, is_cut),
        )
        .await?;
        if is_closed || after == next {
            return Ok(());
        }
        next = after;
    }
}

async fn keep(
    ports: &Ports,
    attempt: AttemptId,
    part: (i64, &str),
    (next_byte, size_bytes): (i64, i64),
    (is_closed, is_cut): (bool, bool),
) -> Result<(), JobError> {
    let state = LogState {
        next_byte,
        size_bytes,
        is_closed,
        is_cut,
    };
    let mut tx = ports.db.meter().await?;
    store::put_log(&mut tx, attempt, part, &state).await?;
    tx.commit().await?;
    Ok(())
}
