//! Running attempts are looked after: what the backend sees is joined with what the program told.

use chrono::TimeDelta;
use compute::{Handle, State as Seen};
use futures_util::future::join_all;

use super::{
    conclude::{Ending, Life, Move, look},
    end::{self, Told},
    error::JobError,
    job::{Attempt, Job},
    store,
};
use crate::app::Ports;

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
    // Stopping one takes seconds; the others do not wait for it.
    join_all(live.iter().map(|(job, attempt)| async move {
        if let Err(error) = follow(ports, job, attempt).await {
            tracing::warn!(attempt = %attempt.id, %error, "an attempt cannot be followed");
        }
    }))
    .await;
    Ok(())
}

async fn follow(ports: &Ports, job: &Job, attempt: &Attempt) -> Result<(), JobError> {
    let Some(seen) = seen(ports, attempt).await else {
        return Ok(());
    };
    let now = ports.db.now();
    let has_ended = matches!(seen, Seen::Ended { .. });
    let life = Life {
        last_sign: attempt.heartbeat_at.unwrap_or(attempt.created_at),
        cancel_since: job.cancel_requested_at,
        ended_since: has_ended.then(|| ports.compute.ended_since(attempt.id, now)),
    };
    let lost_after = TimeDelta::seconds(ports.config.training.lost_after_seconds);
    match look(seen, &life, now, lost_after) {
        Move::Wait => {}
        Move::Stop => {
            if let Some(handle) = &attempt.handle
                && let Err(error) = ports.compute.backend.cancel(&Handle(handle.clone())).await
            {
                tracing::warn!(attempt = %attempt.id, ?error, "an attempt cannot be stopped");
            }
        }
        Move::End(exit_code) => {
            let code = exit_code.map_or_else(|| "lost".into(), |code| format!("exit_{code}"));
            let told = Told {
                code: Some(code),
                ..Told::default()
            };
            end::end(ports, attempt.id, Ending::Lost(exit_code), told).await?;
        }
    }
    Ok(())
}

/// What the backend sees; none where it cannot tell now, or was not told of the attempt yet.
async fn seen(ports: &Ports, attempt: &Attempt) -> Option<Seen> {
    if attempt.backend != ports.compute.place {
        // Another machine looks after it. Where that one is gone, the heartbeats stop.
        return Some(Seen::Unknown);
    }
    let handle = Handle(attempt.handle.clone()?);
    match ports.compute.backend.status(&handle).await {
        Ok(report) => Some(report.state),
        Err(error) => {
            tracing::warn!(attempt = %attempt.id, ?error, "the backend cannot tell how an attempt stands");
            None
        }
    }
}
