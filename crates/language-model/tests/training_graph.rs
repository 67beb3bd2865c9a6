//! Losses and gradients are those of PyTorch, and of the definition.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

mod golden;

use language_model::{
    Config, Document, LoraAdapter, Parameters, Target, WholeWeights,
    training_graph::{
        Batch, Dropout, GraphError, Loss, Precision, Recomputation, Trained, TrainingModel,
    },
};
use safetensors::SafeTensors;
use serde::Deserialize;

use crate::golden::{adapter, batch, check_a_step, file, gradients, norm};

/// What `fixtures/make_golden.py` made beside the step over adapters.
#[derive(Deserialize)]
struct Golden {
    losses: [f64; 3],
    whole_loss_sum: f64,
    preference_loss: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../fixtures/golden.json")).unwrap()
}

/// How far gradients are from those of the fixture, relative to their length, by name and place.
fn distances(part: &str, trained: &impl Parameters, gradients: &[f32]) -> Vec<(String, f64)> {
    let stored = SafeTensors::deserialize(include_bytes!("../fixtures/golden.safetensors"));
    let stored = stored.unwrap();
    let distance = |place: language_model::Place| {
        let view = stored.tensor(&format!("{part}.{}", place.name)).unwrap();
        let expected: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]))
            .collect();
        let found = &gradients[place.range];
        assert_eq!(found.len(), expected.len(), "{}", place.name);
        let difference = norm(found.iter().zip(&expected).map(|(x, y)| x - y));
        (place.name, difference / norm(expected))
    };
    trained.layout().into_iter().map(distance).collect()
}

fn model() -> TrainingModel {
    model_in(Precision::Full)
}

fn model_in(precision: Precision) -> TrainingModel {
    TrainingModel::new(&file(), precision)
}

#[test]
fn loss_and_every_gradient_are_those_of_pytorch() {
    check_a_step(&mut model(), 1e-6, 1e-4);
}

#[test]
fn mixed_precision_stays_close_to_pytorch() {
    check_a_step(&mut model_in(Precision::Mixed), 2e-3, 0.05);
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
        model
            .loss(Trained::lora(&moved), &batch)
            .unwrap()
            .mean()
            .unwrap()
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
fn the_gradients_of_all_weights_are_those_of_pytorch() {
    let golden = golden();
    let file = file();
    let whole = WholeWeights::from_model(&file);
    let batch = batch(&[7, 12, 150], 271);
    for (precision, loss_bound, bound) in [
        (Precision::Full, 1e-6, 1e-4),
        (Precision::Mixed, 2e-3, 0.05),
    ] {
        let mut model = TrainingModel::without_base(&file.config, precision);
        let mut gradients = vec![0.0; whole.flat().len()];
        let scale = 1.0 / batch.target_count() as f32;
        let loss = model
            .loss_and_gradients(Trained::Whole(&whole), &batch, scale, &mut gradients)
            .unwrap();
        let off = (loss.sum - golden.whole_loss_sum).abs() / golden.whole_loss_sum;
        assert!(
            off < loss_bound,
            "loss {}, PyTorch has {}",
            loss.sum,
            golden.whole_loss_sum
        );
        let distances = distances("whole", &whole, &gradients);
        assert_eq!(distances.len(), 2 + 2 * 9);
        for (name, distance) in distances {
            assert!(
                distance < bound,
                "{precision:?}: {name} is off by {distance:e}"
            );
        }
    }
}

#[test]
fn the_gradients_of_a_preference_are_those_of_pytorch() {
    let golden = golden();
    let mut model = model();
    let adapter = adapter(&model);
    let batch = batch(&[7, 12, 150], 271);
    let policy = model
        .log_probabilities(Trained::lora(&adapter), &batch)
        .unwrap();
    for (found, expected) in policy.iter().zip(golden.losses) {
        assert!(
            (found + expected).abs() / expected < 3e-6,
            "{found}, -{expected}"
        );
    }
    let reference = model.log_probabilities(Trained::None, &batch).unwrap();
    let beta = 0.5;
    let margin = beta * ((policy[1] - policy[0]) - (reference[1] - reference[0]));
    let loss = (-margin).exp().ln_1p();
    assert!((loss - golden.preference_loss).abs() < 1e-5, "{loss}");
    let slope = (beta / (1.0 + margin.exp())) as f32;
    let mut gradients = vec![0.0; adapter.flat().len()];
    let again = model
        .log_probabilities_and_gradients(
            Trained::lora(&adapter),
            &batch,
            &[slope, -slope, 0.0],
            &mut gradients,
        )
        .unwrap();
    assert_eq!(again, policy);
    for (name, distance) in distances("preference", &adapter, &gradients) {
        assert!(distance < 1e-4, "{name} is off by {distance:e}");
    }
}

/// The slope of the loss along the gradient of what `at` makes of a distance along it, by central differences.
fn slope_off(
    model: &mut TrainingModel,
    batch: &Batch,
    start: &[f32],
    mut with: impl FnMut(&mut TrainingModel, &[f32], Option<&mut [f32]>) -> Loss,
) -> f64 {
    let mut gradients = vec![0.0; start.len()];
    with(model, start, Some(&mut gradients));
    let count = batch.target_count() as f64;
    let length = norm(gradients.iter().copied());
    let step = 2e-3;
    let mut loss_at = |distance: f64| {
        let moved: Vec<f32> = start
            .iter()
            .zip(&gradients)
            .map(|(x, g)| x + (distance / length * f64::from(*g)) as f32)
            .collect();
        with(model, &moved, None).sum / count
    };
    let slope = (loss_at(step) - loss_at(-step)) / (2.0 * step);
    (slope - length / count).abs() / (length / count)
}

#[test]
fn gradients_are_the_slope_of_the_loss_under_dropout() {
    let mut model = model();
    let adapter = adapter(&model);
    let batch = batch(&[5, 300, 400], 271);
    let dropout = Dropout {
        rate: 0.3,
        seed: 4,
        step: 2,
    };
    let mut moved = adapter.clone();
    let off = slope_off(
        &mut model,
        &batch,
        adapter.flat(),
        |model, numbers, gradients| {
            moved.flat_mut().copy_from_slice(numbers);
            let trained = Trained::Lora(&moved, &dropout);
            match gradients {
                Some(gradients) => model.loss_and_gradients(trained, &batch, 1.0, gradients),
                None => model.loss(trained, &batch),
            }
            .unwrap()
        },
    );
    assert!(off < 2e-3, "off by {off:e}");
    let mut loss = |dropout: &Dropout| {
        model
            .loss(Trained::Lora(&adapter, dropout), &batch)
            .unwrap()
    };
    let first = loss(&dropout);
    assert_eq!(
        first,
        loss(&dropout),
        "the draw is the same for the same step"
    );
    assert_ne!(first, loss(&Dropout { step: 3, ..dropout }));
    assert_ne!(first, loss(&Dropout::NONE));
}

#[test]
fn gradients_of_fresh_weights_with_a_head_of_its_own_are_the_slope() {
    let config = Config {
        is_embedding_tied: false,
        ..file().config
    };
    let fresh = WholeWeights::fresh(&config, 5);
    let mut model = TrainingModel::without_base(&config, Precision::Full);
    let batch = batch(&[5, 30, 200], 271);
    let mut moved = fresh.clone();
    let off = slope_off(
        &mut model,
        &batch,
        fresh.flat(),
        |model, numbers, gradients| {
            moved.flat_mut().copy_from_slice(numbers);
            let trained = Trained::Whole(&moved);
            match gradients {
                Some(gradients) => model.loss_and_gradients(trained, &batch, 1.0, gradients),
                None => model.loss(trained, &batch),
            }
            .unwrap()
        },
    );
    assert!(off < 2e-3, "off by {off:e}");
    let loss = model.loss(Trained::Whole(&fresh), &batch).unwrap();
    let knows_nothing = f64::from(config.vocab_size as u32).ln();
    assert!(
        (loss.mean().unwrap() - knows_nothing).abs() < 0.1,
        "{loss:?}"
    );
}

#[test]
fn computing_activations_again_changes_nothing() {
    let mut model = model();
    let adapter = adapter(&model);
    let batch = batch(&[90, 33, 200], 271);
    model.set_recomputation(Recomputation::Never);
    let kept = gradients(&mut model, &adapter, &batch);
    model.set_recomputation(Recomputation::Always);
    assert_eq!(kept, gradients(&mut model, &adapter, &batch));
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
                .loss_and_gradients(Trained::lora(&adapter), &part, scale, &mut summed)
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
    let (without, with) = (
        model.loss(Trained::None, &batch),
        model.loss(Trained::lora(&fresh), &batch),
    );
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
        model.loss(Trained::None, &outside),
        Err(GraphError::TokenOutOfRange(271))
    );
    let short =
        model.loss_and_gradients(Trained::lora(&adapter), &batch(&[5], 271), 1.0, &mut [0.0]);
    assert!(matches!(short, Err(GraphError::GradientLength { .. })));
    let mut bare = TrainingModel::without_base(model.config(), Precision::Full);
    let baseless = bare.loss(Trained::None, &batch(&[5], 271));
    assert_eq!(baseless, Err(GraphError::NoBase));
    let other = Config {
        layers: 1,
        ..model.config().clone()
    };
    let other = WholeWeights::fresh(&other, 1);
    let unlike = bare.loss(Trained::Whole(&other), &batch(&[5], 271));
    assert_eq!(unlike, Err(GraphError::OtherShape));
}
