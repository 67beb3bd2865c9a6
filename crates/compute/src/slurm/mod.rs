//! Programs as jobs of a Slurm cluster.

mod commands;
mod config;
mod fault;
mod files;
mod record;
mod rest;
mod script;
mod shell;
mod ssh;
mod state;
mod token;
mod transport;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use uuid::Uuid;

pub use self::config::{RestSettings, SlurmSettings, SshSettings, Transport};
use self::{
    commands::Commands,
    files::{Files, Trace},
    record::{Record, name_of, pick},
    rest::Rest,
    script::Request,
    shell::Shell,
    ssh::Ssh,
    state::Beside,
    transport::Queue,
};
use crate::{
    Cause, ComputeBackend, ComputeError, Handle, Launch, Listed, LogPart, Refusal, Report, State,
    report::{Usage, seconds_used},
};

/// Between SIGTERM and SIGKILL Slurm leaves `KillWait`, 30 seconds where nobody changed it.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(2);

/// Starts each attempt as a job named after it.
///
/// *Once*: before it submits, it looks for the attempt in its folder, in the queue and in the accounts. Two portals
/// that look at one moment may both submit; then both jobs' scripts try to make the link `claim` in the attempt's
/// folder, and the one that cannot leaves without having run anything. `docs/slurm.md` says more.
pub struct Slurm {
    settings: SlurmSettings,
    owner: String,
    queue: Box<dyn Queue>,
    files: Option<Files>,
    submitting: Mutex<()>,
}

impl Slurm {
    /// A cluster as `settings` say; `owner` tells the jobs of this portal from another's, its address for one.
    ///
    /// Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// What is wrong with the settings, a sentence each.
    pub fn open(settings: SlurmSettings, owner: &str) -> Result<Self, Vec<String>> {
        let owner = format!("faculty:{owner}");
        let mut problems = settings.problems();
        if !config::is_plain(&owner) {
            problems
                .push("the portal's address has signs that a job's comment cannot have".to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let slurm_conf = settings.slurm_conf.clone();
        let state_dir = settings.state_dir.to_string_lossy().into_owned();
        let (queue, files): (Box<dyn Queue>, _) = match (&settings.ssh, &settings.rest) {
            (_, Some(rest)) => {
                let files = rest.state_dir_here.as_ref().map(|here| Files {
                    shell: Arc::new(Shell::Here { slurm_conf }),
                    state_dir: here.to_string_lossy().into_owned(),
                });
                let rest = Rest::new(rest.clone()).map_err(|problem| vec![problem])?;
                (Box::new(rest), files)
            }
            (ssh, None) => {
                let shell = Arc::new(match ssh {
                    Some(ssh) => Shell::There {
                        ssh: Ssh::new(ssh.clone()),
                        slurm_conf,
                    },
                    None => Shell::Here { slurm_conf },
                });
                let files = Files {
                    shell: Arc::clone(&shell),
                    state_dir,
                };
                (Box::new(Commands(shell)), Some(files))
            }
        };
        Ok(Self {
            settings,
            owner,
            queue,
            files,
            submitting: Mutex::default(),
        })
    }

    async fn look(&self, attempts: &[Uuid]) -> Result<HashMap<Uuid, Trace>, ComputeError> {
        match &self.files {
            Some(files) if !attempts.is_empty() => files.look(attempts).await,
            _ => Ok(HashMap::new()),
        }
    }

    /// Whether the attempt was submitted before, by whomever.
    async fn is_known(&self, attempt: Uuid) -> Result<bool, ComputeError> {
        if let Some(trace) = self.look(&[attempt]).await?.get(&attempt)
            && (trace.claimed_by.is_some() || trace.exit_code.is_some() || trace.is_cancelled)
        {
            return Ok(true);
        }
        let name = [name_of(attempt)];
        Ok(!self.queue.named(&name).await?.is_empty()
            || !self.queue.history(&name).await?.is_empty())
    }

    /// Places in the queue of those of `records` that wait.
    async fn positions(&self, records: &[&Record]) -> HashMap<u64, u32> {
        let mut partitions: Vec<&str> = records
            .iter()
            .filter(|record| record.is_pending())
            .map(|record| record.partition.as_str())
            .collect();
        partitions.sort_unstable();
        partitions.dedup();
        let mut positions = HashMap::new();
        for partition in partitions {
            // A nicety: without it the rest of the report is still true.
            match self.queue.waiting(partition).await {
                Ok(waiting) => positions.extend(waiting.into_iter().zip(1..)),
                Err(error) => tracing::debug!(partition, %error, "the queue's order is not told"),
            }
        }
        positions
    }
}

fn attempt_of(handle: &Handle) -> Result<Uuid, Refusal> {
    Uuid::try_parse(&handle.0).map_err(|_| Refusal::Handle(handle.0.clone()))
}

fn now() -> DateTime<Utc> {
    DateTime::from(SystemTime::now())
}

/// What Slurm's words mean; one that is not known is no end.
fn told(record: &Record, beside: &Beside<'_>) -> State {
    state::state(&record.states, beside).unwrap_or_else(|| {
        tracing::warn!(id = record.id, states = ?record.states, "Slurm has a word that is not known here");
        State::Running
    })
}

/// Slurm tells whole seconds: one that began and ended in the same second has used that one.
fn seconds_told(
    has_run: bool,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
) -> u64 {
    if has_run {
        seconds_used(started_at, ended_at, now()).max(1)
    } else {
        0
    }
}

/// Joins what Slurm tells of the attempt's job with what the attempt's folder holds.
fn report(record: Option<&Record>, trace: Option<&Trace>, position: Option<u32>) -> Report {
    let nothing = Trace::default();
    let trace = trace.unwrap_or(&nothing);
    let Some(record) = record else {
        let at = |seconds: Option<i64>| DateTime::from_timestamp(seconds?, 0);
        let (started_at, ended_at) = (at(trace.claimed_at), at(trace.ended_at));
        let state = state::forgotten(trace.exit_code, trace.is_cancelled);
        let has_run = matches!(state, State::Ended { .. }) && started_at.is_some();
        return Report {
            native_id: trace.claimed_by.map(|id| id.to_string()),
            started_at,
            ended_at,
            used: Usage {
                seconds: seconds_told(has_run && ended_at.is_some(), started_at, ended_at),
                ..Usage::default()
            },
            ..Report::of(state)
        };
    };
    let is_claimed = trace.claimed_by == Some(record.id);
    let has_run = is_claimed || record.ended_at > record.started_at;
    let beside = Beside {
        exit: record.exit,
        noted: trace.exit_code.filter(|_| is_claimed),
        reason: &record.reason,
        is_cancelled_by_us: trace.is_cancelled,
        has_run,
    };
    let state = if is_claimed && trace.exit_code.is_none() && record.gave_way() {
        // Started again by a controller that was set back, it found that it had been there before: the first time
        // ended without a word.
        State::Ended {
            exit_code: 137,
            cause: Cause::NodeFailed,
        }
    } else {
        told(record, &beside)
    };
    let has_ended = matches!(state, State::Ended { .. });

    let was_started = state == State::Running || (has_ended && has_run);
    let started_at = record.started_at.filter(|_| was_started);
    let ended_at = record.ended_at.filter(|_| has_ended);
    let reason = record.reason.as_str();
    Report {
        state,
        native_id: Some(record.id.to_string()),
        reason: (!matches!(reason, "" | "None")).then(|| reason.to_owned()),
        partition: (!record.partition.is_empty()).then(|| record.partition.clone()),
        queue_position: position.filter(|_| state == State::Pending),
        started_at,
        ended_at,
        used: Usage {
            seconds: seconds_told(was_started, started_at, ended_at),
            gpus: record.gpus().filter(|_| was_started),
            cores: record.cores.filter(|_| was_started),
            nodes: record.nodes.filter(|_| was_started),
        },
    }
}

#[async_trait]
impl ComputeBackend for Slurm {
    fn name(&self) -> &'static str {
        "slurm"
    }

    async fn submit(&self, launch: &Launch) -> Result<Handle, ComputeError> {
        let handle = Handle(launch.attempt.hyphenated().to_string());
        let request = Request::new(launch, &self.settings, &self.owner)?;
        // Within one portal nobody submits while another looks.
        let _turn = self.submitting.lock().await;
        if !self.is_known(launch.attempt).await? {
            let id = self.queue.submit(&request).await?;
            tracing::info!(attempt = %launch.attempt, id, "a job was submitted to Slurm");
        }
        Ok(handle)
    }

    async fn status(&self, handle: &Handle) -> Result<Report, ComputeError> {
        let mut reports = self.statuses(std::slice::from_ref(handle)).await?;
        Ok(reports.pop().unwrap_or_else(Report::unknown))
    }

    async fn statuses(&self, handles: &[Handle]) -> Result<Vec<Report>, ComputeError> {
        let attempts: Vec<Uuid> = handles.iter().map(attempt_of).collect::<Result<_, _>>()?;
        if attempts.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = attempts.iter().copied().map(name_of).collect();
        let mut records = self.queue.named(&names).await?;
        let traces = self.look(&attempts).await?;
        let claimed_by = |attempt: &Uuid| traces.get(attempt).and_then(|trace| trace.claimed_by);
        let of = |records: &'_ [Record], name: &str, claimed_by| -> Option<usize> {
            let all: Vec<&Record> = records
                .iter()
                .filter(|record| record.name == name)
                .collect();
            let id = pick(&all, claimed_by)?.id;
            records.iter().position(|record| record.id == id)
        };
        let is_told = |attempt: &Uuid| traces.get(attempt).is_some_and(|it| it.exit_code.is_some());
        let forgotten: Vec<String> = attempts
            .iter()
            .zip(&names)
            .filter(|(attempt, name)| {
                !is_told(attempt) && of(&records, name, claimed_by(attempt)).is_none()
            })
            .map(|(_, name)| name.clone())
            .collect();
        if !forgotten.is_empty() {
            records.extend(self.queue.history(&forgotten).await?);
        }
        let found: Vec<Option<&Record>> = attempts
            .iter()
            .zip(&names)
            .map(|(attempt, name)| {
                let at = of(&records, name, claimed_by(attempt))?;
                records.get(at)
            })
            .collect();
        let known: Vec<&Record> = found.iter().copied().flatten().collect();
        let positions = self.positions(&known).await;
        Ok(attempts
            .iter()
            .zip(found)
            .map(|(attempt, record)| {
                let position = record.and_then(|record| positions.get(&record.id).copied());
                report(record, traces.get(attempt), position)
            })
            .collect())
    }

    async fn cancel(&self, handle: &Handle) -> Result<(), ComputeError> {
        let attempt = attempt_of(handle)?;
        let name = [name_of(attempt)];
        let has_ended = self
            .look(&[attempt])
            .await?
            .get(&attempt)
            .is_some_and(|trace| trace.exit_code.is_some());
        // Before the queue is looked at: a job that gets there later finds it and leaves.
        if let Some(files) = &self.files
            && !has_ended
        {
            files.call_off(attempt).await?;
        }
        let began = Instant::now();
        let mut wait = LOOK_AGAIN;
        let mut asked: Vec<u64> = Vec::new();
        loop {
            let records = self.queue.named(&name).await?;
            let active: Vec<u64> = records
                .iter()
                .filter(|record| record.is_active())
                .map(|record| record.id)
                .collect();
            if active.is_empty() {
                return Ok(());
            }
            let new: Vec<u64> = active
                .into_iter()
                .filter(|id| !asked.contains(id))
                .collect();
            if !new.is_empty() {
                self.queue.cancel(&new).await?;
                asked.extend(new);
            }
            if began.elapsed() > PATIENCE {
                return Err(fault::unreachable("Slurm has not stopped the job yet"));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LOOK_AGAIN_AT_MOST);
        }
    }

    async fn log(&self, handle: &Handle, from: u64) -> Result<LogPart, ComputeError> {
        // Looked at first: what is written before the end is then surely read.
        let seen = self.status(handle).await?.state;
        self.log_as_seen(handle, from, seen).await
    }

    async fn log_as_seen(
        &self,
        handle: &Handle,
        from: u64,
        seen: State,
    ) -> Result<LogPart, ComputeError> {
        let attempt = attempt_of(handle)?;
        let has_ended = matches!(seen, State::Ended { .. });
        let Some(files) = &self.files else {
            return Ok(LogPart::nothing(from, has_ended));
        };
        let stretch = files.read(attempt, from).await?;
        Ok(LogPart::of(
            &stretch.raw,
            from,
            has_ended && stretch.is_to_end,
        ))
    }

    async fn clean(&self, handle: &Handle) -> Result<(), ComputeError> {
        let attempt = attempt_of(handle)?;
        if matches!(
            self.status(handle).await?.state,
            State::Pending | State::Running
        ) {
            return Err(Refusal::Running(handle.clone()).into());
        }
        match &self.files {
            Some(files) => files.clean(attempt).await,
            None => Ok(()),
        }
    }

    async fn list(&self) -> Result<Vec<Listed>, ComputeError> {
        let records = self.queue.active().await?;
        Ok(records
            .iter()
            .filter(|record| record.comment == self.owner)
            .filter_map(|record| {
                Some(Listed {
                    attempt: record.attempt()?,
                    native_id: record.id.to_string(),
                    submitted_at: record.submitted_at,
                })
            })
            .collect())
    }
}
