//! The figures of a job: its checkpoints, and the table that is its result file.

use std::{collections::BTreeMap, fmt::Write as _};

use job_contract::JobEvent;
use openai_api::{CheckpointMetrics, FineTuningCheckpoint};
use sqlx::PgConnection;

use super::{
    events::id_of,
    ids::Of,
    store::{self, events::Place},
};
use crate::{db::StoreError, ids::JobId};

/// What was measured at a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Figures {
    train_loss: Option<f32>,
    train_accuracy: Option<f32>,
    valid_loss: Option<f32>,
    valid_accuracy: Option<f32>,
}

/// What the programs of a job measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    steps: BTreeMap<u32, Figures>,
    /// First to last.
    checkpoints: Vec<(Place, u32)>,
}

impl Results {
    /// With the figures of every step, or of some evenly over a job of very many; see [`store::events::figures`].
    pub(super) async fn figures(conn: &mut PgConnection, job: JobId) -> Result<Self, StoreError> {
        Ok(Self::of(store::events::figures(conn, job).await?))
    }

    /// With the checkpoints, and no more figures than theirs.
    pub(super) async fn of_checkpoints(
        conn: &mut PgConnection,
        job: JobId,
    ) -> Result<Self, StoreError> {
        Ok(Self::of(store::events::checkpoints(conn, job).await?))
    }

    fn of(told: Vec<(Place, JobEvent)>) -> Self {
        let mut results = Self::default();
        for (place, event) in told {
            results.take(place, &event);
        }
        results
    }

    // Of what was told twice the later word counts.
    fn take(&mut self, place: Place, event: &JobEvent) {
        match event {
            JobEvent::Step {
                step,
                loss,
                accuracy,
                ..
            } => {
                let figures = self.steps.entry(*step).or_default();
                figures.train_loss = Some(*loss);
                figures.train_accuracy = *accuracy;
            }
            JobEvent::HeldOut {
                step,
                loss,
                accuracy,
            } => {
                let figures = self.steps.entry(*step).or_default();
                figures.valid_loss = Some(*loss);
                figures.valid_accuracy = *accuracy;
            }
            JobEvent::Checkpoint { step, .. } => self.checkpoints.push((place, *step)),
            _ => {}
        }
    }

    /// The table, in OpenAI's columns; at most twice the steps that the store reads at once.
    pub(super) fn csv(&self) -> String {
        let mut text =
            String::from("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n");
        let cell = |number: Option<f32>| number.map_or_else(String::new, |n| n.to_string());
        // What was measured before the first step has no row in OpenAI's tables.
        for (step, figures) in self.steps.iter().filter(|(step, _)| **step > 0) {
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "{step},{},{},{},{}",
                cell(figures.train_loss),
                cell(figures.train_accuracy),
                cell(figures.valid_loss),
                cell(figures.valid_accuracy),
            );
        }
        text
    }

    /// The checkpoints, newest first.
    pub(super) fn checkpoints(&self, job: JobId, model: &str) -> Vec<FineTuningCheckpoint> {
        self.checkpoints
            .iter()
            .rev()
            .map(|(place, step)| {
                let figures = self.steps.get(step).copied().unwrap_or_default();
                FineTuningCheckpoint {
                    id: id_of(Of::Checkpoint, place),
                    object: FineTuningCheckpoint::OBJECT.into(),
                    created_at: place.at.timestamp(),
                    fine_tuning_job_id: Of::Job.id(job.0),
                    fine_tuned_model_checkpoint: format!("{model}:ckpt-step-{step}"),
                    step_number: *step,
                    metrics: CheckpointMetrics {
                        step: *step,
                        train_loss: figures.train_loss,
                        train_mean_token_accuracy: figures.train_accuracy,
                        valid_loss: figures.valid_loss,
                        valid_mean_token_accuracy: figures.valid_accuracy,
                        // What is held out is measured as a whole.
                        full_valid_loss: figures.valid_loss,
                        full_valid_mean_token_accuracy: figures.valid_accuracy,
                    },
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn place(number: i64) -> Place {
        Place {
            at: chrono::DateTime::UNIX_EPOCH,
            source: Uuid::nil(),
            number,
        }
    }

    #[test]
    fn steps_done_again_stand_once_and_empty_cells_stay_empty() {
        let step = |step, loss| JobEvent::Step {
            step,
            total_steps: 2,
            loss,
            accuracy: None,
            learning_rate: 0.1,
            gradient_norm: 1.0,
            tokens_per_second: 1.0,
            tokens_seen: 1,
            tokens_by_dataset: Vec::new(),
            seconds_left: None,
        };
        let mut results = Results::default();
        let held_out = JobEvent::HeldOut {
            step: 1,
            loss: 2.5,
            accuracy: Some(0.5),
        };
        let before = JobEvent::HeldOut {
            step: 0,
            loss: 4.0,
            accuracy: None,
        };
        for (number, event) in [before, step(1, 3.0), held_out, step(2, 2.0), step(2, 1.5)]
            .iter()
            .enumerate()
        {
            results.take(place(number as i64), event);
        }
        assert_eq!(
            results.csv(),
            "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,3,,2.5,0.5\n2,1.5,,,\n"
        );
    }
}
