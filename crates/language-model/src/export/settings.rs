//! The side files of an exported model.

use serde_json::{Value as Json, json};

use super::NumberFormat;
use crate::{chat_template::ChatTemplate, config::Config, tokenizer::Tokenizer};

/// `config.json`: what [`Config::from_hub_json`] reads, and what other programs want besides.
pub(super) fn config(config: &Config, tokenizer: &Tokenizer, format: NumberFormat) -> Json {
    let theta = decimal(config.rope_theta);
    let dtype = match format {
        NumberFormat::F32 => "float32",
        NumberFormat::Bf16 => "bfloat16",
    };
    let mut rotary = json!({"rope_theta": theta, "rope_type": "default"});
    let scaling = config.rope_scaling.to_hub();
    for (key, value) in scaling
        .iter()
        .flat_map(|scaling| scaling.as_object())
        .flatten()
    {
        rotary[key] = value.clone();
    }
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.bos(),
        "dtype": dtype,
        "eos_token_id": tokenizer.end(),
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.context_length,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        "rms_norm_eps": decimal(config.norm_epsilon),
        // Older programs read the first two, newer ones the third.
        "rope_theta": theta,
        "rope_scaling": scaling,
        "rope_parameters": rotary,
        "tie_word_embeddings": config.is_embedding_tied,
        "torch_dtype": dtype,
        "use_cache": true,
        "vocab_size": config.vocab_size,
    })
}

/// `tokenizer_config.json`.
pub(super) fn tokenizer_config(
    config: &Config,
    tokenizer: &Tokenizer,
    template: Option<&ChatTemplate>,
) -> Json {
    let mut settings = json!({
        "add_bos_token": tokenizer.leading_bos().is_some(),
        "bos_token": tokenizer.bos().and_then(|bos| tokenizer.token_text(bos)),
        "clean_up_tokenization_spaces": false,
        "eos_token": tokenizer.token_text(tokenizer.end()),
        "model_max_length": config.context_length,
        "tokenizer_class": "PreTrainedTokenizerFast",
    });
    if let Some(template) = template {
        settings["chat_template"] = json!(template.source());
    }
    settings
}

/// The shortest decimal that is this single, rather than all digits of the double next to it.
pub(crate) fn decimal(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
