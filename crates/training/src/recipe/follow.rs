//! What the processes tell, turned into the events of a job.

use std::{
    fs::File,
    io::{BufRead, BufReader, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    time::Instant,
};

use job_contract::{JobEvent, Phase, TrainingSettings};
use language_model::Config;
use serde::Deserialize;
use uuid::Uuid;

use super::RecipeError;
use crate::{
    checkpoint::metadata,
    data::{Piece, Prepared},
    schedule::learning_rate,
    stop::Stop,
    training_loop::{Course, Kept, Observer, by_dataset, epoch_order, steps_an_epoch, total_steps},
    work::{Order, WorkError},
};

/// A line of `events.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Step {
        step: u32,
        /// None where it is no finite number, which JSON cannot say.
        loss: Option<f64>,
        accuracy: f64,
        gradient_norm: Option<f64>,
        seconds: f64,
    },
    HeldOut {
        step: u32,
        loss: f64,
        accuracy: f64,
    },
    Kept {
        step: u32,
    },
    Stopped {
        step: u32,
    },
    Done {
        step: u32,
    },
}

/// What a checkpoint of the recipe says of itself. The program's own trainer writes another one.
#[derive(Debug, Deserialize)]
struct Position {
    recipe: String,
    run: String,
    step: u32,
    held_out_before: Option<f64>,
}

pub(super) struct Follower<'a> {
    order: Order<'a>,
    training: &'a TrainingSettings,
    data: &'a Prepared,
    total_steps: u32,
    resume: Option<PathBuf>,
    resumed_from: Option<u32>,
    step: u32,
    read: u64,
    /// Tokens by source, over the run and in this attempt.
    all: Vec<u64>,
    here: Vec<u64>,
    held_out_before: Option<f64>,
    held_out_last: Option<f64>,
    measurements: u32,
    /// The epoch that the data may be read in.
    epoch: u32,
    pace: Option<f64>,
    started: Instant,
    has_asked: bool,
    is_stopping: bool,
    keeps_last: bool,
    is_done: bool,
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        order: Order<'a>,
        training: &'a TrainingSettings,
        data: &'a Prepared,
    ) -> Self {
        Self {
            order,
            training,
            data,
            total_steps: total_steps(training, data.sequences.len()),
            resume: None,
            resumed_from: None,
            step: 0,
            read: 0,
            all: vec![0; order.datasets.len()],
            here: vec![0; order.datasets.len()],
            held_out_before: None,
            held_out_last: None,
            measurements: 0,
            epoch: 0,
            pace: None,
            started: Instant::now(),
            has_asked: false,
            is_stopping: false,
            keeps_last: false,
            is_done: false,
        }
    }

    /// Finds the checkpoint to go on from, and tells what the data is.
    pub(super) fn take_up(&mut self, observer: &mut dyn Observer) -> Result<(), WorkError> {
        let read = |path: &Path| -> Option<(PathBuf, Position)> {
            let position: Position = serde_json::from_str(&metadata(path).ok()?).ok()?;
            let is_one = position.recipe == "torchrun" && position.step <= self.total_steps;
            is_one.then(|| (path.to_owned(), position))
        };
        let own = read(self.order.checkpoint).filter(|(_, own)| own.run == self.order.run);
        let earlier = self.order.resume.and_then(read);
        if self.order.resume.is_some() && earlier.is_none() {
            let message = "the checkpoint of the earlier attempt cannot be used by the torchrun recipe with these settings; starting anew".to_owned();
            observer.event(JobEvent::Note { message })?;
        }
        self.resumed_from = earlier.as_ref().map(|(_, earlier)| earlier.step);
        let is_further = |earlier: &(PathBuf, Position)| {
            own.as_ref()
                .is_none_or(|(_, own)| earlier.1.step > own.step)
        };
        if let Some((path, position)) = earlier.filter(is_further).or(own) {
            let before = self.tokens(0..position.step);
            self.here = self.tokens(self.resumed_from.unwrap_or(0)..position.step);
            self.all = before;
            self.step = position.step;
            self.held_out_before = position.held_out_before;
            self.resume = Some(path);
            let message = format!("going on after step {} from a checkpoint", self.step);
            observer.event(JobEvent::Note { message })?;
        }
        self.epoch = self.step / self.steps_an_epoch();
        observer.event(JobEvent::DataReady {
            documents: self.data.documents,
            held_out_documents: self.data.held_out_documents,
            tokens: self.data.tokens,
            target_tokens: self.data.target_tokens,
            total_steps: self.total_steps,
        })?;
        observer.event(JobEvent::Phase {
            phase: Phase::Training,
        })?;
        Ok(())
    }

    fn steps_an_epoch(&self) -> u32 {
        steps_an_epoch(self.training, self.data.sequences.len())
    }

    pub(super) fn resume(&self) -> Option<&Path> {
        self.resume.as_deref()
    }

    pub(super) fn total_steps(&self) -> u32 {
        self.total_steps
    }

    /// The sequences in the order of all epochs.
    pub(super) fn order(&self) -> Vec<usize> {
        let epochs = self.total_steps.div_ceil(self.steps_an_epoch());
        let count = self.data.sequences.len();
        (0..epochs)
            .flat_map(|epoch| epoch_order(count, self.order.seed, epoch))
            .collect()
    }

    /// The steps after which is measured, but for the last.
    pub(super) fn measured_steps(&self) -> Vec<u32> {
        let every = self.training.evaluate_every_steps;
        let every = every.unwrap_or_else(|| self.steps_an_epoch()).max(1);
        (1..self.total_steps)
            .filter(|step| step.is_multiple_of(every))
            .collect()
    }

    /// Whether the work may go on; asks for the data once more where a new epoch begins. True where it did: the
    /// processes wait for word of it.
    pub(super) fn may_go_on(&mut self, observer: &mut dyn Observer) -> Result<bool, Stop> {
        observer.may_go_on()?;
        let epoch = self.step / self.steps_an_epoch();
        let is_new = self.step < self.total_steps && epoch > self.epoch;
        if is_new {
            observer.epoch_starts(epoch)?;
            self.epoch = epoch;
        }
        Ok(is_new)
    }

    /// The last epoch for which the data may be read.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// True the first time that a checkpoint is wanted until it is there.
    pub(super) fn asks_once(&mut self) -> bool {
        !std::mem::replace(&mut self.has_asked, true)
    }

    pub(super) fn stops(&mut self, keeps_last: bool) {
        self.is_stopping = true;
        self.keeps_last = keeps_last;
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Passes on what is new in the file of events; a line that is not whole yet waits.
    pub(super) fn read(
        &mut self,
        path: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(), WorkError> {
        let wrong = |error: &dyn ToString| RecipeError::Events(error.to_string());
        let Ok(mut file) = File::open(path) else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(self.read))
            .map_err(|error| wrong(&error))?;
        let mut reader = BufReader::new(file);
        let mut text = String::new();
        loop {
            text.clear();
            let length = reader.read_line(&mut text).map_err(|error| wrong(&error))?;
            if !text.ends_with('\n') {
                return Ok(());
            }
            self.read += length as u64;
            let line = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
            self.pass_on(line, observer)?;
        }
    }

    fn pass_on(&mut self, line: Line, observer: &mut dyn Observer) -> Result<(), WorkError> {
        match line {
            Line::Step {
                step,
                loss,
                accuracy,
                gradient_norm,
                seconds,
            } => {
                let (Some(loss), Some(gradient_norm)) = (loss, gradient_norm) else {
                    return Err(crate::training_loop::TrainError::Diverged(step).into());
                };
                self.step = step;
                let pace = self.pace.map_or(seconds, |pace| 0.9 * pace + 0.1 * seconds);
                self.pace = Some(pace);
                let read = self.tokens(step.saturating_sub(1)..step);
                let of_step: u64 = read.iter().sum();
                for sums in [&mut self.all, &mut self.here] {
                    sums.iter_mut()
                        .zip(&read)
                        .for_each(|(sum, read)| *sum += read);
                }
                let left = f64::from(self.total_steps - step) * pace;
                let training = self.training;
                observer.event(JobEvent::Step {
                    step,
                    total_steps: self.total_steps,
                    loss: loss as f32,
                    accuracy: Some(accuracy as f32),
                    learning_rate: learning_rate(
                        training.schedule,
                        training.learning_rate,
                        step,
                        training.warmup_steps,
                        self.total_steps,
                    ),
                    gradient_norm: gradient_norm as f32,
                    tokens_per_second: (of_step as f64 / seconds) as f32,
                    tokens_seen: self.all.iter().sum(),
                    tokens_by_dataset: by_dataset(self.order.datasets, &self.here),
                    seconds_left: Some(left as u32 + 1),
                })?;
            }
            Line::HeldOut {
                step,
                loss,
                accuracy,
            } => {
                if step == 0 {
                    self.held_out_before = Some(loss);
                }
                self.held_out_last = Some(loss);
                self.measurements += 1;
                observer.event(JobEvent::HeldOut {
                    step,
                    loss: loss as f32,
                    accuracy: Some(accuracy as f32),
                })?;
            }
            Line::Kept { step } => {
                self.has_asked = false;
                if !self.is_stopping || self.keeps_last {
                    observer.kept(Kept {
                        path: self.order.checkpoint,
                        step,
                        run: self.order.run,
                        held_out: self.held_out_last,
                        is_last: self.is_stopping,
                    });
                }
            }
            Line::Stopped { step } => self.step = step,
            Line::Done { step } => {
                self.step = step;
                self.is_done = true;
            }
        }
        Ok(())
    }

    /// Tokens by source that steps read; they count from 0 here.
    fn tokens(&self, steps: Range<u32>) -> Vec<u64> {
        let mut counts = vec![0; self.order.datasets.len()];
        let each_epoch = self.steps_an_epoch();
        let size = self.training.batch_size.max(1) as usize;
        let count = self.data.sequences.len();
        let mut ordered: Option<(u32, Vec<usize>)> = None;
        for step in steps {
            let (epoch, place) = (step / each_epoch, (step % each_epoch) as usize);
            if ordered.as_ref().is_none_or(|(known, _)| *known != epoch) {
                ordered = Some((epoch, epoch_order(count, self.order.seed, epoch)));
            }
            let Some((_, order)) = &ordered else { continue };
            let batch = order.iter().skip(place * size).take(size);
            let pieces = batch.filter_map(|sequence| self.data.sequences.get(*sequence));
            for piece in pieces
                .flatten()
                .filter_map(|piece| self.data.pieces.get(*piece))
            {
                if let Some(sum) = counts.get_mut(piece.source) {
                    *sum += piece.tokens() as u64;
                }
            }
        }
        counts
    }

    /// What training was.
    pub(super) fn course(&self, config: &Config, trained: usize) -> Course {
        let tokens: u64 = self.all.iter().sum();
        let held_out: usize = self.data.held_out.iter().map(Piece::tokens).sum();
        let weights = config.parameters() as f64;
        let learning = 4.0 * weights + 6.0 * trained as f64;
        let measured = held_out as f64 * f64::from(self.measurements);
        let in_run: Vec<(Uuid, u64)> = match self.resumed_from {
            Some(_) => by_dataset(self.order.datasets, &self.all),
            None => Vec::new(),
        };
        Course {
            held_out_before: self.held_out_before,
            held_out_after: self.held_out_last,
            steps: self.step,
            best_step: None,
            resumed_from: self.resumed_from,
            tokens,
            tokens_by_dataset: by_dataset(self.order.datasets, &self.here),
            tokens_by_dataset_in_run: in_run,
            seconds: self.started.elapsed().as_secs_f64(),
            flop: learning * tokens as f64 + 2.0 * weights * measured,
        }
    }
}
