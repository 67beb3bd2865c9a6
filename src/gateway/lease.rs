//! Holding on to a reservation while its request runs.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    db::Db,
    ids::RequestId,
    keys::quota::{self, Renewal},
};

/// Well within the life of a reservation, so that one failure does not lose it.
const EVERY: Duration = Duration::from_secs(15);

/// A reservation that is renewed until this is dropped.
pub(super) struct Lease {
    lost: CancellationToken,
    why: Arc<OnceLock<Renewal>>,
    _held: DropGuard,
}

impl Lease {
    /// Renews the reservation of `request` from now on.
    pub(super) fn hold(running: &TaskTracker, db: &Db, request: RequestId) -> Self {
        let (lost, dropped) = (CancellationToken::new(), CancellationToken::new());
        let held = dropped.clone().drop_guard();
        let why = Arc::new(OnceLock::new());
        let (db, tell, note) = (db.clone(), lost.clone(), Arc::clone(&why));
        running.spawn(dropped.run_until_cancelled_owned(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first tick comes at once, when the reservation is fresh.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                match quota::renew(&db, request).await {
                    Ok(Renewal::Held) => {}
                    Ok(why) => {
                        note.get_or_init(|| why);
                        break tell.cancel();
                    }
                    Err(error) => tracing::warn!(%error, %request, "a reservation was not renewed"),
                }
            }
        }));
        Self {
            lost,
            why,
            _held: held,
        }
    }

    /// Ends when the request must, and says why.
    pub(super) async fn lost(&self) -> Renewal {
        self.lost.cancelled().await;
        self.why.get().copied().unwrap_or(Renewal::Lost)
    }
}
