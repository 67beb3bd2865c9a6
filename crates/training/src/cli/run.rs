//! `faculty-training run`: one job of the portal.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use job_contract::{
    ENV_ATTEMPT, ENV_ATTEMPT_TOKEN, ENV_PORTAL_URL, ENV_WORK_DIR, ExitCode as JobExit, Outcome,
};
use training::{
    job::{End, Place, Portal, run},
    stop::StopSign,
};
use uuid::Uuid;

use super::{Machine, job_exit, stop_exit};

#[derive(Args)]
pub(crate) struct RunArguments {
    /// The portal's address.
    #[arg(long, env = ENV_PORTAL_URL)]
    portal_url: String,
    /// The attempt's id.
    #[arg(long, env = ENV_ATTEMPT)]
    attempt: Uuid,
    /// Folder for this attempt's files; a checkpoint of the same attempt in it is taken up.
    #[arg(long, env = ENV_WORK_DIR)]
    work_dir: PathBuf,
    /// Folder for base models, shared by all jobs on this machine [default: ~/.cache/virtual-faculty].
    #[arg(long, env = "FACULTY_CACHE")]
    cache: Option<PathBuf>,
    /// Seconds to go on trying while portal or store are away.
    #[arg(long, env = "FACULTY_TRAINING_PATIENCE_SECONDS", default_value_t = 600)]
    patience_seconds: u64,
    /// Where the processes of several nodes meet: this node's name and a free port.
    #[arg(
        long,
        env = "FACULTY_TRAINING_MEETING",
        default_value = "localhost:29400"
    )]
    meeting: String,
}

impl RunArguments {
    pub(crate) async fn run(self, machine: Machine, sign: StopSign) -> ExitCode {
        // A token on the command line would be readable by everyone on the machine.
        #[expect(
            clippy::disallowed_methods,
            reason = "the one setting that is not an argument"
        )]
        let Ok(token) = std::env::var(ENV_ATTEMPT_TOKEN) else {
            tracing::error!("{ENV_ATTEMPT_TOKEN} is not set");
            return job_exit(JobExit::Usage);
        };
        let Some(cache) = self.cache.or_else(default_cache) else {
            tracing::error!("there is no home folder; name a cache with --cache");
            return job_exit(JobExit::Usage);
        };
        let patience = Duration::from_secs(self.patience_seconds);
        let portal = Portal::new(
            &self.portal_url,
            self.attempt,
            token,
            patience,
            sign.clone(),
        );
        let portal = match portal {
            Ok(portal) => portal,
            Err(error) => {
                tracing::error!(%error, "the HTTP client cannot be made");
                return job_exit(JobExit::Failed);
            }
        };
        let place = Place {
            work_dir: self.work_dir,
            cache,
            precision: machine.precision,
            device: machine.device,
            memory: machine.memory,
            python: machine.python,
            meeting: self.meeting,
        };
        match run(portal, place, sign).await {
            End::Finished(outcome) => {
                let (exit, word) = match &outcome {
                    Outcome::Succeeded(_) => (JobExit::Succeeded, "succeeded"),
                    Outcome::Failed { .. } => (JobExit::Failed, "failed"),
                    Outcome::Cancelled { .. } => (JobExit::Cancelled, "cancelled"),
                };
                tracing::info!(outcome = word, "finished");
                job_exit(exit)
            }
            End::Stopped(stop) => {
                tracing::warn!(%stop, "stopped without an outcome");
                stop_exit(&stop)
            }
            End::UnknownContract(message) => {
                tracing::error!(message, "the spec cannot be worked on");
                job_exit(JobExit::Usage)
            }
        }
    }
}

fn default_cache() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".cache/virtual-faculty"))
}
