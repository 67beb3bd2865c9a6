//! This process's part of the ledger: what it may admit by itself, and who waits for more.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use quota::{Amount, Ask, Measure, NodeId, ReplicaId, RequestId, Reserve};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    held::Held,
    record::Context,
    standing::Standing,
    state::{Decided, State},
};
use crate::{
    db::Db,
    ids::{self, ApiKeyId},
};

/// How long a request waits to be decided on.
const PATIENCE: Duration = Duration::from_secs(8);

/// The ledger as gateways use it. One for each process; cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Something is to be told.
    news: Notify,
    /// The replica has joined, or its life was renewed.
    joined: Notify,
    is_strict: bool,
}

/// What this process does with the ledger, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Exchanges with the database that were done, since the process began.
    pub exchanges: u64,
    /// Those that failed, and are repeated.
    pub failures: u64,
    /// Requests for which something is set aside.
    pub open: usize,
    /// Wishes that the next exchange decides.
    pub waiting: usize,
}

/// A request that is about to be sent on.
#[derive(Debug, Clone)]
pub struct NewRequest {
    pub request: ids::RequestId,
    pub key: ApiKeyId,
    /// Tokens without which it cannot begin.
    pub least: i64,
    /// Tokens beyond which it has no use for more at first.
    pub most: i64,
    pub context: Context,
}

/// Why nothing was set aside.
#[derive(Debug)]
pub enum ReserveError {
    /// This limit is used up, or set aside for requests under way.
    Refused(Standing),
    /// Nobody can say what is left at the moment.
    Away,
}

/// Why a wish was not granted.
enum Not {
    Refused(Standing),
    Fenced,
    Away,
}

impl Ledger {
    /// A ledger that admits nothing before it runs. With `is_strict`, every reservation of tokens is in the books
    /// before its request is sent on, and every end before its answer ends.
    #[must_use]
    pub fn new(is_strict: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                news: Notify::new(),
                joined: Notify::new(),
                is_strict,
            }),
        }
    }

    /// Sets aside what a request needs: one of its key's requests, a slot, and tokens.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing is set aside then.
    pub async fn reserve(&self, db: &Db, new: &NewRequest) -> Result<Held, ReserveError> {
        let until = Instant::now() + PATIENCE;
        loop {
            let joined = self.shared.joined.notified();
            match self.try_reserve(db, new, until).await {
                Ok(held) => return Ok(held),
                Err(Not::Refused(standing)) => return Err(ReserveError::Refused(standing)),
                Err(Not::Away) => return Err(ReserveError::Away),
                Err(Not::Fenced) => {
                    self.tell();
                    if self.state().is_away() || timeout_at(until, joined).await.is_err() {
                        return Err(ReserveError::Away);
                    }
                }
            }
        }
    }

    async fn try_reserve(&self, db: &Db, new: &NewRequest, until: Instant) -> Result<Held, Not> {
        let request = RequestId(new.request.0.as_u128());
        let leaf = NodeId(new.key.0.as_u128());
        let mut held = Held::new(self.clone(), request, (leaf, new.key), &new.context);
        let one = (Measure::Requests, 1, 1);
        let slot = (Measure::Slots, 1, 1);
        let tokens = (Measure::Tokens, new.least, new.most);
        for (measure, least, most) in [one, slot, tokens] {
            let ask = Ask {
                request,
                least,
                most,
            };
            let waiter = {
                let mut state = self.state();
                let (of, reserve) = state
                    .reserve(db.now(), leaf, measure, ask)
                    .ok_or(Not::Fenced)?;
                held.add(of);
                state.note_context(request, &new.context);
                match reserve {
                    Reserve::Go(amount) => {
                        held.granted(measure, amount);
                        None
                    }
                    Reserve::Later if state.is_away() => return Err(Not::Away),
                    Reserve::Later => Some(state.wait(request, measure)),
                    Reserve::Fenced => return Err(Not::Fenced),
                }
            };
            self.tell();
            let Some(waiter) = waiter else { continue };
            match timeout_at(until, waiter).await {
                Ok(Ok(Decided::Admitted(amount))) => held.granted(measure, amount),
                Ok(Ok(Decided::Refused(counter))) => {
                    let standing = self.state().standing(leaf, measure, counter);
                    return Err(Not::Refused(standing));
                }
                Ok(Ok(Decided::Fenced)) => return Err(Not::Fenced),
                Ok(Ok(Decided::Away) | Err(_)) | Err(_) => return Err(Not::Away),
            }
        }
        held.begin(db.now());
        self.tell();
        Ok(held)
    }

    /// Where a key stands against its limits, as far as this process knows.
    #[must_use]
    pub fn standings(&self, now: DateTime<Utc>, key: ApiKeyId) -> Vec<Standing> {
        self.state().standings(now, NodeId(key.0.as_u128()))
    }

    /// What this process does with it, in numbers.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.state().figures()
    }

    /// Others need what this process holds idle for a key.
    pub fn recall(&self, replica: Uuid, leaf: Uuid) {
        let (replica, leaf) = (ReplicaId(replica.as_u128()), NodeId(leaf.as_u128()));
        self.state().recall(replica, leaf);
        self.tell();
    }

    /// Limits have changed: what comes next is granted anew.
    pub fn recall_all(&self) {
        self.state().recall_all();
        self.tell();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever does the exchanges.
    pub(super) fn tell(&self) {
        self.shared.news.notify_one();
    }

    pub(super) async fn news(&self) {
        self.shared.news.notified().await;
    }

    pub(super) fn has_joined(&self) {
        self.shared.joined.notify_waiters();
    }

    pub(super) fn is_strict(&self) -> bool {
        self.shared.is_strict
    }

    /// A wish for more while an answer streams.
    pub(super) fn extend(
        &self,
        db: &Db,
        of: quota::Reservation,
        step: (Amount, Amount),
    ) -> Option<Result<Amount, oneshot::Receiver<Decided>>> {
        let mut state = self.state();
        let said = match state.extend(db.now(), of, step)? {
            Reserve::Go(amount) => Ok(amount),
            Reserve::Later => Err(state.wait(of.request, of.lease.measure)),
            Reserve::Fenced => return None,
        };
        drop(state);
        self.tell();
        Some(said)
    }
}
