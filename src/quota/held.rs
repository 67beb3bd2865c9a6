//! What is set aside for one request, until it is settled.

use std::time::Duration;

use chrono::{DateTime, Utc};
use quota::{Amount, Measure, NodeId, RequestId, Reservation};
use tokio::{sync::oneshot, time::timeout};

use super::{
    ledger::Ledger,
    record::{Context, Record, Spent},
    standing::Standing,
    state::Decided,
};
use crate::{db::Db, ids::ApiKeyId};

/// An answer's end waits so long to be in the books, where the database is slow or away. It is booked all the same.
const BOOKED_IN: Duration = Duration::from_secs(5);

/// One request's reservations. Dropped without being settled, they are released: it was not sent on.
#[must_use = "what is set aside is to be settled"]
pub struct Held {
    ledger: Ledger,
    request: RequestId,
    leaf: NodeId,
    key: ApiKeyId,
    context: Context,
    parts: Vec<Reservation>,
    tokens: Amount,
}

/// What came of a wish for more.
#[derive(Debug)]
pub enum Growth {
    /// So many tokens are set aside altogether.
    Now(i64),
    /// It will be told.
    Later(Wish),
    /// Not now; it may be asked for again.
    NotNow,
    /// Used up.
    No,
}

/// A wish for more that is being decided on.
#[derive(Debug)]
pub struct Wish(oneshot::Receiver<Decided>);

impl Wish {
    /// What came of it; safe to drop and wait for again.
    pub async fn decided(&mut self) -> Growth {
        match (&mut self.0).await {
            Ok(Decided::Admitted(amount)) => Growth::Now(amount),
            Ok(Decided::Refused(_)) => Growth::No,
            Ok(Decided::Fenced) => Growth::No,
            Ok(Decided::Away) | Err(_) => Growth::NotNow,
        }
    }
}

impl Held {
    pub(super) fn new(
        ledger: Ledger,
        request: RequestId,
        (leaf, key): (NodeId, ApiKeyId),
        context: &Context,
    ) -> Self {
        Self {
            ledger,
            request,
            leaf,
            key,
            context: context.clone(),
            parts: Vec::with_capacity(3),
            tokens: 0,
        }
    }

    pub(super) fn add(&mut self, of: Reservation) {
        self.parts.push(of);
    }

    pub(super) fn granted(&mut self, measure: Measure, amount: Amount) {
        if measure == Measure::Tokens {
            self.tokens = amount;
        }
    }

    /// Everything was granted: the request counts from here on.
    pub(super) fn begin(&mut self, now: DateTime<Utc>) {
        let mut state = self.ledger.state();
        if let Some(of) = take(&mut self.parts, Measure::Requests) {
            state.settle(of, 1, None);
        }
        state.note_use(self.key, now);
    }

    /// How many tokens are set aside.
    #[must_use]
    pub fn tokens(&self) -> i64 {
        self.tokens
    }

    /// Notes what a wish brought.
    pub fn grown_to(&mut self, tokens: i64) {
        self.tokens = tokens;
    }

    /// Asks for at least and at most so many tokens more, in the periods in which the request was admitted.
    pub fn grow(&mut self, db: &Db, step: (i64, i64)) -> Growth {
        let tokens = self
            .parts
            .iter()
            .find(|of| of.lease.measure == Measure::Tokens);
        match tokens.map(|of| self.ledger.extend(db, *of, step)) {
            Some(Some(Ok(amount))) => {
                self.tokens = amount;
                Growth::Now(amount)
            }
            Some(Some(Err(waiter))) => Growth::Later(Wish(waiter)),
            // The lease was lost: what was granted on it may be used, and no more.
            Some(None) | None => Growth::No,
        }
    }

    /// Where the key stands against its limits, as far as this process knows.
    #[must_use]
    pub fn standings(&self, now: DateTime<Utc>) -> Vec<Standing> {
        self.ledger.state().standings(now, self.leaf)
    }

    /// Books what the request took; in strict mode this waits until it is in the books.
    pub async fn settle(mut self, spent: Spent) {
        let booked = self.end(spent);
        let Some(booked) = booked else { return };
        if timeout(BOOKED_IN, booked).await.is_err() {
            tracing::warn!("an answer ends before it is in the books");
        }
    }

    fn end(&mut self, spent: Spent) -> Option<oneshot::Receiver<()>> {
        let booked = {
            let mut state = self.ledger.state();
            for of in self.parts.drain(..) {
                if of.lease.measure == Measure::Tokens {
                    let record = Record {
                        context: self.context.clone(),
                        spent,
                    };
                    state.settle(of, spent.tokens(), Some(record));
                } else {
                    state.settle(of, 0, None);
                }
            }
            state.forget(self.request);
            self.ledger.is_strict().then(|| state.until_booked())
        };
        self.ledger.tell();
        booked
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let mut state = self.ledger.state();
        for of in self.parts.drain(..) {
            state.settle(of, 0, None);
        }
        state.forget(self.request);
        drop(state);
        self.ledger.tell();
    }
}

fn take(parts: &mut Vec<Reservation>, measure: Measure) -> Option<Reservation> {
    let at = parts.iter().position(|of| of.lease.measure == measure)?;
    Some(parts.swap_remove(at))
}
