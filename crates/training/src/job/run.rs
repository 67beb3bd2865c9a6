//! The course of one attempt: spec, staging, training, upload, outcome.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use job_contract::{
    ArtifactKind, CONTRACT_VERSION, Code, FailureCode, FileFormat, InputFile, JobEvent, JobResult,
    JobSpec, Outcome, Phase, Task,
};
use language_model::{ModelFile, OpenError, training_graph::Precision};
use tokio::{runtime::Handle, sync::watch};
use uuid::Uuid;

use super::{
    events::EventLog,
    portal::{CallError, Portal},
    staging::{StagingError, hash_bytes, stage},
    upload::upload,
};
use crate::{
    checkpoint::write_whole,
    data::{DataError, Prepared, Source, prepare},
    energy::{Meter, POWERCAP},
    fine_tune::{Observer, Plan, TrainError, Trained, fine_tune},
    settings::{BadSettings, validate},
    stop::{Stop, StopSign},
};

/// What an attempt has to work with on its machine.
#[derive(Debug, Clone)]
pub struct Place {
    /// Of this attempt alone.
    pub work_dir: PathBuf,
    /// Base models by hash, shared by all attempts on the machine.
    pub cache: PathBuf,
    /// How exactly frozen weights multiply.
    pub precision: Precision,
}

/// How the process should end.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The portal has taken the outcome.
    Finished(Outcome),
    /// Without an outcome: the attempt is over, nobody answers, or the scheduler wants the process gone.
    Stopped(Stop),
    /// The spec is of a version that this program does not know.
    UnknownContract(String),
}

/// What went wrong inside an attempt.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Staging(#[from] StagingError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Settings(#[from] BadSettings),
    #[error("the base model cannot be used: {0}")]
    Model(#[from] OpenError),
    #[error("the base model must be one GGUF file")]
    ModelFormat,
    #[error("this program does not do such a task")]
    Task,
    #[error("the work folder cannot be used: {0}")]
    Disk(#[from] io::Error),
    #[error("a part of the program stopped: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// Works on the attempt behind `portal` until it has ended, one way or another.
pub async fn run(portal: Portal, place: Place, sign: StopSign) -> End {
    let work_dir = place.work_dir.clone();
    let end = attend(Arc::new(portal), place, sign).await;
    if matches!(
        end,
        End::Finished(_) | End::Stopped(Stop::Ended | Stop::Refused(_))
    ) {
        // Other people's data does not stay behind.
        let _ = fs::remove_dir_all(work_dir.join("inputs"));
        let _ = fs::remove_file(work_dir.join(CHECKPOINT));
    }
    end
}

async fn attend(portal: Arc<Portal>, place: Place, sign: StopSign) -> End {
    let spec = match portal.spec().await {
        Ok(spec) => spec,
        Err(CallError::Stop(stop)) => return End::Stopped(stop),
        Err(error) => return End::UnknownContract(error.to_string()),
    };
    let version = spec
        .get("contract_version")
        .and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(CONTRACT_VERSION)) {
        let version = version.map_or("none".to_owned(), |version| version.to_string());
        let message = format!(
            "the portal speaks contract version {version}, this program {CONTRACT_VERSION}"
        );
        return End::UnknownContract(message);
    }
    let fingerprint = hash_bytes(format!("{} {spec}", program()).as_bytes());
    let spec: JobSpec = match serde_json::from_value(spec) {
        Ok(spec) => spec,
        Err(error) => return End::UnknownContract(format!("the spec cannot be read: {error}")),
    };
    let log = match open_work_dir(&place.work_dir, spec.attempt) {
        Ok(log) => Arc::new(log),
        Err(error) => return end(&portal, outcome_of(Err(error.into()))).await,
    };
    let (over, is_over) = watch::channel(false);
    // Twice in the agreed time, so that one late call is no silence.
    let heartbeat = Duration::from_secs(u64::from(spec.heartbeat_seconds.max(1))).div_f32(2.0);
    let sender = tokio::spawn({
        let (portal, log, sign) = (Arc::clone(&portal), Arc::clone(&log), sign.clone());
        async move { log.send(&portal, heartbeat, &sign, is_over).await }
    });
    // What an earlier process of this attempt used was not measured by this one, so half a figure is none.
    let is_resumed = place.work_dir.join(CHECKPOINT).exists();
    let meter = (!is_resumed).then(|| Meter::start(Path::new(POWERCAP)));
    let attempt = Attempt {
        meter: Arc::new(Mutex::new(meter.flatten())),
        portal: Arc::clone(&portal),
        place,
        log,
        sign,
        spec,
        fingerprint,
    };
    let outcome = outcome_of(attempt.work().await);
    over.send_replace(true);
    if let Err(error) = sender.await {
        tracing::error!(%error, "the sender of events stopped");
    }
    end(&portal, outcome).await
}

const CHECKPOINT: &str = "checkpoint.safetensors";

fn program() -> String {
    format!("faculty-training {}", env!("CARGO_PKG_VERSION"))
}

/// Which code runs: the commit it was built from, and the hash of the program's own file.
fn code() -> Option<Code> {
    let own = std::env::current_exe().ok()?;
    let sha256 = super::staging::hash_file(&own)
        .inspect_err(|error| tracing::warn!(%error, "the program cannot read its own file"))
        .ok()?;
    Some(Code {
        commit: env!("BUILT_FROM_COMMIT").to_owned(),
        sha256,
    })
}

/// The work folder's log of events; what another attempt left in the folder goes.
fn open_work_dir(folder: &Path, attempt: Uuid) -> io::Result<EventLog> {
    fs::create_dir_all(folder)?;
    let owner = folder.join("attempt");
    if fs::read_to_string(&owner).ok() != Some(attempt.to_string()) {
        for name in ["events.jsonl", CHECKPOINT] {
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        write_whole(&owner, attempt.to_string().as_bytes())?;
    }
    EventLog::open(&folder.join("events.jsonl"))
}

async fn end(portal: &Portal, outcome: Result<Outcome, Stop>) -> End {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(stop) => return End::Stopped(stop),
    };
    match portal.finish(&outcome).await {
        Ok(()) => End::Finished(outcome),
        Err(CallError::Stop(stop)) => End::Stopped(stop),
        Err(error) => {
            tracing::error!(%error, "the portal does not take the outcome");
            End::Stopped(Stop::Ended)
        }
    }
}

/// What the portal is told, or why it is told nothing.
fn outcome_of(result: Result<JobResult, RunError>) -> Result<Outcome, Stop> {
    let error = match result {
        Ok(result) => return Ok(Outcome::Succeeded(Box::new(result))),
        Err(error) => error,
    };
    tracing::error!(%error, "the attempt did not succeed");
    let message = error.to_string();
    let failed = |code| {
        Ok(Outcome::Failed {
            code,
            message: message.clone(),
        })
    };
    let by_stop = |stop: &Stop| match stop {
        Stop::Cancelled(reason) => Ok(Outcome::Cancelled {
            reason: reason.clone(),
        }),
        Stop::Refused(_) => failed(FailureCode::Refused),
        Stop::Ended | Stop::Unreachable(_) | Stop::Terminated => Err(stop.clone()),
    };
    let by_disk = |source: &io::Error| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failed(FailureCode::DiskFull),
        _ => failed(FailureCode::Internal),
    };
    match &error {
        RunError::Call(CallError::Stop(stop))
        | RunError::Staging(StagingError::Call(CallError::Stop(stop)))
        | RunError::Train(TrainError::Stopped(stop)) => by_stop(stop),
        RunError::Staging(StagingError::HashMismatch { .. }) => failed(FailureCode::HashMismatch),
        RunError::Staging(StagingError::Disk { source, .. })
        | RunError::Train(TrainError::Checkpoint(source))
        | RunError::Disk(source) => by_disk(source),
        RunError::Data(DataError::Io { source, .. }) => by_disk(source),
        RunError::Data(_) => failed(FailureCode::BadData),
        RunError::Train(TrainError::BadSettings(_) | TrainError::Diverged(_))
        | RunError::Settings(_)
        | RunError::Model(_)
        | RunError::ModelFormat
        | RunError::Task => failed(FailureCode::BadSettings),
        RunError::Call(_)
        | RunError::Staging(_)
        | RunError::Train(TrainError::Graph(_))
        | RunError::Thread(_) => failed(FailureCode::Internal),
    }
}

struct Attempt {
    meter: Arc<Mutex<Option<Meter>>>,
    portal: Arc<Portal>,
    place: Place,
    log: Arc<EventLog>,
    sign: StopSign,
    spec: JobSpec,
    fingerprint: String,
}

impl Attempt {
    async fn work(&self) -> Result<JobResult, RunError> {
        let started = Instant::now();
        let Task::FineTuneLora { lora, training } = self.spec.task.clone() else {
            return Err(RunError::Task);
        };
        self.phase(Phase::Staging)?;
        let base = self.base()?;
        let model_path = self
            .place
            .cache
            .join("models")
            .join(file_name(&base.sha256)?);
        self.read(base, &model_path).await?;
        let model = ModelFile::open(&model_path)?;
        validate(&training, &lora, &model.config)?;
        let (mut sources, mut versions) = (Vec::new(), Vec::new());
        for input in &self.spec.inputs {
            let path = self
                .place
                .work_dir
                .join("inputs")
                .join(input.file.to_string());
            self.read(input, &path).await?;
            sources.push(Source {
                path,
                name: input.name.clone(),
                format: input.format,
            });
            versions.push(input.dataset_version);
        }
        self.sign.check().map_err(CallError::from)?;

        let mut observer = JobObserver {
            meter: Arc::clone(&self.meter),
            portal: Arc::clone(&self.portal),
            log: Arc::clone(&self.log),
            sign: self.sign.clone(),
            files: self.spec.inputs.iter().map(|input| input.file).collect(),
            handle: Handle::current(),
        };
        let (seed, precision) = (self.spec.seed, self.place.precision);
        let checkpoint = self.place.work_dir.join(CHECKPOINT);
        let fingerprint = self.fingerprint.clone();
        let training_thread = move || -> Result<(Trained, Prepared), RunError> {
            let speech = (&model.tokenizer, model.chat_template.as_ref());
            let length = training.sequence_length as usize;
            let data = prepare(&sources, speech, length, training.held_out_share, seed)?;
            let plan = Plan {
                lora: &lora,
                training: &training,
                seed,
                precision,
                sources: &versions,
                checkpoint: &checkpoint,
                fingerprint: &fingerprint,
            };
            let trained = fine_tune(&model, &data, plan, &mut observer)?;
            Ok((trained, data))
        };
        let (trained, data) = tokio::task::spawn_blocking(training_thread).await??;
        drop(data);
        self.export(trained, started).await
    }

    /// The one file of the base.
    fn base(&self) -> Result<&InputFile, RunError> {
        let base = self.spec.base_model.as_ref();
        match base.map(|base| base.files.as_slice()) {
            Some([file]) if file.format == FileFormat::Gguf => Ok(file),
            _ => Err(RunError::ModelFormat),
        }
    }

    /// Stages a file and tells what came, whether it is what the spec says or not.
    async fn read(&self, file: &InputFile, target: &Path) -> Result<(), RunError> {
        let staged = stage(&self.portal, &self.sign, file, target).await;
        let found = match &staged {
            Ok(sha256) => Some(sha256),
            Err(StagingError::HashMismatch { found, .. }) => Some(found),
            Err(_) => None,
        };
        if let Some(sha256) = found {
            let event = JobEvent::FileRead {
                file: file.file,
                sha256: sha256.clone(),
            };
            self.log.append(clock(), event)?;
        }
        staged?;
        Ok(())
    }

    async fn export(&self, trained: Trained, started: Instant) -> Result<JobResult, RunError> {
        self.phase(Phase::Exporting)?;
        let base = self.base()?;
        let base_name = self
            .spec
            .base_model
            .as_ref()
            .map(|base| base.name.clone())
            .unwrap_or_default();
        let weights = trained.adapter.to_safetensors()?;
        let config = trained.adapter.to_config_json(&base_name);
        let files = [
            ("adapter_model.safetensors", weights),
            ("adapter_config.json", config.into_bytes()),
        ];
        let mut artifacts = Vec::new();
        for (name, content) in files {
            // A job that was cancelled while it uploads gives no model.
            self.sign.check().map_err(CallError::from)?;
            artifacts.push(upload(&self.portal, ArtifactKind::Model, name, content).await?);
        }
        let inputs = &self.spec.inputs;
        let read = |file: &job_contract::InputFile| (file.file, file.sha256.clone());
        Ok(JobResult {
            artifacts,
            held_out_loss_before: trained.held_out_before.map(|loss| loss as f32),
            held_out_loss_after: trained.held_out_after.map(|loss| loss as f32),
            steps: trained.steps,
            best_step: None,
            resumed_from_step: None,
            tokens_trained: trained.tokens,
            tokens_by_dataset: trained.tokens_by_dataset,
            tokens_by_dataset_in_run: Vec::new(),
            // Staging has compared each hash with what was really read.
            files_read: std::iter::once(read(base))
                .chain(inputs.iter().map(read))
                .collect(),
            wall_seconds: started.elapsed().as_secs_f64().max(trained.seconds),
            flop: trained.flop,
            energy_joules: sample(&self.meter),
            program: program(),
            code: code(),
        })
    }

    fn phase(&self, phase: Phase) -> io::Result<()> {
        self.log.append(clock(), JobEvent::Phase { phase })
    }
}

/// Reads the meter, if there is one; joules since the program began.
fn sample(meter: &Mutex<Option<Meter>>) -> Option<f64> {
    let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
    meter.as_mut().and_then(Meter::sample)
}

/// A hash that is used as a file name must be one, whoever sent it.
fn file_name(sha256: &str) -> Result<&str, StagingError> {
    if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(sha256);
    }
    Err(StagingError::Store {
        name: "the base model".to_owned(),
        problem: "its hash is no SHA-256".to_owned(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where this program asks for the time of day"
)]
fn clock() -> DateTime<Utc> {
    Utc::now()
}

/// Tells the portal of the work, and asks it before data is read once more.
struct JobObserver {
    meter: Arc<Mutex<Option<Meter>>>,
    portal: Arc<Portal>,
    log: Arc<EventLog>,
    sign: StopSign,
    files: Vec<Uuid>,
    handle: Handle,
}

impl Observer for JobObserver {
    fn event(&mut self, event: JobEvent) -> Result<(), Stop> {
        if let Err(error) = self.log.append(clock(), event) {
            // The line is lost to people who watch; the work itself is not.
            tracing::error!(%error, "an event cannot be written down");
        }
        Ok(())
    }

    fn may_go_on(&mut self) -> Result<(), Stop> {
        sample(&self.meter);
        self.sign.check()
    }

    fn epoch_starts(&mut self, _epoch: u32) -> Result<(), Stop> {
        for file in &self.files {
            match self.handle.block_on(self.portal.grant(*file)) {
                Ok(_) => {}
                Err(CallError::Stop(stop)) => return Err(stop),
                Err(error) => return Err(Stop::Refused(error.to_string())),
            }
        }
        Ok(())
    }
}
