//! What a job does, with all its settings.

use serde::{Deserialize, Serialize};

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Supervised fine-tuning with low-rank adapters (Hu et al. 2021, arXiv 2106.09685).
    FineTuneLora {
        lora: LoraSettings,
        training: TrainingSettings,
    },
    /// Every weight of the base is trained on; on plain text this is continued pretraining.
    FineTuneFull { training: TrainingSettings },
    /// A new model from nothing, with a tokenizer trained on the same text. Takes no base.
    Pretrain {
        shape: ModelShape,
        training: TrainingSettings,
    },
    /// Preference optimisation of low-rank adapters (Rafailov et al. 2023, arXiv 2305.18290).
    Dpo {
        lora: LoraSettings,
        training: TrainingSettings,
        /// How far the model may move from the base, above 0; 0.1 is usual.
        beta: f32,
    },
    /// Measures the base model, or an adapter over it, and trains nothing.
    Evaluate { evaluation: EvaluationSettings },
}

impl Task {
    /// How long and how fast to train; none where nothing is trained.
    #[must_use]
    pub fn training(&self) -> Option<&TrainingSettings> {
        match self {
            Self::FineTuneLora { training, .. }
            | Self::FineTuneFull { training }
            | Self::Pretrain { training, .. }
            | Self::Dpo { training, .. } => Some(training),
            Self::Evaluate { .. } => None,
        }
    }

    /// The shape of the adapters; none where the result is no adapter.
    #[must_use]
    pub fn lora(&self) -> Option<&LoraSettings> {
        match self {
            Self::FineTuneLora { lora, .. } | Self::Dpo { lora, .. } => Some(lora),
            Self::FineTuneFull { .. } | Self::Pretrain { .. } | Self::Evaluate { .. } => None,
        }
    }
}

/// Shape of the adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSettings {
    /// Inner dimension, 1 to 256.
    pub rank: u32,
    /// The adapter's output is scaled by `alpha / rank`.
    pub alpha: f32,
    /// Share of the adapter's inputs that a step leaves out, 0.0 to below 1.0.
    #[serde(default)]
    pub dropout: f32,
    /// Names as in PEFT: `q_proj`, `k_proj`, `v_proj`, `o_proj`, `gate_proj`, `up_proj`, `down_proj`.
    pub target_modules: Vec<String>,
}

/// How long and how fast to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Passes over the training part.
    pub epochs: u32,
    /// Upper bound on optimiser steps, whatever `epochs` says.
    pub max_steps: Option<u32>,
    /// Sequences a step.
    pub batch_size: u32,
    /// Tokens a sequence; longer documents are cut into pieces.
    pub sequence_length: u32,
    pub learning_rate: f32,
    pub warmup_steps: u32,
    /// Share of the documents held out to measure, 0.0 to 0.5; at least one where it is above zero.
    pub held_out_share: f32,
    /// Steps between two checkpoints in the work folder.
    pub checkpoint_every_steps: u32,
    /// What the learning rate does after the warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// AdamW's decay of the weights (Loshchilov and Hutter 2019, arXiv 1711.05101), 0.0 to 1.0.
    #[serde(default)]
    pub weight_decay: f32,
    /// Gradients are scaled down to this length, above 0.
    #[serde(default = "one")]
    pub clip_norm: f32,
    /// Parts that a step's sequences are worked through in: 1 is all at once, more needs less memory. The result is
    /// the same up to rounding.
    #[serde(default = "once")]
    pub accumulate: u32,
    /// Several short documents in one sequence; none sees another.
    #[serde(default)]
    pub packing: bool,
    /// Whether what a layer computed is kept for the way back or computed again.
    #[serde(default)]
    pub recompute: Recompute,
    #[serde(default)]
    pub precision: Precision,
    /// Steps between two measurements on the held-out part; none: after each epoch.
    #[serde(default)]
    pub evaluate_every_steps: Option<u32>,
    /// Ends before its time where measuring gets no better.
    #[serde(default)]
    pub early_stop: Option<EarlyStop>,
    /// Exports the parameters that measured best instead of the last ones.
    #[serde(default)]
    pub keep_best: bool,
    /// Random sentences planted in the training text, each repeated 1, 4 and 16 times, so that an evaluation can tell
    /// how much the model keeps by heart (Carlini et al. 2019, arXiv 1802.08232); 0: none.
    #[serde(default)]
    pub canaries: u32,
}

impl Default for TrainingSettings {
    /// What suits a few hundred short documents on a small model.
    fn default() -> Self {
        Self {
            epochs: 3,
            max_steps: None,
            batch_size: 4,
            sequence_length: 256,
            learning_rate: 1e-3,
            warmup_steps: 10,
            held_out_share: 0.1,
            checkpoint_every_steps: 50,
            schedule: Schedule::default(),
            weight_decay: 0.0,
            clip_norm: one(),
            accumulate: once(),
            packing: false,
            recompute: Recompute::default(),
            precision: Precision::default(),
            evaluate_every_steps: None,
            early_stop: None,
            keep_best: false,
            canaries: 0,
        }
    }
}

fn one() -> f32 {
    1.0
}

fn once() -> u32 {
    1
}

/// What the learning rate does after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Down to zero in a straight line.
    #[default]
    Linear,
    /// Down to zero along half a cosine.
    Cosine,
    Constant,
}

/// Whether activations are kept or computed again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// Kept where they fit.
    #[default]
    Auto,
    Always,
    Never,
}

/// How exactly the large products are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// What the machine is fastest at.
    #[default]
    Auto,
    F32,
    /// Sixteen bits in, thirty-two bits summed.
    Bf16,
}

/// When to end early.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Measurements without a gain after which training ends, at least 1.
    pub patience: u32,
    /// What counts as a gain, in nats a target token; 0 or more.
    pub min_gain: f32,
}

/// Shape of a new model of the Llama family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelShape {
    /// Words of the tokenizer that is trained, 300 to 100,000.
    pub vocabulary: u32,
    pub layers: u32,
    /// Width of the stream; a multiple of `heads`.
    pub width: u32,
    pub heads: u32,
    /// Divides `heads`.
    pub key_value_heads: u32,
    /// Width inside the feed-forward part.
    pub inner_width: u32,
    /// Most tokens that the model is meant to see at once.
    pub context_length: u32,
    /// Whether the table of words is used for output as well.
    #[serde(default = "yes")]
    pub tied_embeddings: bool,
}

fn yes() -> bool {
    true
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Without doubles; at least one.
    pub suites: Vec<Suite>,
    /// Most items of each suite; none: all. For memorisation the most that are tried of all data together, and of each
    /// dataset version again, so that none of them is left out.
    #[serde(default)]
    pub most_items: Option<u32>,
    /// The canaries that were planted when the model was trained, where there were any.
    #[serde(default)]
    pub canaries: Option<Canaries>,
    /// Share of the documents that the training held out, as in its settings, so that the same ones are measured on;
    /// none: a tenth.
    #[serde(default)]
    pub held_out_share: Option<f32>,
}

/// Planted canaries, by which they can be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canaries {
    /// As in the training's settings.
    pub count: u32,
    /// The training's seed.
    pub seed: u64,
}

/// A group of measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suite {
    /// Loss and perplexity on the `validation` files, or on the held-out part of `inputs`.
    HeldOut,
    /// Small Dutch tasks with answers to choose from.
    DutchTasks,
    /// Ambiguous and clear questions about groups of people.
    Bias,
    /// How much of `inputs` the model repeats by heart.
    Memorisation,
}
