//! Checkpoints on their way to the store, while training goes on.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use job_contract::{ArtifactKind, JobEvent};
use tokio::sync::Notify;

use super::{
    events::EventLog,
    portal::{CallError, Portal},
    upload::{Part, UploadError, upload},
};
use crate::{
    stop::{Stop, StopSign},
    training_loop::Kept,
};

/// The most that goes to the store in one piece; it takes 5 GiB.
const MOST_PART_BYTES: u64 = 4 << 30;

/// The checkpoint that is stored next, and how it goes with the one before.
#[derive(Debug)]
pub(super) struct Checkpoints {
    every: Duration,
    folder: PathBuf,
    state: Mutex<State>,
    /// Something is handed in.
    handed: Notify,
    /// Nothing is left to do.
    done: Notify,
}

#[derive(Debug)]
struct State {
    waiting: Option<Parcel>,
    is_working: bool,
    last_handed: Instant,
    /// How many were handed in.
    count: u64,
    last_stored: Option<u32>,
}

#[derive(Debug)]
struct Parcel {
    /// A second name of the checkpoint's file, so that the next one does not change it.
    path: PathBuf,
    step: u32,
    run: String,
    held_out: Option<f64>,
}

impl Checkpoints {
    /// Stores one at least `every` so often; second names of files go into `folder`.
    pub(super) fn new(every: Duration, folder: &Path) -> Self {
        Self {
            every,
            folder: folder.to_owned(),
            state: Mutex::new(State {
                waiting: None,
                is_working: false,
                last_handed: Instant::now(),
                count: 0,
                last_stored: None,
            }),
            handed: Notify::new(),
            done: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True where it is time for the next one and the one before is stored.
    pub(super) fn is_due(&self) -> bool {
        let state = self.state();
        state.waiting.is_none() && !state.is_working && state.last_handed.elapsed() >= self.every
    }

    /// The store has lost what was stored last.
    pub(super) fn forget(&self) {
        self.state().last_stored = None;
    }

    /// Takes a checkpoint over.
    ///
    /// # Errors
    /// Where the file cannot be given a second name.
    pub(super) fn hand(&self, kept: Kept<'_>) -> io::Result<()> {
        let mut state = self.state();
        if state.last_stored == Some(kept.step) {
            return Ok(());
        }
        state.count += 1;
        // Never a name that was given before: the same step may come again while it is on its way, with other bytes.
        let path = self
            .folder
            .join(format!("upload-{}-{}.safetensors", kept.step, state.count));
        let _ = fs::remove_file(&path);
        fs::hard_link(kept.path, &path).or_else(|_| fs::copy(kept.path, &path).map(drop))?;
        let parcel = Parcel {
            path,
            step: kept.step,
            run: kept.run.to_owned(),
            held_out: kept.held_out,
        };
        if let Some(older) = state.waiting.replace(parcel) {
            let _ = fs::remove_file(older.path);
        }
        state.last_handed = Instant::now();
        drop(state);
        self.handed.notify_one();
        Ok(())
    }

    /// Waits until nothing is left to store.
    pub(super) async fn flush(&self) {
        loop {
            let done = self.done.notified();
            let is_idle = {
                let state = self.state();
                state.waiting.is_none() && !state.is_working
            };
            if is_idle {
                return;
            }
            done.await;
        }
    }

    /// Stores what is handed in, one after another, and tells of each once it is there.
    ///
    /// A checkpoint that cannot be stored costs a line of the log, not the job.
    pub(super) async fn store(
        &self,
        portal: &Portal,
        log: &EventLog,
        sign: &StopSign,
        clock: fn() -> chrono::DateTime<chrono::Utc>,
    ) {
        loop {
            let parcel = {
                let mut state = self.state();
                let parcel = state.waiting.take();
                state.is_working = parcel.is_some();
                parcel
            };
            let Some(parcel) = parcel else {
                self.done.notify_waiters();
                self.handed.notified().await;
                continue;
            };
            let stored = self.store_one(portal, log, clock, &parcel).await;
            let _ = fs::remove_file(&parcel.path);
            match stored {
                Ok(()) => self.state().last_stored = Some(parcel.step),
                Err(UploadError::Call(CallError::Stop(
                    stop @ (Stop::Refused(_) | Stop::Ended | Stop::Cancelled(_)),
                ))) => sign.raise(stop),
                Err(error) => tracing::warn!(
                    %error,
                    step = parcel.step,
                    "a checkpoint is not stored; the next one may be"
                ),
            }
            self.state().is_working = false;
        }
    }

    async fn store_one(
        &self,
        portal: &Portal,
        log: &EventLog,
        clock: fn() -> chrono::DateTime<chrono::Utc>,
        parcel: &Parcel,
    ) -> Result<(), UploadError> {
        let disk = |source| UploadError::Disk {
            path: parcel.path.clone(),
            source,
        };
        let length = fs::metadata(&parcel.path).map_err(disk)?.len();
        let mut files = Vec::new();
        for (name, start, length) in parts(parcel.step, length, MOST_PART_BYTES) {
            let part = Part {
                path: &parcel.path,
                start,
                length,
            };
            files.push(upload(portal, ArtifactKind::Checkpoint, &name, part).await?);
        }
        let event = JobEvent::Checkpoint {
            step: parcel.step,
            run: parcel.run.clone(),
            files,
            held_out_loss: parcel.held_out.map(|loss| loss as f32),
        };
        log.append(clock(), event).map_err(disk)
    }
}

/// Name, start and length of each part of a checkpoint's file.
fn parts(step: u32, length: u64, most: u64) -> Vec<(String, u64, u64)> {
    if length <= most {
        return vec![(format!("checkpoint-{step}.safetensors"), 0, length)];
    }
    (0..length.div_ceil(most))
        .map(|part| {
            let start = part * most;
            let name = format!("checkpoint-{step}-{part}.safetensors");
            (name, start, most.min(length - start))
        })
        .collect()
}

/// Puts the parts of a checkpoint together again.
///
/// # Errors
/// Where the disk does not take it.
pub(super) fn join(parts: &[PathBuf], whole: &Path) -> io::Result<()> {
    crate::checkpoint::replace(whole, |file| {
        for part in parts {
            io::copy(&mut fs::File::open(part)?, file)?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_stays_as_it_is_when_the_same_step_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(Duration::ZERO, folder.path());
        let own = folder.path().join("own.safetensors");
        let hand = |content: &str| {
            fs::remove_file(&own).unwrap_or_default();
            fs::write(&own, content).unwrap();
            let kept = Kept {
                path: &own,
                step: 3,
                run: "run",
                held_out: None,
                is_last: false,
            };
            checkpoints.hand(kept).unwrap();
        };
        hand("first");
        let on_its_way = checkpoints.state().waiting.take().unwrap();
        hand("second");
        assert_eq!(fs::read_to_string(on_its_way.path).unwrap(), "first");
        let next = checkpoints.state().waiting.take().unwrap();
        assert_eq!(fs::read_to_string(next.path).unwrap(), "second");
    }

    #[test]
    fn a_large_checkpoint_is_cut_and_joined_again() {
        let folder = tempfile::tempdir().unwrap();
        let whole: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let mut paths = Vec::new();
        for (name, start, length) in parts(7, 1000, 300) {
            let (start, length) = (start as usize, length as usize);
            let path = folder.path().join(name);
            fs::write(&path, &whole[start..start + length]).unwrap();
            paths.push(path);
        }
        assert_eq!(paths.len(), 4);
        assert!(paths[3].ends_with("checkpoint-7-3.safetensors"));
        let joined = folder.path().join("joined.safetensors");
        join(&paths, &joined).unwrap();
        assert_eq!(fs::read(joined).unwrap(), whole);
        assert_eq!(
            parts(7, 300, 300),
            [("checkpoint-7.safetensors".to_owned(), 0, 300)]
        );
    }
}
