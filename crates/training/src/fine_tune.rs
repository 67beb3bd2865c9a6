//! The training loop: the same for a job of the portal and for local files.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use job_contract::{JobEvent, LoraSettings, Phase, TrainingSettings};
use language_model::{
    Document, LoraAdapter, ModelFile,
    training_graph::{Batch, GraphError, Loss, Precision, TOKENS_AT_ONCE, TrainingModel},
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use uuid::Uuid;

use crate::{
    checkpoint::{Checkpoint, Position},
    data::Prepared,
    optimiser::{Optimiser, learning_rate},
    settings::{BadSettings, targets},
    stop::Stop,
};

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
}

/// Why training did not end well.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Stopped(#[from] Stop),
    #[error(transparent)]
    BadSettings(#[from] BadSettings),
    #[error("the loss is no number any more at step {0}; a lower learning rate may help")]
    Diverged(u32),
    #[error("the checkpoint cannot be written: {0}")]
    Checkpoint(#[source] std::io::Error),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// What to train on, how, and where to keep checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    pub lora: &'a LoraSettings,
    pub training: &'a TrainingSettings,
    pub seed: u64,
    pub precision: Precision,
    /// The dataset version of each source that pieces refer to; none for files of one's own.
    pub sources: &'a [Option<Uuid>],
    pub checkpoint: &'a Path,
    /// Hash over everything that decides the run.
    pub fingerprint: &'a str,
}

/// A trained adapter and what its training was.
#[derive(Debug)]
pub struct Trained {
    pub adapter: LoraAdapter,
    /// Nats a target token.
    pub held_out_before: Option<f64>,
    pub held_out_after: Option<f64>,
    pub steps: u32,
    pub tokens: u64,
    /// Tokens read of each dataset version, over all epochs.
    pub tokens_by_dataset: Vec<(Uuid, u64)>,
    /// Time in training and measuring, over all lives of the process.
    pub seconds: f64,
    /// Floating-point operations, see [`flop`].
    pub flop: f64,
}

/// An estimate of the operations of a run: two for each weight and token forward, two more backward (the frozen
/// weights get no gradient of their own), six for each trained weight; attention's own products are left out.
pub fn flop(weights: u64, trained: u64, tokens: u64, measured_tokens: u64) -> f64 {
    let each = 4.0 * weights as f64 + 6.0 * trained as f64;
    each * tokens as f64 + 2.0 * weights as f64 * measured_tokens as f64
}

/// Steps of a whole run.
pub fn total_steps(training: &TrainingSettings, pieces: usize) -> u32 {
    let each_epoch =
        u32::try_from(pieces.div_ceil(training.batch_size.max(1) as usize)).unwrap_or(u32::MAX);
    let all = each_epoch.saturating_mul(training.epochs);
    all.min(training.max_steps.unwrap_or(u32::MAX))
}

struct Run<'a> {
    plan: Plan<'a>,
    data: &'a Prepared,
    model: TrainingModel,
    adapter: LoraAdapter,
    optimiser: Optimiser,
    position: Position,
    total_steps: u32,
    measured_tokens: u64,
    /// Seconds of a step, smoothed.
    pace: Option<f64>,
    started: Instant,
    seconds_before: f64,
}

/// Trains an adapter over `model`, going on from the plan's checkpoint where there is one of the same run.
///
/// # Errors
/// [`TrainError`]; a stop leaves a checkpoint behind.
pub fn fine_tune(
    model: &ModelFile,
    data: &Prepared,
    plan: Plan<'_>,
    observer: &mut dyn Observer,
) -> Result<Trained, TrainError> {
    let targets = targets(plan.lora)?;
    let rank = plan.lora.rank as usize;
    let mut adapter = LoraAdapter::new(&model.config, rank, plan.lora.alpha, &targets, plan.seed)
        .map_err(|error| BadSettings::Lora(error.to_string()))?;
    let mut optimiser = Optimiser::new(adapter.parameters().len());
    let mut position = Position {
        fingerprint: plan.fingerprint.to_owned(),
        step: 0,
        tokens_seen: 0,
        tokens_by_source: vec![0; plan.sources.len()],
        held_out_before: None,
        seconds: 0.0,
    };
    let earlier = Checkpoint::read(
        plan.checkpoint,
        plan.fingerprint,
        adapter.parameters().len(),
    );
    if let Some(earlier) = earlier {
        adapter
            .parameters_mut()
            .copy_from_slice(&earlier.parameters);
        optimiser = earlier.optimiser;
        position = earlier.position;
        observer.event(JobEvent::Note {
            message: format!("going on after step {} from a checkpoint", position.step),
        })?;
    }
    let total_steps = total_steps(plan.training, data.pieces.len());
    observer.event(JobEvent::DataReady {
        documents: data.documents,
        held_out_documents: data.held_out_documents,
        tokens: data.tokens,
        target_tokens: data.target_tokens,
        total_steps,
    })?;
    let mut run = Run {
        plan,
        data,
        model: TrainingModel::new(model, plan.precision),
        adapter,
        optimiser,
        seconds_before: position.seconds,
        position,
        total_steps,
        measured_tokens: 0,
        pace: None,
        started: Instant::now(),
    };
    match run.go(observer) {
        Err(TrainError::Stopped(stop)) => {
            // Whoever goes on with this attempt starts from here; of a refused run nothing is kept.
            if stop.may_resume() {
                run.keep()?;
            }
            Err(stop.into())
        }
        ended => ended,
    }
}

impl Run<'_> {
    fn go(&mut self, observer: &mut dyn Observer) -> Result<Trained, TrainError> {
        if self.position.step == 0 {
            observer.event(JobEvent::Phase {
                phase: Phase::Evaluating,
            })?;
            self.position.held_out_before = self.measure(observer)?;
        }
        observer.event(JobEvent::Phase {
            phase: Phase::Training,
        })?;
        let batch_size = self.plan.training.batch_size as usize;
        let each_epoch =
            u32::try_from(self.data.pieces.len().div_ceil(batch_size)).unwrap_or(u32::MAX);
        let mut order = Vec::new();
        let mut ordered_epoch = None;
        while self.position.step < self.total_steps {
            observer.may_go_on()?;
            let (epoch, place) = (
                self.position.step / each_epoch,
                self.position.step % each_epoch,
            );
            if ordered_epoch != Some(epoch) {
                if epoch > 0 {
                    observer.epoch_starts(epoch)?;
                }
                order = self.order(epoch);
                ordered_epoch = Some(epoch);
            }
            let first = place as usize * batch_size;
            let last = order.len().min(first + batch_size);
            let event = self.step(&order[first..last])?;
            observer.event(event)?;
            let step = self.position.step;
            let every = self.plan.training.checkpoint_every_steps.max(1);
            if step.is_multiple_of(every) || step == self.total_steps {
                self.keep()?;
            }
            if place + 1 == each_epoch && step < self.total_steps {
                self.measure(observer)?;
            }
        }
        observer.event(JobEvent::Phase {
            phase: Phase::Evaluating,
        })?;
        let held_out_after = self.measure(observer)?;
        let weights = self.model.config().parameters();
        let trained = self.adapter.parameters().len() as u64;
        Ok(Trained {
            adapter: self.adapter.clone(),
            held_out_before: self.position.held_out_before,
            held_out_after,
            steps: self.position.step,
            tokens: self.position.tokens_seen,
            tokens_by_dataset: self.tokens_by_dataset(),
            seconds: self.seconds(),
            flop: flop(
                weights,
                trained,
                self.position.tokens_seen,
                self.measured_tokens,
            ),
        })
    }

    /// The order of the pieces in an epoch: a fresh draw each time, the same for the same seed.
    fn order(&self, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.data.pieces.len()).collect();
        let seed = self.plan.seed.wrapping_add(u64::from(epoch) + 1);
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        order
    }

    fn step(&mut self, pieces: &[usize]) -> Result<JobEvent, TrainError> {
        let started = Instant::now();
        let mut batch = Batch::default();
        let mut tokens = 0;
        for place in pieces {
            let piece = &self.data.pieces[*place];
            batch.push(&piece.document);
            let length = piece.document.tokens.len() as u64;
            tokens += length;
            if let Some(count) = self.position.tokens_by_source.get_mut(piece.source) {
                *count += length;
            }
        }
        let mut gradients = vec![0.0; self.adapter.parameters().len()];
        let scale = 1.0 / batch.target_count().max(1) as f32;
        let loss = self
            .model
            .loss_and_gradients(&self.adapter, &batch, scale, &mut gradients)?;
        let step = self.position.step + 1;
        let training = self.plan.training;
        let rate = learning_rate(
            training.learning_rate,
            step,
            training.warmup_steps,
            self.total_steps,
        );
        let gradient_norm = self
            .optimiser
            .step(self.adapter.parameters_mut(), &gradients, rate);
        let mean = loss.mean().unwrap_or(0.0);
        if !(mean.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::Diverged(step));
        }
        self.position.step = step;
        self.position.tokens_seen += tokens;
        let seconds = started.elapsed().as_secs_f64();
        // The first step warms caches and buffers; smoothing lets it fade.
        let pace = self.pace.map_or(seconds, |pace| 0.9 * pace + 0.1 * seconds);
        self.pace = Some(pace);
        Ok(JobEvent::Step {
            step,
            total_steps: self.total_steps,
            loss: mean as f32,
            accuracy: None,
            learning_rate: rate,
            gradient_norm,
            tokens_per_second: (tokens as f64 / seconds) as f32,
            tokens_seen: self.position.tokens_seen,
            tokens_by_dataset: self.tokens_by_dataset(),
            seconds_left: Some(self.seconds_left(pace)),
        })
    }

    /// Tokens read of each dataset version so far.
    fn tokens_by_dataset(&self) -> Vec<(Uuid, u64)> {
        let mut totals: Vec<(Uuid, u64)> = Vec::new();
        for (source, tokens) in self
            .plan
            .sources
            .iter()
            .zip(&self.position.tokens_by_source)
        {
            let Some(version) = source else { continue };
            match totals.iter_mut().find(|(known, _)| known == version) {
                Some((_, total)) => *total += tokens,
                None => totals.push((*version, *tokens)),
            }
        }
        totals
    }

    /// Remaining steps at the present pace, and the measuring between and after them.
    fn seconds_left(&self, pace: f64) -> u32 {
        let steps = f64::from(self.total_steps - self.position.step);
        let each_epoch = self
            .data
            .pieces
            .len()
            .div_ceil(self.plan.training.batch_size.max(1) as usize);
        let measures = (steps / each_epoch.max(1) as f64).floor() + 1.0;
        let trained: usize = self
            .data
            .pieces
            .iter()
            .map(|piece| piece.document.tokens.len())
            .sum();
        let held_out: usize = self
            .data
            .held_out
            .iter()
            .map(|document| document.tokens.len())
            .sum();
        // A forward pass is a little under half of a step.
        let measure = 0.45 * pace * each_epoch as f64 * held_out as f64 / trained.max(1) as f64;
        Duration::from_secs_f64(steps * pace + measures * measure).as_secs() as u32 + 1
    }

    /// The mean loss over the held-out documents; none where none are held out.
    fn measure(&mut self, observer: &mut dyn Observer) -> Result<Option<f64>, TrainError> {
        let mut loss = Loss::default();
        let mut batch = Batch::default();
        let mut held_out = self.data.held_out.iter().peekable();
        while let Some(document) = held_out.next() {
            batch.push(document);
            let next = held_out
                .peek()
                .map_or(usize::MAX, |next: &&Document| next.tokens.len());
            if batch.tokens().len().saturating_add(next) > TOKENS_AT_ONCE {
                observer.may_go_on()?;
                self.measured_tokens += batch.tokens().len() as u64;
                loss.add(self.model.loss(Some(&self.adapter), &batch)?);
                batch = Batch::default();
            }
        }
        let mean = loss.mean();
        if let Some(mean) = mean {
            observer.event(JobEvent::HeldOut {
                step: self.position.step,
                loss: mean as f32,
                accuracy: None,
            })?;
        }
        Ok(mean)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    fn keep(&mut self) -> Result<(), TrainError> {
        self.position.seconds = self.seconds();
        let checkpoint = Checkpoint {
            position: self.position.clone(),
            parameters: self.adapter.parameters().to_vec(),
            optimiser: self.optimiser.clone(),
        };
        checkpoint
            .write(self.plan.checkpoint)
            .map_err(TrainError::Checkpoint)
    }
}
