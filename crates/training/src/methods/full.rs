//! Every weight is trained: those of a base, or fresh ones.

use std::ops::Range;

use language_model::{
    Parameters, WholeWeights,
    training_graph::{GraphError, Trained, TrainingModel},
};

use super::{Learner, Learnt, Stretch, lora::batch};
use crate::data::Piece;

/// All weights of a model.
#[derive(Debug)]
pub struct Full {
    model: TrainingModel,
    whole: WholeWeights,
    undecayed: Vec<Range<usize>>,
}

impl Full {
    /// Trains `whole`; the model needs no weights of its own.
    pub fn new(model: TrainingModel, whole: WholeWeights) -> Self {
        let places = whole.layout();
        let undecayed = places
            .into_iter()
            .filter(|place| !place.decays)
            .map(|place| place.range);
        Self {
            undecayed: undecayed.collect(),
            model,
            whole,
        }
    }

    /// What has been trained.
    pub fn into_weights(self) -> WholeWeights {
        self.whole
    }
}

impl Learner for Full {
    fn numbers(&self) -> &[f32] {
        self.whole.flat()
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        self.whole.flat_mut()
    }

    fn undecayed(&self) -> Vec<Range<usize>> {
        self.undecayed.clone()
    }

    fn count(&self, piece: &Piece) -> u64 {
        piece.document.targets() as u64
    }

    fn learn(&mut self, stretch: Stretch<'_>, gradients: &mut [f32]) -> Result<Learnt, GraphError> {
        let batch = batch(stretch.pieces);
        let trained = Trained::Whole(&self.whole);
        let loss = self
            .model
            .loss_and_gradients(trained, &batch, stretch.scale, gradients)?;
        Ok(loss.into())
    }

    fn measure(&mut self, pieces: &[&Piece]) -> Result<Learnt, GraphError> {
        let trained = Trained::Whole(&self.whole);
        Ok(self.model.loss(trained, &batch(pieces))?.into())
    }

    /// Two operations for each weight and token forward, four backward; attention's own products are left out.
    fn flop(&self) -> (f64, f64) {
        let weights = self.model.config().parameters() as f64;
        (6.0 * weights, 2.0 * weights)
    }
}
