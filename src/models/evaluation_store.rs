//! The SQL of evaluations and of the limits on memorisation.

use chrono::{DateTime, Utc};
use job_contract::DatasetMemorisation;
use sqlx::PgConnection;
use uuid::Uuid;

use super::evaluation::{
    DatasetFigures, Evaluation, Figure, MemorisationLimit, MemorisationStanding, Report,
    parse_suite, suite_name,
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{AttemptId, DatasetId, DatasetVersionId, EvaluationId, JobId, ModelId},
};

/// What is new on record.
pub(super) struct NewRow<'a> {
    pub(super) id: EvaluationId,
    pub(super) model: ModelId,
    pub(super) job: JobId,
    pub(super) attempt: AttemptId,
    pub(super) program: &'a str,
    pub(super) program_sha256: Option<&'a str>,
    pub(super) report_sha256: &'a str,
    pub(super) envelope: &'a str,
    pub(super) statement_sha256: &'a str,
    pub(super) keyid: &'a str,
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    row: &NewRow<'_>,
    report: &Report,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO evaluations (id, model_id, job_id, attempt_id, program, program_sha256, report_sha256, envelope,
             statement_sha256, keyid, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row.id.0,
        row.model.0,
        row.job.0,
        row.attempt.0,
        row.program,
        row.program_sha256,
        row.report_sha256,
        row.envelope,
        row.statement_sha256,
        row.keyid,
        now,
    )
    .execute(tx.conn())
    .await?;
    for (place, figure) in (0..).zip(&report.figures) {
        sqlx::query!(
            "INSERT INTO evaluation_figures (evaluation_id, suite, name, place, value, low, high, items, chance)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            row.id.0,
            suite_name(figure.suite),
            figure.name,
            place,
            figure.value,
            figure.interval.map(|(low, _)| low),
            figure.interval.map(|(_, high)| high),
            count(figure.items),
            figure.chance,
        )
        .execute(tx.conn())
        .await?;
    }
    for of in &report.datasets {
        sqlx::query!(
            "INSERT INTO evaluation_datasets (evaluation_id, dataset_version_id, documents, items, extracted, low, high,
                 longest_match)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            row.id.0,
            of.dataset_version,
            count(of.documents),
            count(of.items),
            of.extracted,
            of.interval.map(|(low, _)| low),
            of.interval.map(|(_, high)| high),
            count(of.longest_match),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// A number as the database holds it; a report with a larger one was not taken.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct Row {
    id: Uuid,
    model_id: Uuid,
    job_id: Uuid,
    attempt_id: Uuid,
    program: String,
    report_sha256: String,
    statement_sha256: String,
    created_at: DateTime<Utc>,
}

async fn with_figures(conn: &mut PgConnection, row: Row) -> Result<Evaluation, StoreError> {
    let figures = sqlx::query!(
        "SELECT suite, name, value, low, high, items, chance FROM evaluation_figures
         WHERE evaluation_id = $1 ORDER BY place",
        row.id,
    )
    .fetch_all(&mut *conn)
    .await?
    .into_iter()
    .map(|figure| {
        Ok(Figure {
            suite: parse_suite(&figure.suite).ok_or(CorruptRow {
                table: "evaluation_figures",
                id: row.id,
                problem: "unknown suite",
            })?,
            name: figure.name,
            value: figure.value,
            interval: figure.low.zip(figure.high),
            items: figure.items.unsigned_abs(),
            chance: figure.chance,
        })
    })
    .collect::<Result<Vec<_>, CorruptRow>>()?;
    let datasets = datasets_of(conn, row.id).await?;
    Ok(Evaluation {
        id: EvaluationId(row.id),
        model: ModelId(row.model_id),
        job: JobId(row.job_id),
        attempt: AttemptId(row.attempt_id),
        program: row.program,
        report_sha256: row.report_sha256,
        statement_sha256: row.statement_sha256,
        created_at: row.created_at,
        figures,
        datasets,
    })
}

async fn datasets_of(
    conn: &mut PgConnection,
    evaluation: Uuid,
) -> Result<Vec<DatasetFigures>, StoreError> {
    let rows = sqlx::query!(
        "SELECT f.dataset_version_id, f.documents, f.items, f.extracted, f.low, f.high, f.longest_match,
                v.dataset_id, v.number, d.title
         FROM evaluation_datasets f
         JOIN dataset_versions v ON v.id = f.dataset_version_id
         JOIN datasets d ON d.id = v.dataset_id
         WHERE f.evaluation_id = $1
         ORDER BY d.title, v.dataset_id, v.number",
        evaluation,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| DatasetFigures {
            dataset: DatasetId(row.dataset_id),
            title: row.title,
            number: row.number,
            found: DatasetMemorisation {
                dataset_version: row.dataset_version_id,
                documents: row.documents.unsigned_abs(),
                items: row.items.unsigned_abs(),
                extracted: row.extracted,
                interval: row.low.zip(row.high),
                longest_match: row.longest_match.unsigned_abs(),
            },
        })
        .collect())
}

/// The last twenty evaluations of a model, newest first.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn evaluations_of(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<Evaluation>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, model_id, job_id, attempt_id, program, report_sha256, statement_sha256, created_at
         FROM evaluations WHERE model_id = $1 ORDER BY created_at DESC, id DESC LIMIT 20",
        model.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(with_figures(conn, row).await?);
    }
    Ok(found)
}

/// The newest evaluation of a model, and when it was signed: what leads on from the receipt.
///
/// # Errors
/// Where the database is away.
pub(super) async fn newest_evaluation(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<(EvaluationId, DateTime<Utc>)>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, created_at FROM evaluations WHERE model_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1",
        model.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (EvaluationId(row.id), row.created_at)))
}

/// One evaluation.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn find_evaluation(
    conn: &mut PgConnection,
    id: EvaluationId,
) -> Result<Option<Evaluation>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, model_id, job_id, attempt_id, program, report_sha256, statement_sha256, created_at
         FROM evaluations WHERE id = $1",
        id.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    match row {
        Some(row) => with_figures(conn, row).await.map(Some),
        None => Ok(None),
    }
}

/// The signed statement of an evaluation, as it was signed.
///
/// # Errors
/// Where the database is away.
pub async fn evaluation_statement(
    conn: &mut PgConnection,
    id: EvaluationId,
) -> Result<Option<String>, StoreError> {
    Ok(
        sqlx::query_scalar!("SELECT envelope FROM evaluations WHERE id = $1", id.0)
            .fetch_optional(conn)
            .await?,
    )
}

/// How a model stands to the limits of its datasets.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn memorisation_standing(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<MemorisationStanding, StoreError> {
    let word = sqlx::query_scalar!(
        r#"SELECT memorisation_standing($1) AS "standing!""#,
        model.0
    )
    .fetch_one(conn)
    .await?;
    Ok(word.parse().map_err(|_| CorruptRow {
        table: "models",
        id: model.0,
        problem: "unknown standing to limits on memorisation",
    })?)
}

/// The limits that the datasets of a model set.
///
/// # Errors
/// Where the database is away.
pub async fn memorisation_limits(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<MemorisationLimit>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT l.dataset_id AS "dataset_id!", d.title, l.most_extracted, l.longest_match,
                  NOT EXISTS (
                      SELECT 1 FROM memorisation_by_limit($1) f
                      WHERE f.dataset_id = l.dataset_id AND NOT memorisation_is_tried(f.documents, f.items)
                  ) AS "is_tried!"
           FROM memorisation_limits_of($1) l JOIN datasets d ON d.id = l.dataset_id
           ORDER BY d.title, d.id"#,
        model.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| MemorisationLimit {
            dataset: DatasetId(row.dataset_id),
            title: row.title,
            most_extracted: row.most_extracted,
            longest_match: row.longest_match,
            is_tried: row.is_tried,
        })
        .collect())
}

/// Every dataset version that a model comes from, in the order in which they are locked.
pub(super) async fn versions_in_lineage(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<DatasetVersionId>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT v.id FROM lineage_ancestors(ARRAY[$1::uuid]) a JOIN dataset_versions v ON v.id = a.id ORDER BY v.id",
        model.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(DatasetVersionId).collect())
}
