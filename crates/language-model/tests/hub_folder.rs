//! A folder in the model hub's layout holds the same model as the GGUF file.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{collections::BTreeMap, fs, path::Path};

use language_model::{
    Document, ModelFile, OpenError, Tensor,
    synthetic::Synthetic,
    training_graph::{Batch, Precision, Trained, TrainingModel},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

fn gguf(folder: &Path) -> ModelFile {
    let path = folder.join("tiny.gguf");
    let shape = Synthetic {
        is_quantised: false,
        ..Synthetic::default()
    };
    shape.write_gguf(&path).unwrap();
    ModelFile::open(&path).unwrap()
}

/// Writes `model` as config.json, tokenizer files and one safetensors file.
fn write_hub_folder(model: &ModelFile, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    let mut put = |name: String, tensor: &Tensor| {
        let shape = if tensor.rows() == 1 {
            vec![tensor.columns()]
        } else {
            vec![tensor.rows(), tensor.columns()]
        };
        let bytes = tensor
            .to_f32()
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        tensors.insert(name, (shape, bytes));
    };
    put(
        "model.embed_tokens.weight".to_owned(),
        &model.weights.embedding,
    );
    put("model.norm.weight".to_owned(), &model.weights.final_norm);
    for (number, layer) in model.weights.layers.iter().enumerate() {
        for (name, tensor) in [
            ("input_layernorm", &layer.attention_norm),
            ("self_attn.q_proj", &layer.query),
            ("self_attn.k_proj", &layer.key),
            ("self_attn.v_proj", &layer.value),
            ("self_attn.o_proj", &layer.output),
            ("post_attention_layernorm", &layer.feed_forward_norm),
            ("mlp.gate_proj", &layer.gate),
            ("mlp.up_proj", &layer.up),
            ("mlp.down_proj", &layer.down),
        ] {
            put(format!("model.layers.{number}.{name}.weight"), tensor);
        }
    }
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let weights = safetensors::serialize(views, None).unwrap();
    fs::write(folder.join("model.safetensors"), weights).unwrap();
    fs::write(folder.join("config.json"), config(model).to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer(model).to_string()).unwrap();
    let settings = json!({"eos_token": "<|im_end|>", "bos_token": {"content": "<|im_start|>"}, "chat_template": "{{ eos_token }}"});
    fs::write(folder.join("tokenizer_config.json"), settings.to_string()).unwrap();
}

fn config(model: &ModelFile) -> serde_json::Value {
    let config = &model.config;
    json!({
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": config.context_length,
        "tie_word_embeddings": true,
        "hidden_act": "silu",
        "rope_scaling": null,
    })
}

/// The same vocabulary without merges: every byte a token.
fn tokenizer(model: &ModelFile) -> serde_json::Value {
    let text = |id| model.tokenizer.token_text(id).unwrap();
    let size = u32::try_from(model.tokenizer.vocab_size()).unwrap();
    let vocab: BTreeMap<String, u32> = (0..size).map(|id| (text(id), id)).collect();
    let control = (0..3).map(|id| {
        json!({"id": id, "content": text(id), "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
    });
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": control.collect::<Vec<_>>(),
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": null,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    })
}

#[test]
fn both_layouts_give_the_same_loss() {
    let folder = tempfile::tempdir().unwrap();
    let model = gguf(folder.path());
    let hub = folder.path().join("hub");
    write_hub_folder(&model, &hub);
    let reopened = ModelFile::open(&hub).unwrap();
    assert_eq!(reopened.config, model.config);
    let mut batch = Batch::default();
    batch.push(&Document {
        tokens: (0..40).map(|place| place * 7 % 271).collect(),
        is_target: vec![true; 40],
    });
    let [first, second] = [&model, &reopened].map(|model| {
        TrainingModel::new(model, Precision::Full)
            .loss(Trained::None, &batch)
            .unwrap()
    });
    assert_eq!(first, second);
}

#[test]
fn the_hubs_tokenizer_is_read_whole_and_never_truncates() {
    let folder = tempfile::tempdir().unwrap();
    let hub = folder.path().join("hub");
    write_hub_folder(&gguf(folder.path()), &hub);
    let model = ModelFile::open(&hub).unwrap();
    let text = "Eén lange zin";
    let tokens = model.tokenizer.encode(text).unwrap();
    assert_eq!(
        tokens.len(),
        text.len(),
        "every byte is a token, and none is cut off"
    );
    assert_eq!(model.tokenizer.decode(&tokens), text);
    assert_eq!(model.tokenizer.end(), 2);
    assert_eq!(model.tokenizer.bos(), Some(1));
    assert_eq!(
        model.chat_template.unwrap().render(&[], false).unwrap(),
        "<|im_end|>"
    );
}

#[test]
fn features_that_are_not_computed_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = gguf(folder.path());
    let hub = folder.path().join("hub");
    write_hub_folder(&model, &hub);
    for (key, value, named) in [
        ("model_type", json!("mamba"), "mamba"),
        ("attention_bias", json!(true), "biases"),
        (
            "rope_scaling",
            json!({"type": "yarn", "factor": 2.0}),
            "yarn",
        ),
        (
            "rope_scaling",
            json!({"type": "linear", "factor": 0.5}),
            "factor of 1 or more",
        ),
        ("rope_scaling", json!({"factor": 2.0}), "without a name"),
        ("rope_scaling", json!(["linear", 2.0]), "rope scaling"),
        (
            "rope_parameters",
            json!({"partial_rotary_factor": 0.5}),
            "a part of each head",
        ),
        (
            "rope_parameters",
            json!({"rope_theta": "much"}),
            "rope_theta",
        ),
        (
            "rope_parameters",
            json!({"rope_type": "llama3", "factor": 8.0}),
            "low_freq_factor",
        ),
        ("num_key_value_heads", json!(3), "kv_heads"),
        ("hidden_size", json!(0), "hidden_size"),
        ("intermediate_size", json!(96), "mlp.gate_proj"),
    ] {
        let mut changed = config(&model);
        changed[key] = value;
        fs::write(hub.join("config.json"), changed.to_string()).unwrap();
        let error = ModelFile::open(&hub).unwrap_err();
        assert!(error.to_string().contains(named), "{key}: {error}");
    }
    fs::write(hub.join("config.json"), config(&model).to_string()).unwrap();
    let path = hub.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    assert!(matches!(
        ModelFile::open(&hub),
        Err(OpenError::HubWeights(_))
    ));
}
