//! Models for a longer context than they were first trained on: their rotary frequencies are slowed down.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::path::Path;

use language_model::{
    Config, Document, ModelFile, RotaryScaling,
    export::{Export, NumberFormat},
    synthetic::Synthetic,
    training_graph::{Batch, Precision, Trained, TrainingModel},
};
use serde_json::{Value, json};

const LLAMA_3: RotaryScaling = RotaryScaling::Llama3 {
    factor: 8.0,
    low: 1.0,
    high: 4.0,
    original: 8192,
};

const LLAMA_3_EXPECTED: [f64; 8] = [
    1.0,
    0.316_227_763_891_220_1,
    0.100_000_001_490_116_12,
    0.031_622_778_624_296_19,
    0.009_999_999_776_482_582,
    0.003_162_277_862_429_619,
    0.000_213_607_578_189_112_25,
    0.000_039_528_473_280_370_235,
];
const LINEAR_EXPECTED: [f64; 8] = [
    0.25,
    0.079_056_940_972_805_02,
    0.025_000_000_372_529_03,
    0.007_905_694_656_074_047,
    0.002_499_999_944_120_645_5,
    0.000_790_569_465_607_404_7,
    0.000_250_000_011_874_362_8,
    0.000_079_056_946_560_740_47,
];

fn with(key: &str, value: Value) -> Config {
    let mut config = json!({
        "model_type": "llama", "vocab_size": 300, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "rope_theta": 10_000.0, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 512,
    });
    config[key] = value;
    Config::from_hub_json(&config.to_string()).unwrap()
}

fn llama_3() -> Value {
    json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192})
}

fn divisors() -> Vec<f32> {
    let plain = with("rope_scaling", Value::Null).rotary_frequencies();
    let slowed = with("rope_scaling", llama_3()).rotary_frequencies();
    let pairs = plain.iter().zip(slowed);
    pairs
        .map(|(plain, slowed)| (plain / slowed) as f32)
        .collect()
}

fn gguf(folder: &Path, rotary_divisors: Vec<f32>) -> Result<ModelFile, language_model::OpenError> {
    let path = folder.join("model.gguf");
    let shape = Synthetic {
        is_quantised: false,
        rotary_divisors,
        ..Synthetic::default()
    };
    shape.write_gguf(&path).unwrap();
    ModelFile::open(&path)
}

fn loss(model: &ModelFile) -> f64 {
    let mut batch = Batch::default();
    batch.push(&Document {
        tokens: (0..200).map(|place| place * 7 % 271).collect(),
        is_target: vec![true; 200],
    });
    let mut graph = TrainingModel::new(model, Precision::Full);
    let loss = graph.loss(Trained::None, &batch).unwrap();
    loss.mean().unwrap()
}

/// Expected numbers are made with `transformers` 5.24.0 (`ROPE_INIT_FUNCTIONS`), in singles, for heads of 16 numbers.
#[test]
fn frequencies_are_those_of_the_reference_library() {
    for (key, value, expected) in [
        ("rope_scaling", llama_3(), LLAMA_3_EXPECTED),
        ("rope_parameters", llama_3(), LLAMA_3_EXPECTED),
        (
            "rope_scaling",
            json!({"type": "linear", "factor": 4.0}),
            LINEAR_EXPECTED,
        ),
    ] {
        let frequencies = with(key, value).rotary_frequencies();
        assert_eq!(frequencies.len(), expected.len());
        for (ours, theirs) in frequencies.iter().zip(expected) {
            assert!((ours - theirs).abs() <= 1e-6 * theirs, "{ours} {theirs}");
        }
    }
}

#[test]
fn divisors_of_a_gguf_file_are_understood_and_exported_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let model = gguf(folder.path(), divisors()).unwrap();
    assert_eq!(model.config.rope_scaling, LLAMA_3);
    let out = folder.path().join("hub");
    Export::of_model(&model, None, NumberFormat::F32)
        .write(&out)
        .unwrap();
    let again = ModelFile::open(&out).unwrap();
    assert_eq!(again.config, model.config);
    assert_eq!(loss(&again), loss(&model));
    let plain = gguf(folder.path(), Vec::new()).unwrap();
    assert_eq!(plain.config.rope_scaling, RotaryScaling::None);
    assert_ne!(loss(&plain), loss(&model));
}

#[test]
fn divisors_that_no_rule_gives_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut turned = divisors();
    turned.reverse();
    let too_few = divisors()[1..].to_vec();
    let nothing = vec![f32::NAN; 8];
    for wrong in [turned, too_few, nothing] {
        let error = gguf(folder.path(), wrong).unwrap_err();
        assert!(error.to_string().contains("rotary"), "{error}");
    }
}
