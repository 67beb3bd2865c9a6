//! One run: steps, measurements, checkpoints, in an order that a later attempt can take up anywhere.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use job_contract::{JobEvent, Phase};
use language_model::training_graph::TOKENS_AT_ONCE;
use uuid::Uuid;

use super::{
    Course, Kept, Observer, Plan, TrainError, by_dataset, epoch_order, steps_an_epoch, total_steps,
};
use crate::{
    checkpoint::{Best, Checkpoint, Position, Snapshot},
    data::{Piece, Prepared},
    methods::{Learner, Learnt, Stretch},
    optimiser::{Optimiser, Stride},
    schedule::learning_rate,
};

struct Run<'a, L> {
    plan: Plan<'a>,
    data: &'a Prepared,
    learner: &'a mut L,
    optimiser: Optimiser,
    /// The numbers at the best measurement, where they are kept.
    best: Option<Vec<f32>>,
    gradients: Vec<f32>,
    position: Position,
    total_steps: u32,
    /// Seconds of a step, smoothed.
    pace: Option<f64>,
    started: Instant,
    seconds_before: f64,
}

/// Trains `learner`, going on from the plan's checkpoint where there is one.
///
/// # Errors
/// [`TrainError`]; a stop leaves a checkpoint behind.
pub fn train<L: Learner>(
    learner: &mut L,
    data: &Prepared,
    plan: Plan<'_>,
    observer: &mut dyn Observer,
) -> Result<Course, TrainError> {
    let total_steps = total_steps(plan.training, data.sequences.len());
    let count = learner.numbers().len();
    let mut run = Run {
        plan,
        data,
        learner,
        optimiser: Optimiser::new(count),
        best: None,
        gradients: vec![0.0; count],
        position: Position {
            run: plan.run.to_owned(),
            tokens_by_source: vec![0; plan.sources.len()],
            tokens_before: vec![0; plan.sources.len()],
            ..Position::default()
        },
        total_steps,
        pace: None,
        started: Instant::now(),
        seconds_before: 0.0,
    };
    run.take_up(observer)?;
    observer.event(JobEvent::DataReady {
        documents: data.documents,
        held_out_documents: data.held_out_documents,
        tokens: data.tokens,
        target_tokens: data.target_tokens,
        total_steps,
    })?;
    match run.go(observer) {
        Err(TrainError::Stopped(stop)) => {
            // Whoever goes on with this job starts from here; of a refused run nothing is kept.
            if stop.may_resume() && run.position.step > 0 {
                run.keep(observer, true)?;
            }
            Err(stop.into())
        }
        ended => ended,
    }
}

impl<L: Learner> Run<'_, L> {
    /// Goes on from the checkpoint of this attempt, or from that of an earlier one, whichever is further.
    fn take_up(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let count = self.learner.numbers().len();
        let read = |path: &Path| {
            let found = Checkpoint::read(path, count);
            found.ok().filter(|found| {
                found.position.tokens_by_source.len() == self.plan.sources.len()
                    && found.position.step <= self.total_steps
            })
        };
        let own = read(self.plan.checkpoint).filter(|own| own.position.run == self.plan.run);
        let earlier = self.plan.resume.and_then(read);
        if self.plan.resume.is_some() && earlier.is_none() {
            let message = "the checkpoint of the earlier attempt cannot be used by this program with these settings; starting anew".to_owned();
            observer.event(JobEvent::Note { message })?;
        }
        let own_step = own.as_ref().map(|own| own.position.step);
        let earlier =
            earlier.filter(|earlier| own_step.is_none_or(|own| earlier.position.step > own));
        let found = match (earlier, own) {
            (Some(mut earlier), _) => {
                let position = &mut earlier.position;
                if position.run != self.plan.run {
                    let message = "the earlier attempt ran with another program, machine or number of threads, so the result is no longer equal to the last bit".to_owned();
                    observer.event(JobEvent::Note { message })?;
                    self.plan.run.clone_into(&mut position.run);
                }
                position
                    .tokens_before
                    .clone_from(&position.tokens_by_source);
                position.resumed_from = Some(position.step);
                earlier
            }
            (None, Some(own)) => own,
            (None, None) => return Ok(()),
        };
        self.learner
            .numbers_mut()
            .copy_from_slice(&found.parameters);
        self.optimiser = found.optimiser;
        self.best = found.best;
        self.position = found.position;
        self.seconds_before = self.position.seconds;
        let message = format!(
            "going on after step {} from a checkpoint",
            self.position.step
        );
        observer.event(JobEvent::Note { message })?;
        Ok(())
    }

    fn go(&mut self, observer: &mut dyn Observer) -> Result<Course, TrainError> {
        if self.position.step == 0 {
            observer.event(JobEvent::Phase {
                phase: Phase::Evaluating,
            })?;
            self.position.held_out_before = self.measure(observer)?;
        }
        observer.event(JobEvent::Phase {
            phase: Phase::Training,
        })?;
        let each_epoch = steps_an_epoch(self.plan.training, self.data.sequences.len());
        let mut order = Vec::new();
        let mut ordered_epoch = None;
        if self.must_measure(each_epoch) {
            // The checkpoint is from between the step and its measurement.
            self.measure_and_judge(observer)?;
        }
        while self.position.step < self.total_steps && !self.has_given_up() {
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
            let batch_size = self.plan.training.batch_size.max(1) as usize;
            let first = place as usize * batch_size;
            let last = order.len().min(first + batch_size);
            let event = self.step(order.get(first..last).unwrap_or_default())?;
            observer.event(event)?;
            if self.must_measure(each_epoch) {
                self.measure_and_judge(observer)?;
            }
            let step = self.position.step;
            let every = self.plan.training.checkpoint_every_steps.max(1);
            let is_asked = observer.wants_checkpoint();
            if is_asked || step.is_multiple_of(every) || step == self.total_steps {
                self.keep(observer, false)?;
            }
        }
        observer.event(JobEvent::Phase {
            phase: Phase::Evaluating,
        })?;
        if self.position.measured_step != Some(self.position.step) {
            self.measure_and_judge(observer)?;
        }
        let best_step = self.take_best();
        Ok(self.course(best_step))
    }

    /// Puts the best numbers in place of the last, where the settings ask for it; answers their step.
    fn take_best(&mut self) -> Option<u32> {
        let best = self.position.best?;
        let numbers = self.best.take()?;
        if best.step == self.position.step {
            return None;
        }
        self.learner.numbers_mut().copy_from_slice(&numbers);
        self.position.held_out_last = Some(best.loss);
        Some(best.step)
    }

    fn course(&self, best_step: Option<u32>) -> Course {
        let (learning, measuring) = self.learner.flop();
        let position = &self.position;
        let in_run = self.by_dataset(&position.tokens_by_source);
        Course {
            held_out_before: position.held_out_before,
            held_out_after: position.held_out_last,
            steps: position.step,
            best_step,
            resumed_from: position.resumed_from,
            tokens: position.tokens_seen,
            tokens_by_dataset: self.by_dataset(&self.tokens_here()),
            tokens_by_dataset_in_run: match position.resumed_from {
                Some(_) => in_run,
                None => Vec::new(),
            },
            seconds: self.seconds(),
            flop: learning * position.tokens_seen as f64
                + measuring * position.measured_tokens as f64,
        }
    }

    /// True where a measurement is due after the step that was taken last, and not done.
    fn must_measure(&self, each_epoch: u32) -> bool {
        let step = self.position.step;
        let every = self
            .plan
            .training
            .evaluate_every_steps
            .unwrap_or(each_epoch);
        step > 0
            && step < self.total_steps
            && step.is_multiple_of(every.max(1))
            && self.position.measured_step != Some(step)
    }

    /// True where measuring has not got better for long enough.
    fn has_given_up(&self) -> bool {
        let limit = self.plan.training.early_stop.map(|stop| stop.patience);
        limit.is_some_and(|patience| self.position.without_gain >= patience.max(1))
    }

    fn measure_and_judge(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let Some(loss) = self.measure(observer)? else {
            return Ok(());
        };
        let least = self
            .plan
            .training
            .early_stop
            .map_or(0.0, |stop| stop.min_gain);
        let gain = self
            .position
            .best
            .map_or(f64::INFINITY, |best| best.loss - loss);
        if gain > f64::from(least) {
            self.position.without_gain = 0;
        } else {
            self.position.without_gain += 1;
        }
        if gain > 0.0 {
            let step = self.position.step;
            self.position.best = Some(Best { step, loss });
            if self.plan.training.keep_best {
                self.best = Some(self.learner.numbers().to_vec());
            }
        }
        if self.has_given_up() && self.position.step < self.total_steps {
            let message = format!(
                "ending early: {} measurements in a row were no better",
                self.position.without_gain
            );
            observer.event(JobEvent::Note { message })?;
        }
        Ok(())
    }

    /// The order of the sequences in an epoch: a fresh draw each time, the same for the same seed.
    fn order(&self, epoch: u32) -> Vec<usize> {
        epoch_order(self.data.sequences.len(), self.plan.seed, epoch)
    }

    fn step(&mut self, sequences: &[usize]) -> Result<JobEvent, TrainError> {
        let started = Instant::now();
        let all = sequences
            .iter()
            .filter_map(|place| self.data.sequences.get(*place));
        let sequences: Vec<&[usize]> = all.map(Vec::as_slice).collect();
        let pieces = |sequences: &[&[usize]]| -> Vec<&Piece> {
            let places = sequences.iter().flat_map(|places| places.iter());
            places
                .filter_map(|place| self.data.pieces.get(*place))
                .collect()
        };
        let (mut tokens, mut count) = (0, 0);
        for piece in pieces(&sequences) {
            let length = piece.tokens() as u64;
            tokens += length;
            count += self.learner.count(piece);
            if let Some(sum) = self.position.tokens_by_source.get_mut(piece.source) {
                *sum += length;
            }
        }
        self.gradients.fill(0.0);
        let parts = self.plan.training.accumulate.max(1) as usize;
        let mut learnt = Learnt::default();
        for (part, stretch) in sequences
            .chunks(sequences.len().div_ceil(parts).max(1))
            .enumerate()
        {
            let stretch = Stretch {
                pieces: &pieces(stretch),
                step: self.position.step,
                part: part as u32,
                scale: 1.0 / count.max(1) as f32,
            };
            learnt.add(self.learner.learn(stretch, &mut self.gradients)?);
        }
        let step = self.position.step + 1;
        let training = self.plan.training;
        let rate = learning_rate(
            training.schedule,
            training.learning_rate,
            step,
            training.warmup_steps,
            self.total_steps,
        );
        let undecayed = self.learner.undecayed();
        let stride = Stride {
            learning_rate: rate,
            clip_norm: training.clip_norm,
            weight_decay: training.weight_decay,
            undecayed: &undecayed,
        };
        let gradient_norm =
            self.optimiser
                .step(self.learner.numbers_mut(), &self.gradients, stride);
        let mean = learnt.mean().unwrap_or(0.0);
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
            accuracy: learnt.accuracy().map(|share| share as f32),
            learning_rate: rate,
            gradient_norm,
            tokens_per_second: (tokens as f64 / seconds) as f32,
            tokens_seen: self.position.tokens_seen,
            tokens_by_dataset: self.by_dataset(&self.tokens_here()),
            seconds_left: Some(self.seconds_left(pace)),
        })
    }

    /// Tokens by source that were read in this attempt.
    fn tokens_here(&self) -> Vec<u64> {
        let before = self.position.tokens_before.iter().copied();
        let before = before.chain(std::iter::repeat(0));
        let all = self.position.tokens_by_source.iter().zip(before);
        all.map(|(all, before)| all.saturating_sub(before))
            .collect()
    }

    fn by_dataset(&self, tokens: &[u64]) -> Vec<(Uuid, u64)> {
        by_dataset(self.plan.sources, tokens)
    }

    /// Remaining steps at the present pace, and the measuring between and after them.
    fn seconds_left(&self, pace: f64) -> u32 {
        let steps = f64::from(self.total_steps - self.position.step);
        let each_epoch = steps_an_epoch(self.plan.training, self.data.sequences.len());
        let every = self
            .plan
            .training
            .evaluate_every_steps
            .unwrap_or(each_epoch);
        let measures = (steps / f64::from(every.max(1))).floor() + 1.0;
        let tokens = |pieces: &[Piece]| pieces.iter().map(Piece::tokens).sum::<usize>() as f64;
        let share = tokens(&self.data.held_out) / tokens(&self.data.pieces).max(1.0);
        // A forward pass is a little under half of a step.
        let measure = 0.45 * pace * f64::from(each_epoch) * share;
        Duration::from_secs_f64(steps * pace + measures * measure).as_secs() as u32 + 1
    }

    /// The mean loss over the held-out pieces; none where none are held out.
    fn measure(&mut self, observer: &mut dyn Observer) -> Result<Option<f64>, TrainError> {
        let mut learnt = Learnt::default();
        let (mut group, mut tokens) = (Vec::new(), 0);
        let mut held_out = self.data.held_out.iter().peekable();
        while let Some(piece) = held_out.next() {
            group.push(piece);
            tokens += piece.tokens();
            let next = held_out.peek().map_or(usize::MAX, |next| next.tokens());
            if tokens.saturating_add(next) > TOKENS_AT_ONCE {
                observer.may_go_on()?;
                learnt.add(self.learner.measure(&group)?);
                self.position.measured_tokens += tokens as u64;
                group.clear();
                tokens = 0;
            }
        }
        self.position.measured_step = Some(self.position.step);
        let mean = learnt.mean();
        if let Some(mean) = mean {
            self.position.held_out_last = Some(mean);
            observer.event(JobEvent::HeldOut {
                step: self.position.step,
                loss: mean as f32,
                accuracy: learnt.accuracy().map(|share| share as f32),
            })?;
        }
        Ok(mean)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    fn keep(&mut self, observer: &mut dyn Observer, is_last: bool) -> Result<(), TrainError> {
        self.position.seconds = self.seconds();
        let snapshot = Snapshot {
            position: &self.position,
            parameters: self.learner.numbers(),
            optimiser: &self.optimiser,
            best: self.best.as_deref(),
        };
        snapshot
            .write(self.plan.checkpoint)
            .map_err(TrainError::Checkpoint)?;
        observer.kept(Kept {
            path: self.plan.checkpoint,
            step: self.position.step,
            run: self.plan.run,
            held_out: self.position.held_out_last,
            is_last,
        });
        Ok(())
    }
}
