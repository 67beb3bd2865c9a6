//! The files of one attempt.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use chrono::{DateTime, Utc};

use super::group::{Group, Leader};
use crate::{
    Cause, Report, State,
    report::{Usage, seconds_used},
};

/// What SIGKILL leaves, and what a power cut amounts to.
const KILLED: i32 = 128 + 9;
const TIMED_OUT: i32 = 124;
/// None of the files we read is longer.
const FILE_LIMIT_BYTES: u64 = 4096;

/// The folder of one attempt.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// The right to start the attempt, until dropped or handed to the wrapper.
#[derive(Debug)]
pub(super) struct Claim(File);

impl Claim {
    /// The lock as a standard input: an empty file, and the lock with it.
    pub(super) fn into_stdio(self) -> Stdio {
        Stdio::from(self.0)
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// What every process of the attempt carries in its environment, under [`MARK`](super::group::MARK).
    pub(super) fn mark(&self) -> io::Result<PathBuf> {
        fs::canonicalize(&self.0)
    }

    /// Makes the folder, for us alone.
    pub(super) fn create(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(self.0.join("work"))
    }

    /// Takes the right to start; `None` where somebody has it or the program runs.
    pub(super) fn claim(&self) -> io::Result<Option<Claim>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(self.lock_file())?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Claim(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a living process holds the lock: the program, its wrapper, or somebody who is starting it.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        let file = match File::open(self.lock_file()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether the wrapper got as far as running the program.
    pub(super) fn was_started(&self) -> io::Result<bool> {
        self.0.join("started").try_exists()
    }

    /// How the program stands, and since when.
    pub(super) fn report(&self) -> io::Result<Report> {
        let state = self.state()?;
        let has_ended = matches!(state, State::Ended { .. });
        let started_at = self.written_at("started");
        let ended_at = has_ended.then(|| self.written_at("exit_code")).flatten();
        // One whose end nobody noted has run for a time that nobody knows.
        let seconds = if has_ended && ended_at.is_none() {
            0
        } else {
            seconds_used(
                started_at,
                ended_at,
                DateTime::from(std::time::SystemTime::now()),
            )
        };
        Ok(Report {
            started_at,
            ended_at,
            used: Usage {
                seconds,
                ..Usage::default()
            },
            ..Report::of(state)
        })
    }

    fn written_at(&self, name: &str) -> Option<DateTime<Utc>> {
        let file = fs::metadata(self.0.join(name)).ok()?;
        file.modified().ok().map(DateTime::from)
    }

    /// How the program stands.
    pub(super) fn state(&self) -> io::Result<State> {
        let was_late = || self.0.join("timed_out").try_exists();
        let ended = |exit_code, was_late| State::Ended {
            exit_code,
            cause: if was_late {
                Cause::TimeLimit
            } else {
                Cause::Exited
            },
        };
        if let Some(exit_code) = self.exit_code()? {
            return Ok(ended(exit_code, was_late()?));
        }
        if self.is_held()? {
            return Ok(State::Running);
        }
        // It may have ended between the two looks; its end is noted before the lock is free.
        if let Some(exit_code) = self.exit_code()? {
            return Ok(ended(exit_code, was_late()?));
        }
        if !self.was_started()? {
            return Ok(State::Unknown);
        }
        let was_late = was_late()?;
        Ok(ended(if was_late { TIMED_OUT } else { KILLED }, was_late))
    }

    /// Removes all but what tells that it was started, and how it ended.
    pub(super) fn clean(&self) -> io::Result<()> {
        for name in ["output.log", "output.tail.log"] {
            ignore_missing(fs::remove_file(self.0.join(name)))?;
        }
        ignore_missing(fs::remove_dir_all(self.0.join("work")))
    }

    fn exit_code(&self) -> io::Result<Option<i32>> {
        let Some(text) = self.read("exit_code")? else {
            return Ok(None);
        };
        let exit_code = text
            .trim()
            .parse()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Some(exit_code))
    }

    /// The living processes of the attempt.
    pub(super) fn group(&self) -> io::Result<Option<Group>> {
        let Some(text) = self.read("started")? else {
            return Ok(None);
        };
        let leader = Leader::parse(&text).ok_or(io::ErrorKind::InvalidData)?;
        Group::find(&leader, &self.mark()?)
    }

    fn read(&self, name: &str) -> io::Result<Option<String>> {
        let file = match File::open(self.0.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(FILE_LIMIT_BYTES).read_to_string(&mut text)?;
        Ok(Some(text))
    }
}

fn ignore_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
