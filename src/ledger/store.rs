//! The SQL of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    formula,
    journal::{Account, Facts, Journal, Read, Served, Source, Stretch},
    month::Month,
    statement::{Owned, Statement, body_sha256},
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId},
};

/// Keeps other closers waiting until the transaction ends.
pub(super) async fn lock(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('ledger'))")
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

/// The raw events of `month` that happened before `until`.
pub(super) async fn facts(
    conn: &mut PgConnection,
    month: Month,
    until: DateTime<Utc>,
) -> Result<Facts, StoreError> {
    let reads = sqlx::query!(
        "SELECT t.attempt_id, a.job_id, t.dataset_version_id, t.tokens
         FROM tokens_read t JOIN attempts a ON a.id = t.attempt_id
         WHERE t.read_at >= $1 AND t.read_at < $2 AND t.tokens > 0",
        month.start(),
        until,
    )
    .fetch_all(&mut *conn)
    .await?
    .into_iter()
    .map(|row| Read {
        attempt: AttemptId(row.attempt_id),
        job: JobId(row.job_id),
        version: DatasetVersionId(row.dataset_version_id),
        tokens: row.tokens.unsigned_abs(),
    })
    .collect();
    let models = sqlx::query_scalar!(
        "SELECT DISTINCT model_id FROM usage_records WHERE ended_at >= $1 AND ended_at < $2 ORDER BY model_id",
        month.start(),
        until,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut served = Vec::new();
    for model in models {
        served.push(served_by(conn, ModelId(model), month.start(), until).await?);
    }
    Ok(Facts { reads, served })
}

async fn served_by(
    conn: &mut PgConnection,
    model: ModelId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Served, StoreError> {
    let weights: BTreeMap<_, _> = sqlx::query!(
        r#"WITH RECURSIVE line AS (
               SELECT id, job_id, base_model_id FROM models WHERE id = $1
               UNION
               SELECT m.id, m.job_id, m.base_model_id FROM models m JOIN line l ON m.id = l.base_model_id
           )
           SELECT t.dataset_version_id, sum(t.tokens)::bigint AS "tokens!"
           FROM line l JOIN attempts a ON a.job_id = l.job_id AND a.status = 'succeeded'
           JOIN tokens_read t ON t.attempt_id = a.id
           WHERE t.tokens > 0 GROUP BY t.dataset_version_id"#,
        model.0,
    )
    .fetch_all(&mut *conn)
    .await?
    .into_iter()
    .map(|row| (DatasetVersionId(row.dataset_version_id), row.tokens.unsigned_abs()))
    .collect();
    let withdrawn = withdrawn_since(conn, model, weights.keys().copied()).await?;
    let mut cuts: Vec<_> = withdrawn
        .values()
        .copied()
        .filter(|at| *at > from)
        .collect();
    cuts.push(from);
    cuts.sort_unstable();
    cuts.dedup();
    let stretches = sqlx::query!(
        r#"SELECT width_bucket(ended_at, $4::timestamptz[]) AS "bucket!",
                  sum(prompt_tokens + completion_tokens)::bigint AS "tokens!"
           FROM usage_records WHERE model_id = $1 AND ended_at >= $2 AND ended_at < $3
           GROUP BY 1 ORDER BY 1"#,
        model.0,
        from,
        until,
        &cuts,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(|row| {
        // Bucket n begins at the n-th cut.
        let begin = usize::try_from(row.bucket - 1)
            .ok()
            .and_then(|n| cuts.get(n));
        let fell = |at: &DateTime<Utc>| begin.is_some_and(|begin| at <= begin);
        Stretch {
            tokens: row.tokens.unsigned_abs(),
            withdrawn: withdrawn
                .iter()
                .filter(|(_, at)| fell(at))
                .map(|(version, _)| *version)
                .collect(),
        }
    })
    .collect();
    Ok(Served {
        model,
        stretches,
        weights,
    })
}

/// When permission for these versions was first withdrawn after the model was made: of the whole dataset, of the
/// version, or so much of it that the version fell or the model was touched.
async fn withdrawn_since(
    conn: &mut PgConnection,
    model: ModelId,
    versions: impl Iterator<Item = DatasetVersionId>,
) -> Result<BTreeMap<DatasetVersionId, DateTime<Utc>>, StoreError> {
    let versions: Vec<Uuid> = versions.map(|version| version.0).collect();
    let rows = sqlx::query!(
        r#"SELECT v.id, min(w.withdrawn_at) AS "at!"
           FROM dataset_versions v
           JOIN withdrawals w ON (w.dataset_id = v.dataset_id AND w.scope = 'dataset')
               OR EXISTS (SELECT 1 FROM withdrawal_versions x
                          WHERE x.withdrawal_id = w.id AND x.dataset_version_id = v.id)
               OR (w.dataset_id = v.dataset_id AND w.scope IN ('layer', 'permission')
                   AND EXISTS (SELECT 1 FROM withdrawal_models x
                               WHERE x.withdrawal_id = w.id AND x.model_id = $2))
           JOIN models m ON m.id = $2
           WHERE v.id = ANY($1) AND w.withdrawn_at > m.created_at GROUP BY v.id"#,
        &versions,
        model.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (DatasetVersionId(row.id), row.at))
        .collect())
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
    month: Month,
    journal: &Journal,
) -> Result<(), StoreError> {
    let (now, (tokens_read, tokens_served)) = (tx.now(), journal.totals());
    sqlx::query!(
        "INSERT INTO ledger_months (id, month, formula, tokens_read, tokens_served, journal_sha256, closed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        month.first_day(),
        formula::VERSION,
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
    pub(super) month: Month,
    pub(super) journal_sha256: String,
    pub(super) tokens_read: i64,
    pub(super) tokens_served: i64,
}

/// Every closed month, newest first.
pub(super) async fn closed(conn: &mut PgConnection) -> Result<Vec<Closed>, StoreError> {
    let rows = sqlx::query!(
        "SELECT month, journal_sha256, tokens_read, tokens_served FROM ledger_months ORDER BY month DESC"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Closed {
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
        "SELECT institution_id, body, body_sha256, envelope FROM ledger_statements WHERE month = $1",
        month.first_day(),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let kept = Kept {
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
