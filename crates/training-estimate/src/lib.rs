//! What a training job will need, before it starts: memory, operations, time and energy.
//!
//! Arithmetic on the shape of the model and the settings alone, so that the trainer can refuse what cannot fit and a
//! portal can show an estimate without opening a model. The memory is that of this project's trainer on a processor;
//! the terms are those of its training graph (`crates/language-model/src/training_graph`), and a test of the training
//! crate compares the sum with what processes really took.

mod advice;
mod memory;
mod work;

pub use self::{
    advice::{Change, what_fits},
    memory::{Memory, memory},
    work::{Usage, Work, usage, work},
};

/// The shape of a Llama-family model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the table of words.
    pub vocabulary: u64,
    /// Width of the stream.
    pub width: u64,
    /// Width inside the feed-forward part.
    pub inner_width: u64,
    pub layers: u64,
    pub heads: u64,
    pub key_value_heads: u64,
    /// Width of one head.
    pub head_width: u64,
    /// The table of words is used for output as well.
    pub is_tied: bool,
}

impl Shape {
    fn queries(&self) -> u64 {
        self.heads * self.head_width
    }

    fn keys(&self) -> u64 {
        self.key_value_heads * self.head_width
    }

    /// Numbers in the table of words.
    fn table(&self) -> u64 {
        self.vocabulary * self.width
    }

    /// Numbers in the matrices and norms of all blocks.
    fn blocks(&self) -> u64 {
        let attention = self.width * (2 * self.queries() + 2 * self.keys());
        let feed_forward = 3 * self.width * self.inner_width;
        self.layers * (attention + feed_forward + 2 * self.width)
    }

    /// All numbers of the model.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let tables = if self.is_tied { 1 } else { 2 };
        tables * self.table() + self.blocks() + self.width
    }
}

/// Projections that adapters are put beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Projections {
    pub query: bool,
    pub key: bool,
    pub value: bool,
    pub output: bool,
    pub gate: bool,
    pub up: bool,
    pub down: bool,
}

impl Projections {
    /// By the names that PEFT gives them; others are passed over.
    #[must_use]
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for name in names {
            match name {
                "q_proj" => all.query = true,
                "k_proj" => all.key = true,
                "v_proj" => all.value = true,
                "o_proj" => all.output = true,
                "gate_proj" => all.gate = true,
                "up_proj" => all.up = true,
                "down_proj" => all.down = true,
                _ => {}
            }
        }
        all
    }

    /// Inputs and outputs of each projection that is named.
    fn sizes(self, shape: &Shape) -> Vec<(u64, u64)> {
        let (d, ff) = (shape.width, shape.inner_width);
        let (q, kv) = (shape.queries(), shape.keys());
        [
            (self.query, (d, q)),
            (self.key, (d, kv)),
            (self.value, (d, kv)),
            (self.output, (q, d)),
            (self.gate, (d, ff)),
            (self.up, (d, ff)),
            (self.down, (ff, d)),
        ]
        .into_iter()
        .filter_map(|(is_named, size)| is_named.then_some(size))
        .collect()
    }
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Adapters over a frozen base.
    Lora { rank: u64, projections: Projections },
    /// As LoRA, on pairs of answers.
    Dpo { rank: u64, projections: Projections },
    /// Every weight, of a base or of a new model.
    Full,
}

/// Whether activations are kept or computed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recompute {
    Auto,
    Always,
    Never,
}

/// The settings that decide what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub method: Method,
    /// Sequences a step.
    pub batch_size: u64,
    /// Most tokens a sequence.
    pub sequence_length: u64,
    /// Parts that a step is worked through in.
    pub accumulate: u64,
    pub recompute: Recompute,
    /// Products in sixteen bits.
    pub is_half: bool,
    /// A copy of the best numbers is kept.
    pub keeps_best: bool,
    /// The file of the base model; 0 where there is none.
    pub base_bytes: u64,
    /// Tokens of the data, once over.
    pub data_tokens: u64,
}

impl Settings {
    /// Numbers that are trained.
    #[must_use]
    pub fn trained(&self, shape: &Shape) -> u64 {
        match self.method {
            Method::Lora { rank, projections } | Method::Dpo { rank, projections } => {
                let sizes = projections.sizes(shape);
                let each: u64 = sizes.iter().map(|(inputs, outputs)| inputs + outputs).sum();
                shape.layers * rank * each
            }
            Method::Full => shape.parameters(),
        }
    }
}
