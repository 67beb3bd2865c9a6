//! The SQL of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

mod facts;
mod logged;

pub(super) use self::{
    facts::facts,
    logged::{Logged, logged},
};
use super::{
    formula::Formula,
    journal::{Account, Journal, Source},
    month::Month,
    statement::{Owned, Statement, body_sha256},
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, ModelId},
};

/// Keeps other closers waiting until the transaction ends.
pub(super) async fn lock(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('ledger'))")
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// Waits for every transaction that writes raw events of `month`, and keeps others from it until this one ends: what
/// is read afterwards is all that the month will ever have.
pub(super) async fn shut(tx: &mut WriteTx<'_>, month: Month) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtext('ledger'), $1::date - DATE '2000-01-01')",
        month.first_day(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The month after the last closed one, or the one of the first raw event; none where nothing was ever used.
pub(super) async fn first_open(conn: &mut PgConnection) -> Result<Option<Month>, StoreError> {
    let last = sqlx::query_scalar!("SELECT max(month) FROM ledger_months")
        .fetch_one(&mut *conn)
        .await?;
    if let Some(last) = last {
        return Ok(Some(Month::of_day(last).next()));
    }
    let first = sqlx::query_scalar!(
        "SELECT least((SELECT min(read_at) FROM tokens_read), (SELECT min(ended_at) FROM usage_records))"
    )
    .fetch_one(conn)
    .await?;
    Ok(first.map(Month::holding))
}

pub(super) async fn insert_journal(
    tx: &mut WriteTx<'_>,
    month: Month,
    journal: &Journal,
) -> Result<(), StoreError> {
    for (source, entries) in &journal.0 {
        let id = Uuid::now_v7();
        let (kind, attempt, version, model) = match source {
            Source::Read { attempt, version } => ("read", Some(attempt.0), Some(version.0), None),
            Source::Served { model } => ("served", None, None, Some(model.0)),
        };
        sqlx::query!(
            "INSERT INTO ledger_transactions (id, month, kind, attempt_id, dataset_version_id, model_id)
             VALUES ($1, $2, $3, $4, $5, $6)",
            id,
            month.first_day(),
            kind,
            attempt,
            version,
            model,
        )
        .execute(tx.conn())
        .await?;
        let ids: Vec<_> = entries.iter().map(|_| Uuid::now_v7()).collect();
        let (words, accounts): (Vec<String>, Vec<Uuid>) = entries
            .keys()
            .map(|account| account.parts())
            .map(|(word, id)| (word.to_owned(), id))
            .unzip();
        let tokens: Vec<_> = entries.values().copied().collect();
        sqlx::query!(
            "INSERT INTO ledger_entries (id, transaction_id, account, account_id, tokens)
             SELECT e.id, $1, e.account, e.account_id, e.tokens
             FROM unnest($2::uuid[], $3::text[], $4::uuid[], $5::bigint[]) AS e (id, account, account_id, tokens)",
            id,
            &ids,
            &words,
            &accounts,
            &tokens,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

pub(super) async fn insert_month(
    tx: &mut WriteTx<'_>,
    id: Uuid,
    (month, formula): (Month, Formula),
    journal: &Journal,
) -> Result<(), StoreError> {
    let (now, (tokens_read, tokens_served)) = (tx.now(), journal.totals());
    sqlx::query!(
        "INSERT INTO ledger_months (id, month, formula, tokens_read, tokens_served, journal_sha256, closed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        month.first_day(),
        formula.number(),
        tokens_read,
        tokens_served,
        journal.sha256(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_statement(
    tx: &mut WriteTx<'_>,
    id: Uuid,
    statement: &Statement,
    body: &str,
    envelope: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO ledger_statements (id, institution_id, month, body, body_sha256, envelope)
         VALUES ($1, $2, $3, $4, $5, $6)",
        id,
        statement.institution.0,
        statement.month.first_day(),
        body,
        body_sha256(body),
        envelope,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whose the versions are that a journal names.
pub(super) async fn owned(
    conn: &mut PgConnection,
    journal: &Journal,
) -> Result<BTreeMap<DatasetVersionId, Owned>, StoreError> {
    let versions: BTreeSet<Uuid> = journal
        .0
        .values()
        .flat_map(BTreeMap::keys)
        .filter_map(|account| match account {
            Account::Version(version) | Account::Withheld(version) => Some(version.0),
            Account::Job(_) | Account::Model(_) | Account::Own(_) => None,
        })
        .collect();
    let versions: Vec<_> = versions.into_iter().collect();
    let rows = sqlx::query!(
        "SELECT v.id, v.dataset_id, v.manifest_sha256, d.institution_id
         FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id WHERE v.id = ANY($1)",
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let owned = Owned {
                institution: InstitutionId(row.institution_id),
                dataset: DatasetId(row.dataset_id),
                manifest_sha256: row.manifest_sha256,
            };
            (DatasetVersionId(row.id), owned)
        })
        .collect())
}

/// A closed month.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    pub(super) id: Uuid,
    pub(super) month: Month,
    /// Number of the version that it was made by.
    pub(super) formula: i32,
    pub(super) closed_at: DateTime<Utc>,
    pub(super) journal_sha256: String,
    pub(super) tokens_read: i64,
    pub(super) tokens_served: i64,
}

/// Every closed month, newest first.
pub(super) async fn closed(conn: &mut PgConnection) -> Result<Vec<Closed>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, month, formula, closed_at, journal_sha256, tokens_read, tokens_served
         FROM ledger_months ORDER BY month DESC"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Closed {
            id: row.id,
            formula: row.formula,
            closed_at: row.closed_at,
            month: Month::of_day(row.month),
            journal_sha256: row.journal_sha256,
            tokens_read: row.tokens_read,
            tokens_served: row.tokens_served,
        })
        .collect())
}

/// The journal of a month as it was written.
pub(super) async fn kept_journal(
    conn: &mut PgConnection,
    month: Month,
) -> Result<Journal, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT t.id AS "id!", t.attempt_id, t.dataset_version_id, t.model_id, e.account AS "account?",
                  e.account_id AS "account_id?", e.tokens AS "tokens?"
           FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id
           WHERE t.month = $1"#,
        month.first_day(),
    )
    .fetch_all(conn)
    .await?;
    let mut journal = Journal::default();
    for row in rows {
        let corrupt = |problem| {
            StoreError::Corrupt(CorruptRow {
                table: "ledger_transactions",
                id: row.id,
                problem,
            })
        };
        let source = match (row.attempt_id, row.dataset_version_id, row.model_id) {
            (Some(attempt), Some(version), None) => Source::Read {
                attempt: AttemptId(attempt),
                version: DatasetVersionId(version),
            },
            (None, None, Some(model)) => Source::Served {
                model: ModelId(model),
            },
            _ => return Err(corrupt("it names no source")),
        };
        let entries = journal.0.entry(source).or_default();
        if let (Some(word), Some(id), Some(tokens)) = (row.account, row.account_id, row.tokens) {
            let account =
                Account::from_parts(&word, id).ok_or_else(|| corrupt("unknown account"))?;
            entries.insert(account, tokens);
        }
    }
    Ok(journal)
}

/// A statement as it was written.
pub(super) struct Kept {
    pub(super) id: Uuid,
    pub(super) body: String,
    pub(super) body_sha256: String,
    pub(super) envelope: String,
}

/// The statements of a month as they were written.
pub(super) async fn kept_statements(
    conn: &mut PgConnection,
    month: Month,
) -> Result<BTreeMap<InstitutionId, Kept>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, institution_id, body, body_sha256, envelope FROM ledger_statements WHERE month = $1",
        month.first_day(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let kept = Kept {
                id: row.id,
                body: row.body,
                body_sha256: row.body_sha256,
                envelope: row.envelope,
            };
            (InstitutionId(row.institution_id), kept)
        })
        .collect())
}

/// Names for the ids of a statement.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) versions: BTreeMap<Uuid, (String, i32)>,
    pub(super) jobs: BTreeMap<Uuid, (String, String)>,
    pub(super) models: BTreeMap<Uuid, String>,
}

/// Titles and names of what a statement speaks of.
pub(super) async fn names(
    conn: &mut PgConnection,
    statement: &Statement,
) -> Result<Names, StoreError> {
    let versions: Vec<Uuid> = statement
        .versions
        .iter()
        .map(|line| line.version.0)
        .collect();
    let lines = || statement.versions.iter();
    let jobs: Vec<Uuid> = lines()
        .flat_map(|line| &line.read)
        .map(|one| one.job.0)
        .collect();
    let models: Vec<Uuid> = lines()
        .flat_map(|line| &line.served)
        .map(|one| one.model.0)
        .collect();
    let mut names = Names::default();
    for row in sqlx::query!(
        "SELECT v.id, v.number, d.title FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id
         WHERE v.id = ANY($1)",
        &versions,
    )
    .fetch_all(&mut *conn)
    .await?
    {
        names.versions.insert(row.id, (row.title, row.number));
    }
    for row in sqlx::query!(
        "SELECT j.id, j.title, i.name FROM jobs j JOIN institutions i ON i.id = j.institution_id
         WHERE j.id = ANY($1)",
        &jobs,
    )
    .fetch_all(&mut *conn)
    .await?
    {
        names.jobs.insert(row.id, (row.title, row.name));
    }
    for row in sqlx::query!("SELECT id, name FROM models WHERE id = ANY($1)", &models)
        .fetch_all(conn)
        .await?
    {
        names.models.insert(row.id, row.name);
    }
    Ok(names)
}

/// A partner institution that may have statements.
pub(super) struct Contributor {
    pub(super) id: InstitutionId,
    pub(super) slug: String,
    pub(super) name: String,
}

/// Institutions that own a dataset, as far as `filter` shows them.
pub(super) async fn contributors(
    conn: &mut PgConnection,
    filter: Option<Uuid>,
) -> Result<Vec<Contributor>, StoreError> {
    let rows = sqlx::query!(
        "SELECT i.id, i.slug, i.name FROM institutions i
         WHERE ($1::uuid IS NULL OR i.id = $1)
           AND EXISTS (SELECT 1 FROM datasets d WHERE d.institution_id = i.id)
         ORDER BY i.name LIMIT 500",
        filter,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Contributor {
            id: InstitutionId(row.id),
            slug: row.slug,
            name: row.name,
        })
        .collect())
}
