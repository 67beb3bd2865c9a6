//! The whole graph on the tiny synthetic model.

use std::collections::HashMap;

use safetensors::{Dtype, tensor::TensorView};

use super::{Adapter, InferenceModel, KvCache, StepError, Work, Workspace};
use crate::{
    Document, LoraAdapter, ModelFile, RotaryScaling, Target,
    synthetic::{Noise, Synthetic},
    training_graph::{Batch, Precision, Trained, TrainingModel},
};

fn given_file(is_quantised: bool) -> ModelFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let synthetic = Synthetic {
        is_quantised,
        ..Synthetic::default()
    };
    synthetic.write_gguf(&path).unwrap();
    ModelFile::open(&path).unwrap()
}

/// The same with the rotary frequencies of a longer context.
fn given_file_for_longer() -> ModelFile {
    let mut file = given_file(true);
    file.config.rope_scaling = RotaryScaling::Llama3 {
        factor: 8.0,
        low: 1.0,
        high: 4.0,
        original: 64,
    };
    file
}

fn given_model() -> InferenceModel {
    let file = given_file(true);
    InferenceModel::new(&file.config, &file.weights, 128)
}

/// Rank 4 on all projections, strong enough to change every answer.
fn given_adapter(model: &InferenceModel, seed: u64) -> Adapter {
    let (config, weights) = adapter_files(model, seed);
    Adapter::parse(config.as_bytes(), &weights, model.config()).unwrap()
}

const RANK: usize = 4;
const SHAPES: [(&str, usize, usize); 7] = [
    ("self_attn.q_proj", 64, 64),
    ("self_attn.k_proj", 32, 64),
    ("self_attn.v_proj", 32, 64),
    ("self_attn.o_proj", 64, 64),
    ("mlp.gate_proj", 128, 64),
    ("mlp.up_proj", 128, 64),
    ("mlp.down_proj", 64, 128),
];

fn low_rank(
    seed: u64,
    layer: usize,
    module: usize,
    outputs: usize,
    inputs: usize,
) -> (Vec<f32>, Vec<f32>) {
    let mut noise = Noise::new(seed * 1000 + layer as u64 * 10 + module as u64);
    (
        noise.samples(RANK * inputs, 0.15),
        noise.samples(outputs * RANK, 0.15),
    )
}

fn adapter_files(model: &InferenceModel, seed: u64) -> (String, Vec<u8>) {
    let mut tensors = Vec::new();
    for layer in 0..model.config().layers {
        for (module, (name, outputs, inputs)) in SHAPES.into_iter().enumerate() {
            let (a, b) = low_rank(seed, layer, module, outputs, inputs);
            for (half, values, shape) in [("A", a, [RANK, inputs]), ("B", b, [outputs, RANK])] {
                let name =
                    format!("base_model.model.model.layers.{layer}.{name}.lora_{half}.weight");
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                tensors.push((name, bytes, shape));
            }
        }
    }
    let views = tensors.iter().map(|(name, bytes, shape)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap(),
        )
    });
    let weights = safetensors::serialize(views, None::<HashMap<String, String>>).unwrap();
    (
        r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none"}"#.to_owned(),
        weights,
    )
}

/// The logits after each of the tokens, fed in pieces of `piece`.
fn logits(
    model: &InferenceModel,
    adapter: Option<&Adapter>,
    tokens: &[u32],
    piece: usize,
) -> Vec<f32> {
    let mut cache = model.new_cache(tokens.len());
    let mut space = Workspace::default();
    for tokens in tokens.chunks(piece) {
        let work = Work {
            tokens,
            cache: &mut cache,
            adapter,
            wants_logits: true,
        };
        model.step(&mut [work], &mut space).unwrap();
    }
    space.logits().next().unwrap().to_vec()
}

#[test]
fn a_prompt_gives_the_same_bits_in_one_step_and_token_by_token() {
    let model = given_model();
    let adapter = given_adapter(&model, 1);
    let tokens: Vec<u32> = (3..60).collect();
    for adapter in [None, Some(&adapter)] {
        let whole = logits(&model, adapter, &tokens, tokens.len());
        assert_eq!(whole, logits(&model, adapter, &tokens, 1));
        assert_eq!(whole, logits(&model, adapter, &tokens, 7));
    }
}

#[test]
fn sequences_with_different_adapters_share_a_step_without_touching_each_other() {
    let model = given_model();
    let (first, second) = (given_adapter(&model, 1), given_adapter(&model, 2));
    let adapters = [None, Some(&first), Some(&second), None, Some(&first)];
    let prompts: Vec<Vec<u32>> = (0..5).map(|s| (3 + s..20 + 4 * s).collect()).collect();
    let mut caches: Vec<KvCache> = prompts.iter().map(|_| model.new_cache(64)).collect();
    let mut works: Vec<Work<'_>> = prompts
        .iter()
        .zip(&mut caches)
        .zip(adapters)
        .map(|((tokens, cache), adapter)| Work {
            tokens,
            cache,
            adapter,
            wants_logits: true,
        })
        .collect();
    let mut space = Workspace::default();
    model.step(&mut works, &mut space).unwrap();
    let together: Vec<Vec<f32>> = space.logits().map(|logits| logits.to_vec()).collect();
    for ((tokens, adapter), together) in prompts.iter().zip(adapters).zip(&together) {
        assert_eq!(&logits(&model, adapter, tokens, tokens.len()), together);
    }
    assert_ne!(
        logits(&model, Some(&first), &prompts[0], 99),
        together[0],
        "an adapter changes the answer"
    );
}

#[test]
fn an_adapter_gives_what_its_merged_weights_give() {
    let file = given_file(false);
    let mut model = InferenceModel::new(&file.config, &file.weights, 128);
    let adapter = given_adapter(&model, 3);
    let tokens: Vec<u32> = (3..40).collect();
    let adapted = logits(&model, Some(&adapter), &tokens, 99);
    let plain = logits(&model, None, &tokens, 99);
    for (number, (layer, tensors)) in model
        .layers
        .iter_mut()
        .zip(&file.weights.layers)
        .enumerate()
    {
        let stored = [
            &tensors.query,
            &tensors.key,
            &tensors.value,
            &tensors.output,
            &tensors.gate,
            &tensors.up,
            &tensors.down,
        ];
        let merged: Vec<(Vec<f32>, usize)> = stored
            .iter()
            .zip(SHAPES)
            .enumerate()
            .map(|(module, (tensor, (_, outputs, inputs)))| {
                let (a, b) = low_rank(3, number, module, outputs, inputs);
                let mut weights = tensor.to_f32();
                for (output, row) in weights.chunks_mut(inputs).enumerate() {
                    for (input, weight) in row.iter_mut().enumerate() {
                        let product: f32 = (0..RANK)
                            .map(|r| b[output * RANK + r] * a[r * inputs + input])
                            .sum();
                        *weight += product * 8.0 / 4.0;
                    }
                }
                (weights, outputs)
            })
            .collect();
        let pack = |parts: std::ops::Range<usize>, inputs| {
            let parts: Vec<f32> = merged[parts].iter().flat_map(|(w, _)| w.clone()).collect();
            let outputs = parts.len() / inputs;
            super::packed::PackedMatrix::quantise(&parts, outputs, inputs)
        };
        layer.query_key_value = pack(0..3, 64);
        layer.output = pack(3..4, 64);
        layer.gate_up = pack(4..6, 64);
        layer.down = pack(6..7, 128);
    }
    let merged = logits(&model, None, &tokens, 99);
    let distance = |a: &[f32], b: &[f32]| -> f32 {
        let squares: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
        (squares / a.len() as f32).sqrt()
    };
    let (error, effect) = (distance(&adapted, &merged), distance(&adapted, &plain));
    assert!(
        error < effect / 20.0,
        "off by {error}, while the adapter moves logits by {effect}"
    );
}

#[test]
fn the_size_of_a_model_is_known_before_it_is_packed() {
    for is_quantised in [true, false] {
        let file = given_file(is_quantised);
        let foreseen = InferenceModel::packed_bytes(&file.config, &file.weights);
        let model = InferenceModel::new(&file.config, &file.weights, 128);
        assert_eq!(foreseen, model.size_bytes());
    }
}

#[test]
fn a_full_cache_and_unknown_tokens_are_refused_before_anything_changes() {
    let model = given_model();
    let mut cache = model.new_cache(4);
    let mut space = Workspace::default();
    let mut step = |tokens: &[u32], cache: &mut KvCache| {
        let work = Work {
            tokens,
            cache,
            adapter: None,
            wants_logits: false,
        };
        model.step(&mut [work], &mut space)
    };
    assert_eq!(step(&[], &mut cache), Err(StepError::Empty));
    assert_eq!(
        step(&[3, 999_999], &mut cache),
        Err(StepError::UnknownToken(999_999))
    );
    let full = StepError::CacheFull {
        tokens: 5,
        capacity: 4,
    };
    assert_eq!(step(&[3; 5], &mut cache), Err(full));
    assert_eq!(cache.tokens(), 0);
    assert_eq!(step(&[3; 4], &mut cache), Ok(()));
    assert_eq!(cache.tokens(), 4);
    assert_eq!(
        model.new_cache(1000).capacity(),
        128,
        "a cache holds a context at most"
    );
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let model = given_model();
    let (config, weights) = adapter_files(&model, 1);
    let parse = |config: &str, weights: &[u8]| {
        Adapter::parse(config.as_bytes(), weights, model.config())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert!(parse(&config, &weights).is_ok());
    let cases = [
        (r#"{"peft_type": "IA3", "r": 4, "lora_alpha": 8}"#, "IA3"),
        (
            r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_dora": true}"#,
            "DoRA",
        ),
        (
            r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "all"}"#,
            "biases",
        ),
        (
            r#"{"peft_type": "LORA", "r": 0, "lora_alpha": 8}"#,
            "out of range",
        ),
        (
            r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "modules_to_save": ["lm_head"]}"#,
            "trained whole",
        ),
        ("{}", "not valid"),
    ];
    for (config, expected) in cases {
        let message = parse(config, &weights).expect_err(expected);
        assert!(message.contains(expected), "{message}");
    }
    assert!(
        parse(&config, &weights[..weights.len() / 2]).is_err(),
        "a file that breaks off"
    );
    let other = Synthetic {
        layers: 1,
        ..Synthetic::default()
    };
    let folder = tempfile::tempdir().unwrap();
    other.write_gguf(&folder.path().join("m.gguf")).unwrap();
    let file = ModelFile::open(&folder.path().join("m.gguf")).unwrap();
    assert!(
        Adapter::parse(config.as_bytes(), &weights, &file.config).is_err(),
        "an adapter for more layers than the base has"
    );
}

#[test]
fn a_trained_adapter_serves_as_it_was_trained() {
    serves_as_trained(&given_file(true));
}

#[test]
fn so_does_one_over_a_model_for_a_longer_context() {
    serves_as_trained(&given_file_for_longer());
}

fn serves_as_trained(file: &ModelFile) {
    let model = InferenceModel::new(&file.config, &file.weights, 128);
    let all = [
        Target::Query,
        Target::Key,
        Target::Value,
        Target::Output,
        Target::Gate,
        Target::Up,
        Target::Down,
    ];
    let mut trained = LoraAdapter::new(&file.config, 4, 8.0, &all, 1).unwrap();
    let mut noise = Noise::new(9);
    trained
        .parameters_mut()
        .iter_mut()
        .for_each(|weight| *weight += noise.sample() * 0.1);
    let (config, weights) = (
        trained.to_config_json("tiny"),
        trained.to_safetensors().unwrap(),
    );
    let served = Adapter::parse(config.as_bytes(), &weights, &file.config).unwrap();
    let tokens: Vec<u32> = (3..50).map(|token| token * 5 % 200).collect();
    let mut batch = Batch::default();
    batch.push(&Document {
        is_target: vec![true; tokens.len()],
        tokens: tokens.clone(),
    });
    let mut graph = TrainingModel::new(file, Precision::Full);
    for (trained, served) in [(None, None), (Some(&trained), Some(&served))] {
        let expected = graph
            .loss(trained.map_or(Trained::None, Trained::lora), &batch)
            .unwrap()
            .mean()
            .unwrap();
        let mut loss = 0.0;
        for (at, token) in tokens.iter().enumerate().skip(1) {
            let logits = logits(&model, served, &tokens[..at], at);
            let highest = logits
                .iter()
                .fold(f32::MIN, |highest, logit| highest.max(*logit));
            let total: f64 = logits
                .iter()
                .map(|logit| f64::from(logit - highest).exp())
                .sum();
            loss += total.ln() - f64::from(logits[*token as usize] - highest);
        }
        let loss = loss / (tokens.len() - 1) as f64;
        assert!(
            (loss - expected).abs() < 1e-4,
            "{loss} when served, {expected} when trained"
        );
    }
}
