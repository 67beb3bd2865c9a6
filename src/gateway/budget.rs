//! What is set aside for an answer that streams: it grows with the answer, and the answer ends where it cannot.

use std::time::Duration;

use openai_api::Usage;
use tokio::time::{Instant, timeout_at};

use super::need::Need;
use crate::{
    db::Db,
    quota::{Growth, Held, Wish},
};

/// More is asked for when less than this is left, for each answer.
const LOW: i64 = 128;
/// So much is asked for at least and at most, for each answer.
const STEP: (i64, i64) = (16, 256);
/// An answer that cannot grow ends so many tokens before the last, for each answer: the upstream is ahead of what it
/// told.
const MARGIN: i64 = 64;
/// Meanwhile the upstream goes on: what is not decided within this time is refused.
const PATIENCE: Duration = Duration::from_secs(2);

/// The budget of one stream.
pub(super) struct Budget {
    pub(super) held: Held,
    need: Need,
    wish: Option<Wish>,
    /// Tokens made when more was last refused.
    refused_at: Option<i64>,
}

/// Whether a stream may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Enough,
    /// What was asked for decides.
    Deciding,
    /// It is used up.
    Over,
}

impl Budget {
    pub(super) fn new(held: Held, need: Need) -> Self {
        Self {
            held,
            need,
            wish: None,
            refused_at: None,
        }
    }

    /// Takes note of how far the answer is.
    fn made(&mut self, db: &Db, so_far: Usage) -> Room {
        let prompt = i64::try_from(so_far.prompt_tokens).unwrap_or(i64::MAX);
        let made = i64::try_from(so_far.completion_tokens).unwrap_or(i64::MAX);
        let used = prompt.saturating_add(made);
        let answers = self.need.answers;
        let most = answers.map_or(i64::MAX, |tokens| prompt.saturating_add(tokens));
        let choices = self.need.choices;
        let left = self.held.tokens().saturating_sub(used);
        if self.held.tokens() >= most || left >= LOW.saturating_mul(choices) {
            return Room::Enough;
        }
        let is_edge = left <= MARGIN * choices;
        // Once refused, it is asked for again at the edge only: others may have given back.
        if self.wish.is_none()
            && (self.refused_at.is_none() || is_edge && self.refused_at != Some(made))
        {
            let step = (STEP.0 * choices, STEP.1 * choices);
            match self.held.grow(db, step) {
                Growth::Now(_) => return Room::Enough,
                Growth::Later(wish) => self.wish = Some(wish),
                Growth::No => self.refused_at = Some(made),
                Growth::NotNow => {}
            }
        }
        match (is_edge, &self.wish) {
            (false, _) => Room::Enough,
            (true, Some(_)) => Room::Deciding,
            (true, None) => Room::Over,
        }
    }

    /// As [`Budget::made`], once it is decided whether the stream may go on.
    pub(super) async fn may_go_on(&mut self, db: &Db, so_far: Usage) -> bool {
        // One for all that is asked here: where the ledger is away it is asked again and again.
        let mut until = None;
        loop {
            match self.made(db, so_far) {
                Room::Enough => return true,
                Room::Over => return false,
                Room::Deciding => {
                    let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
                    if timeout_at(until, self.decided(so_far)).await.is_err() {
                        tracing::warn!("an answer ends since nobody decides whether it may grow");
                        return false;
                    }
                }
            }
        }
    }

    /// Waits for what was asked for, where anything was.
    pub(super) async fn decided(&mut self, so_far: Usage) {
        let Some(wish) = &mut self.wish else {
            return std::future::pending().await;
        };
        match wish.decided().await {
            Growth::Now(tokens) => self.held.grown_to(tokens),
            Growth::No => {
                self.refused_at = Some(i64::try_from(so_far.completion_tokens).unwrap_or(i64::MAX));
            }
            Growth::Later(_) | Growth::NotNow => {}
        }
        self.wish = None;
    }
}
