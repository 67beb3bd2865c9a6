//! Where this machine's jobs run.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use compute::{ComputeBackend, Launch, Local, Resources};
use job_contract::{ENV_ATTEMPT, ENV_ATTEMPT_TOKEN, ENV_PORTAL_URL, ENV_WORK_DIR};
use secrecy::ExposeSecret as _;

use super::token::token;
use crate::{config::Config, ids::AttemptId};

/// No job takes longer.
const TIME_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The backend with what the portal needs to use it.
pub struct Compute {
    pub(super) backend: Arc<dyn ComputeBackend>,
    /// Backend and machine: whoever has the same place sees the same programs.
    pub(super) place: String,
    program: PathBuf,
    state_dir: PathBuf,
    /// When the backend was first seen to say that an attempt ended.
    ended: Mutex<HashMap<AttemptId, DateTime<Utc>>>,
}

impl Compute {
    /// Programs of this machine, as `config.training` says.
    ///
    /// # Errors
    /// Where the program's own place or the current folder cannot be told.
    pub fn local(config: &Config) -> std::io::Result<Self> {
        let state_dir = std::path::absolute(&config.training.state_dir)?;
        let program = if config.training.program.as_os_str().is_empty() {
            std::env::current_exe()?.with_file_name("faculty-training")
        } else {
            std::path::absolute(&config.training.program)?
        };
        let backend = Local::new(&state_dir);
        // Another machine's processes cannot be seen from here, so each machine is a place of its own.
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            place: format!("{}@{}", backend.name(), machine.trim()),
            backend: Arc::new(backend),
            program,
            state_dir,
            ended: Mutex::new(HashMap::new()),
        })
    }

    /// Backend and machine: whoever has the same place sees the same folders.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Where the program of `attempt` works, and what it read lies.
    #[must_use]
    pub fn work_dir(&self, attempt: AttemptId) -> PathBuf {
        self.state_dir.join(attempt.to_string()).join("work")
    }

    /// How `attempt` is started; the same each time.
    pub(super) fn launch(&self, config: &Config, attempt: AttemptId) -> Launch {
        let work_dir = self.work_dir(attempt);
        let cache = self.state_dir.join("cache");
        let secret = token(&config.secret, attempt);
        let env = [
            (ENV_PORTAL_URL, config.origin()),
            (ENV_ATTEMPT, attempt.to_string()),
            (ENV_ATTEMPT_TOKEN, secret.expose_secret().to_owned()),
            (ENV_WORK_DIR, work_dir.display().to_string()),
            ("FACULTY_CACHE", cache.display().to_string()),
            ("FACULTY_LOG_FORMAT", "json".to_owned()),
        ];
        Launch {
            attempt: attempt.0,
            program: self.program.clone(),
            args: vec!["run".to_owned()],
            env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            time_limit: Some(TIME_LIMIT),
            resources: Resources::default(),
        }
    }

    /// Since when `attempt` is known to have ended; now, where it was not known before.
    pub(super) fn ended_since(&self, attempt: AttemptId, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended.entry(attempt).or_insert(now)
    }

    /// Forgets what is over.
    pub(super) fn forget(&self, is_live: impl Fn(AttemptId) -> bool) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|attempt, _| is_live(*attempt));
    }
}
