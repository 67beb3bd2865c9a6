//! Text to token ids and back.

use std::collections::HashSet;

use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, SplitDelimiterBehavior, TokenizerImpl,
    models::bpe::{BPE, Vocab},
    pre_tokenizers::{
        byte_level::ByteLevel,
        digits::Digits,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use crate::gguf::{Metadata, Value};

pub(crate) type Inner = TokenizerImpl<
    ModelWrapper,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// Tokens that end a turn or a document, whatever a model calls its own end token.
const END_TOKENS: [&str; 6] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "</s>",
];

/// GPT-4-like splitting, as the Llama 3 and Qwen 2 tokenizers do; they differ in how many digits stay together.
const LLAMA3_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2_SPLIT: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Why a tokenizer cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error("the tokenizer lacks {0}")]
    Missing(&'static str),
    #[error("the tokenizer needs {0}, which this engine does not have")]
    Unsupported(String),
    #[error(
        "the tokenizer of this GGUF file is of the kind {0:?}, and only \"gpt2\" (byte-level BPE) is read from GGUF; take the model's folder from the model hub instead, with its config.json, tokenizer.json and safetensors"
    )]
    Kind(String),
    #[error("the tokenizer is broken: {0}")]
    Broken(String),
}

pub(crate) fn broken(error: impl std::fmt::Display) -> TokenizerError {
    TokenizerError::Broken(error.to_string())
}

/// A byte-level BPE tokenizer with the model's control tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: Inner,
    ends: Vec<u32>,
    bos: Option<u32>,
    adds_bos: bool,
    control: HashSet<u32>,
    control_texts: Vec<String>,
}

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// [`TokenizerError`] where keys are missing or the kind (`tokenizer.ggml.model`, `.pre`) is not known.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self, TokenizerError> {
        let kind = metadata.text("tokenizer.ggml.model").unwrap_or("none");
        if kind != "gpt2" {
            return Err(TokenizerError::Kind(kind.to_owned()));
        }
        let tokens =
            texts(metadata, "tokenizer.ggml.tokens").ok_or(TokenizerError::Missing("tokens"))?;
        let merges =
            texts(metadata, "tokenizer.ggml.merges").ok_or(TokenizerError::Missing("merges"))?;
        let merges = merges
            .into_iter()
            .map(|merge| {
                // The second character may itself be a space's stand-in, never a space: split at the first.
                let (left, right) = merge
                    .split_once(' ')
                    .ok_or_else(|| broken("a merge without a space"))?;
                Ok((left.to_owned(), right.to_owned()))
            })
            .collect::<Result<Vec<_>, TokenizerError>>()?;
        let vocab: Vocab = tokens
            .iter()
            .map(|token| (*token).to_owned())
            .zip(0..)
            .collect();
        if vocab.len() != tokens.len() {
            return Err(broken("a token is there twice"));
        }
        let pre = metadata.text("tokenizer.ggml.pre").unwrap_or("default");
        let bpe = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .ignore_merges(pre == "llama-bpe")
            .build()
            .map_err(broken)?;
        let mut inner = Inner::new(ModelWrapper::BPE(bpe));
        inner.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
        inner.with_decoder(Some(ByteLevel::default()));
        let kinds = metadata.array("tokenizer.ggml.token_type").unwrap_or(&[]);
        let (mut control, mut own) = (Vec::new(), Vec::new());
        for (token, kind) in tokens.iter().zip(kinds) {
            match kind {
                Value::Signed(3) => control.push(AddedToken::from(*token, true)),
                Value::Signed(4) => own.push(AddedToken::from(*token, false)),
                _ => {}
            }
        }
        inner.add_special_tokens(control).map_err(broken)?;
        inner.add_tokens(own).map_err(broken)?;
        let id = |key| metadata.unsigned(key).and_then(|id| u32::try_from(id).ok());
        let ends = [
            id("tokenizer.ggml.eos_token_id"),
            id("tokenizer.ggml.eot_token_id"),
        ];
        Self::new(
            inner,
            ends.into_iter().flatten().collect(),
            id("tokenizer.ggml.bos_token_id"),
            metadata
                .bool("tokenizer.ggml.add_bos_token")
                .unwrap_or(false),
        )
    }

    /// Reads a `tokenizer.json`; the end and begin tokens come from `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`TokenizerError`] where the file is broken or names no end token.
    pub fn from_hub_json(
        json: &[u8],
        end: Option<&str>,
        begin: Option<&str>,
        adds_bos: bool,
    ) -> Result<Self, TokenizerError> {
        let mut inner: Inner = serde_json::from_slice(json).map_err(broken)?;
        inner.with_truncation(None).map_err(broken)?;
        inner.with_padding(None);
        let end = end.and_then(|end| inner.token_to_id(end));
        let bos = begin.and_then(|begin| inner.token_to_id(begin));
        Self::new(inner, end.into_iter().collect(), bos, adds_bos)
    }

    pub(crate) fn new(
        inner: Inner,
        mut ends: Vec<u32>,
        bos: Option<u32>,
        adds_bos: bool,
    ) -> Result<Self, TokenizerError> {
        let added = inner.get_added_tokens_decoder();
        let mut control = HashSet::new();
        let mut control_texts = Vec::new();
        for (id, token) in &added {
            if token.special {
                control.insert(*id);
                control_texts.push(token.content.clone());
            }
        }
        control_texts.sort_unstable();
        for id in END_TOKENS
            .iter()
            .filter_map(|token| inner.token_to_id(token))
        {
            if control.contains(&id) && !ends.contains(&id) {
                ends.push(id);
            }
        }
        if ends.is_empty() {
            return Err(TokenizerError::Missing("an end token"));
        }
        Ok(Self {
            inner,
            ends,
            bos,
            adds_bos,
            control,
            control_texts,
        })
    }

    /// The text of a `tokenizer.json`, which [`Tokenizer::from_hub_json`] and the hub's own library read.
    ///
    /// # Errors
    /// [`TokenizerError::Broken`] where the tokenizer cannot be written down.
    pub fn to_hub_json(&self) -> Result<Vec<u8>, TokenizerError> {
        let text = self.inner.to_string(true).map_err(broken)?;
        Ok(text.into_bytes())
    }

    /// Token ids of `text`. Texts of control tokens in it become those tokens; nothing is put before or after.
    ///
    /// # Errors
    /// [`TokenizerError::Broken`] where the vocabulary cannot express the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(broken)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `tokens` without control tokens; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> = tokens
            .iter()
            .flat_map(|token| self.token_bytes(*token))
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The bytes that one token stands for: possibly a part of a character. None for control tokens.
    pub fn token_bytes(&self, token: u32) -> Vec<u8> {
        if self.control.contains(&token) {
            return Vec::new();
        }
        let text = self.inner.id_to_token(token).unwrap_or_default();
        if self
            .inner
            .get_added_vocabulary()
            .simple_id_to_token(token)
            .is_some()
        {
            return text.into_bytes();
        }
        let bytes: Option<Vec<u8>> = text.chars().map(byte_of).collect();
        bytes.unwrap_or_else(|| text.into_bytes())
    }

    /// Tokens after which an answer has ended; the first is the model's own end token.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The model's own end token.
    pub fn end(&self) -> u32 {
        self.ends.first().copied().unwrap_or_default()
    }

    /// The begin token, where the model was trained with one before each document.
    pub fn leading_bos(&self) -> Option<u32> {
        self.bos.filter(|_| self.adds_bos)
    }

    /// The begin token, where there is one at all.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The text of a token as the vocabulary has it.
    pub fn token_text(&self, token: u32) -> Option<String> {
        self.inner.id_to_token(token)
    }

    /// True for tokens that steer rather than stand for text.
    pub fn is_control(&self, token: u32) -> bool {
        self.control.contains(&token)
    }

    /// A control token's text that occurs in `text`, which would let it break out of its message.
    pub fn control_text_in(&self, text: &str) -> Option<&str> {
        self.control_texts
            .iter()
            .find(|control| text.contains(*control))
            .map(String::as_str)
    }

    /// One more than the largest token id.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }
}

fn texts<'a>(metadata: &'a Metadata, key: &str) -> Option<Vec<&'a str>> {
    metadata
        .array(key)?
        .iter()
        .map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Float(_)
            | Value::Bool(_)
            | Value::Array(_) => None,
        })
        .collect()
}

/// How text is split before merging, by llama.cpp's name for it (`llm_tokenizer_bpe` in `llama-vocab.cpp`).
pub(crate) fn pre_tokenizer(name: &str) -> Result<PreTokenizerWrapper, TokenizerError> {
    let with_split = |pattern: &str| {
        let split = Split::new(
            SplitPattern::Regex(pattern.to_owned()),
            SplitDelimiterBehavior::Isolated,
            false,
        );
        Ok::<_, TokenizerError>(vec![
            split.map_err(broken)?.into(),
            ByteLevel::new(false, false, false).into(),
        ])
    };
    let parts: Vec<PreTokenizerWrapper> = match name {
        "default" | "gpt-2" => vec![ByteLevel::new(false, false, true).into()],
        "smollm" | "starcoder" => vec![
            Digits::new(true).into(),
            ByteLevel::new(false, false, true).into(),
        ],
        "llama-bpe" => with_split(LLAMA3_SPLIT)?,
        "qwen2" => with_split(QWEN2_SPLIT)?,
        name => {
            return Err(TokenizerError::Unsupported(format!(
                "the splitting {name:?}"
            )));
        }
    };
    Ok(Sequence::new(parts).into())
}

/// The visible character that byte-level vocabularies write for `byte` (`bytes_to_unicode` of GPT-2's encoder).
pub(crate) fn char_of(byte: u8) -> char {
    let shown = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if shown(byte) {
        return char::from(byte);
    }
    let hidden_before = (0..byte).filter(|byte| !shown(*byte)).count();
    u32::try_from(hidden_before)
        .ok()
        .and_then(|place| char::from_u32(0x100 + place))
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of(shown: char) -> Option<u8> {
    match u32::from(shown) {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        0x121..=0x142 => u8::try_from(u32::from(shown) - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_character() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
        }
        assert_eq!(char_of(b' '), 'Ġ');
        assert_eq!(char_of(b'\n'), 'Ċ');
    }
}
