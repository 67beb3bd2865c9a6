//! How a running job stands, from the events of its program.

use chrono::{DateTime, Utc};
use job_contract::{JobEvent, NumberedEvent, Phase};
use sqlx::PgConnection;

use super::{job::Attempt, store};
use crate::{db::StoreError, ids::AttemptId};

/// Points of a curve that are shown; more look no different.
const MOST_POINTS: usize = 600;
/// Lines of the log that are shown.
const MOST_LINES: usize = 200;

/// What is known so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// Whose events are in it up to which number: those of earlier attempts are in it whole.
    pub(super) read_to: Option<(AttemptId, i64)>,
    pub(super) phase: Option<Phase>,
    pub(super) step: u32,
    pub(super) total_steps: u32,
    pub(super) loss: Option<f32>,
    pub(super) learning_rate: Option<f32>,
    pub(super) tokens_per_second: Option<f32>,
    pub(super) seconds_left: Option<u32>,
    /// Step and training loss.
    pub(super) losses: Vec<(u32, f32)>,
    /// Step and held-out loss.
    pub(super) held_out: Vec<(u32, f32)>,
    /// Step and learning rate.
    pub(super) learning_rates: Vec<(u32, f32)>,
    /// Step and length of the gradient.
    pub(super) gradient_norms: Vec<(u32, f32)>,
    /// Step and tokens a second.
    pub(super) speeds: Vec<(u32, f32)>,
    /// What is worth a line.
    pub(super) lines: Vec<(DateTime<Utc>, JobEvent)>,
}

impl Progress {
    /// Takes in what was told since: of one attempt after another, so that a job that went on from a checkpoint has one
    /// curve.
    ///
    /// # Errors
    /// Where a row makes no sense or the database is away.
    pub(super) async fn read_on(
        &mut self,
        conn: &mut PgConnection,
        attempts: &[Attempt],
    ) -> Result<(), StoreError> {
        let at = self
            .read_to
            .and_then(|(id, _)| attempts.iter().position(|one| one.id == id));
        for attempt in attempts.iter().skip(at.unwrap_or(0)) {
            let after = match self.read_to {
                Some((id, number)) if id == attempt.id => number,
                _ => self.begin(attempt.id),
            };
            let mut after = after;
            loop {
                let events = store::events_after(conn, attempt.id, after).await?;
                let Some(last) = events.last() else { break };
                after = i64::try_from(last.number).unwrap_or(i64::MAX);
                for event in events {
                    self.take(event);
                }
            }
        }
        Ok(())
    }

    /// The last figures, without phase and curves: a few events of a job that may have told of a million.
    ///
    /// # Errors
    /// Where a row makes no sense or the database is away.
    pub(super) async fn read_last(
        conn: &mut PgConnection,
        attempts: &[Attempt],
    ) -> Result<Self, StoreError> {
        let mut progress = Self::default();
        for kind in ["data_ready", "step", "held_out"] {
            for attempt in attempts.iter().rev() {
                if let Some(event) = store::last_event(conn, attempt.id, kind).await? {
                    progress.take(event);
                    // What an earlier attempt had before it says nothing of this one.
                    if attempts.last().is_some_and(|last| last.id != attempt.id) {
                        progress.seconds_left = None;
                    }
                    break;
                }
            }
        }
        Ok(progress)
    }

    /// Another attempt has begun; answers the number after which its events are to be read.
    fn begin(&mut self, attempt: AttemptId) -> i64 {
        self.read_to = Some((attempt, 0));
        self.phase = None;
        self.seconds_left = None;
        0
    }

    /// Takes the next event in.
    pub(super) fn take(&mut self, event: NumberedEvent) {
        if let Some((_, number)) = &mut self.read_to {
            *number = i64::try_from(event.number).unwrap_or(i64::MAX);
        }
        match &event.event {
            JobEvent::Phase { phase } => self.phase = Some(*phase),
            JobEvent::DataReady { total_steps, .. } => self.total_steps = *total_steps,
            JobEvent::Step {
                step,
                total_steps,
                loss,
                learning_rate,
                gradient_norm,
                tokens_per_second,
                seconds_left,
                ..
            } => {
                self.step = *step;
                self.total_steps = *total_steps;
                self.loss = Some(*loss);
                self.learning_rate = Some(*learning_rate);
                self.tokens_per_second = Some(*tokens_per_second);
                self.seconds_left = *seconds_left;
                push(&mut self.losses, *step, *loss);
                push(&mut self.learning_rates, *step, *learning_rate);
                push(&mut self.gradient_norms, *step, *gradient_norm);
                push(&mut self.speeds, *step, *tokens_per_second);
                return;
            }
            JobEvent::HeldOut { step, loss, .. } => push(&mut self.held_out, *step, *loss),
            // Kept as a reading; a line for each of thousands says nothing.
            JobEvent::FileRead { .. } => return,
            JobEvent::Checkpoint { .. }
            | JobEvent::CheckpointUnreadable { .. }
            | JobEvent::DataProblem { .. }
            | JobEvent::Measured { .. }
            | JobEvent::Note { .. } => {}
        }
        // The newest stay.
        if self.lines.len() == MOST_LINES {
            self.lines.remove(0);
        }
        self.lines.push((event.at, event.event));
    }
}

/// Adds a point. A program that goes on from a checkpoint does steps again: the later word counts.
fn push(curve: &mut Vec<(u32, f32)>, step: u32, loss: f32) {
    while curve.last().is_some_and(|(last, _)| *last >= step) {
        curve.pop();
    }
    curve.push((step, loss));
}

/// As many points of a curve as a page shows, with the last one.
pub(super) fn thinned(curve: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let stride = curve.len().div_ceil(MOST_POINTS).max(1);
    let mut points: Vec<_> = curve.iter().copied().step_by(stride).collect();
    if let Some(last) = curve.last()
        && points.last() != Some(last)
    {
        points.push(*last);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64, step: u32, loss: f32) -> NumberedEvent {
        NumberedEvent {
            number,
            at: DateTime::UNIX_EPOCH,
            event: JobEvent::Step {
                step,
                total_steps: 40,
                loss,
                accuracy: None,
                learning_rate: 1e-3,
                gradient_norm: 1.0,
                tokens_per_second: 500.0,
                tokens_seen: 1024,
                tokens_by_dataset: Vec::new(),
                seconds_left: Some(9),
            },
        }
    }

    #[test]
    fn steps_done_again_replace_the_first_ones() {
        let mut progress = Progress::default();
        for event in [
            step(1, 1, 3.0),
            step(2, 2, 2.5),
            step(3, 2, 2.4),
            step(4, 3, 2.2),
        ] {
            progress.take(event);
        }
        assert_eq!(progress.losses, [(1, 3.0), (2, 2.4), (3, 2.2)]);
        assert_eq!(progress.step, 3);
        assert_eq!(progress.gradient_norms.len(), 3);
        assert_eq!(progress.speeds.last(), Some(&(3, 500.0)));
        assert!(progress.lines.is_empty(), "steps are a curve, not lines");
    }

    #[test]
    fn another_attempt_goes_on_with_the_curve_or_begins_it_anew() {
        let mut progress = Progress::default();
        assert_eq!(progress.begin(AttemptId::fresh()), 0);
        for event in [step(1, 1, 3.0), step(2, 2, 2.5), step(3, 3, 2.2)] {
            progress.take(event);
        }
        progress.begin(AttemptId::fresh());
        for event in [step(1, 3, 2.2), step(2, 4, 2.0)] {
            progress.take(event);
        }
        assert_eq!(progress.losses, [(1, 3.0), (2, 2.5), (3, 2.2), (4, 2.0)]);
        progress.begin(AttemptId::fresh());
        progress.take(step(1, 1, 2.9));
        assert_eq!(progress.losses, [(1, 2.9)]);
    }

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_end() {
        let curve: Vec<_> = (1..=10_001_u32).map(|step| (step, 1.0)).collect();
        let points = thinned(&curve);
        assert!(points.len() <= MOST_POINTS + 1, "{}", points.len());
        assert_eq!(points.last(), Some(&(10_001, 1.0)));
        assert_eq!(thinned(&curve[..5]).len(), 5);
        assert!(thinned(&[]).is_empty());
    }
}
