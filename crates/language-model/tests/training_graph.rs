//! Losses and gradients are those of PyTorch, and of the definition.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::collections::HashMap;

use language_model::{
    Document, LoraAdapter, ModelFile, Target,
    synthetic::{Noise, Synthetic},
    training_graph::{Batch, GraphError, Loss, Precision, TrainingModel},
};
use serde::Deserialize;

/// Made by `fixtures/make_golden.py`.
#[derive(Deserialize)]
struct Golden {
    loss_sum: f64,
    targets: u64,
    gradients: HashMap<String, Vec<f32>>,
}

fn model() -> TrainingModel {
    model_in(Precision::Full)
}

fn model_in(precision: Precision) -> TrainingModel {
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
    };
    shape.write_gguf(&path).unwrap();
    TrainingModel::new(&ModelFile::open(&path).unwrap(), precision)
}

/// Places of `A` and `B` of one projection in the flat vector.
fn places(adapter: &LoraAdapter, layer: usize, target: Target) -> [std::ops::Range<usize>; 2] {
    let part = adapter.layout().part(layer, target).unwrap();
    [part.a.clone(), part.b.clone()]
}

fn adapter(model: &TrainingModel) -> LoraAdapter {
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

fn batch(lengths: &[usize], vocab: usize) -> Batch {
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

fn gradients(model: &mut TrainingModel, adapter: &LoraAdapter, batch: &Batch) -> (Loss, Vec<f32>) {
    let mut gradients = vec![0.0; adapter.parameters().len()];
    let scale = 1.0 / batch.target_count() as f32;
    let loss = model
        .loss_and_gradients(adapter, batch, scale, &mut gradients)
        .unwrap();
    (loss, gradients)
}

fn norm(numbers: impl IntoIterator<Item = f32>) -> f64 {
    numbers
        .into_iter()
        .map(|x| f64::from(x).powi(2))
        .sum::<f64>()
        .sqrt()
}

#[test]
fn loss_and_every_gradient_are_those_of_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("../fixtures/golden.json")).unwrap();
    let mut model = model();
    let adapter = adapter(&model);
    let batch = batch(&[7, 12, 150], 271);
    let (loss, gradients) = gradients(&mut model, &adapter, &batch);
    assert_eq!(loss.targets, golden.targets);
    let off = (loss.sum - golden.loss_sum).abs() / golden.loss_sum;
    assert!(
        off < 1e-6,
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
                assert!(relative < 1e-4, "{name} is off by {relative:e}");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, golden.gradients.len());
}

#[test]
fn mixed_precision_stays_close_to_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("../fixtures/golden.json")).unwrap();
    let mut model = model_in(Precision::Mixed);
    let adapter = adapter(&model);
    let (loss, gradients) = gradients(&mut model, &adapter, &batch(&[7, 12, 150], 271));
    let off = (loss.sum - golden.loss_sum).abs() / golden.loss_sum;
    assert!(
        off < 2e-3,
        "loss {} where PyTorch has {}",
        loss.sum,
        golden.loss_sum
    );
    for layer in 0..2 {
        for target in Target::ALL {
            for (which, place) in ["A", "B"].into_iter().zip(places(&adapter, layer, target)) {
                let (parent, name) = (target.parent(), target.name());
                let name = format!(
                    "base_model.model.model.layers.{layer}.{parent}.{name}.lora_{which}.weight"
                );
                let expected = &golden.gradients[&name];
                let difference = norm(gradients[place].iter().zip(expected).map(|(x, y)| x - y));
                let relative = difference / norm(expected.iter().copied());
                assert!(relative < 0.05, "{name} is off by {relative:e}");
            }
        }
    }
}

/// The slope of the loss along the gradient, by central differences.
fn slope_error(lengths: &[usize]) -> f64 {
    let mut model = model();
    let adapter = adapter(&model);
    let batch = batch(lengths, 271);
    let (_, gradients) = gradients(&mut model, &adapter, &batch);
    let length = norm(gradients.iter().copied());
    let step = 2e-3;
    let mut loss_at = |distance: f64| {
        let mut moved = adapter.clone();
        for (parameter, gradient) in moved.parameters_mut().iter_mut().zip(&gradients) {
            *parameter += (distance / length * f64::from(*gradient)) as f32;
        }
        model.loss(Some(&moved), &batch).unwrap().mean().unwrap()
    };
    let slope = (loss_at(step) - loss_at(-step)) / (2.0 * step);
    (slope - length).abs() / length
}

#[test]
fn gradients_are_the_slope_of_the_loss() {
    let error = slope_error(&[5, 30, 200]);
    assert!(error < 2e-3, "off by {error:e}");
}

#[test]
fn gradients_hold_where_activations_are_computed_again() {
    let error = slope_error(&[1400]);
    assert!(error < 2e-3, "off by {error:e}");
}

#[test]
fn a_batch_gives_what_its_sequences_give_alone() {
    let mut model = model();
    let adapter = adapter(&model);
    let lengths = [700, 40, 600, 3];
    let (whole, together) = gradients(&mut model, &adapter, &batch(&lengths, 271));
    let whole_batch = batch(&lengths, 271);
    let mut summed = vec![0.0; together.len()];
    let mut alone = Loss::default();
    for part in whole_batch.split(1) {
        let scale = 1.0 / whole_batch.target_count() as f32;
        alone.add(
            model
                .loss_and_gradients(&adapter, &part, scale, &mut summed)
                .unwrap(),
        );
    }
    assert_eq!(whole.targets, alone.targets);
    assert!((whole.sum - alone.sum).abs() < 1e-3);
    let difference = norm(summed.iter().zip(&together).map(|(x, y)| x - y));
    assert!(
        difference / norm(together) < 1e-5,
        "sequences leak into one another"
    );
}

#[test]
fn a_fresh_adapter_changes_nothing() {
    let mut model = model();
    let fresh =
        LoraAdapter::new(model.config(), 4, 8.0, &[Target::Query, Target::Down], 3).unwrap();
    let batch = batch(&[60], 271);
    let (without, with) = (model.loss(None, &batch), model.loss(Some(&fresh), &batch));
    assert_eq!(without, with);
}

#[test]
fn a_run_can_be_repeated_to_the_last_bit() {
    let mut model = model();
    let adapter = adapter(&model);
    let batch = batch(&[90, 33, 200], 271);
    let first = gradients(&mut model, &adapter, &batch);
    assert_eq!(first, gradients(&mut model, &adapter, &batch));
}

#[test]
fn adapters_survive_their_files() {
    let model = model();
    let adapter = adapter(&model);
    let (config, weights) = (
        adapter.to_config_json("base"),
        adapter.to_safetensors().unwrap(),
    );
    let back = LoraAdapter::from_peft(model.config(), config.as_bytes(), &weights).unwrap();
    assert_eq!(back, adapter);
    let cut = LoraAdapter::from_peft(
        model.config(),
        config.as_bytes(),
        &weights[..weights.len() - 1],
    );
    assert!(cut.is_err());
    let other_rank = config.replace("\"r\": 2", "\"r\": 3");
    let error =
        LoraAdapter::from_peft(model.config(), other_rank.as_bytes(), &weights).unwrap_err();
    assert!(error.to_string().contains("lora_A"), "{error}");
    let dora = config.replace("\"use_dora\": false", "\"use_dora\": true");
    assert!(LoraAdapter::from_peft(model.config(), dora.as_bytes(), &weights).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut model = model();
    let adapter = adapter(&model);
    let mut outside = Batch::default();
    outside.push(&Document {
        tokens: vec![1, 271, 2],
        is_target: vec![true; 3],
    });
    assert_eq!(
        model.loss(None, &outside),
        Err(GraphError::TokenOutOfRange(271))
    );
    let short = model.loss_and_gradients(&adapter, &batch(&[5], 271), 1.0, &mut [0.0]);
    assert!(matches!(short, Err(GraphError::GradientLength { .. })));
}
