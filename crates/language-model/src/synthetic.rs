//! A tiny model with random weights, written as a real GGUF file.
//!
//! For tests and dry runs: it opens, trains and serves like any other, in milliseconds, and says nothing sensible.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::{
    quantised::{BLOCK, quantise_q8_0},
    tokenizer::char_of,
    tokenizer_training::{CHAT_TEMPLATE, CONTROL_TOKENS},
};

/// Merges of frequent Dutch pairs, so that tokens are not all single bytes.
const MERGES: [(&str, &str); 12] = [
    ("e", "n"),
    ("d", "e"),
    ("Ġ", "d"),
    ("Ġd", "e"),
    ("e", "r"),
    ("Ġ", "h"),
    ("e", "t"),
    ("Ġh", "et"),
    ("a", "a"),
    ("i", "j"),
    ("c", "h"),
    ("Ġ", "v"),
];
const ALIGNMENT: usize = 32;

/// Sizes of the tiny model; widths are multiples of 32 so that they can be stored in blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Synthetic {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub context_length: usize,
    /// Weights depend on this alone.
    pub seed: u64,
    /// True: matrices as Q8_0; false: as F32.
    pub is_quantised: bool,
    /// What rotary frequencies are divided by, as Llama 3.1 has it; empty for none.
    pub rotary_divisors: Vec<f32>,
}

impl Default for Synthetic {
    /// Two layers, 64 wide, about 150 kB.
    fn default() -> Self {
        Self {
            hidden_size: 64,
            intermediate_size: 128,
            layers: 2,
            heads: 4,
            kv_heads: 2,
            context_length: 512,
            seed: 1,
            is_quantised: true,
            rotary_divisors: Vec::new(),
        }
    }
}

/// Numbers from a linear congruential generator (Knuth's MMIX constants), in -1.0 to 1.0.
///
/// Written out here so that other languages can make the same numbers.
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// Starts the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number: the upper 24 bits of the state, so that it is exact as f32.
    pub fn sample(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let fraction = (self.0 >> 40) as f32 / (1u32 << 24) as f32;
        fraction * 2.0 - 1.0
    }

    /// `count` numbers within ±`scale`.
    pub fn samples(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| self.sample() * scale).collect()
    }
}

impl Synthetic {
    /// Writes the model as a GGUF version 3 file; the same sizes and seed give the same bytes.
    ///
    /// # Errors
    /// Where the file cannot be written, or `InvalidInput` where a width is no multiple of 32.
    pub fn write_gguf(&self, path: &Path) -> io::Result<()> {
        if !self.hidden_size.is_multiple_of(BLOCK) || !self.intermediate_size.is_multiple_of(BLOCK)
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "widths must be multiples of 32",
            ));
        }
        let tokens = vocabulary();
        let keys = self.keys(&tokens);
        let tensors = self.tensors(tokens.len());
        let mut head = Vec::new();
        head.extend(*b"GGUF");
        head.extend(3u32.to_le_bytes());
        head.extend((tensors.len() as u64).to_le_bytes());
        head.extend((keys.len() as u64).to_le_bytes());
        for (key, value) in &keys {
            put_text(&mut head, key);
            value.put(&mut head);
        }
        let mut offset = 0;
        for tensor in &tensors {
            put_text(&mut head, &tensor.name);
            head.extend((tensor.dimensions.len() as u32).to_le_bytes());
            for dimension in &tensor.dimensions {
                head.extend((*dimension as u64).to_le_bytes());
            }
            head.extend(tensor.format.to_le_bytes());
            head.extend((offset as u64).to_le_bytes());
            offset += tensor.bytes.len().next_multiple_of(ALIGNMENT);
        }
        head.resize(head.len().next_multiple_of(ALIGNMENT), 0);
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&head)?;
        for tensor in &tensors {
            file.write_all(&tensor.bytes)?;
            let rest = tensor.bytes.len().next_multiple_of(ALIGNMENT) - tensor.bytes.len();
            file.write_all(&[0; ALIGNMENT][..rest])?;
        }
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }

    fn keys(&self, tokens: &[String]) -> Vec<(&'static str, Entry)> {
        let number = |value: usize| Entry::U32(u32::try_from(value).unwrap_or(u32::MAX));
        let kinds = (0..tokens.len()).map(|id| if id < CONTROL_TOKENS.len() { 3 } else { 1 });
        let merges = MERGES.iter().map(|(left, right)| format!("{left} {right}"));
        vec![
            ("general.architecture", Entry::Text("llama".to_owned())),
            ("general.name", Entry::Text("synthetic".to_owned())),
            ("llama.block_count", number(self.layers)),
            ("llama.context_length", number(self.context_length)),
            ("llama.embedding_length", number(self.hidden_size)),
            ("llama.feed_forward_length", number(self.intermediate_size)),
            ("llama.attention.head_count", number(self.heads)),
            ("llama.attention.head_count_kv", number(self.kv_heads)),
            ("llama.rope.freq_base", Entry::F32(10_000.0)),
            ("llama.attention.layer_norm_rms_epsilon", Entry::F32(1e-5)),
            ("tokenizer.ggml.model", Entry::Text("gpt2".to_owned())),
            ("tokenizer.ggml.pre", Entry::Text("smollm".to_owned())),
            ("tokenizer.ggml.tokens", Entry::Texts(tokens.to_vec())),
            ("tokenizer.ggml.token_type", Entry::I32s(kinds.collect())),
            ("tokenizer.ggml.merges", Entry::Texts(merges.collect())),
            ("tokenizer.ggml.bos_token_id", Entry::U32(1)),
            ("tokenizer.ggml.eos_token_id", Entry::U32(2)),
            ("tokenizer.ggml.add_bos_token", Entry::Bool(false)),
            (
                "tokenizer.chat_template",
                Entry::Text(CHAT_TEMPLATE.to_owned()),
            ),
        ]
    }

    fn tensors(&self, vocab: usize) -> Vec<Tensor> {
        let mut noise = Noise::new(self.seed);
        let (d, ff) = (self.hidden_size, self.intermediate_size);
        let head_dim = d / self.heads.max(1);
        let (q, kv) = (self.heads * head_dim, self.kv_heads * head_dim);
        let mut tensors = vec![
            self.matrix("token_embd.weight".to_owned(), vocab, d, &mut noise),
            norm("output_norm.weight".to_owned(), d, &mut noise),
        ];
        for layer in 0..self.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            tensors.push(norm(name("attn_norm"), d, &mut noise));
            tensors.push(norm(name("ffn_norm"), d, &mut noise));
            for (part, rows, columns) in [
                ("attn_q", q, d),
                ("attn_k", kv, d),
                ("attn_v", kv, d),
                ("attn_output", d, q),
                ("ffn_gate", ff, d),
                ("ffn_up", ff, d),
                ("ffn_down", d, ff),
            ] {
                tensors.push(self.matrix(name(part), rows, columns, &mut noise));
            }
        }
        if !self.rotary_divisors.is_empty() {
            tensors.push(vector(
                "rope_freqs.weight".to_owned(),
                &self.rotary_divisors,
            ));
        }
        tensors
    }

    fn matrix(&self, name: String, rows: usize, columns: usize, noise: &mut Noise) -> Tensor {
        let scale = (3.0 / columns as f32).sqrt();
        let weights = noise.samples(rows * columns, scale);
        let (format, bytes) = if self.is_quantised {
            (8, weights.chunks(columns).flat_map(quantise_q8_0).collect())
        } else {
            (
                0,
                weights
                    .iter()
                    .flat_map(|weight| weight.to_le_bytes())
                    .collect(),
            )
        };
        Tensor {
            name,
            dimensions: vec![columns, rows],
            format,
            bytes,
        }
    }
}

struct Tensor {
    name: String,
    /// Fastest-running first.
    dimensions: Vec<usize>,
    format: u32,
    bytes: Vec<u8>,
}

fn norm(name: String, width: usize, noise: &mut Noise) -> Tensor {
    let weights = noise.samples(width, 0.1);
    let weights: Vec<f32> = weights.iter().map(|weight| 1.0 + weight).collect();
    vector(name, &weights)
}

fn vector(name: String, numbers: &[f32]) -> Tensor {
    Tensor {
        name,
        dimensions: vec![numbers.len()],
        format: 0,
        bytes: numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

fn vocabulary() -> Vec<String> {
    let control = CONTROL_TOKENS.iter().map(|token| (*token).to_owned());
    let bytes = (0..=u8::MAX).map(|byte| char_of(byte).to_string());
    let merged = MERGES.iter().map(|(left, right)| format!("{left}{right}"));
    control.chain(bytes).chain(merged).collect()
}

enum Entry {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
}

impl Entry {
    fn put(&self, head: &mut Vec<u8>) {
        match self {
            Self::U32(value) => {
                head.extend(4u32.to_le_bytes());
                head.extend(value.to_le_bytes());
            }
            Self::F32(value) => {
                head.extend(6u32.to_le_bytes());
                head.extend(value.to_le_bytes());
            }
            Self::Bool(value) => {
                head.extend(7u32.to_le_bytes());
                head.push(u8::from(*value));
            }
            Self::Text(text) => {
                head.extend(8u32.to_le_bytes());
                put_text(head, text);
            }
            Self::Texts(texts) => {
                put_array_head(head, 8, texts.len());
                texts.iter().for_each(|text| put_text(head, text));
            }
            Self::I32s(values) => {
                put_array_head(head, 5, values.len());
                values
                    .iter()
                    .for_each(|value| head.extend(value.to_le_bytes()));
            }
        }
    }
}

fn put_array_head(head: &mut Vec<u8>, kind: u32, length: usize) {
    head.extend(9u32.to_le_bytes());
    head.extend(kind.to_le_bytes());
    head.extend((length as u64).to_le_bytes());
}

fn put_text(head: &mut Vec<u8>, text: &str) {
    head.extend((text.len() as u64).to_le_bytes());
    head.extend(text.as_bytes());
}
