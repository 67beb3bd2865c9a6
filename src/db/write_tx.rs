//! The one way to change the database.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::leaf::Leaf;
use crate::{
    ids::{EventId, InstitutionId, TaskId},
    policy::{Actor, Permit},
};

/// Something that happened, in the words of the slice it happened in.
pub trait Event: Serialize {
    /// A stable name, `slice.past_participle`: `datasets.approved`.
    fn kind(&self) -> &'static str;
    /// What it is about, and whose that is.
    fn subject(&self) -> Subject;
}

/// The thing that an event is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The kind of thing, for example `dataset_version`.
    pub kind: &'static str,
    /// Its id.
    pub id: Uuid,
    /// The institution that may see the event.
    pub institution: InstitutionId,
}

/// Work that is done later, by `faculty worker`, and at least once.
pub trait Task: Serialize {
    /// A stable name, `slice.verb`: `uploads.verify`.
    const KIND: &'static str;
}

struct Enqueued {
    kind: &'static str,
    payload: serde_json::Value,
}

struct Recorded {
    kind: &'static str,
    subject: Subject,
    payload: String,
}

/// A transaction on behalf of one actor. Dropping it undoes everything.
#[must_use = "a write that is not committed is undone"]
pub struct WriteTx<'a> {
    tx: Transaction<'static, Postgres>,
    actor: &'a Actor,
    now: DateTime<Utc>,
    recorded: Vec<Recorded>,
    enqueued: Vec<Enqueued>,
}

/// Why a change was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A mistake of the portal: nothing was recorded.
    #[error("a change was about to be committed that says nothing to the audit log")]
    Unrecorded,
    /// An event or task that cannot be written down.
    #[error(transparent)]
    Payload(#[from] serde_json::Error),
    /// The database refused, or is away.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl<'a> WriteTx<'a> {
    pub(super) fn new(
        tx: Transaction<'static, Postgres>,
        actor: &'a Actor,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            tx,
            actor,
            now,
            recorded: Vec::new(),
            enqueued: Vec::new(),
        }
    }

    /// The connection to run statements on.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// On whose behalf.
    #[must_use]
    pub fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// When this change happens: the same instant for all that it writes.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Has `task` done once this change is committed, and not at all if it never is.
    ///
    /// # Errors
    /// Where the task cannot be written as JSON.
    pub fn enqueue<T: Task>(&mut self, task: &T) -> Result<(), CommitError> {
        self.enqueued.push(Enqueued {
            kind: T::KIND,
            payload: serde_json::to_value(task)?,
        });
        Ok(())
    }

    /// Puts `event` in the audit log.
    ///
    /// # Errors
    /// Where the event cannot be written as JSON.
    pub fn record(&mut self, event: &impl Event) -> Result<(), CommitError> {
        self.recorded.push(Recorded {
            kind: event.kind(),
            subject: event.subject(),
            payload: serde_json::to_string(event)?,
        });
        Ok(())
    }

    /// Writes the audit log and the outbox, then commits all of it at once.
    ///
    /// # Errors
    /// [`CommitError`]; nothing has changed then.
    pub async fn commit(mut self, _allowed: Permit) -> Result<(), CommitError> {
        if self.recorded.is_empty() {
            return Err(CommitError::Unrecorded);
        }
        for task in &self.enqueued {
            sqlx::query!(
                "INSERT INTO tasks (id, kind, payload, run_at) VALUES ($1, $2, $3, $4)",
                TaskId::fresh().0,
                task.kind,
                task.payload,
                self.now,
            )
            .execute(&mut *self.tx)
            .await?;
        }
        if !self.enqueued.is_empty() {
            sqlx::query!("SELECT pg_notify('tasks', '')")
                .execute(&mut *self.tx)
                .await?;
        }
        // Taken last and held for a moment only: one writer at a time numbers lines, so that a number is never
        // seen before a smaller one and none is left out.
        let mut seq = sqlx::query_scalar!("SELECT seq FROM audit_head FOR UPDATE")
            .fetch_one(&mut *self.tx)
            .await?;
        for event in &self.recorded {
            seq += 1;
            let salt: [u8; 16] = rand::random();
            let hash = Leaf {
                seq,
                at: self.now,
                actor: self.actor.user.0,
                institution: event.subject.institution.0,
                subject_kind: event.subject.kind,
                subject: event.subject.id,
                kind: event.kind,
                salt: &salt,
                payload: &event.payload,
            }
            .hash();
            sqlx::query!(
                "INSERT INTO events (id, seq, occurred_at, actor_id, institution_id, subject_kind, subject_id,
                     kind, payload, salt, hash)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10, $11)",
                EventId::fresh().0,
                seq,
                self.now,
                self.actor.user.0,
                event.subject.institution.0,
                event.subject.kind,
                event.subject.id,
                event.kind,
                event.payload,
                salt.as_slice(),
                hash.0.as_slice(),
            )
            .execute(&mut *self.tx)
            .await?;
        }
        sqlx::query!("UPDATE audit_head SET seq = $1", seq)
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await?;
        Ok(())
    }
}
