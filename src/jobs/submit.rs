//! Places are told of the attempts that they may not have yet.

use std::time::Duration;

use compute::ComputeError;

use super::{
    compute::Site,
    conclude::Ending,
    end::{self, Told},
    error::JobError,
    store,
};
use crate::{app::Ports, db::Db, ids::AttemptId};

/// Hands each place every attempt that it may not have; also those of a worker that died in between.
pub(super) async fn submit_all(ports: &Ports) -> Result<(), JobError> {
    for site in ports.compute.sites() {
        // Looked after by `places::look`, which tells when it works again.
        if site.trouble().is_some() {
            continue;
        }
        let attempts = {
            let mut conn = ports.db.read().await?;
            store::attempts_at(&mut conn, site.id()).await?
        };
        for attempt in attempts {
            // One that is to stop before it began is ended instead (`follow`).
            let is_wanted = {
                let mut conn = ports.db.read().await?;
                let job = store::find(&mut conn, attempt.job).await?;
                job.is_some_and(|job| job.asked_to_stop().is_none())
            };
            if !is_wanted {
                continue;
            }
            if !submit(ports, site, attempt.id).await? {
                break;
            }
        }
    }
    Ok(())
}

/// False where the place cannot be told of anything now.
async fn submit(ports: &Ports, site: &Site, attempt: AttemptId) -> Result<bool, JobError> {
    let asked = {
        let mut conn = ports.db.read().await?;
        store::time_limit_of(&mut conn, attempt).await?
    };
    let time_limit = site.time_limit(&ports.config, asked);
    let time_limit = Duration::from_secs(u64::from(time_limit));
    let launch = site.launch(&ports.config, attempt, time_limit);
    let outcome = site.place.backend.submit(&launch).await;
    site.note(&outcome, ports.db.now());
    match outcome {
        Ok(handle) => {
            if !keep_handle(&ports.db, attempt, &handle.0).await?
                && let Err(error) = site.place.backend.cancel(&handle).await
            {
                // Its program is told that the attempt is over, and `places::strays` looks for what is left.
                tracing::warn!(%attempt, place = site.id(), ?error, "an attempt that is over cannot be stopped");
            }
        }
        Err(error @ (ComputeError::Unreachable(_) | ComputeError::Locked(_))) => {
            tracing::warn!(%attempt, place = site.id(), ?error, "a place is away");
            return Ok(false);
        }
        Err(ComputeError::Refused(refusal)) => {
            tracing::error!(%attempt, place = site.id(), %refusal, "a place refuses an attempt");
            let told = Told {
                code: Some("not_started".into()),
                message: Some(refusal.to_string()),
                outcome: None,
            };
            end::end(ports, attempt, Ending::NotStarted, told).await?;
        }
    }
    Ok(true)
}

/// False where the attempt ended while it was submitted.
async fn keep_handle(db: &Db, attempt: AttemptId, handle: &str) -> Result<bool, JobError> {
    let mut tx = db.meter().await?;
    let is_live = store::set_handle(&mut tx, attempt, handle).await?;
    tx.commit().await?;
    Ok(is_live)
}
