//! The raw events of a month.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::{
    journal::{Facts, Read, Served, Stretch},
    month::Month,
};
use crate::{
    db::StoreError,
    ids::{AttemptId, DatasetVersionId, JobId, ModelId},
};

/// The raw events of `month` that happened before `until`.
pub(in super::super) async fn facts(
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

/// When permission for these versions was first withdrawn after the model's lineage read them: of the version, or so
/// much of its dataset that the version fell, or that the model or one it stands on was touched.
async fn withdrawn_since(
    conn: &mut PgConnection,
    model: ModelId,
    versions: impl Iterator<Item = DatasetVersionId>,
) -> Result<BTreeMap<DatasetVersionId, DateTime<Utc>>, StoreError> {
    let versions: Vec<Uuid> = versions.map(|version| version.0).collect();
    let rows = sqlx::query!(
        r#"SELECT v.id, min(w.withdrawn_at) AS "at!"
           FROM dataset_versions v
           JOIN withdrawals w ON EXISTS (
                   SELECT 1 FROM withdrawal_versions x
                   WHERE x.withdrawal_id = w.id AND x.dataset_version_id = v.id)
               OR (w.dataset_id = v.dataset_id AND w.scope IN ('layer', 'permission') AND EXISTS (
                   SELECT 1 FROM withdrawal_models x
                   WHERE x.withdrawal_id = w.id AND (x.model_id = $2 OR x.model_id IN (
                       SELECT l.id FROM lineage_ancestors(ARRAY[$2]) l WHERE l.kind = 'model'))))
           WHERE v.id = ANY($1) AND w.withdrawn_at > (
               SELECT min(t.read_at) FROM tokens_read t JOIN attempts a ON a.id = t.attempt_id
               WHERE t.dataset_version_id = v.id AND a.status = 'succeeded' AND a.job_id IN (
                   SELECT l.id FROM lineage_ancestors(ARRAY[$2]) l WHERE l.kind = 'job'))
           GROUP BY v.id"#,
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
