//! Events on their way to the portal: numbered, kept in a file until the job is over, sent again after an outage.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use job_contract::{EventBatch, JobEvent, NumberedEvent};
use tokio::sync::{Notify, watch};

use super::portal::{CallError, Portal};
use crate::stop::{Stop, StopSign};

/// Events in one call.
const MOST_IN_BATCH: usize = 200;
const LEFT_OUT: &str = "an event was not taken by the portal and is left out";

/// The file of events, and those that the portal has not confirmed.
#[derive(Debug)]
pub(super) struct EventLog {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug)]
struct Inner {
    file: File,
    last_number: u64,
    pending: VecDeque<NumberedEvent>,
    /// Events in the next call.
    most_in_batch: usize,
    /// The portal has not found a checkpoint that it was told of.
    has_lost_checkpoint: bool,
}

impl EventLog {
    /// Opens the file and takes up where an earlier life of the attempt stopped.
    ///
    /// Which events the portal has is not known then, so all are sent again; their numbers make that harmless.
    ///
    /// # Errors
    /// Where the file cannot be read or made.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut pending = VecDeque::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        // A line that was cut by a kill is the last one: it was never sent, and its number is given again.
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            let Ok(event) = serde_json::from_str::<NumberedEvent>(&line) else {
                break;
            };
            if !line.ends_with('\n') || event.number != pending.len() as u64 + 1 {
                break;
            }
            whole += line.len() as u64;
            pending.push_back(event);
            line.clear();
        }
        file.set_len(whole)?;
        file.seek(io::SeekFrom::End(0))?;
        let inner = Inner {
            file,
            last_number: pending.len() as u64,
            pending,
            most_in_batch: MOST_IN_BATCH,
            has_lost_checkpoint: false,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            wake: Notify::new(),
        })
    }

    /// Writes an event down and wakes the sender.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub(super) fn append(&self, at: DateTime<Utc>, event: JobEvent) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let event = NumberedEvent {
            number: inner.last_number + 1,
            at,
            event,
        };
        let mut line = serde_json::to_vec(&event)?;
        line.push(b'\n');
        inner.file.write_all(&line)?;
        inner.last_number = event.number;
        inner.pending.push_back(event);
        drop(inner);
        self.wake.notify_one();
        Ok(())
    }

    fn batch(&self) -> EventBatch {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let next = inner.pending.iter().take(inner.most_in_batch);
        EventBatch {
            events: next.cloned().collect(),
        }
    }

    /// Deals with a batch that the portal does not take: its events are sent one by one, and the one that is not
    /// taken becomes a note, so that numbers stay without gaps. Losing a line of the log is better than losing the
    /// work.
    fn refused(&self, batch: &EventBatch) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if batch.events.len() > 1 {
            inner.most_in_batch = 1;
            return;
        }
        inner.most_in_batch = MOST_IN_BATCH;
        let Some(front) = inner.pending.front_mut() else {
            return;
        };
        let is_checkpoint = matches!(front.event, JobEvent::Checkpoint { .. });
        let message = LEFT_OUT.to_owned();
        match &front.event {
            JobEvent::Note { message } if message == LEFT_OUT => {
                inner.pending.pop_front();
            }
            _ => front.event = JobEvent::Note { message },
        }
        inner.has_lost_checkpoint |= is_checkpoint;
    }

    /// Whether the portal missed a checkpoint since the last call.
    pub(super) fn take_lost_checkpoint(&self) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut inner.has_lost_checkpoint)
    }

    fn confirm(&self, batch: &EventBatch) {
        let Some(last) = batch.events.last() else {
            return;
        };
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner
            .pending
            .front()
            .is_some_and(|event| event.number <= last.number)
        {
            inner.pending.pop_front();
        }
    }

    fn has_pending(&self) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        !inner.pending.is_empty()
    }

    /// Sends events as they come and a heartbeat at least every `heartbeat`, until `is_over` and all are sent.
    ///
    /// What the answers say is raised on `sign`.
    pub(super) async fn send(
        &self,
        portal: &Portal,
        heartbeat: Duration,
        sign: &StopSign,
        is_over: watch::Receiver<bool>,
    ) {
        let mut ending = is_over.clone();
        loop {
            if *is_over.borrow() && !self.has_pending() {
                return;
            }
            if !self.has_pending() {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(heartbeat) => {}
                    _ = ending.changed() => continue,
                }
            }
            let batch = self.batch();
            match portal.events(&batch).await {
                Ok(answer) => {
                    self.confirm(&batch);
                    if answer.cancel {
                        let reason = answer.reason.unwrap_or_else(|| "cancelled".to_owned());
                        sign.raise(Stop::Cancelled(reason));
                    }
                }
                Err(CallError::Stop(stop)) => {
                    sign.raise(stop);
                    return;
                }
                Err(error @ (CallError::Rejected { .. } | CallError::Answer(_))) => {
                    tracing::error!(%error, "events are not taken");
                    self.refused(&batch);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(message: &str) -> JobEvent {
        JobEvent::Note {
            message: message.to_owned(),
        }
    }

    #[test]
    fn numbers_go_on_after_a_kill_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let log = EventLog::open(&path).unwrap();
        for message in ["a", "b", "c"] {
            log.append(DateTime::UNIX_EPOCH, note(message)).unwrap();
        }
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let log = EventLog::open(&path).unwrap();
        log.append(DateTime::UNIX_EPOCH, note("d")).unwrap();
        let numbered: Vec<(u64, JobEvent)> = log
            .batch()
            .events
            .into_iter()
            .map(|event| (event.number, event.event))
            .collect();
        assert_eq!(numbered, [(1, note("a")), (2, note("b")), (3, note("d"))]);
        assert_eq!(EventLog::open(&path).unwrap().batch(), log.batch());
    }
}
