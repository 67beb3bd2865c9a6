//! The one way to change the database.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::leaf::Leaf;
use crate::{
    ids::{InstitutionId, TaskId, UserId},
    policy::{Actor, Permit},
};
use transparency_log::Hash;

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
    /// Counts what was committed.
    changes: Arc<AtomicU64>,
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
        changes: Arc<AtomicU64>,
    ) -> Self {
        Self {
            tx,
            actor,
            now,
            recorded: Vec::new(),
            enqueued: Vec::new(),
            changes,
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
        let mut lines = Lines::default();
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
            lines.push(seq, event, salt, hash);
        }
        lines
            .insert(&mut self.tx, self.now, self.actor.user)
            .await?;
        sqlx::query!("UPDATE audit_head SET seq = $1", seq)
            .execute(&mut *self.tx)
            .await?;
        self.tx.commit().await?;
        self.changes.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// Lines on their way into the log, by column: a withdrawal writes thousands, in one statement.
#[derive(Default)]
struct Lines {
    seqs: Vec<i64>,
    institutions: Vec<Uuid>,
    subject_kinds: Vec<String>,
    subjects: Vec<Uuid>,
    kinds: Vec<String>,
    payloads: Vec<String>,
    salts: Vec<Vec<u8>>,
    hashes: Vec<Vec<u8>>,
}

impl Lines {
    fn push(&mut self, seq: i64, event: &Recorded, salt: [u8; 16], hash: Hash) {
        self.seqs.push(seq);
        self.institutions.push(event.subject.institution.0);
        self.subject_kinds.push(event.subject.kind.to_owned());
        self.subjects.push(event.subject.id);
        self.kinds.push(event.kind.to_owned());
        self.payloads.push(event.payload.clone());
        self.salts.push(salt.to_vec());
        self.hashes.push(hash.0.to_vec());
    }

    async fn insert(
        &self,
        conn: &mut PgConnection,
        at: DateTime<Utc>,
        by: UserId,
    ) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "INSERT INTO events (seq, occurred_at, actor_id, institution_id, subject_kind, subject_id, kind,
                 payload, salt, hash)
             SELECT seq, $9, $10, institution, subject_kind, subject, kind, payload::json, salt, hash
             FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::text[],
                 $7::bytea[], $8::bytea[]) AS line (seq, institution, subject_kind, subject, kind, payload,
                 salt, hash)",
            &self.seqs,
            &self.institutions,
            &self.subject_kinds,
            &self.subjects,
            &self.kinds,
            &self.payloads,
            &self.salts,
            &self.hashes,
            at,
            by.0,
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
