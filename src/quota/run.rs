//! The exchanges of this process with the ledger: as soon as one is done and something is to be told, the next.

use std::{io::ErrorKind, time::Duration};

use chrono::TimeDelta;
use quota::ReplicaId;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    end,
    exchange::{Exchanged, exchange},
    ledger::Ledger,
    store,
};
use crate::{
    db::{Db, StoreError},
    ids::RequestId,
};

/// An idle process renews its life this often, well within it.
const RENEW: Duration = Duration::from_secs(3);
/// Leases are looked at this often: they turn with the minute, and calm down.
const BEAT: Duration = Duration::from_secs(1);
/// What nobody waits for is told together with what comes within this time.
const GATHER: Duration = Duration::from_millis(10);
/// Between tries: where the database is away, and where others are asked to give something back.
const AGAIN: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_millis(3);
/// An exchange that takes longer is sent again; so long any other step waits for the database too.
const LONGEST: Duration = Duration::from_secs(8);
/// Times of last use are written this often.
const USES: TimeDelta = TimeDelta::seconds(10);

impl Ledger {
    /// Does the exchanges until `stop`; then tells the last, gives everything back and ends this life.
    pub async fn run(self, db: Db, stop: CancellationToken) {
        let mut uses_at = db.now() + USES;
        loop {
            let id = self.state().id();
            if id.is_none() && !self.join(&db).await {
                tokio::select! {
                    () = sleep(AGAIN) => continue,
                    () = stop.cancelled() => return,
                }
            }
            self.wait_for_news(&stop).await;
            let is_last = stop.is_cancelled();
            let rest = self.exchange(&db).await;
            if db.now() >= uses_at || is_last {
                uses_at = db.now() + USES;
                self.state().forget_unused(db.now());
                self.note_uses(&db).await;
            }
            if is_last && (rest == Some(AGAIN) || !self.state().has_unsettled()) {
                break;
            }
            if let Some(rest) = rest {
                sleep(rest).await;
            }
        }
        if let Err(error) = in_time(self.leave(&db)).await {
            tracing::warn!(%error, "what this process holds comes back when it is found dead");
        }
    }

    async fn wait_for_news(&self, stop: &CancellationToken) {
        let most = if self.state().has_leases() {
            BEAT
        } else {
            RENEW
        };
        if !self.state().is_urgent() {
            tokio::select! {
                () = self.news() => {}
                () = sleep(most) => {}
                () = stop.cancelled() => return,
            }
        }
        let until = Instant::now() + GATHER;
        while !self.state().is_urgent() && !stop.is_cancelled() {
            tokio::select! {
                () = self.news() => {}
                () = sleep_until(until) => return,
            }
        }
    }

    /// One exchange; how long to wait before the next, where it should wait.
    async fn exchange(&self, db: &Db) -> Option<Duration> {
        let (id, message) = self.state().message(db.now())?;
        match timeout(LONGEST, exchange(db, id, &message)).await {
            Ok(Ok(Exchanged::Done(heard))) => {
                let has_to_wait = self.state().heard(db.now(), &heard);
                self.has_joined();
                has_to_wait.then_some(SOON)
            }
            Ok(Ok(Exchanged::Fenced)) => {
                tracing::warn!("taken for dead; beginning anew");
                let (id, now) = (fresh(), db.now());
                match in_time(store::join(db, id)).await {
                    Ok(()) => {
                        self.state().fenced(id, now);
                        self.has_joined();
                        None
                    }
                    Err(error) => self.away(&error),
                }
            }
            Ok(Err(error)) => self.away(&error),
            Err(_) => {
                tracing::warn!("an exchange with the quota ledger takes too long");
                self.state().failed();
                Some(AGAIN)
            }
        }
    }

    fn away(&self, error: &StoreError) -> Option<Duration> {
        tracing::warn!(%error, "the quota ledger is away");
        self.state().failed();
        Some(AGAIN)
    }

    async fn join(&self, db: &Db) -> bool {
        let (id, now) = (fresh(), db.now());
        match in_time(store::join(db, id)).await {
            Ok(()) => {
                self.state().joined(id, now, self.is_strict());
                self.has_joined();
                true
            }
            Err(error) => {
                self.away(&error);
                false
            }
        }
    }

    async fn note_uses(&self, db: &Db) {
        let uses = self.state().take_uses();
        if uses.is_empty() {
            return;
        }
        if let Err(error) = in_time(store::note_uses(db, &uses)).await {
            tracing::warn!(%error, "times of last use were not written");
        }
    }

    async fn leave(&self, db: &Db) -> Result<(), StoreError> {
        let id = self.state().id();
        if let Some(id) = id {
            store::retire(db, id).await?;
            end::expire(db).await?;
        }
        Ok(())
    }
}

/// What `work` answers, unless the database does not: then it is away. Safe with what may be done twice or not at all.
async fn in_time<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answered = timeout(LONGEST, work).await;
    answered.unwrap_or_else(|_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into()).into()))
}

fn fresh() -> ReplicaId {
    ReplicaId(RequestId::fresh().0.as_u128())
}
