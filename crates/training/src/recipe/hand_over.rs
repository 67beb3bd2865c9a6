//! What the Python side is given: plan, model, data, all in one folder.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use job_contract::{Recompute, Strategy, TrainingSettings};
use language_model::{
    LoraAdapter, ModelFile,
    export::{Export, NumberFormat},
    training_graph::Precision,
};
use serde_json::json;

use super::{RecipeError, Torchrun, follow::Follower};
use crate::{
    checkpoint::replace,
    data::{Piece, Prepared},
    schedule::learning_rate,
    settings::precision,
    work::{Order, WorkError, disk},
};

const PROGRAM: &str = include_str!("../../recipes/torchrun/train.py");
const LAUNCH: &str = include_str!("../../recipes/torchrun/launch.sh");

pub(super) struct HandOver<'a> {
    pub(super) order: Order<'a>,
    pub(super) torchrun: Torchrun<'a>,
    pub(super) folder: &'a Path,
    pub(super) training: &'a TrainingSettings,
    pub(super) dropout: f32,
}

/// What the processes get of our own environment: where to put passing files, which GPUs are this job's, and by what the
/// place that started us knows them, so that none is left when it ends the attempt.
pub(super) const PASSED_ON: [&str; 4] = [
    "TMPDIR",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "FACULTY_COMPUTE_FOLDER",
];

/// All else that they find in it: paths and threads, no secret, no way to a network.
pub(super) fn environment(folder: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME", folder.display().to_string()),
        ("HF_HUB_OFFLINE", "1".to_owned()),
        ("TRANSFORMERS_OFFLINE", "1".to_owned()),
        ("OMP_NUM_THREADS", "1".to_owned()),
        ("TOKENIZERS_PARALLELISM", "false".to_owned()),
    ]
}

/// Tells the processes in `folder` that they may read the data for `epoch`.
pub(super) fn allow(folder: &Path, epoch: u32) -> Result<(), WorkError> {
    let path = folder.join("epoch");
    replace(&path, |file| write!(file, "{epoch}")).map_err(disk(&path))
}

impl HandOver<'_> {
    /// Writes everything; `ready` last, for the other nodes.
    pub(super) fn write(
        &self,
        model: &ModelFile,
        adapter: &LoraAdapter,
        data: &Prepared,
        follower: &Follower<'_>,
    ) -> Result<(), WorkError> {
        for name in ["events.jsonl", "stop", "checkpoint-now", "ready"] {
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(disk(&self.folder.join(name))(error));
                }
                _ => {}
            }
        }
        let base = match self.order.base {
            Some(base) if base.path.is_dir() => base.path.to_owned(),
            _ => {
                let folder = self.folder.join("base");
                let export = Export::of_model(model, None, NumberFormat::F32);
                export.write(&folder).map_err(RecipeError::from)?;
                folder
            }
        };
        let config = adapter.to_config_json("");
        let config = with_dropout(&config, self.dropout);
        let weights = adapter.to_safetensors().map_err(disk(self.folder))?;
        fs::create_dir_all(self.folder.join("adapter")).map_err(disk(self.folder))?;
        self.put("adapter/adapter_config.json", config.as_bytes())?;
        self.put("adapter/adapter_model.safetensors", &weights)?;
        let of_place = self.order.precision;
        let training = self.training;
        let plan = json!({
            "run": self.order.run,
            // Whose end ends the processes.
            "parent": std::process::id(),
            "seed": self.order.seed % (1 << 32),
            "base": base,
            "checkpoint": self.order.checkpoint,
            "resume": follower.resume(),
            "training_pieces": data.pieces.len(),
            "batch_size": training.batch_size,
            "accumulate": training.accumulate,
            "weight_decay": training.weight_decay,
            "clip_norm": training.clip_norm,
            "is_half": precision(training, of_place) == Precision::Mixed,
            "recompute": training.recompute == Recompute::Always,
            "checkpoint_every_steps": training.checkpoint_every_steps.max(1),
            "measure_after": follower.measured_steps(),
            "strategy": match self.torchrun.strategy {
                Strategy::Ddp => "ddp",
                Strategy::Fsdp => "fsdp",
            },
        });
        self.put("plan.json", plan.to_string().as_bytes())?;
        self.numbers(data, follower)?;
        allow(self.folder, follower.epoch())?;
        self.put("train.py", PROGRAM.as_bytes())?;
        self.put("launch.sh", LAUNCH.as_bytes())?;
        let launch = format!(
            "python={}\nprocesses={}\nnodes={}\nmeeting={}\nrun={}\n",
            quoted(&self.torchrun.python.display().to_string()),
            self.torchrun.processes,
            self.torchrun.nodes,
            quoted(self.torchrun.meeting),
            self.order.run,
        );
        self.put("launch.env", launch.as_bytes())?;
        self.put("ready", b"")
    }

    fn numbers(&self, data: &Prepared, follower: &Follower<'_>) -> Result<(), WorkError> {
        let pieces = || data.pieces.iter().chain(&data.held_out);
        let tokens = pieces().flat_map(|piece| piece.document.tokens.iter().copied());
        self.words("tokens.u32", tokens)?;
        let targets = pieces().flat_map(|piece| piece.document.is_target.iter());
        let targets: Vec<u8> = targets.map(|counts| u8::from(*counts)).collect();
        self.put("targets.u8", &targets)?;
        self.words(
            "lengths.u32",
            pieces().map(|piece: &Piece| piece.document.tokens.len() as u32),
        )?;
        let sequences = data.sequences.iter().flat_map(|pieces| {
            let places = pieces.iter().map(|piece| *piece as u32);
            std::iter::once(pieces.len() as u32).chain(places)
        });
        self.words("sequences.u32", sequences)?;
        self.words(
            "order.u32",
            follower.order().into_iter().map(|place| place as u32),
        )?;
        let total = follower.total_steps();
        let training = self.training;
        let rate = |step| {
            learning_rate(
                training.schedule,
                training.learning_rate,
                step,
                training.warmup_steps,
                total,
            )
        };
        self.words("rates.f32", (1..=total).map(|step| rate(step).to_bits()))
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), WorkError> {
        let path = self.folder.join(name);
        replace(&path, |file| file.write_all(content)).map_err(disk(&path))
    }

    fn words(&self, name: &str, words: impl Iterator<Item = u32>) -> Result<(), WorkError> {
        let path = self.folder.join(name);
        replace(&path, |file| {
            for word in words {
                file.write_all(&word.to_le_bytes())?;
            }
            Ok(())
        })
        .map_err(disk(&path))
    }
}

/// PEFT reads dropout from the adapter's settings.
fn with_dropout(config: &str, dropout: f32) -> String {
    let mut config: serde_json::Value = serde_json::from_str(config).unwrap_or_default();
    if let Some(config) = config.as_object_mut() {
        config.insert("lora_dropout".to_owned(), json!(dropout));
        config.insert("inference_mode".to_owned(), json!(false));
    }
    config.to_string()
}

/// A word of a shell script.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
