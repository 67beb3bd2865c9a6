//! The model, adapter and batch of the fixtures, and what PyTorch makes of them (`fixtures/make_golden.py`).

use std::collections::HashMap;

use language_model::{
    Document, LoraAdapter, ModelFile, Target,
    synthetic::{Noise, Synthetic},
    training_graph::{Batch, Loss, Trained, TrainingModel},
};
use serde::Deserialize;

/// Loss and gradients of the adapters.
#[derive(Deserialize)]
struct Golden {
    loss_sum: f64,
    targets: u64,
    gradients: HashMap<String, Vec<f32>>,
}

/// Takes a step over `model` and holds it against PyTorch's: the loss within `loss_bound`, each gradient within
/// `gradient_bound`, both relative.
pub(crate) fn check_a_step(model: &mut TrainingModel, loss_bound: f64, gradient_bound: f64) {
    let golden: Golden = serde_json::from_str(include_str!("../../fixtures/golden.json")).unwrap();
    let adapter = adapter(model);
    let (loss, gradients) = gradients(model, &adapter, &batch(&[7, 12, 150], 271));
    assert_eq!(loss.targets, golden.targets);
    let off = (loss.sum - golden.loss_sum).abs() / golden.loss_sum;
    assert!(
        off < loss_bound,
        "loss {} where PyTorch has {}",
        loss.sum,
        golden.loss_sum
    );
    let mut seen = 0;
    for layer in 0..2 {
        for target in Target::ALL {
            for (which, place) in ["A", "B"].into_iter().zip(places(&adapter, layer, target)) {
                let (parent, name) = (target.parent(), target.name());
                let name = format!(
                    "base_model.model.model.layers.{layer}.{parent}.{name}.lora_{which}.weight"
                );
                let expected = &golden.gradients[&name];
                let found = &gradients[place];
                assert_eq!(found.len(), expected.len(), "{name}");
                let difference = norm(found.iter().zip(expected).map(|(x, y)| x - y));
                let relative = difference / norm(expected.iter().copied());
                assert!(relative < gradient_bound, "{name} is off by {relative:e}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, golden.gradients.len());
}

pub(crate) fn file() -> ModelFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let shape = Synthetic {
        hidden_size: 32,
        intermediate_size: 64,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        context_length: 512,
        seed: 7,
        is_quantised: false,
        ..Synthetic::default()
    };
    shape.write_gguf(&path).unwrap();
    ModelFile::open(&path).unwrap()
}

/// Places of `A` and `B` of one projection in the flat vector.
fn places(adapter: &LoraAdapter, layer: usize, target: Target) -> [std::ops::Range<usize>; 2] {
    let part = adapter.layout().part(layer, target).unwrap();
    [part.a.clone(), part.b.clone()]
}

pub(crate) fn adapter(model: &TrainingModel) -> LoraAdapter {
    let mut adapter = LoraAdapter::new(model.config(), 2, 3.0, &Target::ALL, 1).unwrap();
    let mut noise = Noise::new(8);
    for layer in 0..2 {
        for target in Target::ALL {
            for place in places(&adapter, layer, target) {
                let numbers = noise.samples(place.len(), 0.2);
                adapter.parameters_mut()[place].copy_from_slice(&numbers);
            }
        }
    }
    adapter
}

pub(crate) fn batch(lengths: &[usize], vocab: usize) -> Batch {
    let mut noise = Noise::new(9);
    let mut fraction = || f64::midpoint(f64::from(noise.sample()), 1.0);
    let mut batch = Batch::default();
    for length in lengths {
        batch.push(&Document {
            tokens: (0..*length)
                .map(|_| (fraction() * vocab as f64) as u32)
                .collect(),
            is_target: (0..*length).map(|_| fraction() < 0.6).collect(),
        });
    }
    batch
}

pub(crate) fn gradients(
    model: &mut TrainingModel,
    adapter: &LoraAdapter,
    batch: &Batch,
) -> (Loss, Vec<f32>) {
    let mut gradients = vec![0.0; adapter.parameters().len()];
    let scale = 1.0 / batch.target_count() as f32;
    let loss = model
        .loss_and_gradients(Trained::lora(adapter), batch, scale, &mut gradients)
        .unwrap();
    (loss, gradients)
}

pub(crate) fn norm(numbers: impl IntoIterator<Item = f32>) -> f64 {
    numbers
        .into_iter()
        .map(|x| f64::from(x).powi(2))
        .sum::<f64>()
        .sqrt()
}
