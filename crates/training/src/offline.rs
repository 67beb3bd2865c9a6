//! Fine-tuning with files of this machine, with a progress bar.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use job_contract::{FileFormat, JobEvent, LoraSettings, TrainingSettings};
use language_model::{ModelFile, OpenError, training_graph::Precision};
use serde::Serialize;

use crate::{
    checkpoint::write_whole,
    data::{DataError, Source, prepare},
    fine_tune::{Observer, Plan, TrainError, fine_tune},
    job::hash_file,
    settings::{BadSettings, validate},
    stop::{Stop, StopSign},
};

/// What to train on and where to put the result.
#[derive(Debug, Clone)]
pub struct Request {
    /// GGUF file, or folder in the model hub's layout.
    pub base: PathBuf,
    pub data: Vec<PathBuf>,
    pub out: PathBuf,
    pub base_name: String,
    pub lora: LoraSettings,
    pub training: TrainingSettings,
    pub seed: u64,
    pub precision: Precision,
}

/// Why there is no adapter.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("{0}: expected a name that ends in .jsonl, .txt or .csv")]
    UnknownFormat(PathBuf),
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("{path}: {source}")]
    Disk {
        /// Where.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What came of it; also written to `summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Nats a target token.
    pub held_out_loss_before: Option<f64>,
    pub held_out_loss_after: Option<f64>,
    pub steps: u32,
    pub tokens_trained: u64,
    pub seconds: f64,
    pub flop: f64,
}

/// Trains and writes `adapter_model.safetensors`, `adapter_config.json` and `summary.json` to the request's folder.
///
/// A run that was stopped goes on from the checkpoint in that folder when it is started again alike.
///
/// # Errors
/// [`OfflineError`], in words for the person at the terminal.
pub fn finetune(
    request: &Request,
    sign: StopSign,
    bar: ProgressBar,
) -> Result<Summary, OfflineError> {
    let disk = |path: &Path| {
        let path = path.to_owned();
        move |source| OfflineError::Disk { path, source }
    };
    let model = ModelFile::open(&request.base)?;
    validate(&request.training, &request.lora, &model.config)?;
    let sources = sources(&request.data)?;
    let mut identity = format!("{request:?}");
    for path in &request.data {
        identity.push_str(&hash_file(path).map_err(disk(path))?);
    }
    let speech = (&model.tokenizer, model.chat_template.as_ref());
    let length = request.training.sequence_length as usize;
    let data = prepare(
        &sources,
        speech,
        length,
        request.training.held_out_share,
        request.seed,
    )?;
    fs::create_dir_all(&request.out).map_err(disk(&request.out))?;
    let checkpoint = request.out.join("checkpoint.safetensors");
    let plan = Plan {
        lora: &request.lora,
        training: &request.training,
        seed: request.seed,
        precision: request.precision,
        sources: &vec![None; sources.len()],
        checkpoint: &checkpoint,
        fingerprint: &identity,
    };
    let mut observer = Terminal { bar, sign };
    let trained = fine_tune(&model, &data, plan, &mut observer)?;
    observer.bar.finish();
    let summary = Summary {
        held_out_loss_before: trained.held_out_before,
        held_out_loss_after: trained.held_out_after,
        steps: trained.steps,
        tokens_trained: trained.tokens,
        seconds: trained.seconds,
        flop: trained.flop,
    };
    let weights = trained
        .adapter
        .to_safetensors()
        .map_err(disk(&request.out))?;
    let config = trained
        .adapter
        .to_config_json(&request.base_name)
        .into_bytes();
    let words =
        serde_json::to_vec_pretty(&summary).map_err(|error| disk(&request.out)(error.into()))?;
    for (name, content) in [
        ("adapter_model.safetensors", weights),
        ("adapter_config.json", config),
        ("summary.json", words),
    ] {
        let path = request.out.join(name);
        write_whole(&path, &content).map_err(disk(&path))?;
    }
    fs::remove_file(&checkpoint).map_err(disk(&checkpoint))?;
    Ok(summary)
}

/// Files to read, their format told by their name.
///
/// # Errors
/// [`OfflineError::UnknownFormat`] with the first name that tells nothing.
pub fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, OfflineError> {
    let source = |path: &PathBuf| {
        let format = format_of(path).ok_or_else(|| OfflineError::UnknownFormat(path.clone()))?;
        Ok(Source {
            path: path.clone(),
            name: path.display().to_string(),
            format,
        })
    };
    paths.iter().map(source).collect()
}

fn format_of(path: &Path) -> Option<FileFormat> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "jsonl" => Some(FileFormat::Jsonl),
        "txt" | "md" => Some(FileFormat::Text),
        "csv" => Some(FileFormat::Csv),
        _ => None,
    }
}

/// A bar of steps with the time that is left.
pub fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:32} {pos}/{len} steps  {elapsed} gone, {prefix} left  {msg}",
    );
    ProgressBar::new(0)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix("?")
}

struct Terminal {
    bar: ProgressBar,
    sign: StopSign,
}

impl Terminal {
    /// A line above the bar, or in the log where there is no terminal to draw on.
    fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            tracing::info!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

impl Observer for Terminal {
    fn event(&mut self, event: JobEvent) -> Result<(), Stop> {
        match event {
            JobEvent::DataReady {
                documents,
                held_out_documents,
                tokens,
                target_tokens,
                total_steps,
            } => {
                self.bar.set_length(u64::from(total_steps));
                self.say(&format!(
                    "{documents} documents ({held_out_documents} held out), {tokens} tokens, {target_tokens} of them to learn; {total_steps} steps"
                ));
            }
            JobEvent::Step {
                step,
                loss,
                tokens_per_second,
                seconds_left,
                ..
            } => {
                self.bar.set_position(u64::from(step));
                let left = seconds_left.unwrap_or_default();
                self.bar
                    .set_prefix(format!("{}m{:02}s", left / 60, left % 60));
                self.bar
                    .set_message(format!("loss {loss:.3}, {tokens_per_second:.0} tokens/s"));
            }
            JobEvent::HeldOut { step, loss, .. } => {
                self.say(&format!(
                    "held-out loss after step {step}: {loss:.4} nats a token"
                ));
            }
            JobEvent::Note { message } => self.say(&message),
            JobEvent::Phase { .. }
            | JobEvent::Checkpoint { .. }
            | JobEvent::DataProblem { .. }
            | JobEvent::Measured { .. }
            | JobEvent::FileRead { .. } => {}
        }
        Ok(())
    }

    fn may_go_on(&mut self) -> Result<(), Stop> {
        self.sign.check()
    }

    fn epoch_starts(&mut self, _epoch: u32) -> Result<(), Stop> {
        Ok(())
    }
}
