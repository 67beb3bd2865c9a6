//! Reading all that is on record of a model as at an instant.

use chrono::{DateTime, Utc};
use job_contract::Outcome;
use sqlx::PgConnection;

use super::{
    care::{curation, licence, source_check},
    facts::{base_facts, decision, provider},
};
use crate::{
    datasets,
    db::{CorruptRow, StoreError},
    disclosures::ledger::{BaseRecord, Ledger, ModelRecord, Modification, SaidFacts, UsedDataset},
    ids::{AttemptId, DatasetId, DatasetVersionId, JobId, ModelId, PermissionId},
    models::{self, DistributionScope},
    privacy,
};

/// All that is on record of a tuned model as at `at`; none where there is no such model, it is a base, or
/// there is no base that it came from.
pub(in super::super) async fn ledger(
    conn: &mut PgConnection,
    model: ModelId,
    at: DateTime<Utc>,
) -> Result<Option<Ledger>, StoreError> {
    let Some(record) = model_record(conn, model, at).await? else {
        return Ok(None);
    };
    let links = sqlx::query!(
        r#"WITH RECURSIVE chain AS (
               SELECT id, name, weights_sha256, base_model_id, job_id, 0 AS depth FROM models WHERE id = $1
               UNION
               SELECT m.id, m.name, m.weights_sha256, m.base_model_id, m.job_id, c.depth + 1
               FROM models m JOIN chain c ON m.id = c.base_model_id
           )
           SELECT id AS "id!", name AS "name!", weights_sha256 AS "weights_sha256!", job_id FROM chain
           ORDER BY depth"#,
        model.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let (mut chain, mut base) = (Vec::new(), None);
    for link in links {
        match link.job_id {
            Some(job) => {
                let model = (ModelId(link.id), link.name);
                chain.push(modification(conn, model, JobId(job), at).await?);
            }
            None => {
                base = Some(BaseRecord {
                    id: ModelId(link.id),
                    facts: base_facts(conn, ModelId(link.id), at).await?,
                    name: link.name,
                    weights_sha256: link.weights_sha256,
                });
            }
        }
    }
    // A model that was trained from nothing modifies none: these documents are about modifications.
    let Some(base) = base else {
        return Ok(None);
    };
    Ok(Some(Ledger {
        at,
        model: record,
        chain,
        base,
        provider: provider(conn, at).await?,
        decision: decision(conn, model, at).await?,
    }))
}

async fn model_record(
    conn: &mut PgConnection,
    model: ModelId,
    at: DateTime<Utc>,
) -> Result<Option<ModelRecord>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT m.id, m.name, m.license, m.weights_sha256, m.released_at,
                  r.statement_sha256 AS "receipt_sha256?", m.release_recipients, m.release_commercial,
                  m.release_territories, m.release_share_alike
           FROM models m LEFT JOIN receipts r ON r.model_id = m.id AND r.created_at <= $2
           WHERE m.id = $1 AND m.kind <> 'base' AND m.created_at <= $2"#,
        model.0,
        at,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let released_at = row.released_at.filter(|released| *released <= at);
    let release = match (
        released_at,
        row.release_recipients,
        row.release_commercial,
        row.release_share_alike,
    ) {
        (Some(_), Some(recipients), Some(allows_commercial_use), Some(is_share_alike)) => {
            Some(DistributionScope {
                recipients: recipients.parse().map_err(|_| CorruptRow {
                    table: "models",
                    id: row.id,
                    problem: "unknown recipients",
                })?,
                allows_commercial_use,
                territories: row
                    .release_territories
                    .map(|codes| codes.into_iter().collect()),
                is_share_alike,
            })
        }
        _ => None,
    };
    Ok(Some(ModelRecord {
        id: model,
        name: row.name,
        license: row.license,
        weights_sha256: row.weights_sha256,
        released_at,
        scope: match release {
            Some(scope) => scope,
            // Not released yet, or before releases said how far: exactly as far as its lineage allows.
            None => models::scope(conn, model).await?,
        },
        receipt_sha256: row.receipt_sha256,
    }))
}

async fn modification(
    conn: &mut PgConnection,
    (model, model_name): (ModelId, String),
    job: JobId,
    at: DateTime<Utc>,
) -> Result<Modification, StoreError> {
    let row = sqlx::query!(
        r#"SELECT j.purpose, j.motivation, j.task, a.id AS attempt,
                  a.ended_at AS "ended_at!", a.outcome AS "outcome!"
           FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.status = 'succeeded'
           WHERE j.id = $1"#,
        job.0,
    )
    .fetch_one(&mut *conn)
    .await?;
    let corrupt = |problem| CorruptRow {
        table: "attempts",
        id: row.attempt,
        problem,
    };
    let Ok(Outcome::Succeeded(result)) = serde_json::from_value(row.outcome) else {
        return Err(corrupt("a success without its outcome").into());
    };
    Ok(Modification {
        model,
        model_name,
        job,
        purpose: row.purpose,
        motivation: row.motivation,
        task: serde_json::from_value(row.task).map_err(|_| corrupt("an unknown task"))?,
        attempt: AttemptId(row.attempt),
        ended_at: row.ended_at,
        result: *result,
        datasets: datasets_of(conn, AttemptId(row.attempt), at).await?,
    })
}

async fn datasets_of(
    conn: &mut PgConnection,
    attempt: AttemptId,
    at: DateTime<Utc>,
) -> Result<Vec<UsedDataset>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT t.dataset_version_id, t.tokens, v.number, v.dataset_id, v.submitted_at, v.manifest_sha256,
                  u.id AS "verdict_id?", u.verdict AS "verdict?",
                  (SELECT count(*) FROM dataset_files f
                   WHERE f.dataset_version_id = v.id AND f.state = 'ready') AS "files!",
                  (SELECT coalesce(sum(f.size_bytes), 0)::bigint FROM dataset_files f
                   WHERE f.dataset_version_id = v.id AND f.state = 'ready') AS "bytes!",
                  (SELECT coalesce(sum(f.documents), 0)::bigint FROM dataset_files f
                   WHERE f.dataset_version_id = v.id AND f.state = 'ready') AS "documents!"
           FROM tokens_read t
           JOIN dataset_versions v ON v.id = t.dataset_version_id
           LEFT JOIN dataset_uses u ON u.attempt_id = t.attempt_id AND u.dataset_version_id = v.id
           WHERE t.attempt_id = $1 ORDER BY v.id"#,
        attempt.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut found = Vec::new();
    for row in rows {
        let dataset = DatasetId(row.dataset_id);
        let version = DatasetVersionId(row.dataset_version_id);
        let filed = privacy::of_dataset(conn, dataset).await?;
        // What was said when the files were frozen; what is said of a later version is not of this one.
        let said_at = row.submitted_at.map_or(at, |submitted| submitted.min(at));
        let withdrawn = sqlx::query!(
            "SELECT w.id, w.withdrawn_at FROM withdrawals w
             WHERE w.withdrawn_at <= $2
               AND (EXISTS (SELECT 1 FROM withdrawal_versions x
                            WHERE x.withdrawal_id = w.id AND x.dataset_version_id = $3)
                    OR (w.dataset_id = $1 AND w.scope IN ('layer', 'permission')
                        AND EXISTS (SELECT 1 FROM withdrawal_models x JOIN models m ON m.id = x.model_id
                                    JOIN attempts a ON a.job_id = m.job_id
                                    WHERE x.withdrawal_id = w.id AND a.id = $4)))
             ORDER BY w.withdrawn_at DESC, w.id DESC LIMIT 1",
            dataset.0,
            at,
            row.dataset_version_id,
            attempt.0,
        )
        .fetch_optional(&mut *conn)
        .await?;
        let reviews = sqlx::query_scalar!(
            "SELECT id FROM reviews WHERE dataset_version_id = $1 AND submitted_at = $2 AND decision = 'approved'
                 AND decided_at <= $3
             ORDER BY id",
            row.dataset_version_id,
            row.submitted_at,
            at,
        )
        .fetch_all(&mut *conn)
        .await?;
        found.push(UsedDataset {
            dataset,
            version,
            number: row.number,
            manifest_sha256: row.manifest_sha256.unwrap_or_default(),
            said: said(conn, dataset, said_at).await?,
            public: datasets::stated(conn, dataset, at).await?,
            files: row.files,
            bytes: row.bytes,
            documents: row.documents,
            tokens: row.tokens,
            verdict: row.verdict_id,
            permissions: row
                .verdict
                .map(|verdict| permissions_in(&verdict))
                .unwrap_or_default(),
            reviews,
            licence: licence(conn, dataset, at).await?,
            check: source_check(conn, dataset, at).await?,
            curation: curation(conn, version, at).await?,
            assessment: privacy::signed(&filed, version, at).cloned(),
            withdrawn: withdrawn.map(|row| (row.id, row.withdrawn_at)),
        });
    }
    Ok(found)
}

/// The permissions that a verdict names.
fn permissions_in(verdict: &serde_json::Value) -> Vec<PermissionId> {
    let mut found: Vec<PermissionId> = verdict["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reason| reason["permission"].as_str()?.parse().ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What an institution said of its dataset at `at`: the audit log knows, however often it was changed since.
async fn said(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<SaidFacts, StoreError> {
    let logged = sqlx::query_scalar!(
        r#"SELECT payload -> 'facts' AS "facts: serde_json::Value" FROM events
           WHERE subject_kind = 'dataset' AND subject_id = $1 AND occurred_at <= $2
             AND kind IN ('datasets.registered', 'datasets.described')
           ORDER BY seq DESC LIMIT 1"#,
        dataset.0,
        at,
    )
    .fetch_optional(&mut *conn)
    .await?
    .flatten();
    if let Some(facts) = logged {
        return serde_json::from_value(facts).map_err(|_| {
            CorruptRow {
                table: "events",
                id: dataset.0,
                problem: "facts of a dataset that cannot be read",
            }
            .into()
        });
    }
    // Brought in by other means than registration.
    let row = sqlx::query!(
        "SELECT title, license, right_holder, personal_data_basis, confidentiality FROM datasets WHERE id = $1",
        dataset.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(SaidFacts {
        title: row.title,
        license: row.license,
        right_holder: row.right_holder,
        personal_data_basis: row.personal_data_basis,
        confidentiality: row.confidentiality,
    })
}
