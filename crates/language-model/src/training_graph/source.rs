//! Where a pass finds its weights: in the frozen base, or among those that are trained.

use std::{convert::Infallible, ops::Range};

use super::{
    adapted::Adapted,
    dense::Dense,
    device::{Device, DeviceError},
    frozen::{Frozen, Precision, shape},
    linear::{Learns, Linear, Weight},
    trained::Trained,
};
use crate::{
    config::Config,
    model_file::ModelFile,
    weights::{LayerTensors, Tensor},
    whole_weights::WholeWeights,
};

/// The weights of a base model, ready to multiply.
#[derive(Debug)]
pub(super) struct Base {
    /// Rows are read as they are needed.
    embedding: Tensor,
    blocks: Vec<FrozenBlock>,
    final_norm: Vec<f32>,
    head: Frozen,
}

/// Projections of the same input are joined.
#[derive(Debug)]
struct FrozenBlock {
    /// Before attention, before the feed-forward part.
    norms: [Vec<f32>; 2],
    /// Attention's inputs, its output, the feed-forward part's inputs, its output.
    projections: [Frozen; 4],
}

impl Base {
    /// For the processor.
    pub(super) fn new(model: &ModelFile, precision: Precision) -> Self {
        let Ok(base) =
            Self::made_by::<Infallible>(model, |parts| Ok(Frozen::packed(parts, precision)));
        base
    }

    /// With the frozen weights where `device` says.
    pub(super) fn on(
        device: &Device,
        model: &ModelFile,
        precision: Precision,
    ) -> Result<Self, DeviceError> {
        let weights = &model.weights;
        let blocks = weights.layers.iter().flat_map(joined);
        let shapes = blocks.map(|parts| shape(&parts));
        device.check_room(shapes.chain([shape(&[&weights.head])]), precision)?;
        Self::made_by(model, |parts| Frozen::on(device, parts, precision))
    }

    fn made_by<E>(
        model: &ModelFile,
        frozen: impl Fn(&[&Tensor]) -> Result<Frozen, E>,
    ) -> Result<Self, E> {
        let weights = &model.weights;
        let block = |layer| FrozenBlock::made_by(layer, &frozen);
        Ok(Self {
            embedding: weights.embedding.clone(),
            blocks: weights.layers.iter().map(block).collect::<Result<_, _>>()?,
            final_norm: weights.final_norm.to_f32(),
            head: frozen(&[&weights.head])?,
        })
    }
}

/// The projections of a block that are joined, in the order of [`FrozenBlock::projections`].
fn joined(layer: &LayerTensors) -> [Vec<&Tensor>; 4] {
    [
        vec![&layer.query, &layer.key, &layer.value],
        vec![&layer.output],
        vec![&layer.gate, &layer.up],
        vec![&layer.down],
    ]
}

impl FrozenBlock {
    fn made_by<E>(
        layer: &LayerTensors,
        frozen: impl Fn(&[&Tensor]) -> Result<Frozen, E>,
    ) -> Result<Self, E> {
        let [inputs, output, gate_up, down] = joined(layer);
        Ok(Self {
            norms: [
                layer.attention_norm.to_f32(),
                layer.feed_forward_norm.to_f32(),
            ],
            projections: [
                frozen(&inputs)?,
                frozen(&output)?,
                frozen(&gate_up)?,
                frozen(&down)?,
            ],
        })
    }
}

/// The weights of a norm, and where their gradient goes, if they are trained.
#[derive(Debug, Clone)]
pub(super) struct Norm<'a> {
    pub(super) weight: &'a [f32],
    pub(super) gradient: Option<Range<usize>>,
}

/// The weights of a pass, and what of them is trained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) config: &'a Config,
    pub(super) weights: Weights<'a>,
    pub(super) precision: Precision,
    pub(super) trained: Trained<'a>,
    /// The row of the whole batch at which this part of it starts.
    pub(super) first_row: usize,
}

/// Frozen or trained.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weights<'a> {
    Base(&'a Base),
    Whole(&'a WholeWeights),
}

impl<'a> Source<'a> {
    /// The rows of the embedding for `tokens`, `[tokens, d]`.
    pub(super) fn embed(&self, tokens: &[u32], x: &mut [f32]) {
        let d = self.config.hidden_size;
        for (token, row) in tokens.iter().zip(x.chunks_mut(d)) {
            let token = *token as usize;
            match self.weights {
                Weights::Base(base) => base
                    .embedding
                    .format()
                    .dequantise(base.embedding.row(token), row),
                Weights::Whole(whole) => {
                    let table = &whole.numbers()[whole.embedding()];
                    row.copy_from_slice(&table[token * d..(token + 1) * d]);
                }
            }
        }
    }

    /// Adds the gradient of the embedding's rows; in the order of the tokens, so that it is always the same sum.
    pub(super) fn embed_backward(&self, tokens: &[u32], dx: &[f32], gradients: &mut [f32]) {
        let Weights::Whole(whole) = self.weights else {
            return;
        };
        let d = self.config.hidden_size;
        let table = &mut gradients[whole.embedding()];
        for (token, dx) in tokens.iter().zip(dx.chunks(d)) {
            let row = &mut table[*token as usize * d..][..d];
            row.iter_mut().zip(dx).for_each(|(sum, dx)| *sum += dx);
        }
    }

    pub(super) fn final_norm(&self) -> Norm<'a> {
        match self.weights {
            Weights::Base(base) => Norm {
                weight: &base.final_norm,
                gradient: None,
            },
            Weights::Whole(whole) => whole_norm(whole, whole.final_norm()),
        }
    }

    /// The norm before attention (0) or before the feed-forward part (1).
    pub(super) fn norm(&self, layer: usize, which: usize) -> Norm<'a> {
        match self.weights {
            Weights::Base(base) => Norm {
                weight: &base.blocks[layer].norms[which],
                gradient: None,
            },
            Weights::Whole(whole) => {
                let block = whole.block(layer);
                let places = [block.attention_norm, block.feed_forward_norm];
                whole_norm(whole, places[which].clone())
            }
        }
    }

    pub(super) fn head(&self) -> Linear<'a> {
        let (d, vocab) = (self.config.hidden_size, self.config.vocab_size);
        match self.weights {
            Weights::Base(base) => Linear {
                weight: Weight::Frozen(&base.head),
                learns: Learns::Nothing,
                precision: self.precision,
            },
            Weights::Whole(whole) => whole_linear(whole, whole.head(), (d, vocab), self.precision),
        }
    }

    /// The projections of attention's inputs (0), its output (1), the feed-forward part's inputs (2), its output (3).
    pub(super) fn linear(&self, layer: usize, which: usize) -> Linear<'a> {
        match self.weights {
            Weights::Base(base) => Linear {
                weight: Weight::Frozen(&base.blocks[layer].projections[which]),
                learns: self.adapted(layer, which),
                precision: self.precision,
            },
            Weights::Whole(whole) => {
                let (config, block) = (self.config, whole.block(layer));
                let (d, ff) = (config.hidden_size, config.intermediate_size);
                let (q, kv) = (config.query_size(), config.kv_size());
                let (place, shape) = match which {
                    0 => (block.query_key_value, (d, q + 2 * kv)),
                    1 => (block.output, (q, d)),
                    2 => (block.gate_up, (d, 2 * ff)),
                    _ => (block.down, (ff, d)),
                };
                whole_linear(whole, place, shape, self.precision)
            }
        }
    }

    fn adapted(&self, layer: usize, which: usize) -> Learns<'a> {
        let Trained::Lora(adapter, dropout) = self.trained else {
            return Learns::Nothing;
        };
        let group = adapter.layout().layer(layer).nth(which);
        group.map_or(Learns::Nothing, |group| {
            Learns::Adapter(Adapted {
                group,
                adapter,
                mask: dropout.mask(layer, which, self.first_row),
            })
        })
    }

    /// True where something is trained below the first block.
    pub(super) fn learns_below(&self) -> bool {
        matches!(self.weights, Weights::Whole(..))
    }
}

fn whole_norm(whole: &WholeWeights, place: Range<usize>) -> Norm<'_> {
    Norm {
        weight: &whole.numbers()[place.clone()],
        gradient: Some(place),
    }
}

fn whole_linear(
    whole: &WholeWeights,
    place: Range<usize>,
    (inputs, outputs): (usize, usize),
    precision: Precision,
) -> Linear<'_> {
    Linear {
        weight: Weight::Dense(Dense {
            weight: &whole.numbers()[place.clone()],
            inputs,
            outputs,
        }),
        learns: Learns::Matrix(place),
        precision,
    }
}
