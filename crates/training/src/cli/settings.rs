//! Settings that training commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use job_contract::{EarlyStop, LoraSettings, Precision, Recompute, Schedule, TrainingSettings};

/// Data, and how long and how fast to train.
#[derive(Args)]
pub(crate) struct TrainingArguments {
    /// Data: .jsonl, .txt or .csv; more than once for several files.
    #[arg(long, required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// Files to measure on, instead of a held-out share of the data.
    #[arg(long)]
    pub(crate) validation: Vec<PathBuf>,
    #[arg(long, default_value_t = 3)]
    epochs: u32,
    #[arg(long)]
    max_steps: Option<u32>,
    /// Sequences a step.
    #[arg(long, default_value_t = 8)]
    batch_size: u32,
    /// Parts that a step is worked through in; more needs less memory.
    #[arg(long, default_value_t = 1)]
    accumulate: u32,
    /// Tokens a sequence; longer documents are cut.
    #[arg(long, default_value_t = 512)]
    sequence_length: u32,
    /// Put several short documents in one sequence; none sees another.
    #[arg(long)]
    packing: bool,
    #[arg(long, default_value_t = 1e-3)]
    learning_rate: f32,
    #[arg(long, default_value_t = 5)]
    warmup_steps: u32,
    #[arg(long, default_value = "linear")]
    schedule: ScheduleChoice,
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f32,
    #[arg(long, default_value_t = 1.0)]
    clip_norm: f32,
    /// Compute activations a second time instead of keeping them.
    #[arg(long, default_value = "auto")]
    recompute: RecomputeChoice,
    /// Share of the documents that is kept out of training to measure with.
    #[arg(long, default_value_t = 0.1)]
    held_out_share: f32,
    /// Steps between measurements [default: once an epoch].
    #[arg(long)]
    evaluate_every_steps: Option<u32>,
    /// End after so many measurements without a gain.
    #[arg(long)]
    early_stop_patience: Option<u32>,
    /// What counts as a gain, in nats a token.
    #[arg(long, default_value_t = 0.0)]
    early_stop_min_gain: f32,
    /// Keep the numbers that measured best instead of the last ones.
    #[arg(long)]
    keep_best: bool,
    /// Plant so many groups of random sentences, to measure later what is kept by heart.
    #[arg(long, default_value_t = 0)]
    canaries: u32,
    #[arg(long, default_value_t = 20)]
    checkpoint_every_steps: u32,
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum ScheduleChoice {
    Linear,
    Cosine,
    Constant,
}

#[derive(Clone, Copy, ValueEnum)]
enum RecomputeChoice {
    Auto,
    Always,
    Never,
}

impl TrainingArguments {
    pub(crate) fn settings(&self) -> TrainingSettings {
        TrainingSettings {
            epochs: self.epochs,
            max_steps: self.max_steps,
            batch_size: self.batch_size,
            sequence_length: self.sequence_length,
            learning_rate: self.learning_rate,
            warmup_steps: self.warmup_steps,
            held_out_share: self.held_out_share,
            checkpoint_every_steps: self.checkpoint_every_steps,
            schedule: match self.schedule {
                ScheduleChoice::Linear => Schedule::Linear,
                ScheduleChoice::Cosine => Schedule::Cosine,
                ScheduleChoice::Constant => Schedule::Constant,
            },
            weight_decay: self.weight_decay,
            clip_norm: self.clip_norm,
            accumulate: self.accumulate,
            packing: self.packing,
            recompute: match self.recompute {
                RecomputeChoice::Auto => Recompute::Auto,
                RecomputeChoice::Always => Recompute::Always,
                RecomputeChoice::Never => Recompute::Never,
            },
            // The program's own argument decides.
            precision: Precision::Auto,
            evaluate_every_steps: self.evaluate_every_steps,
            early_stop: self.early_stop_patience.map(|patience| EarlyStop {
                patience,
                min_gain: self.early_stop_min_gain,
            }),
            keep_best: self.keep_best,
            canaries: self.canaries,
        }
    }
}

/// The shape of the adapters.
#[derive(Args)]
pub(crate) struct LoraArguments {
    #[arg(long, default_value_t = 8)]
    rank: u32,
    #[arg(long, default_value_t = 16.0)]
    alpha: f32,
    /// Share of the adapters' inputs that a step leaves out.
    #[arg(long, default_value_t = 0.0)]
    dropout: f32,
    /// Projections that get an adapter.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    )]
    target_modules: Vec<String>,
}

impl LoraArguments {
    pub(crate) fn settings(&self) -> LoraSettings {
        LoraSettings {
            rank: self.rank,
            alpha: self.alpha,
            dropout: self.dropout,
            target_modules: self.target_modules.clone(),
        }
    }
}
