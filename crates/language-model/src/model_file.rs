//! Opens a model: one GGUF file, or a folder in the model hub's layout.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use memmap2::Mmap;
use serde_json::Value as Json;

use crate::{
    chat_template::{ChatTemplate, ChatTemplateError},
    config::{Config, ConfigError},
    gguf::{Gguf, GgufError},
    hub_weights::{HubWeightsError, read_hub_weights},
    quantised::Format,
    rotary_scaling::RotaryScaling,
    tokenizer::{Tokenizer, TokenizerError},
    weights::{GGUF_NAMES, Tensor, Weights, WeightsError},
};

/// The largest side file (`tokenizer.json` of a large vocabulary is about 20 MB).
const MOST_SIDE_FILE_BYTES: u64 = 128 << 20;

/// A model, open for reading. Weights stay in the file's pages until they are asked for.
#[derive(Debug, Clone)]
pub struct ModelFile {
    pub config: Config,
    pub weights: Weights,
    pub tokenizer: Tokenizer,
    /// None for a model that was not made to chat.
    pub chat_template: Option<ChatTemplate>,
}

/// Why a model cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is larger than {MOST_SIDE_FILE_BYTES} bytes")]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    #[error(transparent)]
    Gguf(#[from] GgufError),
    #[error(transparent)]
    HubWeights(#[from] HubWeightsError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    #[error(transparent)]
    ChatTemplate(#[from] ChatTemplateError),
    #[error("the vocabulary has {tokens} tokens, the embedding only {rows} rows")]
    Vocabulary {
        /// Of the tokenizer.
        tokens: usize,
        /// Of the embedding.
        rows: usize,
    },
}

impl ModelFile {
    /// Opens a `.gguf` file; or a folder with `config.json`, `tokenizer.json` and `.safetensors` files.
    ///
    /// # Errors
    /// [`OpenError`], naming the first thing that does not fit.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let model = if path.is_dir() {
            Self::open_hub_folder(path)?
        } else {
            Self::open_gguf(path)?
        };
        let (tokens, rows) = (model.tokenizer.vocab_size(), model.config.vocab_size);
        if tokens > rows {
            return Err(OpenError::Vocabulary { tokens, rows });
        }
        Ok(model)
    }

    fn open_gguf(path: &Path) -> Result<Self, OpenError> {
        let source = Arc::new(map(path)?);
        let gguf = Gguf::parse(&source)?;
        let config = gguf_config(&gguf, &source)?;
        let weights = Weights::assemble(&config, &GGUF_NAMES, |name| {
            let tensor = gguf.tensors.get(name)?;
            Some(Tensor {
                source: Arc::clone(&source),
                place: tensor.start..tensor.start + tensor.length,
                format: tensor.format,
                rows: tensor.rows,
                columns: tensor.columns,
                row_bytes: tensor.format.row_bytes(tensor.columns)?,
                interleaved_head_dim: None,
            })
        })?;
        let tokenizer = Tokenizer::from_gguf(&gguf.metadata)?;
        let template = gguf.metadata.text("tokenizer.chat_template");
        let chat_template = chat_template(template.map(str::to_owned), &tokenizer)?;
        Ok(Self {
            config,
            weights,
            tokenizer,
            chat_template,
        })
    }

    fn open_hub_folder(folder: &Path) -> Result<Self, OpenError> {
        let text = |name: &str| read_side_file(&folder.join(name));
        let config = text("config.json")?;
        let config = Config::from_hub_json(&String::from_utf8_lossy(&config))?;
        let weights = read_hub_weights(folder, &config)?;
        let settings = optional(text("tokenizer_config.json"))?.unwrap_or_else(|| b"{}".to_vec());
        let settings: Json = serde_json::from_slice(&settings)
            .map_err(|error| TokenizerError::Broken(error.to_string()))?;
        let token = |key: &str| {
            let value = settings.get(key)?;
            value.as_str().or_else(|| value.get("content")?.as_str())
        };
        let tokenizer = Tokenizer::from_hub_json(
            &text("tokenizer.json")?,
            token("eos_token"),
            token("bos_token"),
            settings
                .get("add_bos_token")
                .and_then(Json::as_bool)
                .unwrap_or(false),
        )?;
        let template = match optional(text("chat_template.jinja"))? {
            Some(template) => Some(String::from_utf8_lossy(&template).into_owned()),
            None => settings
                .get("chat_template")
                .and_then(Json::as_str)
                .map(str::to_owned),
        };
        let chat_template = chat_template(template, &tokenizer)?;
        Ok(Self {
            config,
            weights,
            tokenizer,
            chat_template,
        })
    }
}

fn chat_template(
    source: Option<String>,
    tokenizer: &Tokenizer,
) -> Result<Option<ChatTemplate>, OpenError> {
    let Some(source) = source else {
        return Ok(None);
    };
    let text = |token: Option<u32>| {
        token
            .and_then(|token| tokenizer.token_text(token))
            .unwrap_or_default()
    };
    let template = ChatTemplate::new(source, text(tokenizer.bos()), text(Some(tokenizer.end())))?;
    Ok(Some(template))
}

fn gguf_config(gguf: &Gguf, bytes: &[u8]) -> Result<Config, OpenError> {
    let metadata = &gguf.metadata;
    let architecture = metadata.text("general.architecture").unwrap_or("none");
    if architecture != "llama" {
        return Err(ConfigError::Unsupported(format!("the architecture {architecture:?}")).into());
    }
    if metadata.unsigned("llama.expert_count").unwrap_or(0) > 0 {
        return Err(ConfigError::Unsupported("experts".to_owned()).into());
    }
    // A missing number becomes 0, which `validate` refuses by name.
    let number = |key| {
        let value = metadata
            .unsigned(key)
            .and_then(|value| usize::try_from(value).ok());
        value.unwrap_or(0)
    };
    let hidden_size = number("llama.embedding_length");
    let heads = number("llama.attention.head_count");
    let kv_heads = match metadata.get("llama.attention.head_count_kv") {
        Some(_) => number("llama.attention.head_count_kv"),
        None => heads,
    };
    let head_dim = match metadata.get("llama.attention.key_length") {
        Some(_) => number("llama.attention.key_length"),
        None => hidden_size.checked_div(heads).unwrap_or(0),
    };
    if metadata.get("llama.rope.dimension_count").is_some()
        && number("llama.rope.dimension_count") != head_dim
    {
        return Err(
            ConfigError::Unsupported("rotary embedding of a part of each head".to_owned()).into(),
        );
    }
    let mut config = Config {
        vocab_size: gguf
            .tensors
            .get(GGUF_NAMES.embedding)
            .map_or(0, |tensor| tensor.rows),
        hidden_size,
        intermediate_size: number("llama.feed_forward_length"),
        layers: number("llama.block_count"),
        heads,
        kv_heads,
        head_dim,
        rope_theta: metadata.float("llama.rope.freq_base").unwrap_or(10_000.0) as f32,
        rope_scaling: RotaryScaling::None,
        norm_epsilon: metadata
            .float("llama.attention.layer_norm_rms_epsilon")
            .unwrap_or(0.0) as f32,
        context_length: number("llama.context_length"),
        is_embedding_tied: !gguf.tensors.contains_key(GGUF_NAMES.head),
    };
    config.validate()?;
    config.rope_scaling = gguf_rotary_scaling(gguf, bytes, &config)?;
    config.validate()?;
    Ok(config)
}

/// Linear scaling is a key of the file; Llama 3.1's comes as a tensor of divisors.
fn gguf_rotary_scaling(
    gguf: &Gguf,
    bytes: &[u8],
    config: &Config,
) -> Result<RotaryScaling, ConfigError> {
    let metadata = &gguf.metadata;
    let unsupported = |what: &str| Err(ConfigError::Unsupported(what.to_owned()));
    let factor = ["llama.rope.scaling.factor", "llama.rope.scale_linear"]
        .iter()
        .find_map(|key| metadata.float(key))
        .filter(|factor| *factor != 0.0);
    let kind = metadata.get("llama.rope.scaling.type");
    let kind = match (kind, metadata.text("llama.rope.scaling.type")) {
        (Some(_), None) => return unsupported("rotary embedding scaled by a rule without a name"),
        // So do llama.cpp's readers: a factor alone is linear.
        (None, _) if factor.is_some() => "linear",
        (_, kind) => kind.unwrap_or("none"),
    };
    let key = match kind {
        "none" => RotaryScaling::None,
        "linear" => RotaryScaling::Linear {
            factor: factor.unwrap_or(1.0) as f32,
        },
        other => return unsupported(&format!("rotary embedding scaled by a rule {other:?}")),
    };
    let Some(tensor) = gguf.tensors.get("rope_freqs.weight") else {
        return Ok(key);
    };
    if key != RotaryScaling::None {
        return unsupported("rotary embedding scaled in two ways");
    }
    if tensor.format != Format::F32 || tensor.length != config.head_dim / 2 * size_of::<f32>() {
        return unsupported("rotary divisors other than one single for each pair of a head");
    }
    let divisors = bytes[tensor.start..][..tensor.length].chunks_exact(4);
    let divisors: Vec<f32> = divisors
        .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]))
        .collect();
    RotaryScaling::from_divisors(config, &divisors)
}

/// Maps a file into memory, read-only.
pub(crate) fn map(path: &Path) -> Result<Mmap, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    #[expect(
        unsafe_code,
        reason = "sound while nobody cuts the file short; model files are written once, under their hash"
    )]
    // SAFETY: the mapping is private and read-only, and files in the cache are replaced by rename, never rewritten.
    let map = unsafe { Mmap::map(&file) };
    map.map_err(io)
}

fn read_side_file(path: &Path) -> Result<Vec<u8>, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(MOST_SIDE_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > MOST_SIDE_FILE_BYTES {
        return Err(OpenError::TooLarge {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

fn optional(read: Result<Vec<u8>, OpenError>) -> Result<Option<Vec<u8>>, OpenError> {
    match read {
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
