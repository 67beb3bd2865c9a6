//! The training graph: forward and backward written out by hand, in f32 (products with weights in bfloat16, where
//! [`Precision`] says so).
//!
//! Only what is trained gets gradients: over a frozen base that is the adapters alone, and the base's own gradients,
//! which a general autograd would compute and throw away, are a third of the work. Sequences lie one after another
//! without padding; each has its own positions and attends to itself alone. Of the forward pass each block keeps what
//! its backward pass needs, or only its input, and the rest is computed again ([`Recomputation`]).

mod adapted;
mod apart;
mod attention;
mod batch;
mod block;
mod crew;
mod cross_entropy;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "cuda/absent.rs"]
mod cuda;
mod dense;
mod device;
mod exponential;
mod few_rows;
mod form;
mod frozen;
mod kernels;
mod lanes;
mod left;
mod linear;
mod norm;
mod pass;
mod pool;
mod product;
mod profile;
mod right;
mod rotary;
mod rounding;
mod source;
mod stage;
mod swiglu;
mod trained;
mod turning;

pub use self::{
    batch::Batch,
    cuda::OnDevice,
    device::{Device, DeviceError},
    frozen::Precision,
    profile::take_profile,
    trained::{Dropout, Trained},
};
use self::{
    cross_entropy::RowLoss,
    pass::Scales,
    pool::Pool,
    rotary::Rotary,
    source::{Base, Source, Weights},
};
use crate::{config::Config, model_file::ModelFile, parameters::Parameters};

/// Tokens that go through the graph at once (whole sequences; a longer one goes alone).
///
/// More would not be faster, and every token's activations stay in memory until its way back.
pub const TOKENS_AT_ONCE: usize = 512;

/// Tokens in one sequence up to which activations are kept rather than computed again.
pub const KEPT_TOKENS: usize = 1024;

/// Whether activations are kept for the way back, or computed a second time there: a third more work for a fraction
/// of the memory (Chen et al. 2016, arXiv 1604.06174).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recomputation {
    /// Where a sequence is longer than [`KEPT_TOKENS`].
    #[default]
    Auto,
    Always,
    Never,
}

/// A model ready to multiply, with the buffers to train it or adapters over it.
#[derive(Debug)]
pub struct TrainingModel {
    config: Config,
    precision: Precision,
    recomputation: Recomputation,
    device: Device,
    /// Frozen; none where only whole weights are trained.
    base: Option<Base>,
    rotary: Rotary,
    pool: Pool,
    /// Tokens of the longest part so far.
    longest: usize,
}

/// The loss of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Loss {
    /// Cross-entropy in nats, summed over the targets.
    pub sum: f64,
    /// How many tokens were predicted.
    pub targets: u64,
    /// How many of them the model thought likeliest.
    pub right: u64,
}

impl Loss {
    /// Nats a target; none where there was no target.
    pub fn mean(self) -> Option<f64> {
        (self.targets > 0).then(|| self.sum / self.targets as f64)
    }

    /// The share of targets that the model thought likeliest; none where there was no target.
    pub fn accuracy(self) -> Option<f64> {
        (self.targets > 0).then(|| self.right as f64 / self.targets as f64)
    }

    /// Adds another batch's loss.
    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.targets += other.targets;
        self.right += other.right;
    }

    fn add_rows(&mut self, rows: &[RowLoss]) {
        self.sum += rows.iter().map(|row| row.loss).sum::<f64>();
        self.targets += rows.len() as u64;
        self.right += rows.iter().filter(|row| row.is_right).count() as u64;
    }
}

/// A batch or adapter that does not fit the model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraphError {
    #[error("token {0} is not in the vocabulary")]
    TokenOutOfRange(u32),
    #[error("what is trained was made for a model of another shape")]
    OtherShape,
    #[error("there are no base weights to compute with")]
    NoBase,
    #[error("{found} gradients for {expected} parameters")]
    GradientLength {
        /// Numbers that were handed in.
        found: usize,
        /// Numbers that are trained.
        expected: usize,
    },
    #[error("{found} scales for {expected} sequences")]
    ScaleCount {
        /// Scales that were handed in.
        found: usize,
        /// Sequences in the batch.
        expected: usize,
    },
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl TrainingModel {
    /// Reads all weights as a frozen base; about four bytes a parameter.
    pub fn new(model: &ModelFile, precision: Precision) -> Self {
        Self {
            base: Some(Base::new(model, precision)),
            ..Self::without_base(&model.config, precision)
        }
    }

    /// As [`TrainingModel::new`], with the weights that multiply where `device` says; there they take four bytes each in
    /// full precision, two in mixed.
    ///
    /// # Errors
    /// [`DeviceError`] where they do not fit, or the device does not take them.
    pub fn on(
        device: &Device,
        model: &ModelFile,
        precision: Precision,
    ) -> Result<Self, DeviceError> {
        Ok(Self {
            base: Some(Base::on(device, model, precision)?),
            device: device.clone(),
            ..Self::without_base(&model.config, precision)
        })
    }

    /// A model of this shape without weights of its own, to train whole weights with.
    pub fn without_base(config: &Config, precision: Precision) -> Self {
        Self {
            config: config.clone(),
            precision,
            recomputation: Recomputation::default(),
            device: Device::cpu(),
            base: None,
            rotary: Rotary::default(),
            pool: Pool::default(),
            longest: 0,
        }
    }

    /// The shape of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Says whether activations are kept. The results are the same to the last bit.
    pub fn set_recomputation(&mut self, recomputation: Recomputation) {
        self.recomputation = recomputation;
    }

    /// The loss of a batch.
    ///
    /// # Errors
    /// [`GraphError`] where the batch or what is trained do not fit the model.
    pub fn loss(&mut self, trained: Trained<'_>, batch: &Batch) -> Result<Loss, GraphError> {
        let mut loss = Loss::default();
        self.run_parts(trained, batch, None, |_, rows| loss.add_rows(rows))?;
        Ok(loss)
    }

    /// The loss of a batch; adds `scale` times the gradient of its **sum** to `gradients`.
    ///
    /// `gradients` is laid out as [`Parameters::flat`] of what is trained. For the gradient of the mean over several
    /// batches, give one over the number of all their targets as `scale`.
    ///
    /// # Errors
    /// [`GraphError`] where batch, gradients and what is trained do not fit one another.
    pub fn loss_and_gradients(
        &mut self,
        trained: Trained<'_>,
        batch: &Batch,
        scale: f32,
        gradients: &mut [f32],
    ) -> Result<Loss, GraphError> {
        let mut loss = Loss::default();
        let way_back = Some((Scales::Same(scale), gradients));
        self.run_parts(trained, batch, way_back, |_, rows| loss.add_rows(rows))?;
        Ok(loss)
    }

    /// What the model says of the next token at each place of one sequence, `[tokens, vocab]`, before softmax.
    ///
    /// # Errors
    /// [`GraphError`] where the tokens or what is trained do not fit the model.
    pub fn logits(&mut self, trained: Trained<'_>, tokens: &[u32]) -> Result<Vec<f32>, GraphError> {
        let batch = Batch::of_tokens(tokens);
        self.check(trained, &batch)?;
        let (source, rotary, _, pool) = self.prepare(trained, &batch, 0)?;
        let logits = pass::logits(source, rotary, &batch, pool);
        self.unless_failed(logits)
    }

    /// For each sequence of the batch: the logarithm of the probability of its targets, in nats.
    ///
    /// # Errors
    /// [`GraphError`] where the batch or what is trained do not fit the model.
    pub fn log_probabilities(
        &mut self,
        trained: Trained<'_>,
        batch: &Batch,
    ) -> Result<Vec<f64>, GraphError> {
        let mut found = Vec::new();
        self.run_parts(trained, batch, None, |part, rows| {
            found.extend(by_sequence(part, rows));
        })?;
        Ok(found)
    }

    /// As [`TrainingModel::log_probabilities`]; adds the gradient of `Σ scales[i] · log_probabilities[i]` to
    /// `gradients`. With the derivatives of a function of these as `scales`, that is the function's gradient: what
    /// preference methods need (Rafailov et al. 2023, arXiv 2305.18290).
    ///
    /// # Errors
    /// [`GraphError`] where batch, scales, gradients and what is trained do not fit one another.
    pub fn log_probabilities_and_gradients(
        &mut self,
        trained: Trained<'_>,
        batch: &Batch,
        scales: &[f32],
        gradients: &mut [f32],
    ) -> Result<Vec<f64>, GraphError> {
        let expected = batch.sequences().count();
        if scales.len() != expected {
            return Err(GraphError::ScaleCount {
                found: scales.len(),
                expected,
            });
        }
        // The graph descends the loss, the negative logarithm.
        let scales: Vec<f32> = scales.iter().map(|scale| -scale).collect();
        let mut found = Vec::new();
        let way_back = Some((Scales::BySequence(&scales), gradients));
        self.run_parts(trained, batch, way_back, |part, rows| {
            found.extend(by_sequence(part, rows));
        })?;
        Ok(found)
    }

    fn run_parts(
        &mut self,
        trained: Trained<'_>,
        batch: &Batch,
        mut way_back: Option<(Scales<'_>, &mut [f32])>,
        mut each: impl FnMut(&Batch, &[RowLoss]),
    ) -> Result<(), GraphError> {
        self.check(trained, batch)?;
        if let Some((_, gradients)) = &way_back {
            let expected = match trained {
                Trained::None => 0,
                Trained::Lora(adapter, _) => adapter.parameters().len(),
                Trained::Whole(whole) => whole.flat().len(),
            };
            if gradients.len() != expected {
                return Err(GraphError::GradientLength {
                    found: gradients.len(),
                    expected,
                });
            }
        }
        let (mut first_row, mut first_sequence) = (0, 0);
        for part in batch.split(TOKENS_AT_ONCE) {
            let back = way_back.as_mut().map(|(scales, gradients)| {
                (scales.rows(&part, first_sequence), &mut gradients[..])
            });
            let rows = self.run(trained, &part, first_row, back)?;
            each(&part, &rows);
            first_row += part.tokens().len();
            first_sequence += part.sequences().count();
        }
        Ok(())
    }

    fn check(&self, trained: Trained<'_>, batch: &Batch) -> Result<(), GraphError> {
        let fits = match trained {
            Trained::None => true,
            Trained::Lora(adapter, _) => adapter.layout().fits(&self.config),
            Trained::Whole(whole) => *whole.config() == self.config,
        };
        if !fits {
            return Err(GraphError::OtherShape);
        }
        let all = batch
            .tokens()
            .iter()
            .chain(batch.targets().iter().flatten());
        for token in all {
            if *token as usize >= self.config.vocab_size {
                return Err(GraphError::TokenOutOfRange(*token));
            }
        }
        Ok(())
    }

    fn run(
        &mut self,
        trained: Trained<'_>,
        part: &Batch,
        first_row: usize,
        way_back: Option<(Vec<f32>, &mut [f32])>,
    ) -> Result<Vec<RowLoss>, GraphError> {
        let recomputation = self.recomputation;
        let (source, rotary, tokens, pool) = self.prepare(trained, part, first_row)?;
        let keeps_all = match recomputation {
            Recomputation::Auto => tokens <= KEPT_TOKENS,
            Recomputation::Always => false,
            Recomputation::Never => true,
        };
        let how = (rotary, keeps_all);
        let losses = pass::run(source, how, part, way_back, pool);
        self.unless_failed(losses)
    }

    /// What a pass gave, if the device did all that it was asked for.
    fn unless_failed<R>(&self, found: R) -> Result<R, GraphError> {
        match self.device.failure() {
            Some(failure) => Err(failure.into()),
            None => Ok(found),
        }
    }

    /// What a pass of this part needs: weights, rotary tables, its number of tokens, buffers.
    fn prepare<'a>(
        &'a mut self,
        trained: Trained<'a>,
        part: &Batch,
        first_row: usize,
    ) -> Result<(Source<'a>, &'a Rotary, usize, &'a mut Pool), GraphError> {
        let weights = match trained {
            Trained::Whole(whole) => Weights::Whole(whole),
            Trained::None | Trained::Lora(..) => {
                Weights::Base(self.base.as_ref().ok_or(GraphError::NoBase)?)
            }
        };
        let precision = self.precision;
        let tokens = part.tokens().len();
        let longest = part.sequences().map(|sequence| sequence.len()).max();
        self.rotary.grow(longest.unwrap_or(0), &self.config);
        if tokens > self.longest {
            // Buffers of the shorter parts are too small from here on.
            self.longest = tokens;
            self.pool.clear();
        }
        let source = Source {
            config: &self.config,
            weights,
            precision,
            trained,
            first_row,
        };
        Ok((source, &self.rotary, tokens, &mut self.pool))
    }
}

/// The sum of the log-probabilities of each sequence's targets.
fn by_sequence<'a>(part: &'a Batch, rows: &'a [RowLoss]) -> impl Iterator<Item = f64> + 'a {
    let mut rows = rows.iter();
    part.sequences().map(move |sequence| {
        let targets = part.targets()[sequence].iter().flatten().count();
        -rows.by_ref().take(targets).map(|row| row.loss).sum::<f64>()
    })
}
