//! Closing a month: its journal and statements are written once, from raw events, and never again.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    formula::Formula,
    journal::Journal,
    month::Month,
    statement::{self, PAYLOAD_TYPE, body_sha256},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    ids::InstitutionId,
    policy::{self, Action, Actor, Denied, Scope},
    signing::Signer,
};

/// How long after its end a month stays open for what is settled late.
const GRACE: TimeDelta = TimeDelta::hours(24);

/// Why a month was not closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error("a statement cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<sqlx::Error> for CloseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[derive(Debug, Serialize)]
struct MonthClosed {
    month: Month,
    formula: i32,
    journal_sha256: String,
    #[serde(skip)]
    id: uuid::Uuid,
}

impl Event for MonthClosed {
    fn kind(&self) -> &'static str {
        "ledger.month_closed"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "ledger_month",
            id: self.id,
            institution: Actor::system().institution,
        }
    }
}

#[derive(Debug, Serialize)]
struct StatementMade {
    month: Month,
    body_sha256: String,
    #[serde(skip)]
    id: uuid::Uuid,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for StatementMade {
    fn kind(&self) -> &'static str {
        "ledger.statement_made"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "ledger_statement",
            id: self.id,
            institution: self.institution,
        }
    }
}

/// Closes every month that ended more than a day ago, oldest first; answers which. Safe to run in several
/// processes at the same time: one closes, the others find it done.
///
/// # Errors
/// Where the database is away, or a row makes no sense; months closed before that stay closed.
pub async fn close_due(
    db: &Db,
    signer: &Signer,
    now: DateTime<Utc>,
) -> Result<Vec<Month>, CloseError> {
    let mut closed = Vec::new();
    loop {
        let mut conn = db.read().await?;
        let Some(month) = store::first_open(&mut conn).await? else {
            return Ok(closed);
        };
        drop(conn);
        if month.end() + GRACE > now {
            return Ok(closed);
        }
        if close(db, signer, month).await? {
            closed.push(month);
        }
    }
}

/// Closes one month; false where another process did so in the meantime.
async fn close(db: &Db, signer: &Signer, month: Month) -> Result<bool, CloseError> {
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    store::lock(&mut tx).await?;
    if store::first_open(tx.conn()).await? != Some(month) {
        return Ok(false);
    }
    store::shut(&mut tx, month).await?;
    let facts = store::facts(tx.conn(), month, month.end()).await?;
    let formula = Formula::NEWEST;
    let journal = Journal::of(&facts, formula);
    store::insert_journal(&mut tx, month, &journal).await?;
    let owned = store::owned(tx.conn(), &journal).await?;
    for (institution, statement) in statement::statements((month, formula), &journal, &owned) {
        let body = statement.canonical()?;
        let envelope = signer.envelope(PAYLOAD_TYPE, body.as_bytes()).to_text()?;
        let id = uuid::Uuid::now_v7();
        let sha256 = body_sha256(&body);
        store::insert_statement(&mut tx, id, &statement, &body, &envelope).await?;
        tx.record(&StatementMade {
            month,
            body_sha256: sha256,
            id,
            institution,
        })?;
    }
    let id = uuid::Uuid::now_v7();
    store::insert_month(&mut tx, id, (month, formula), &journal).await?;
    tx.record(&MonthClosed {
        month,
        formula: formula.number(),
        journal_sha256: journal.sha256(),
        id,
    })?;
    tx.commit(permit).await?;
    Ok(true)
}
