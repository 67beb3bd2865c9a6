//! Training with files of this machine, with a progress bar.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use job_contract::{FileFormat, JobEvent, Recipe, Task};
use language_model::training_graph::Precision;
use serde::Serialize;

use crate::{
    checkpoint::write_whole,
    data::Source,
    device::{self, DeviceChoice},
    fingerprint::Deciding,
    job::hash_file,
    memory,
    recipe::Torchrun,
    settings::precision,
    stop::{Stop, StopSign},
    training_loop::Observer,
    work::{Base, Order, WorkError, work},
};

/// What to train on and where to put the result.
#[derive(Debug, Clone)]
pub struct Request {
    pub task: Task,
    /// GGUF file, or folder in the model hub's layout; none to train from nothing.
    pub base: Option<PathBuf>,
    pub base_name: String,
    pub data: Vec<PathBuf>,
    /// Files to measure on.
    pub validation: Vec<PathBuf>,
    pub out: PathBuf,
    pub seed: u64,
    /// How exactly to multiply where the settings leave it open.
    pub precision: Precision,
    pub device: DeviceChoice,
    /// Bytes of memory that may be used; none: as many as are free.
    pub memory: Option<u64>,
    pub recipe: Recipe,
    /// A Python with PyTorch, where the recipe needs one.
    pub python: PathBuf,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error("{0}: expected a name that ends in .jsonl, .txt or .csv")]
    UnknownFormat(PathBuf),
    #[error(transparent)]
    Work(#[from] WorkError),
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
    /// The step whose numbers were kept, where that is not the last.
    pub best_step: Option<u32>,
    pub tokens_trained: u64,
    pub seconds: f64,
    pub flop: f64,
    /// The most memory that the process held, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// Trains, and writes the model's files and `summary.json` to the request's folder.
///
/// A run that was stopped goes on from the checkpoint in that folder when it is started again alike.
///
/// # Errors
/// [`OfflineError`], in words for the person at the terminal.
pub fn train(request: &Request, sign: StopSign, bar: ProgressBar) -> Result<Summary, OfflineError> {
    let sources = sources(&request.data)?;
    let validation = self::sources(&request.validation)?;
    let hash = |path: &PathBuf| hash_file(path).map_err(disk(path));
    let hashes = |paths: &[PathBuf]| paths.iter().map(hash).collect::<Result<Vec<_>, _>>();
    let of_place = request.precision;
    let training = request.task.training();
    let device = device::find(request.device, &request.task, &request.recipe);
    let device = device.map_err(WorkError::from)?;
    let deciding = Deciding {
        task: &request.task,
        base: &hashes(&base_files(request.base.as_deref())?)?,
        inputs: &hashes(&request.data)?,
        validation: &hashes(&request.validation)?,
        seed: request.seed,
        precision: training.map_or(of_place, |training| precision(training, of_place)),
        device: &device.to_string(),
        recipe: &request.recipe,
    };
    let run = deciding.hash();
    fs::create_dir_all(&request.out).map_err(disk(&request.out))?;
    let checkpoint = request.out.join("checkpoint.safetensors");
    let order = Order {
        task: &request.task,
        base: request.base.as_deref().map(|path| Base {
            path,
            name: &request.base_name,
        }),
        adapter: None,
        sources: &sources,
        validation: &validation,
        datasets: &vec![None; sources.len()],
        seed: request.seed,
        precision: of_place,
        device: &device,
        memory: request.memory,
        torchrun: Torchrun::of(&request.recipe, &request.python, ""),
        checkpoint: &checkpoint,
        resume: None,
        run: &run,
        out: &request.out,
    };
    let mut observer = Terminal { bar, sign };
    let course = work(order, &mut observer)?.course;
    observer.bar.finish();
    let summary = Summary {
        held_out_loss_before: course.held_out_before,
        held_out_loss_after: course.held_out_after,
        steps: course.steps,
        best_step: course.best_step,
        tokens_trained: course.tokens,
        seconds: course.seconds,
        flop: course.flop,
        peak_memory_bytes: memory::peak(),
    };
    let path = request.out.join("summary.json");
    let words = serde_json::to_vec_pretty(&summary).map_err(|error| disk(&path)(error.into()))?;
    write_whole(&path, &words).map_err(disk(&path))?;
    match fs::remove_file(&checkpoint) {
        // It ended before the first one was due.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(summary),
        removed => removed.map(|()| summary).map_err(disk(&checkpoint)),
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> OfflineError + use<> {
    let path = path.to_owned();
    move |source| OfflineError::Disk { path, source }
}

/// The files that a base model consists of.
fn base_files(base: Option<&Path>) -> Result<Vec<PathBuf>, OfflineError> {
    let Some(base) = base else {
        return Ok(Vec::new());
    };
    if !base.is_dir() {
        return Ok(vec![base.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(base).map_err(disk(base))? {
        let path = entry.map_err(disk(base))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
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

/// An observer for a person at the terminal.
pub fn watch(sign: StopSign, bar: ProgressBar) -> impl Observer {
    Terminal { bar, sign }
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
            JobEvent::DataProblem {
                file,
                line,
                field,
                problem,
            } => {
                let problem = crate::data::Problem {
                    file,
                    line,
                    field,
                    problem,
                };
                self.say(&problem.to_string());
            }
            JobEvent::Measured {
                suite,
                measure,
                value,
                interval,
                items,
            } => {
                let range = interval.map_or(String::new(), |(low, high)| {
                    format!(" ({low:.3} to {high:.3})")
                });
                self.say(&format!(
                    "{suite:?}: {measure} {value:.4}{range}, {items} items"
                ));
            }
            JobEvent::Note { message } => self.say(&message),
            JobEvent::Phase { .. }
            | JobEvent::Checkpoint { .. }
            | JobEvent::CheckpointUnreadable { .. }
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
