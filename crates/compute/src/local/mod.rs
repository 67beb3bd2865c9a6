//! Programs as processes of this machine.

mod folder;
mod group;
mod output;

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use nix::sys::signal::Signal;
use tokio::process::Command;
use uuid::Uuid;

use self::{
    folder::{Claim, Folder},
    group::MARK,
};
use crate::{ComputeBackend, ComputeError, Handle, Launch, LogPart, Refusal, Report, State};

const WRAPPER: &str = include_str!("wrapper.sh");
/// How long a start by somebody else, or the end after SIGKILL, may take.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// All that a program gets of our own environment, which holds the portal's secrets.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];

/// Starts each program as a process group of its own, which goes on when the portal ends.
///
/// All it knows lies in `STATE_DIR/ATTEMPT/`, so that another portal, or the same after a restart, finds it:
///
/// | file | holds |
/// |---|---|
/// | `lock` | locked by the kernel from before the start until the program and its wrapper are gone |
/// | `started` | the wrapper's line of `/proc/PID/stat` (pid, start time) and the machine's boot id |
/// | `exit_code` | how the program ended; written whole, by the wrapper |
/// | `timed_out` | there where the time limit stopped it |
/// | `output.log` | the first bytes of what it wrote, up to the limit |
/// | `output.tail.log` | the last 64 KiB of what came after, written at the end |
/// | `work/` | the folder it runs in |
///
/// The lock makes the start happen once: whoever starts takes it and hands it to the wrapper as its standard input.
/// A starter that dies before leaves it free and no `started`, so the next one may start; a wrapper that lives
/// holds it; one that is gone has left `started`.
#[derive(Debug, Clone)]
pub struct Local {
    state_dir: PathBuf,
    grace: Duration,
    log_bytes: u64,
}

impl Local {
    /// Keeps what it knows under `state_dir`, on a local disk. Grace before SIGKILL: 5 seconds; log: 4 MiB.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            grace: Duration::from_secs(5),
            log_bytes: 4 << 20,
        }
    }

    /// With another time between SIGTERM and SIGKILL; whole seconds for time limits.
    #[must_use]
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// With another limit for the beginning of the log.
    #[must_use]
    pub fn with_log_limit(self, log_bytes: u64) -> Self {
        Self { log_bytes, ..self }
    }

    /// Where the files of an attempt lie, whether or not it was started.
    pub fn folder(&self, attempt: Uuid) -> PathBuf {
        self.state_dir.join(attempt.hyphenated().to_string())
    }

    fn open(&self, attempt: Uuid) -> Folder {
        Folder::new(self.folder(attempt))
    }

    fn find(&self, handle: &Handle) -> Result<Folder, ComputeError> {
        let attempt = Uuid::try_parse(&handle.0).map_err(|_| Refusal::Handle(handle.0.clone()))?;
        Ok(self.open(attempt))
    }

    /// Starts the wrapper, which holds the lock from then on.
    fn spawn(&self, folder: &Folder, claim: Claim, launch: &Launch) -> io::Result<()> {
        let limit = launch.time_limit.map_or(0, |limit| limit.as_secs());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WRAPPER, "faculty-job"])
            .arg(folder.path())
            .arg(limit.to_string())
            .arg(self.grace.as_secs().max(1).to_string())
            .arg(self.log_bytes.to_string())
            .arg(&launch.program)
            .args(&launch.args)
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(passed_on))
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .env(MARK, folder.mark()?)
            .current_dir("/")
            .stdin(claim.into_stdio())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in the portal's terminal is not for it, and one signal reaches all it starts.
            .process_group(0);
        // Dropped without waiting: the runtime reaps it, and nobody must.
        let child = command.spawn()?;
        tracing::info!(attempt = %launch.attempt, pid = child.id(), "a program was started");
        Ok(())
    }
}

fn passed_on<'a>(name: &&'a str) -> Option<(&'a OsStr, std::ffi::OsString)> {
    Some((OsStr::new(*name), std::env::var_os(name)?))
}

/// Whether there is a file that may be executed.
fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[async_trait]
impl ComputeBackend for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    async fn submit(&self, launch: &Launch) -> Result<Handle, ComputeError> {
        let handle = Handle(launch.attempt.hyphenated().to_string());
        let folder = self.open(launch.attempt);
        let began = Instant::now();
        loop {
            if folder.was_started().map_err(ComputeError::Unreachable)? {
                return Ok(handle);
            }
            launch.check()?;
            if !is_program(&launch.program) {
                return Err(Refusal::Program(launch.program.display().to_string()).into());
            }
            folder.create().map_err(ComputeError::Unreachable)?;
            let claim = folder.claim().map_err(ComputeError::Unreachable)?;
            if let Some(claim) = claim {
                // Between our look and our claim another start may have come and gone.
                if !folder.was_started().map_err(ComputeError::Unreachable)? {
                    self.spawn(&folder, claim, launch)
                        .map_err(ComputeError::Unreachable)?;
                }
                return Ok(handle);
            }
            // Somebody is starting it, or just looked whether it runs.
            if began.elapsed() > PATIENCE {
                let waited = io::Error::from(io::ErrorKind::TimedOut);
                return Err(ComputeError::Unreachable(waited));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn status(&self, handle: &Handle) -> Result<Report, ComputeError> {
        let folder = self.find(handle)?;
        folder.report().map_err(ComputeError::Unreachable)
    }

    async fn cancel(&self, handle: &Handle) -> Result<(), ComputeError> {
        let folder = self.find(handle)?;
        let unreachable = ComputeError::Unreachable;
        for (signal, patience) in [(Signal::SIGTERM, self.grace), (Signal::SIGKILL, PATIENCE)] {
            let asked = Instant::now();
            let mut was_asked = false;
            while asked.elapsed() <= patience {
                match folder.group().map_err(unreachable)? {
                    None if !folder.is_held().map_err(unreachable)? => return Ok(()),
                    // It is being started and has not noted its process id yet.
                    None => {}
                    Some(group) if !was_asked || signal == Signal::SIGKILL => {
                        group.signal(signal).map_err(unreachable)?;
                        was_asked = true;
                    }
                    Some(_) => {}
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Err(unreachable(io::ErrorKind::TimedOut.into()))
    }

    async fn log(&self, handle: &Handle, from: u64) -> Result<LogPart, ComputeError> {
        let folder = self.find(handle)?;
        output::part(&folder, from).map_err(ComputeError::Unreachable)
    }

    async fn clean(&self, handle: &Handle) -> Result<(), ComputeError> {
        let folder = self.find(handle)?;
        let unreachable = ComputeError::Unreachable;
        let began = Instant::now();
        while folder.is_held().map_err(unreachable)? {
            if folder.state().map_err(unreachable)? == State::Running {
                return Err(Refusal::Running(handle.clone()).into());
            }
            // Its end is noted, and its wrapper writes the last of the log.
            if began.elapsed() > PATIENCE {
                return Err(unreachable(io::ErrorKind::TimedOut.into()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        folder.clean().map_err(ComputeError::Unreachable)
    }
}
