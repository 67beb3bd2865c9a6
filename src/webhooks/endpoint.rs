//! Where an institution wants to be told.

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::WebhookId;

/// How long the secret of before also signs, after it was renewed.
pub(super) const OVERLAP: TimeDelta = TimeDelta::hours(24);

/// An address of an institution.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) id: WebhookId,
    pub(super) url: String,
    /// Of its secret, from 1.
    pub(super) generation: i32,
    pub(super) rotated_at: Option<DateTime<Utc>>,
    pub(super) created_by_name: String,
    pub(super) created_at: DateTime<Utc>,
    /// Messages that wait.
    pub(super) waiting: i64,
    /// How the last one went: when, and a status or a word.
    pub(super) last: Option<(DateTime<Utc>, String)>,
}

impl Endpoint {
    /// Whose secrets sign now, the newest first.
    pub(super) fn generations(&self, now: DateTime<Utc>) -> Vec<i32> {
        generations(self.generation, self.rotated_at, now)
    }
}

/// As [`Endpoint::generations`].
pub(super) fn generations(
    generation: i32,
    rotated_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Vec<i32> {
    match rotated_at {
        Some(at) if now < at + OVERLAP && generation > 1 => vec![generation, generation - 1],
        _ => vec![generation],
    }
}
