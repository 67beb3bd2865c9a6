//! What a request is booked at once it has ended: by its own counts, by those of the upstream, else by what can be said.

use std::{slice, sync::Arc, time::Duration};

use openai_api::Usage;

use super::{measure::End, relay::Relay, rewrite::Rewriter, upstream::Counted};
use crate::quota::{Held, Outcome, Spent};

/// How often and how long an upstream is asked for the counts of a request that was cut.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASKS: usize = 60;

impl Relay {
    /// Books a request that was not answered. Where something may have been made of it all the same, the upstream is
    /// asked.
    pub(super) async fn settle_unanswered(&self, held: Held, may_have_made: bool) {
        let made = if may_have_made {
            self.counts_of_cut().await
        } else {
            None
        };
        match made {
            Some(usage) if usage.total_tokens > 0 => {
                self.book(held, Some(usage), Outcome::Cut).await;
            }
            _ => {
                self.ended(None, End::Failed);
                held.settle(Spent::nothing(Outcome::Failed)).await;
            }
        }
    }

    /// Books what a request took. Where nobody counted and it was cut: what its prompt can have taken, at a place that
    /// keeps no counts; else what was set aside.
    pub(super) async fn settle(&self, held: Held, usage: Option<Usage>, outcome: Outcome) {
        let mut usage = match usage {
            Some(usage) => Some(usage),
            None => self.counts_of_cut().await,
        };
        if usage.is_none() && outcome == Outcome::Cut && !self.keeps_counts() {
            let prompt = u64::try_from(self.need.prompt).unwrap_or_default();
            usage = Some(Usage::new(prompt, 0));
        }
        self.book(held, usage, outcome).await;
    }

    /// Books a stream that the upstream ended.
    pub(super) async fn settle_ended(&self, held: Held, rewriter: &Rewriter) {
        let usage = rewriter.usage().or_else(|| self.seen(rewriter));
        self.settle(held, usage, Outcome::Completed).await;
    }

    /// Books a stream that was cut: by the upstream's own counts or the last it told us, whichever is more. A program
    /// that was started anew knows nothing of what went out before.
    pub(super) async fn settle_cut(&self, held: Held, rewriter: &Rewriter) -> Option<Usage> {
        let (known, told) = (self.counts_of_cut().await, rewriter.usage());
        let counted = known.into_iter().chain(told);
        let most = counted.max_by_key(|usage| usage.total_tokens);
        let usage = most
            .or_else(|| self.seen(rewriter))
            .map(|usage| self.possible(usage));
        self.book(held, usage, Outcome::Cut).await;
        usage
    }

    /// As far as an upstream's counts can be true.
    pub(super) fn possible(&self, told: Usage) -> Usage {
        let possible = self.need.possible(told);
        if possible != told {
            tracing::warn!(
                request = %self.request,
                told = told.total_tokens,
                booked = possible.total_tokens,
                "the upstream counts more tokens than there can be"
            );
        }
        possible
    }

    /// Books these counts, as far as they can be true; what was set aside where there are none.
    pub(super) async fn book(&self, held: Held, usage: Option<Usage>, outcome: Outcome) {
        let usage = usage.map(|told| self.possible(told));
        let end = match outcome {
            Outcome::Completed => End::Completed,
            Outcome::Cut | Outcome::Failed | Outcome::Recovered => End::Cut,
        };
        self.ended(usage, end);
        let spent = match usage {
            Some(usage) => Spent::of(usage, outcome),
            None => Spent {
                prompt_tokens: held.tokens(),
                completion_tokens: 0,
                outcome,
            },
        };
        if spent.tokens() > held.tokens() {
            tracing::warn!(
                request = %self.request,
                reserved = held.tokens(),
                actual = spent.tokens(),
                "the upstream counts more tokens than were set aside"
            );
        }
        held.settle(spent).await;
    }

    /// Where the request was sent; until one has answered it may be any of them that works on it.
    fn sent_to(&self) -> &[Arc<str>] {
        let place = self.place.get();
        place.map_or(&*self.route.places, slice::from_ref)
    }

    /// Whether all of them can be asked what a request took.
    pub(super) fn keeps_counts(&self) -> bool {
        let client = &self.gateway.client;
        self.sent_to().iter().all(|place| client.is_ours(place))
    }

    /// What of a stream was seen, at a place that keeps no counts: each piece is a token at least.
    fn seen(&self, rewriter: &Rewriter) -> Option<Usage> {
        (!self.keeps_counts()).then(|| rewriter.so_far(self.need.prompt))
    }

    /// What the upstream counted for a request that it should be done with, where it keeps counts.
    async fn counts_of_cut(&self) -> Option<Usage> {
        let client = &self.gateway.client;
        let places = self.sent_to();
        let mut last = None;
        for _ in 0..ASKS {
            let (mut counted, mut runs) = (None, false);
            for place in places {
                let there = client.counted(place, self.request).await;
                if let Counted::Running(usage) = there {
                    (last, runs) = (Some(usage), true);
                }
                counted = Some(counted.map_or(there, |before: Counted| before.or(there)));
            }
            match counted? {
                // Whoever tried before may have given up; one still works on it.
                _ if runs => {}
                Counted::Finished(usage) => return Some(usage),
                // It never reached an engine; where an answer has begun, it did, and the counts were lost.
                Counted::Unknown if self.keeps_counts() && self.place.get().is_none() => {
                    return last.or(Some(Usage::new(0, 0)));
                }
                Counted::Unknown | Counted::Away | Counted::Running(_) => return last,
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        last
    }
}
