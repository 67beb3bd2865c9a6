//! The arithmetic by PyTorch, for several processes or machines: started, fed and followed from here.
//!
//! This program stays the only one that speaks with the portal. It has tokenised and ordered the data, so there is no
//! second tokenizer or template; it computes the learning rates and knows which tokens each step reads, so that the
//! Python side (`recipes/torchrun/train.py`) only multiplies. The processes get no token and no address of the portal.

mod follow;
mod hand_over;

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use job_contract::{JobEvent, LoraSettings, Recipe, Strategy, TrainingSettings};
use language_model::{LoraAdapter, ModelFile, export::ExportError};

use self::follow::Follower;
use crate::{
    data::Prepared,
    training_loop::{Course, Observer, TrainError},
    work::{Order, WorkError, disk},
};

/// What runs the processes.
#[derive(Debug, Clone, Copy)]
pub struct Torchrun<'a> {
    /// A Python with what `requirements.txt` names.
    pub python: &'a Path,
    /// Processes on each node.
    pub processes: u32,
    pub nodes: u32,
    pub strategy: Strategy,
    /// Where the nodes meet, `host:port`, where there are several.
    pub meeting: &'a str,
}

impl<'a> Torchrun<'a> {
    /// What a recipe asks for, on a machine with this Python and meeting place; none where it is our own program.
    #[must_use]
    pub fn of(recipe: &Recipe, python: &'a Path, meeting: &'a str) -> Option<Self> {
        match recipe {
            Recipe::Own => None,
            Recipe::Torchrun {
                processes,
                nodes,
                strategy,
            } => Some(Self {
                python,
                processes: *processes,
                nodes: *nodes,
                strategy: *strategy,
                meeting,
            }),
        }
    }
}

/// Why the processes gave no adapter.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    #[error("the processes of torchrun ended with {0}; the log of the attempt says why")]
    Ended(String),
    #[error("the processes of torchrun cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("what the processes tell cannot be read: {0}")]
    Events(String),
    #[error("the base model cannot be written for PyTorch: {0}")]
    Export(#[from] ExportError),
}

/// How often events are looked for.
const GLANCE: Duration = Duration::from_millis(100);
/// How long the processes have to end after they were asked to.
const LAST_STEP: Duration = Duration::from_secs(60);

/// Trains an adapter by the recipe.
///
/// # Errors
/// [`WorkError`]; what the recipe cannot do was refused before ([`Recipe::torchrun_refuses`]).
pub(crate) fn train(
    order: Order<'_>,
    torchrun: Torchrun<'_>,
    (model, data): (&ModelFile, &Prepared),
    (lora, training): (&LoraSettings, &TrainingSettings),
    observer: &mut dyn Observer,
) -> Result<(Course, LoraAdapter), WorkError> {
    let folder = order.out.join("torchrun");
    fs::create_dir_all(&folder).map_err(disk(&folder))?;
    let adapter = crate::methods::new_adapter(model, lora, order.seed)?;
    let mut follower = Follower::new(order, training, data);
    let shared = match torchrun.strategy {
        Strategy::Ddp => "DDP",
        Strategy::Fsdp => "FSDP",
    };
    let message = format!(
        "computed by PyTorch in {} processes ({shared})",
        torchrun.processes
    );
    observer.event(JobEvent::Note { message })?;
    follower.take_up(observer)?;
    let hand_over = hand_over::HandOver {
        order,
        torchrun,
        folder: &folder,
        training,
        dropout: lora.dropout,
    };
    hand_over.write(model, &adapter, data, &follower)?;
    let mut child = start(&folder)?;
    let followed = follow(&mut child, &folder, &mut follower, observer);
    if followed.is_err() {
        end(&mut child, &folder);
    }
    followed?;
    let weights = folder.join("adapter_model.safetensors");
    let bytes = fs::read(&weights).map_err(disk(&weights))?;
    let config = adapter.to_config_json("");
    let adapter = LoraAdapter::from_peft(&model.config, config.as_bytes(), &bytes)
        .map_err(|error| RecipeError::Events(error.to_string()))?;
    let course = follower.course(&model.config, adapter.parameters().len());
    fs::remove_dir_all(&folder).map_err(disk(&folder))?;
    Ok((course, adapter))
}

/// Ends processes whose work is of no use any more: they look for `stop` after each step.
fn end(child: &mut Child, folder: &Path) {
    let _ = fs::write(folder.join("stop"), "");
    let end = Instant::now() + LAST_STEP;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(GLANCE),
            _ => return,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn start(folder: &Path) -> Result<Child, RecipeError> {
    let log = fs::File::create(folder.join("torchrun.log")).map_err(RecipeError::Start)?;
    let errors = log.try_clone().map_err(RecipeError::Start)?;
    Command::new("sh")
        .arg(folder.join("launch.sh"))
        .arg(folder)
        .env_clear()
        .envs(hand_over::PASSED_ON.iter().filter_map(passed_on))
        .envs(hand_over::environment(folder))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(RecipeError::Start)
}

fn passed_on(name: &&'static str) -> Option<(&'static str, OsString)> {
    Some((*name, std::env::var_os(name)?))
}

/// Passes events on until the processes end; a stop is passed on to them.
fn follow(
    child: &mut Child,
    folder: &Path,
    follower: &mut Follower<'_>,
    observer: &mut dyn Observer,
) -> Result<(), WorkError> {
    let mut stop = None;
    let mut end = None;
    loop {
        let ended = child.try_wait().map_err(RecipeError::Start)?;
        follower.read(&folder.join("events.jsonl"), observer)?;
        if let Some(status) = ended {
            return match stop {
                Some(stop) => Err(WorkError::from(stop)),
                None if status.success() && follower.is_done() => Ok(()),
                None => {
                    // For the log alone: a stack trace with paths says nothing to whoever reads why a job failed.
                    let log = folder.join("torchrun.log");
                    tracing::error!(%status, last_words = last_words(&log), "torchrun failed");
                    Err(RecipeError::Ended(status.to_string()).into())
                }
            };
        }
        if stop.is_none() {
            match follower.may_go_on(observer) {
                Ok(false) => {}
                Ok(true) => hand_over::allow(folder, follower.epoch())?,
                Err(found) => {
                    let name = folder.join("stop");
                    fs::write(&name, "").map_err(disk(&name))?;
                    follower.stops(found.may_resume());
                    stop = Some(found);
                    end = Some(Instant::now() + LAST_STEP);
                }
            }
        }
        if observer.wants_checkpoint() && follower.asks_once() {
            let name = folder.join("checkpoint-now");
            fs::write(&name, "").map_err(disk(&name))?;
        }
        if let (Some(stop), Some(end)) = (&stop, end)
            && Instant::now() > end
        {
            let _ = child.kill();
            return Err(TrainError::from(stop.clone()).into());
        }
        std::thread::sleep(GLANCE);
    }
}

/// How much of the processes' log is looked at, in bytes.
const END_OF_LOG: u64 = 65_536;

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END_OF_LOG)))?;
    let mut text = Vec::new();
    file.take(END_OF_LOG).read_to_end(&mut text)?;
    Ok(text)
}

/// The last lines of the processes' log.
fn last_words(path: &Path) -> String {
    let text = end_of(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let start = lines.len().saturating_sub(5);
    lines.get(start..).unwrap_or_default().join(" / ")
}
