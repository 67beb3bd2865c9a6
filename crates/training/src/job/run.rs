//! The course of one attempt: spec, work folder, events, outcome.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use job_contract::{CONTRACT_VERSION, Code, JobSpec, Outcome};
use language_model::training_graph::Precision;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    attempt::Attempt,
    checkpoints::Checkpoints,
    events::EventLog,
    observer::{SharedMeter, clock},
    outcome::{RunError, outcome_of},
    portal::{CallError, Portal},
};
use crate::{
    checkpoint::write_whole,
    device::DeviceChoice,
    energy::{Meter, POWERCAP},
    memory,
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
    pub device: DeviceChoice,
    /// Bytes of memory that may be used; none: as many as are free.
    pub memory: Option<u64>,
    /// A Python with PyTorch, for jobs with several processes.
    pub python: PathBuf,
    /// Where several nodes meet, `host:port`.
    pub meeting: String,
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

/// Works on the attempt behind `portal` until it has ended, one way or another.
pub async fn run(portal: Portal, place: Place, sign: StopSign) -> End {
    let work_dir = place.work_dir.clone();
    let end = attend(Arc::new(portal), place, sign).await;
    if matches!(
        end,
        End::Finished(_) | End::Stopped(Stop::Ended | Stop::Refused(_))
    ) {
        // Other people's data does not stay behind.
        for name in OF_THE_JOB {
            let path = work_dir.join(name);
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
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
    let every = Duration::from_secs(u64::from(spec.checkpoint_every_seconds));
    let outbox = place.work_dir.join(OUTBOX);
    let checkpoints = Arc::new(Checkpoints::new(every, &outbox));
    let storing = tokio::spawn({
        let (portal, log) = (Arc::clone(&portal), Arc::clone(&log));
        let (checkpoints, sign) = (Arc::clone(&checkpoints), sign.clone());
        async move { checkpoints.store(&portal, &log, &sign, clock).await }
    });
    // What an earlier process of this attempt used was not measured by this one, so half a figure is none.
    let is_resumed = place.work_dir.join(CHECKPOINT).exists() || spec.resume.is_some();
    let meter = (!is_resumed).then(|| Meter::start(Path::new(POWERCAP)));
    let attempt = Attempt {
        meter: SharedMeter::new(meter.flatten()),
        portal: Arc::clone(&portal),
        place,
        log,
        checkpoints,
        sign,
        spec,
    };
    let outcome = tokio::select! {
        worked = attempt.work() => outcome_of(worked),
        () = memory::ran_out() => outcome_of(Err(RunError::OutOfMemory)),
    };
    // A checkpoint that is still on its way would be of no use after a success.
    storing.abort();
    over.send_replace(true);
    if let Err(error) = sender.await {
        tracing::error!(%error, "the sender of events stopped");
    }
    end(&portal, outcome).await
}

pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
/// Folders in the work folder, for what is read, what an earlier attempt left, and what comes out.
pub(super) const INPUTS: &str = "inputs";
pub(super) const RESUME: &str = "resume";
pub(super) const OUT: &str = "out";
/// Checkpoints on their way to the store.
pub(super) const OUTBOX: &str = "outbox";
/// What holds data, or what was learnt from it.
const OF_THE_JOB: [&str; 5] = [CHECKPOINT, INPUTS, RESUME, OUT, OUTBOX];

/// Which code runs: the commit it was built from, and the hash of the program's own file.
pub(super) fn code() -> Option<Code> {
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
        for name in OF_THE_JOB.iter().chain(&["events.jsonl"]) {
            let path = folder.join(name);
            match fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        write_whole(&owner, attempt.to_string().as_bytes())?;
    }
    fs::create_dir_all(folder.join(OUTBOX))?;
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
