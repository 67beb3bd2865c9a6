//! Tensors whose bytes are made at the moment they are written.

use std::borrow::Cow;

use safetensors::{Dtype, View};

use super::NumberFormat;
use crate::{
    lora::{LoraAdapter, Target},
    matrix::{Matrix, Threads, Write, multiply},
    model_file::ModelFile,
    weights::{HUB_NAMES, Tensor},
};

/// One tensor of an export.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    numbers: Numbers<'a>,
    shape: Vec<usize>,
    format: NumberFormat,
}

#[derive(Debug)]
enum Numbers<'a> {
    Plain(&'a [f32]),
    /// A stored tensor, and the adapter that is added to it.
    Tensor(&'a Tensor, Option<(&'a LoraAdapter, usize, Target)>),
}

impl<'a> Stored<'a> {
    pub(super) fn of_numbers(
        numbers: &'a [f32],
        [rows, columns]: [usize; 2],
        format: NumberFormat,
    ) -> Self {
        Self {
            numbers: Numbers::Plain(numbers),
            shape: shape(rows, columns),
            format,
        }
    }

    fn of_tensor(
        tensor: &'a Tensor,
        adapted: Option<(&'a LoraAdapter, usize, Target)>,
        format: NumberFormat,
    ) -> Self {
        Self {
            numbers: Numbers::Tensor(tensor, adapted),
            shape: shape(tensor.rows(), tensor.columns()),
            format,
        }
    }

    fn numbers(&self) -> Cow<'a, [f32]> {
        match self.numbers {
            Numbers::Plain(numbers) => Cow::Borrowed(numbers),
            Numbers::Tensor(tensor, adapted) => {
                let mut weight = tensor.to_f32();
                if let Some((adapter, layer, target)) = adapted {
                    add_adapter(&mut weight, adapter, layer, target);
                }
                Cow::Owned(weight)
            }
        }
    }
}

/// The hub stores norms as vectors.
fn shape(rows: usize, columns: usize) -> Vec<usize> {
    if rows == 1 {
        vec![columns]
    } else {
        vec![rows, columns]
    }
}

/// `weight += (alpha / rank) B A`, where the projection is adapted.
fn add_adapter(weight: &mut [f32], adapter: &LoraAdapter, layer: usize, target: Target) {
    let Some((a, b)) = adapter.matrices(layer, target) else {
        return;
    };
    let rank = adapter.rank();
    let (inputs, outputs) = (a.len() / rank, b.len() / rank);
    multiply(
        (weight, inputs),
        Matrix::new(b, outputs, rank),
        Matrix::new(a, rank, inputs),
        (Write::Add, adapter.scale()),
        Threads::All,
    );
}

/// The adapted projections, in the order of a block's stored tensors.
const TARGETS: [Option<Target>; 9] = [
    None,
    Some(Target::Query),
    Some(Target::Key),
    Some(Target::Value),
    Some(Target::Output),
    None,
    Some(Target::Gate),
    Some(Target::Up),
    Some(Target::Down),
];

/// All tensors of `model`, with `adapter` added to those it adapts.
pub(super) fn of_model<'a>(
    model: &'a ModelFile,
    adapter: Option<&'a LoraAdapter>,
    format: NumberFormat,
) -> Vec<(String, Stored<'a>)> {
    let weights = &model.weights;
    let mut tensors = vec![
        (HUB_NAMES.embedding.to_owned(), &weights.embedding, None),
        (HUB_NAMES.final_norm.to_owned(), &weights.final_norm, None),
    ];
    if !model.config.is_embedding_tied {
        tensors.push((HUB_NAMES.head.to_owned(), &weights.head, None));
    }
    for (layer, stored) in weights.layers.iter().enumerate() {
        for ((name, tensor), target) in HUB_NAMES.layer.iter().zip(stored.all()).zip(TARGETS) {
            let adapted = adapter
                .zip(target)
                .map(|(adapter, target)| (adapter, layer, target));
            let name = format!("{}{layer}.{name}", HUB_NAMES.layer_prefix);
            tensors.push((name, tensor, adapted));
        }
    }
    tensors
        .into_iter()
        .map(|(name, tensor, adapted)| (name, Stored::of_tensor(tensor, adapted, format)))
        .collect()
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        self.format.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let numbers = self.numbers();
        let mut bytes = Vec::with_capacity(self.data_len());
        match self.format {
            NumberFormat::F32 => {
                for number in numbers.iter() {
                    bytes.extend(number.to_le_bytes());
                }
            }
            NumberFormat::Bf16 => {
                for number in numbers.iter() {
                    bytes.extend(crate::quantised::to_bf16(*number).to_le_bytes());
                }
            }
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        let each = match self.format {
            NumberFormat::F32 => 4,
            NumberFormat::Bf16 => 2,
        };
        self.shape.iter().product::<usize>() * each
    }
}
