//! Bytes that the process will hold at its peak.

use crate::{Method, Recompute, Settings, Shape};

/// Tokens that go through the graph at once; a longer sequence goes alone (`TOKENS_AT_ONCE` of the training graph).
const TOKENS_AT_ONCE: u64 = 512;
/// Tokens up to which activations are kept where the settings leave it open (`KEPT_TOKENS`).
const KEPT_TOKENS: u64 = 1024;
/// Rows whose logits are held at once.
const LOGIT_ROWS: u64 = 256;
const F32: u64 = 4;
/// Words of a right factor that are packed at once (`WORDS_PACKED`).
const PANELS: u64 = 1 << 20;
/// The program itself with its threads.
const PROGRAM: u64 = 24 << 20;
/// A word of the tokenizer: its text, its merges, and the tables to find them by.
const WORD: u64 = 700;
/// A token of the data: its number, whether it counts, and its share of the document around it.
const DATA_TOKEN: u64 = 8;

/// Where the memory goes, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// The frozen base in the form in which it multiplies; where all weights are trained, the pages of its file.
    pub base: u64,
    /// Trained numbers, their gradients and two moments, and the best copy.
    pub trained: u64,
    /// What the way forward leaves for the way back, and what a block needs meanwhile.
    pub activations: u64,
    /// The data in tokens.
    pub data: u64,
    /// The program and the tokenizer.
    pub program: u64,
}

impl Memory {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.base + self.trained + self.activations + self.data + self.program
    }
}

/// What a run will hold at its peak.
#[must_use]
pub fn memory(shape: &Shape, settings: &Settings) -> Memory {
    let trained = settings.trained(shape);
    let copies = if settings.keeps_best { 5 } else { 4 };
    let base = match settings.method {
        // Packed once for both ways; the pages of the file are given back as it is read.
        Method::Lora { .. } | Method::Dpo { .. } => {
            let each = if settings.is_half { F32 / 2 } else { F32 };
            each * (shape.blocks() + shape.table() + shape.width)
        }
        Method::Full => settings.base_bytes,
    };
    Memory {
        base,
        trained: copies * F32 * trained,
        activations: activations(shape, settings).max(opening(shape, settings)),
        data: DATA_TOKEN * settings.data_tokens,
        program: PROGRAM + WORD * shape.vocabulary,
    }
}

/// Tokens of the largest part of a step.
fn part(settings: &Settings) -> u64 {
    let sequences = settings.batch_size.div_ceil(settings.accumulate.max(1));
    let answers = if matches!(settings.method, Method::Dpo { .. }) {
        2
    } else {
        1
    };
    let all = answers * sequences * settings.sequence_length;
    let whole = (TOKENS_AT_ONCE / settings.sequence_length.max(1)) * settings.sequence_length;
    all.min(whole.max(settings.sequence_length))
}

fn activations(shape: &Shape, settings: &Settings) -> u64 {
    let tokens = part(settings);
    let (d, ff) = (shape.width, shape.inner_width);
    let (q, kv) = (shape.queries(), shape.keys());
    let narrow = match settings.method {
        Method::Lora { rank, projections } | Method::Dpo { rank, projections } => {
            rank * projections.sizes(shape).len() as u64
        }
        Method::Full => 0,
    };
    // Queries, keys, values, mixed heads, the stream between, the feed-forward part's inputs, the adapters' insides.
    let kept = 2 * q + 2 * kv + d + 2 * ff + shape.heads + 2 + narrow;
    let keeps_all = match settings.recompute {
        Recompute::Auto => tokens <= KEPT_TOKENS,
        Recompute::Always => false,
        Recompute::Never => true,
    };
    let blocks = if keeps_all {
        shape.layers * (kept + d)
    } else {
        shape.layers * d + kept
    };
    // A block on its way back: the feed-forward part's gradients, then those of attention.
    let passing = 4 * ff + 4 * d + 5 * q + 4 * kv;
    let rows = 3 * d;
    let logits = LOGIT_ROWS.min(tokens) * shape.vocabulary;
    // The widest left factor of a product in the form in which it multiplies, and panels of a right one.
    let left = if settings.is_half { ff } else { 2 * ff };
    let right = PANELS.min(2 * ff * d);
    F32 * (tokens * (blocks + passing + rows + left) + logits + right)
}

/// What opening the base holds for a moment: the largest matrix, twice, before it is in its own form.
fn opening(shape: &Shape, settings: &Settings) -> u64 {
    match settings.method {
        Method::Lora { .. } | Method::Dpo { .. } => 2 * F32 * shape.table(),
        Method::Full => 0,
    }
}
