//! Whether a task fits, before it starts.

use std::{fmt, path::Path};

use job_contract::{LoraSettings, Recompute, Task};
use language_model::{Config, ModelFile, OpenError, training_graph::Precision};
use serde::Serialize;
use training_estimate::{
    Change, Memory, Method, Projections, Settings, Shape, Work, memory, usage, what_fits, work,
};

use crate::{
    data::{DataError, DataSettings, Piece, Source, Wanted, prepare},
    settings::{BadSettings, precision, validate},
    training_loop::{steps_an_epoch, total_steps},
    work::weights_bytes,
};

/// Bytes of text for each token, at least.
const BYTES_A_TOKEN: u64 = 3;

/// A task that would need more memory than there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct DoesNotFit {
    /// In bytes.
    pub needs: u64,
    /// In bytes.
    pub has: u64,
    /// Each of them is enough.
    pub changes: Vec<Change>,
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gigabytes = |bytes: u64| bytes as f64 / 1e9;
        write!(
            f,
            "this needs about {:.2} GB of memory, and {:.2} GB can be had; ",
            gigabytes(self.needs),
            gigabytes(self.has)
        )?;
        let changes: Vec<String> = self.changes.iter().map(ToString::to_string).collect();
        match changes.as_slice() {
            [] => f.write_str("use a machine with more memory or a smaller model"),
            changes => write!(f, "any one of these would fit: {}", changes.join(", ")),
        }
    }
}

/// The model's shape in the estimate's words.
pub fn shape(config: &Config) -> Shape {
    Shape {
        vocabulary: config.vocab_size as u64,
        width: config.hidden_size as u64,
        inner_width: config.intermediate_size as u64,
        layers: config.layers as u64,
        heads: config.heads as u64,
        key_value_heads: config.kv_heads as u64,
        head_width: config.head_dim as u64,
        is_tied: config.is_embedding_tied,
    }
}

/// The task's settings in the estimate's words; none where nothing is trained.
pub fn settings(
    task: &Task,
    of_place: Precision,
    (base_bytes, data_bytes): (u64, u64),
) -> Option<Settings> {
    let training = task.training()?;
    let adapters = |lora: &LoraSettings| {
        let names = lora.target_modules.iter().map(String::as_str);
        (u64::from(lora.rank), Projections::named(names))
    };
    let method = match task {
        Task::FineTuneLora { lora, .. } => {
            let (rank, projections) = adapters(lora);
            Method::Lora { rank, projections }
        }
        Task::Dpo { lora, .. } => {
            let (rank, projections) = adapters(lora);
            Method::Dpo { rank, projections }
        }
        Task::FineTuneFull { .. } | Task::Pretrain { .. } | Task::Evaluate { .. } => Method::Full,
    };
    Some(Settings {
        method,
        batch_size: u64::from(training.batch_size),
        sequence_length: u64::from(training.sequence_length),
        accumulate: u64::from(training.accumulate),
        recompute: match training.recompute {
            Recompute::Auto => training_estimate::Recompute::Auto,
            Recompute::Always => training_estimate::Recompute::Always,
            Recompute::Never => training_estimate::Recompute::Never,
        },
        is_half: precision(training, of_place) == Precision::Mixed,
        keeps_best: training.keep_best,
        base_bytes,
        data_tokens: data_bytes / BYTES_A_TOKEN,
    })
}

/// Whether a run of this shape fits in `has` bytes; answers where the memory would go.
///
/// # Errors
/// [`DoesNotFit`] with what would.
pub fn check(shape: &Shape, settings: &Settings, has: u64) -> Result<Memory, DoesNotFit> {
    let memory = memory(shape, settings);
    let needs = memory.total();
    if needs <= has {
        return Ok(memory);
    }
    Err(DoesNotFit {
        needs,
        has,
        changes: what_fits(shape, settings, has),
    })
}

/// What a run will need.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// At the peak.
    pub memory_bytes: u64,
    /// Numbers that are trained.
    pub trained: u64,
    pub steps: u32,
    /// Tokens to learn from, over all epochs.
    pub tokens: u64,
    pub flop: f64,
    pub seconds: Option<f64>,
    pub joules: Option<f64>,
}

impl Estimate {
    /// With time and energy on a machine of this speed and power.
    #[must_use]
    pub fn at(mut self, flop_per_second: f64, watts: f64) -> Self {
        let usage = usage(self.flop, flop_per_second, watts);
        self.seconds = Some(usage.seconds);
        self.joules = Some(usage.joules);
        self
    }
}

/// Why nothing can be estimated.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("nothing is trained by this task")]
    NoTraining,
}

/// Estimates a fine-tuning; reads the data to count its tokens.
///
/// # Errors
/// [`EstimateError`] where base, settings or data cannot be used.
pub fn estimate(
    task: &Task,
    base: &Path,
    (sources, validation): (&[Source], &[Source]),
    (of_place, seed): (Precision, u64),
) -> Result<Estimate, EstimateError> {
    let model = ModelFile::open(base)?;
    validate(task, &model.config, !validation.is_empty())?;
    let training = task.training().ok_or(EstimateError::NoTraining)?;
    let wanted = match task {
        Task::Dpo { .. } => Wanted::Preferences,
        _ => Wanted::Examples,
    };
    let of_data = DataSettings {
        sequence_length: training.sequence_length as usize,
        held_out_share: training.held_out_share,
        seed,
        packing: training.packing,
        canaries: training.canaries,
        wanted,
    };
    let speech = (&model.tokenizer, model.chat_template.as_ref());
    let data = prepare(sources, validation, speech, of_data)?;
    let bytes = (weights_bytes(base), 0);
    let mut settings = settings(task, of_place, bytes).ok_or(EstimateError::NoTraining)?;
    settings.data_tokens = data.tokens;
    let count = |pieces: &[Piece]| {
        pieces
            .iter()
            .map(|piece| piece.tokens() as u64)
            .sum::<u64>()
    };
    let steps = total_steps(training, data.sequences.len());
    let each_epoch = steps_an_epoch(training, data.sequences.len());
    let epochs = f64::from(steps) / f64::from(each_epoch);
    let every = training.evaluate_every_steps.unwrap_or(each_epoch).max(1);
    let tokens = (count(&data.pieces) as f64 * epochs) as u64;
    let shape = shape(&model.config);
    let whole = Work {
        tokens,
        measured_tokens: count(&data.held_out) * u64::from(steps / every + 1),
    };
    Ok(Estimate {
        memory_bytes: memory(&shape, &settings).total(),
        trained: settings.trained(&shape),
        steps,
        tokens,
        flop: work(&shape, &settings, whole),
        seconds: None,
        joules: None,
    })
}
