//! The shape of a Llama-family model.

use serde::Deserialize;

use crate::rotary_scaling::RotaryScaling;

/// Numbers that fix the graph: sizes, rotary base, norm epsilon.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of the embedding and of the output head.
    pub vocab_size: usize,
    /// Width of the residual stream, `d`.
    pub hidden_size: usize,
    /// Inner width of the feed-forward block.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads (grouped-query attention, Ainslie et al. 2023).
    pub kv_heads: usize,
    /// Width of one head; even, because rotary embedding turns pairs.
    pub head_dim: usize,
    /// Base of the rotary frequencies (Su et al. 2021, theta).
    pub rope_theta: f32,
    /// How those frequencies are slowed down for a longer context.
    pub rope_scaling: RotaryScaling,
    /// Added to the mean square in RMSNorm.
    pub norm_epsilon: f32,
    /// Positions the model was trained for.
    pub context_length: usize,
    /// True where the output head is the embedding.
    pub is_embedding_tied: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfigError {
    /// A number is missing, zero, or past what any known model has.
    #[error("{name} is {value}, expected {expected}")]
    OutOfRange {
        /// Which number.
        name: &'static str,
        /// What the file says.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// A feature this engine does not compute.
    #[error("the model needs {0}, which this engine does not have")]
    Unsupported(String),
    /// `config.json` is not what it should be.
    #[error("config.json cannot be read: {0}")]
    Json(String),
}

/// `config.json` of the model hub's Llama layout; fields that the graph needs or that would change it.
#[derive(Debug, Deserialize)]
struct HubConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rope_theta: Option<f32>,
    rope_parameters: Option<serde_json::Value>,
    rope_scaling: Option<serde_json::Value>,
    rms_norm_eps: f32,
    max_position_embeddings: usize,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    hidden_act: Option<String>,
}

impl Config {
    /// Reads the text of a `config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] where the file is broken, asks for features that are not there, or has absurd sizes.
    pub fn from_hub_json(text: &str) -> Result<Self, ConfigError> {
        let hub: HubConfig =
            serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
        let unsupported = |what: &str| Err(ConfigError::Unsupported(what.to_owned()));
        if hub.model_type != "llama" {
            return unsupported(&format!("the architecture {:?}", hub.model_type));
        }
        if hub.attention_bias || hub.mlp_bias {
            return unsupported("biases in linear layers");
        }
        if hub.hidden_act.as_deref().unwrap_or("silu") != "silu" {
            return unsupported("another activation than SiLU");
        }
        // Newer files say it in `rope_parameters`, older ones in `rope_scaling`, some in both.
        let newer = hub.rope_parameters.as_ref();
        let scaling = |settings: Option<&serde_json::Value>| {
            let said = settings.filter(|settings| !settings.is_null());
            said.map_or(Ok(RotaryScaling::None), RotaryScaling::from_hub)
        };
        let rope_scaling = match scaling(newer)? {
            RotaryScaling::None => scaling(hub.rope_scaling.as_ref())?,
            said => said,
        };
        let newer_theta = match newer.and_then(|rope| rope.get("rope_theta")) {
            None | Some(serde_json::Value::Null) => None,
            Some(theta) => Some(theta.as_f64().ok_or_else(|| {
                ConfigError::Json(format!("rope_theta is {theta}, which is no number"))
            })?),
        };
        let heads = hub.num_attention_heads;
        let config = Self {
            vocab_size: hub.vocab_size,
            hidden_size: hub.hidden_size,
            intermediate_size: hub.intermediate_size,
            layers: hub.num_hidden_layers,
            heads,
            kv_heads: hub.num_key_value_heads.unwrap_or(heads),
            head_dim: hub
                .head_dim
                .unwrap_or_else(|| hub.hidden_size.checked_div(heads).unwrap_or(0)),
            rope_theta: hub
                .rope_theta
                .or(newer_theta.map(|theta| theta as f32))
                .unwrap_or(10_000.0),
            rope_scaling,
            norm_epsilon: hub.rms_norm_eps,
            context_length: hub.max_position_embeddings,
            is_embedding_tied: hub.tie_word_embeddings,
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks every number, so that the graph may rely on them.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] with the first number that does not fit.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let within = |name, value: usize, most: usize, expected| {
            if value == 0 || value > most {
                return Err(ConfigError::OutOfRange {
                    name,
                    value: value.to_string(),
                    expected,
                });
            }
            Ok(())
        };
        within("vocab_size", self.vocab_size, 1 << 21, "1 to 2097152")?;
        within("hidden_size", self.hidden_size, 1 << 16, "1 to 65536")?;
        within(
            "intermediate_size",
            self.intermediate_size,
            1 << 18,
            "1 to 262144",
        )?;
        within("layers", self.layers, 512, "1 to 512")?;
        within("heads", self.heads, 512, "1 to 512")?;
        within(
            "kv_heads",
            self.kv_heads,
            self.heads,
            "1 to the number of heads",
        )?;
        within(
            "head_dim",
            self.head_dim,
            1024,
            "an even number from 2 to 1024",
        )?;
        within(
            "context_length",
            self.context_length,
            1 << 24,
            "1 to 16777216",
        )?;
        let refuse = |name, value: String, expected| {
            Err(ConfigError::OutOfRange {
                name,
                value,
                expected,
            })
        };
        if !self.heads.is_multiple_of(self.kv_heads) {
            return refuse("kv_heads", self.kv_heads.to_string(), "a divisor of heads");
        }
        if !self.head_dim.is_multiple_of(2) {
            return refuse("head_dim", self.head_dim.to_string(), "an even number");
        }
        if !(self.rope_theta.is_finite() && self.rope_theta >= 1.0) {
            return refuse("rope_theta", self.rope_theta.to_string(), "1.0 or more");
        }
        self.rope_scaling.validate()?;
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon < 0.1) {
            return refuse(
                "norm_epsilon",
                self.norm_epsilon.to_string(),
                "between 0 and 0.1",
            );
        }
        Ok(())
    }

    /// Width of all query heads together; the rows of the query projection.
    pub fn query_size(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all key (or value) heads together; the rows of the key and value projections.
    pub fn kv_size(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Number of weights in the base model.
    pub fn parameters(&self) -> u64 {
        let d = self.hidden_size as u64;
        let attention = 2 * d * (self.query_size() as u64 + self.kv_size() as u64);
        let block = attention + 3 * d * self.intermediate_size as u64 + 2 * d;
        let tables = if self.is_embedding_tied { 1 } else { 2 };
        self.layers as u64 * block + tables * self.vocab_size as u64 * d + d
    }
}
