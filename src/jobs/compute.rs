//! Where jobs run: the places of the settings, ready for use.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use compute::{
    ComputeError, Handle, Launch, Place, PlaceError, PlaceKind, Places, Report, State, Surroundings,
};
use job_contract::{ENV_ATTEMPT, ENV_ATTEMPT_TOKEN, ENV_PORTAL_URL, ENV_WORK_DIR, Recipe};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::{closed::Closed, job::Attempt, places::Said, token::token};
use crate::{config::Config, ids::AttemptId, permissions::Territory};

/// All places with what the portal needs to use them.
pub struct Compute {
    sites: Vec<Site>,
    /// Names this program where several workers take turns.
    worker: Uuid,
    /// When a place was first seen to say that an attempt ended.
    ended: Mutex<HashMap<AttemptId, DateTime<Utc>>>,
    /// Since when places say that they know nothing of an attempt.
    unknown: Mutex<HashMap<AttemptId, DateTime<Utc>>>,
    /// Of those that run.
    silent: Mutex<HashMap<AttemptId, Silence>>,
    /// To jobs that wait for another place.
    pub(super) closed: Closed,
}

/// The last heartbeat, since when nothing has come after it, and when that was last looked at.
struct Silence {
    heartbeat: Option<DateTime<Utc>>,
    since: DateTime<Utc>,
    seen: DateTime<Utc>,
}

/// After a longer pause between two looks nobody watched: the machine slept, or the database was away.
const WATCHED: TimeDelta = TimeDelta::seconds(60);

/// One place.
pub(super) struct Site {
    pub(super) place: Place,
    /// Where its machines stand.
    pub(super) location: Territory,
    trouble: Mutex<Option<Trouble>>,
    /// How it stands, as last written down.
    said: Mutex<Said>,
    /// What was last written down of each attempt there.
    told: Mutex<HashMap<AttemptId, Report>>,
}

/// What is wrong with a place as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// A person has to mend it; else it may pass by itself.
    pub(super) is_locked: bool,
    pub(super) text: String,
    pub(super) since: DateTime<Utc>,
    /// When it was last looked whether it is over.
    pub(super) looked_at: DateTime<Utc>,
}

/// Why no place can be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The program's own place or the current folder cannot be told.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The settings make no sense.
    #[error(transparent)]
    Places(#[from] PlaceError),
}

impl Compute {
    /// The places that the settings name; nothing is asked of them yet.
    ///
    /// # Errors
    /// [`OpenError`] with all that is wrong.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let surroundings = Surroundings {
            portal: config.origin(),
            machine: machine.trim().to_owned(),
            program: std::env::current_exe()?.with_file_name("faculty-training"),
        };
        let mut settings = config.places();
        for place in &mut settings {
            if let (PlaceKind::Local, Some(program)) = (place.kind, place.program.as_mut()) {
                *program = std::path::absolute(&*program)?;
            }
        }
        let sites = Places::open(&settings, &surroundings)?
            .iter()
            .map(|place| Site {
                location: config.location_of(&place.settings),
                place: place.clone(),
                trouble: Mutex::default(),
                said: Mutex::default(),
                told: Mutex::default(),
            })
            .collect();
        Ok(Self {
            sites,
            worker: Uuid::now_v7(),
            ended: Mutex::default(),
            unknown: Mutex::default(),
            silent: Mutex::default(),
            closed: Closed::default(),
        })
    }

    /// The name of this program among workers; another one after each start.
    pub(super) fn worker(&self) -> Uuid {
        self.worker
    }

    /// In the order of the settings.
    pub(super) fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The names of all places, each once, in order of preference.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for site in &self.sites {
            if !names.contains(&site.name()) {
                names.push(site.name());
            }
        }
        names
    }

    /// The place that an attempt names, where it is one of these.
    pub(super) fn site(&self, id: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.id() == id)
    }

    /// What computes at the place that an attempt names. One that is another machine is known by its name alone: the
    /// settings of a place are the same for the portal and its workers.
    pub(super) fn recipe(&self, id: &str) -> Recipe {
        let name = id.split_once('@').map_or(id, |(name, _)| name);
        let by_name = || self.sites.iter().find(|site| site.name() == name);
        self.site(id)
            .or_else(by_name)
            .and_then(|site| site.place.settings.recipe.as_ref())
            .map_or(Recipe::Own, compute::PlaceRecipe::recipe)
    }

    /// Where a job may be processed that asks for this place or for any, and for this time, in the order of the settings.
    #[must_use]
    pub fn locations(
        &self,
        place: Option<&str>,
        time_limit_seconds: Option<u32>,
    ) -> Vec<Territory> {
        let mut locations: Vec<Territory> = Vec::new();
        for site in &self.sites {
            if site.fits(place, time_limit_seconds) && !locations.contains(&site.location) {
                locations.push(site.location);
            }
        }
        locations
    }

    /// What attempts at each place are written down with: its name, and its machine where it is one machine.
    pub fn place_ids(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(Site::id)
    }

    /// Removes what an ended attempt left at a place, and looks whether it is gone.
    ///
    /// # Errors
    /// In a few words, for people, why something may be left.
    pub async fn remove_work(&self, place: &str, attempt: AttemptId) -> Result<(), String> {
        let Some(site) = self.site(place) else {
            return Err("the place is not one of this portal's any more".to_owned());
        };
        if site.place.settings.kind == PlaceKind::Local {
            return remove(&site.place.work_dir(attempt.0))
                .await
                .map_err(|error| error.kind().to_string());
        }
        let rest = site
            .place
            .settings
            .slurm
            .as_ref()
            .and_then(|it| it.rest.as_ref());
        if rest.is_some_and(|rest| rest.state_dir_here.is_none()) {
            return Err("the folders of this cluster cannot be seen from here".to_owned());
        }
        let handle = Handle(attempt.0.hyphenated().to_string());
        site.place
            .backend
            .clean(&handle)
            .await
            .map_err(|error| error.to_string())
    }

    /// Since when `attempt` is known to have ended; now, where it was not known before.
    pub(super) fn ended_since(&self, attempt: AttemptId, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended.entry(attempt).or_insert(now)
    }

    /// Since when its place says that it knows nothing of `attempt`, look after look; none, where it says something else,
    /// or nothing.
    pub(super) fn unknown_since(
        &self,
        attempt: AttemptId,
        seen: Option<State>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if seen == Some(State::Unknown) {
            return Some(*unknown.entry(attempt).or_insert(now));
        }
        unknown.remove(&attempt);
        None
    }

    /// Since when this worker has watched `attempt` run without a heartbeat; none, where it does not run. What came while
    /// no worker watched does not count: nobody could hear it.
    pub(super) fn silent_since(
        &self,
        attempt: &Attempt,
        seen: State,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if seen != State::Running {
            silent.remove(&attempt.id);
            return None;
        }
        let fresh = || Silence {
            heartbeat: attempt.heartbeat_at,
            since: now,
            seen: now,
        };
        let silence = silent.entry(attempt.id).or_insert_with(fresh);
        if silence.heartbeat != attempt.heartbeat_at || now - silence.seen > WATCHED {
            *silence = fresh();
        }
        silence.seen = now;
        Some(silence.since)
    }

    /// Forgets what is over.
    pub(super) fn forget(&self, is_live: impl Fn(AttemptId) -> bool) {
        for since in [&self.ended, &self.unknown] {
            let mut since = since.lock().unwrap_or_else(PoisonError::into_inner);
            since.retain(|attempt, _| is_live(*attempt));
        }
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.retain(|attempt, _| is_live(*attempt));
        drop(silent);
        for site in &self.sites {
            let mut told = site.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.retain(|attempt, _| is_live(*attempt));
        }
    }
}

async fn remove(path: &Path) -> std::io::Result<()> {
    match tokio::fs::remove_dir_all(path).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Looked for again: what a program that was still ending wrote meanwhile counts.
    if tokio::fs::try_exists(path).await? {
        return Err(std::io::ErrorKind::DirectoryNotEmpty.into());
    }
    Ok(())
}

impl Site {
    pub(super) fn id(&self) -> &str {
        self.place.id()
    }

    pub(super) fn name(&self) -> &str {
        &self.place.settings.name
    }

    /// Whether a job may go there that asks for this place and this time.
    pub(super) fn fits(&self, place: Option<&str>, time_limit_seconds: Option<u32>) -> bool {
        let longest = self.place.settings.longest_seconds.unwrap_or(u32::MAX);
        place.is_none_or(|place| self.name() == place)
            && time_limit_seconds.is_none_or(|asked| asked <= longest)
    }

    /// The time limit of a job that asked for this one, or for none.
    pub(super) fn time_limit(&self, config: &Config, asked: Option<u32>) -> u32 {
        let longest = self.place.settings.longest_seconds.unwrap_or(u32::MAX);
        asked
            .unwrap_or(config.compute.default_time_limit_seconds)
            .min(longest)
    }

    pub(super) fn slots(&self) -> i64 {
        i64::try_from(self.place.settings.slots).unwrap_or(i64::MAX)
    }

    /// How `attempt` is started; the same each time.
    pub(super) fn launch(
        &self,
        config: &Config,
        attempt: AttemptId,
        time_limit: Duration,
    ) -> Launch {
        let secret = token(&config.secret, attempt);
        let shown = |path: PathBuf| path.display().to_string();
        let mut env = vec![
            (ENV_PORTAL_URL, self.place.portal_url().to_owned()),
            (ENV_ATTEMPT, attempt.to_string()),
            (ENV_ATTEMPT_TOKEN, secret.expose_secret().to_owned()),
            (ENV_WORK_DIR, shown(self.place.work_dir(attempt.0))),
            ("FACULTY_CACHE", shown(self.place.cache_dir())),
            ("FACULTY_LOG_FORMAT", "json".to_owned()),
        ];
        if let Some(bytes) = self.place.settings.resources.memory_bytes {
            // What the trainer compares its estimate with, however much the machine has besides.
            env.push(("FACULTY_TRAINING_MEMORY", bytes.to_string()));
        }
        if let Some(recipe) = &self.place.settings.recipe {
            env.push(("FACULTY_TRAINING_PYTHON", shown(recipe.python.clone())));
        }
        Launch {
            attempt: attempt.0,
            program: self.place.program().clone(),
            args: vec!["run".to_owned()],
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            time_limit: Some(time_limit),
            resources: self.place.settings.resources,
        }
    }

    /// What is wrong with it, as far as this program knows.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes how a call went.
    pub(super) fn note<T>(&self, outcome: &Result<T, ComputeError>, now: DateTime<Utc>) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_locked, text) = match outcome {
            // A refusal is about one request: the place answered.
            Ok(_) | Err(ComputeError::Refused(_)) => {
                *trouble = None;
                return;
            }
            Err(ComputeError::Locked(what)) => (true, what.to_string()),
            Err(ComputeError::Unreachable(why)) => (false, why.to_string()),
        };
        let since = match &*trouble {
            Some(before) if before.is_locked == is_locked => before.since,
            _ => now,
        };
        *trouble = Some(Trouble {
            is_locked,
            text: text.chars().take(500).collect(),
            since,
            looked_at: now,
        });
    }

    /// What is to be written down of how it stands, where that is due or differs.
    pub(super) fn to_say(&self, now: DateTime<Utc>, again: TimeDelta) -> Option<Option<Trouble>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.due(self.trouble(), now, again)
    }

    /// That was written down.
    pub(super) fn said(&self, trouble: Option<Trouble>, now: DateTime<Utc>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.set(trouble, now);
    }

    /// Whether this report says something else than the one before; it counts as told from now on.
    pub(super) fn is_news(&self, attempt: AttemptId, report: &Report) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.get(&attempt).is_none_or(|before| {
            // What it has used by now follows from its start; it is kept when it ends.
            let has_ended = matches!(report.state, State::Ended { .. });
            before.state != report.state
                || before.native_id != report.native_id
                || before.reason != report.reason
                || before.partition != report.partition
                || before.queue_position != report.queue_position
                || before.started_at != report.started_at
                || (has_ended && before.used != report.used)
        });
        if is_news {
            told.insert(attempt, report.clone());
        }
        is_news
    }

    /// The report was not written down after all.
    pub(super) fn untold(&self, attempt: AttemptId) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.remove(&attempt);
    }
}
