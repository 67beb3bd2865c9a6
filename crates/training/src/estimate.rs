//! Whether a task fits, before it starts.

use std::fmt;

use job_contract::{LoraSettings, Recompute, Task};
use language_model::{Config, training_graph::Precision};
use training_estimate::{Change, Memory, Method, Projections, Settings, Shape, memory, what_fits};

use crate::settings::precision;

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
