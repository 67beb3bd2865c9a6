//! The training graph: forward and backward written out by hand, in f32 (products with frozen weights in bfloat16,
//! where [`Precision`] says so).
//!
//! Only adapters are trained, so only they get gradients; the frozen weights' gradients, which a general autograd
//! would compute and throw away, are a third of the work. Sequences lie one after another without padding. Of the
//! forward pass each block keeps what its backward pass needs; past [`KEPT_TOKENS`] in one sequence, only its
//! input, and the rest is computed again.

mod attention;
mod batch;
mod bf16;
mod block;
mod cross_entropy;
mod exponential;
mod frozen;
mod linear;
mod norm;
mod pool;
mod rotary;
mod swiglu;

pub use self::{batch::Batch, frozen::Precision};
use self::{
    block::{Block, Kept, Pass},
    cross_entropy::{Gradient, cross_entropy},
    frozen::Frozen,
    pool::Pool,
    rotary::Rotary,
};
use crate::{config::Config, lora::LoraAdapter, model_file::ModelFile, weights::Tensor};

/// Tokens that go through the graph at once (whole sequences; a longer one goes alone).
///
/// More would not be faster, and every token's activations stay in memory until its way back.
pub const TOKENS_AT_ONCE: usize = 512;

/// Tokens in one sequence up to which activations are kept rather than computed again.
pub const KEPT_TOKENS: usize = 1024;

/// A model ready to multiply, with the buffers to train adapters over it.
#[derive(Debug)]
pub struct TrainingModel {
    config: Config,
    /// Rows are read as they are needed.
    embedding: Tensor,
    blocks: Vec<Block>,
    final_norm: Vec<f32>,
    head: Frozen,
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
}

impl Loss {
    /// Nats a target; none where there was no target.
    pub fn mean(self) -> Option<f64> {
        (self.targets > 0).then(|| self.sum / self.targets as f64)
    }

    /// Adds another batch's loss.
    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.targets += other.targets;
    }
}

/// A batch or adapter that does not fit the model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraphError {
    #[error("token {0} is not in the vocabulary")]
    TokenOutOfRange(u32),
    #[error("the adapter was made for a model of another shape")]
    OtherShape,
    #[error("{found} gradients for {expected} parameters")]
    GradientLength {
        /// Numbers that were handed in.
        found: usize,
        /// Numbers in the adapter.
        expected: usize,
    },
}

impl TrainingModel {
    /// Reads all weights; about four bytes a parameter.
    pub fn new(model: &ModelFile, precision: Precision) -> Self {
        let weights = &model.weights;
        let config = model.config.clone();
        Self {
            embedding: weights.embedding.clone(),
            blocks: weights
                .layers
                .iter()
                .map(|layer| Block::new(layer, precision))
                .collect(),
            final_norm: weights.final_norm.to_f32(),
            head: Frozen::new(&[&weights.head], precision),
            config,
            rotary: Rotary::default(),
            pool: Pool::default(),
            longest: 0,
        }
    }

    /// The shape of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The loss of a batch, with or without an adapter.
    ///
    /// # Errors
    /// [`GraphError`] where batch or adapter do not fit the model.
    pub fn loss(
        &mut self,
        adapter: Option<&LoraAdapter>,
        batch: &Batch,
    ) -> Result<Loss, GraphError> {
        self.check(adapter, batch)?;
        let mut loss = Loss::default();
        for part in batch.split(TOKENS_AT_ONCE) {
            loss.add(self.run(adapter, &part, None));
        }
        Ok(loss)
    }

    /// The loss of a batch; adds `scale` times the gradient of its **sum** to `gradients`.
    ///
    /// `gradients` is laid out as [`LoraAdapter::parameters`]. For the gradient of the mean over several batches,
    /// give one over the number of all their targets as `scale`.
    ///
    /// # Errors
    /// [`GraphError`] where batch, adapter or gradients do not fit one another.
    pub fn loss_and_gradients(
        &mut self,
        adapter: &LoraAdapter,
        batch: &Batch,
        scale: f32,
        gradients: &mut [f32],
    ) -> Result<Loss, GraphError> {
        self.check(Some(adapter), batch)?;
        if gradients.len() != adapter.parameters().len() {
            return Err(GraphError::GradientLength {
                found: gradients.len(),
                expected: adapter.parameters().len(),
            });
        }
        let mut loss = Loss::default();
        for part in batch.split(TOKENS_AT_ONCE) {
            loss.add(self.run(Some(adapter), &part, Some((scale, gradients))));
        }
        Ok(loss)
    }

    fn check(&self, adapter: Option<&LoraAdapter>, batch: &Batch) -> Result<(), GraphError> {
        if adapter.is_some_and(|adapter| !adapter.layout().fits(&self.config)) {
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
        adapter: Option<&LoraAdapter>,
        batch: &Batch,
        gradients: Option<(f32, &mut [f32])>,
    ) -> Loss {
        let sequences: Vec<_> = batch.sequences().collect();
        let longest = sequences
            .iter()
            .map(ExactSizeIterator::len)
            .max()
            .unwrap_or(0);
        self.rotary
            .grow(longest, self.config.head_dim, self.config.rope_theta);
        if batch.tokens().len() > self.longest {
            // Buffers of the shorter parts are too small from here on.
            self.longest = batch.tokens().len();
            self.pool.clear();
        }
        let pool = &mut self.pool;
        let pass = Pass {
            config: &self.config,
            rotary: &self.rotary,
            sequences: &sequences,
            adapter,
        };
        let d = self.config.hidden_size;
        let tokens = batch.tokens().len();
        let keeps_all = tokens <= KEPT_TOKENS;

        let mut x = pool.take(tokens * d);
        for (token, row) in batch.tokens().iter().zip(x.chunks_mut(d)) {
            self.embedding
                .format()
                .dequantise(self.embedding.row(*token as usize), row);
        }
        let mut trail: Vec<(Vec<f32>, Option<Kept>)> = Vec::new();
        for (layer, block) in self.blocks.iter().enumerate() {
            let (out, kept) = block.forward(pass, layer, &x, pool);
            let input = std::mem::replace(&mut x, out);
            if gradients.is_none() {
                pool.give([input]);
                kept.give_back(pool);
            } else if keeps_all {
                trail.push((input, Some(kept)));
            } else {
                kept.give_back(pool);
                trail.push((input, None));
            }
        }

        // Only rows with a target go through the norm and the head.
        let (rows, targets): (Vec<usize>, Vec<u32>) = batch
            .targets()
            .iter()
            .enumerate()
            .filter_map(|(row, target)| target.map(|target| (row, target)))
            .unzip();
        let mut last = pool.take(rows.len() * d);
        for (row, place) in rows.iter().zip(last.chunks_mut(d)) {
            place.copy_from_slice(&x[row * d..(row + 1) * d]);
        }
        pool.give([x]);
        let mut normed = pool.take(last.len());
        let mut inverse = pool.take(rows.len());
        norm::forward(
            &last,
            &self.final_norm,
            self.config.norm_epsilon,
            &mut normed,
            &mut inverse,
        );
        let mut d_normed = pool.take(last.len());
        let gradient = gradients.as_ref().map(|(scale, _)| Gradient {
            d_hidden: &mut d_normed,
            scale: *scale,
        });
        let sum = cross_entropy(&normed, &self.head, &targets, gradient, pool);
        if let Some((_, gradients)) = gradients {
            let mut d_last = pool.zeros(last.len());
            norm::backward(&d_normed, &last, &self.final_norm, &inverse, &mut d_last);
            let mut dx = pool.zeros(tokens * d);
            for (row, d_last) in rows.iter().zip(d_last.chunks(d)) {
                dx[row * d..(row + 1) * d].copy_from_slice(d_last);
            }
            pool.give([d_last]);
            for (layer, block) in self.blocks.iter().enumerate().rev() {
                let Some((input, kept)) = trail.pop() else {
                    break;
                };
                let kept = kept.unwrap_or_else(|| {
                    let (out, kept) = block.forward(pass, layer, &input, pool);
                    pool.give([out]);
                    kept
                });
                block.backward((pass, layer), (&input, &kept), &mut dx, gradients, pool);
                kept.give_back(pool);
                pool.give([input]);
            }
            pool.give([dx]);
        }
        pool.give([last, normed, inverse, d_normed]);
        Loss {
            sum,
            targets: targets.len() as u64,
        }
    }
}
