//! The training loop: the same for every method, for a job of the portal and for local files.

mod run;

use std::path::Path;

use job_contract::{JobEvent, TrainingSettings};
use language_model::training_graph::GraphError;
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use uuid::Uuid;

pub use self::run::train;
use crate::stop::Stop;

/// Who hears of the work, and may end it.
pub trait Observer {
    /// Something happened.
    ///
    /// # Errors
    /// A [`Stop`] where the work should end.
    fn event(&mut self, event: JobEvent) -> Result<(), Stop>;

    /// Asked before each step and between stretches of measuring.
    ///
    /// # Errors
    /// A [`Stop`] where the work should end.
    fn may_go_on(&mut self) -> Result<(), Stop>;

    /// Asked before data is gone over once more; `epoch` counts from 0.
    ///
    /// # Errors
    /// A [`Stop`] where the data may not be read (any more).
    fn epoch_starts(&mut self, epoch: u32) -> Result<(), Stop>;

    /// Asked after each step: true keeps a checkpoint now, whatever the settings say.
    fn wants_checkpoint(&mut self) -> bool {
        false
    }

    /// A checkpoint is whole on the disk.
    fn kept(&mut self, _kept: Kept<'_>) {}
}

/// A checkpoint that has been written.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    pub path: &'a Path,
    pub step: u32,
    pub run: &'a str,
    /// The last measurement before it.
    pub held_out: Option<f64>,
    /// True where the work stops here.
    pub is_last: bool,
}

/// Why training did not end well.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Stopped(#[from] Stop),
    #[error("the loss is no number any more at step {0}; a lower learning rate may help")]
    Diverged(u32),
    #[error("the checkpoint cannot be written: {0}")]
    Checkpoint(#[source] std::io::Error),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// How to train, and where to keep checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    pub training: &'a TrainingSettings,
    pub seed: u64,
    /// The dataset version of each source that pieces refer to; none for files of one's own.
    pub sources: &'a [Option<Uuid>],
    /// Of this attempt alone; taken up where it is there.
    pub checkpoint: &'a Path,
    /// What an earlier attempt left.
    pub resume: Option<&'a Path>,
    /// Hash over everything that decides the run.
    pub run: &'a str,
}

/// What training was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    /// Nats a target token.
    pub held_out_before: Option<f64>,
    /// Of the numbers that were left in the learner.
    pub held_out_after: Option<f64>,
    pub steps: u32,
    /// Where its numbers are the learner's now, instead of the last step's.
    pub best_step: Option<u32>,
    pub resumed_from: Option<u32>,
    pub tokens: u64,
    /// Tokens of each dataset version that this attempt read, over all epochs.
    pub tokens_by_dataset: Vec<(Uuid, u64)>,
    /// The same over the whole run.
    pub tokens_by_dataset_in_run: Vec<(Uuid, u64)>,
    /// Time in training and measuring, over all lives of the process and all attempts.
    pub seconds: f64,
    pub flop: f64,
}

/// Steps of a whole run over so many sequences.
pub fn total_steps(training: &TrainingSettings, sequences: usize) -> u32 {
    let all = steps_an_epoch(training, sequences).saturating_mul(training.epochs);
    all.min(training.max_steps.unwrap_or(u32::MAX))
}

pub(crate) fn steps_an_epoch(training: &TrainingSettings, sequences: usize) -> u32 {
    let steps = sequences.div_ceil(training.batch_size.max(1) as usize);
    u32::try_from(steps).unwrap_or(u32::MAX).max(1)
}

/// The order of so many sequences in an epoch: a fresh draw each time, the same for the same seed.
pub(crate) fn epoch_order(sequences: usize, seed: u64, epoch: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sequences).collect();
    let seed = seed.wrapping_add(u64::from(epoch) + 1);
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    order
}

/// Tokens by dataset version, from tokens by source.
pub(crate) fn by_dataset(sources: &[Option<Uuid>], tokens: &[u64]) -> Vec<(Uuid, u64)> {
    let mut totals: Vec<(Uuid, u64)> = Vec::new();
    for (source, tokens) in sources.iter().zip(tokens) {
        let Some(version) = source else { continue };
        match totals.iter_mut().find(|(known, _)| known == version) {
            Some((_, total)) => *total += tokens,
            None => totals.push((*version, *tokens)),
        }
    }
    totals
}
