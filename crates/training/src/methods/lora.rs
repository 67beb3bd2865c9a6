//! Low-rank adapters over a frozen base (Hu et al. 2021, arXiv 2106.09685).

use job_contract::LoraSettings;
use language_model::{
    LoraAdapter, ModelFile,
    training_graph::{Batch, Dropout, GraphError, Loss, Trained, TrainingModel},
};

use super::{Learner, Learnt, Stretch};
use crate::{
    data::Piece,
    settings::{BadSettings, targets},
};

/// An adapter and the model that it adapts.
#[derive(Debug)]
pub struct Lora {
    model: TrainingModel,
    adapter: LoraAdapter,
    dropout: Dropout,
}

impl Lora {
    /// A new adapter over `model`, drawn by `seed`.
    ///
    /// # Errors
    /// [`BadSettings`] where the settings make no adapter.
    pub fn new(
        file: &ModelFile,
        model: TrainingModel,
        settings: &LoraSettings,
        seed: u64,
    ) -> Result<Self, BadSettings> {
        Ok(Self {
            model,
            adapter: new_adapter(file, settings, seed)?,
            dropout: dropout(settings, seed),
        })
    }

    /// What has been trained.
    pub fn into_adapter(self) -> LoraAdapter {
        self.adapter
    }
}

/// A new adapter by its settings.
///
/// # Errors
/// [`BadSettings`] where the settings make no adapter.
pub fn new_adapter(
    file: &ModelFile,
    settings: &LoraSettings,
    seed: u64,
) -> Result<LoraAdapter, BadSettings> {
    let targets = targets(settings)?;
    LoraAdapter::new(
        &file.config,
        settings.rank as usize,
        settings.alpha,
        &targets,
        seed,
    )
    .map_err(|error| BadSettings::Lora(error.to_string()))
}

/// The settings' dropout before the first step.
pub(super) fn dropout(settings: &LoraSettings, seed: u64) -> Dropout {
    Dropout {
        rate: settings.dropout,
        seed,
        step: 0,
    }
}

/// The draw of one stretch of one step: the same whenever that step is taken.
pub(super) fn draw(dropout: Dropout, stretch: Stretch<'_>) -> Dropout {
    Dropout {
        step: u64::from(stretch.step) << 32 | u64::from(stretch.part),
        ..dropout
    }
}

/// The pieces one after another.
pub(super) fn batch(pieces: &[&Piece]) -> Batch {
    let mut batch = Batch::default();
    for piece in pieces {
        batch.push(&piece.document);
    }
    batch
}

impl From<Loss> for Learnt {
    fn from(loss: Loss) -> Self {
        Self {
            sum: loss.sum,
            count: loss.targets,
            hits: loss.right,
        }
    }
}

impl Learner for Lora {
    fn numbers(&self) -> &[f32] {
        self.adapter.parameters()
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        self.adapter.parameters_mut()
    }

    fn count(&self, piece: &Piece) -> u64 {
        piece.document.targets() as u64
    }

    fn learn(&mut self, stretch: Stretch<'_>, gradients: &mut [f32]) -> Result<Learnt, GraphError> {
        let batch = batch(stretch.pieces);
        let dropout = draw(self.dropout, stretch);
        let trained = Trained::Lora(&self.adapter, &dropout);
        let loss = self
            .model
            .loss_and_gradients(trained, &batch, stretch.scale, gradients)?;
        Ok(loss.into())
    }

    fn measure(&mut self, pieces: &[&Piece]) -> Result<Learnt, GraphError> {
        let trained = Trained::lora(&self.adapter);
        Ok(self.model.loss(trained, &batch(pieces))?.into())
    }

    /// Two operations for each weight and token forward, two more backward (frozen weights get no gradient of their
    /// own), six for each trained one; attention's own products are left out.
    fn flop(&self) -> (f64, f64) {
        let weights = self.model.config().parameters() as f64;
        let trained = self.adapter.parameters().len() as f64;
        (4.0 * weights + 6.0 * trained, 2.0 * weights)
    }
}
