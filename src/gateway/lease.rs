//! Holding on to a reservation while its request runs.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{db::Db, ids::RequestId, keys::quota};

/// Well within the life of a reservation, so that one failure does not lose it.
const EVERY: Duration = Duration::from_secs(15);

/// A reservation that is renewed until this is dropped.
pub(super) struct Lease {
    lost: CancellationToken,
    _held: DropGuard,
}

impl Lease {
    /// Renews the reservation of `request` from now on.
    pub(super) fn hold(running: &TaskTracker, db: &Db, request: RequestId) -> Self {
        let (lost, dropped) = (CancellationToken::new(), CancellationToken::new());
        let held = dropped.clone().drop_guard();
        let (db, tell) = (db.clone(), lost.clone());
        running.spawn(dropped.run_until_cancelled_owned(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first tick comes at once, when the reservation is fresh.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                match quota::renew(&db, request).await {
                    Ok(true) => {}
                    Ok(false) => break tell.cancel(),
                    Err(error) => tracing::warn!(%error, %request, "a reservation was not renewed"),
                }
            }
        }));
        Self { lost, _held: held }
    }

    /// Ends when the request must: its reservation was settled by another, or its key was revoked.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}
