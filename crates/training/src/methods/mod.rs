//! What is trained, and how it learns: one module a method, all driven by [`crate::training_loop`].

mod dpo;
mod full;
mod lora;
mod pretrain;

use std::ops::Range;

use language_model::training_graph::GraphError;

use crate::data::Piece;

pub use self::{
    dpo::Dpo,
    full::Full,
    lora::{Lora, new_adapter},
    pretrain::{Fresh, FreshError},
};

/// How well pieces were predicted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Learnt {
    /// Loss, summed.
    pub sum: f64,
    /// What the mean is taken over: target tokens, or pairs.
    pub count: u64,
    /// How many of them came out right.
    pub hits: u64,
}

impl Learnt {
    /// The mean loss; none where nothing was predicted.
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The share that came out right.
    pub fn accuracy(self) -> Option<f64> {
        (self.count > 0).then(|| self.hits as f64 / self.count as f64)
    }

    /// Adds what other pieces gave.
    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
        self.hits += other.hits;
    }
}

/// One stretch of a step.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    pub pieces: &'a [&'a Piece],
    /// Steps that were taken before.
    pub step: u32,
    /// Which stretch of the step it is.
    pub part: u32,
    /// One over [`Learner::count`] of the whole step.
    pub scale: f32,
}

/// Something with numbers that learns from pieces.
pub trait Learner {
    /// All numbers that are trained.
    fn numbers(&self) -> &[f32];

    /// The same, to change them.
    fn numbers_mut(&mut self) -> &mut [f32];

    /// Where weight decay should leave the numbers alone, in order.
    fn undecayed(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// What the mean loss of a piece is taken over.
    fn count(&self, piece: &Piece) -> u64;

    /// Adds the gradient of the stretch's loss to `gradients`.
    ///
    /// # Errors
    /// [`GraphError`] where a piece does not fit the model.
    fn learn(&mut self, stretch: Stretch<'_>, gradients: &mut [f32]) -> Result<Learnt, GraphError>;

    /// The loss of pieces that are not learnt from.
    ///
    /// # Errors
    /// [`GraphError`] where a piece does not fit the model.
    fn measure(&mut self, pieces: &[&Piece]) -> Result<Learnt, GraphError>;

    /// Floating-point operations for each token that is learnt from, and for each that is measured on.
    fn flop(&self) -> (f64, f64);
}
