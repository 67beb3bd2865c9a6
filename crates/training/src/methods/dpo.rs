//! Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, equation 7) of an adapter.
//!
//! The loss of a pair is `-log σ(β ((log π(better) - log π₀(better)) - (log π(worse) - log π₀(worse))))`, where `π₀`
//! is the base without the adapter. Its slope is `-β σ(-z)` for the better answer's log-probability and the opposite
//! for the worse one's.

use std::collections::HashMap;

use job_contract::LoraSettings;
use language_model::{
    Document, LoraAdapter, ModelFile,
    training_graph::{Batch, Dropout, GraphError, Trained, TrainingModel},
};

use super::{
    Learner, Learnt, Stretch,
    lora::{draw, dropout, new_adapter},
};
use crate::{data::Piece, settings::BadSettings};

/// An adapter that learns to prefer.
#[derive(Debug)]
pub struct Dpo {
    model: TrainingModel,
    adapter: LoraAdapter,
    dropout: Dropout,
    beta: f64,
    /// The base's own log-probabilities of each pair, by its tokens: they do not change.
    base: HashMap<Vec<u32>, [f64; 2]>,
}

/// A pair as the graph takes it: the better answer, then the worse.
struct Pair {
    batch: Batch,
    base: [f64; 2],
}

impl Dpo {
    /// A new adapter over `model`, drawn by `seed`.
    ///
    /// # Errors
    /// [`BadSettings`] where the settings make no adapter.
    pub fn new(
        file: &ModelFile,
        model: TrainingModel,
        settings: &LoraSettings,
        beta: f32,
        seed: u64,
    ) -> Result<Self, BadSettings> {
        Ok(Self {
            model,
            adapter: new_adapter(file, settings, seed)?,
            dropout: dropout(settings, seed),
            beta: f64::from(beta),
            base: HashMap::new(),
        })
    }

    /// What has been trained.
    pub fn into_adapter(self) -> LoraAdapter {
        self.adapter
    }

    fn pair(&mut self, better: &Document, worse: &Document) -> Result<Pair, GraphError> {
        let mut batch = Batch::default();
        batch.push(better);
        batch.push(worse);
        let mut key = better.tokens.clone();
        key.push(u32::MAX);
        key.extend(&worse.tokens);
        let base = match self.base.get(&key) {
            Some(base) => *base,
            None => {
                let base = two(&self.model.log_probabilities(Trained::None, &batch)?);
                self.base.insert(key, base);
                base
            }
        };
        Ok(Pair { batch, base })
    }

    /// `z`: β times how much more the better answer has gained on the base than the worse one.
    fn margin(&mut self, pair: &Pair, dropout: Dropout) -> Result<f64, GraphError> {
        let trained = Trained::Lora(&self.adapter, &dropout);
        let own = two(&self.model.log_probabilities(trained, &pair.batch)?);
        let [better, worse] = [own[0] - pair.base[0], own[1] - pair.base[1]];
        Ok(self.beta * (better - worse))
    }
}

/// A document without targets would give one number less; reading has ruled that out.
fn two(found: &[f64]) -> [f64; 2] {
    [
        found.first().copied().unwrap_or(0.0),
        found.get(1).copied().unwrap_or(0.0),
    ]
}

/// `-log σ(z)` without overflow.
fn loss(z: f64) -> f64 {
    (-z.abs()).exp().ln_1p() + (-z).max(0.0)
}

/// `σ(-z)`: how wrong the pair still is.
fn wrongness(z: f64) -> f64 {
    1.0 / (1.0 + z.exp())
}

fn learnt(z: f64) -> Learnt {
    Learnt {
        sum: loss(z),
        count: 1,
        hits: u64::from(z > 0.0),
    }
}

impl Learner for Dpo {
    fn numbers(&self) -> &[f32] {
        self.adapter.parameters()
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        self.adapter.parameters_mut()
    }

    fn count(&self, piece: &Piece) -> u64 {
        u64::from(piece.rejected.is_some())
    }

    fn learn(&mut self, stretch: Stretch<'_>, gradients: &mut [f32]) -> Result<Learnt, GraphError> {
        let mut all = Learnt::default();
        let dropout = draw(self.dropout, stretch);
        for piece in stretch.pieces {
            let Some(rejected) = &piece.rejected else {
                continue;
            };
            let pair = self.pair(&piece.document, rejected)?;
            let z = self.margin(&pair, dropout)?;
            all.add(learnt(z));
            let slope = (-self.beta * wrongness(z)) as f32 * stretch.scale;
            let trained = Trained::Lora(&self.adapter, &dropout);
            let scales = [slope, -slope];
            self.model
                .log_probabilities_and_gradients(trained, &pair.batch, &scales, gradients)?;
        }
        Ok(all)
    }

    fn measure(&mut self, pieces: &[&Piece]) -> Result<Learnt, GraphError> {
        let mut all = Learnt::default();
        for piece in pieces {
            if let Some(rejected) = &piece.rejected {
                let pair = self.pair(&piece.document, rejected)?;
                all.add(learnt(self.margin(&pair, Dropout::NONE)?));
            }
        }
        Ok(all)
    }

    /// As for LoRA, and one more pass forward to weigh the pair; the base's own pass is done once and left out.
    fn flop(&self) -> (f64, f64) {
        let weights = self.model.config().parameters() as f64;
        let trained = self.adapter.parameters().len() as f64;
        (6.0 * weights + 6.0 * trained, 2.0 * weights)
    }
}

#[cfg(test)]
mod tests {
    use job_contract::LoraSettings;
    use language_model::{
        ModelFile,
        synthetic::Synthetic,
        training_graph::{Precision, TrainingModel},
    };

    use super::*;

    #[test]
    fn loss_and_wrongness_are_those_of_the_paper() {
        for z in [-40.0, -1.5, 0.0, 0.3, 40.0f64] {
            let direct = (1.0 + (-z).exp()).ln();
            assert!((loss(z) - direct).abs() < 1e-12, "{z}");
            let slope = (loss(z + 1e-5) - loss(z - 1e-5)) / 2e-5;
            assert!((slope + wrongness(z)).abs() < 1e-6, "{z}");
        }
    }

    /// The gradient along a direction against the difference of the loss.
    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiny.gguf");
        Synthetic::default().write_gguf(&path).unwrap();
        let file = ModelFile::open(&path).unwrap();
        let settings = LoraSettings {
            rank: 4,
            alpha: 8.0,
            dropout: 0.0,
            target_modules: vec!["q_proj".to_owned(), "down_proj".to_owned()],
        };
        let model = TrainingModel::new(&file, Precision::Full);
        let mut dpo = Dpo::new(&file, model, &settings, 0.5, 3).unwrap();
        let document =
            |text: &str| Document::from_completion(&file.tokenizer, "Vraag:", text).unwrap();
        let piece = Piece {
            document: document(" een goed antwoord"),
            rejected: Some(document(" iets heel anders")),
            source: 0,
        };
        // Away from the start, where B is zero and so is the gradient of A.
        for (n, x) in dpo.numbers_mut().iter_mut().enumerate() {
            *x += ((n * 31 % 17) as f32 - 8.0) * 2e-3;
        }
        let mut gradients = vec![0.0; dpo.numbers().len()];
        let stretch = Stretch {
            pieces: &[&piece],
            step: 0,
            part: 0,
            scale: 1.0,
        };
        dpo.learn(stretch, &mut gradients).unwrap();
        let norm = gradients
            .iter()
            .map(|x| f64::from(*x).powi(2))
            .sum::<f64>()
            .sqrt();
        let start = dpo.numbers().to_vec();
        let h = 1e-2;
        let mut at = |sign: f64| {
            for ((x, start), gradient) in dpo.numbers_mut().iter_mut().zip(&start).zip(&gradients) {
                *x = (f64::from(*start) + sign * h * f64::from(*gradient) / norm) as f32;
            }
            dpo.measure(&[&piece]).unwrap().sum
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * h);
        assert!(
            (slope / norm - 1.0).abs() < 1e-2,
            "slope {slope}, gradient {norm}"
        );
    }
}
