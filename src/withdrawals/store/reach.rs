//! What stands on a dataset: found by the foreign keys that everything was written with.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::reach::{Copies, Derived, ReachedKey, ReachedModel, Sibling};
use crate::{
    db::{StoreError, WriteTx},
    ids::{ApiKeyId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId, UserId},
    policy::Visibility,
};

/// A dataset that is kept from changing.
pub(in super::super) struct Held {
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) title: String,
}

/// Keeps everybody who decides on a use of the dataset waiting until the transaction ends.
pub(in super::super) async fn lock_dataset(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query!(
        "SELECT institution_id, title FROM datasets WHERE id = $1 FOR UPDATE",
        dataset.0
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Held {
        institution: InstitutionId(row.institution_id),
        title: row.title,
    }))
}

/// A version of a dataset.
pub(in super::super) struct Version {
    pub(in super::super) id: DatasetVersionId,
    pub(in super::super) number: i32,
    pub(in super::super) status: String,
}

/// The versions of a dataset, oldest first.
pub(in super::super) async fn versions(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, number, status FROM dataset_versions WHERE dataset_id = $1 ORDER BY number",
        dataset.0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Version {
            id: DatasetVersionId(row.id),
            number: row.number,
            status: row.status,
        })
        .collect())
}

/// Everything that these jobs made, all that was made from that at any depth, and the jobs that made it: each id
/// once, in order. Also the jobs that wait to be made from one of the models, which have read nothing yet and so
/// have no lineage of their own.
pub(in super::super) async fn descendants(
    conn: &mut PgConnection,
    roots: &[JobId],
) -> Result<(Vec<JobId>, Vec<ModelId>), StoreError> {
    let mut roots: Vec<_> = roots.iter().map(|job| job.0).collect();
    loop {
        // `lineage_descendants` is the one place that walks from data down to models.
        let rows = sqlx::query!(
            r#"SELECT kind AS "kind!", id AS "id!" FROM lineage_descendants($1) WHERE kind IN ('job', 'model')"#,
            &roots,
        )
        .fetch_all(&mut *conn)
        .await?;
        let (models, jobs): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.kind == "model");
        let mut models: Vec<Uuid> = models.into_iter().map(|row| row.id).collect();
        let mut jobs: Vec<Uuid> = jobs.into_iter().map(|row| row.id).collect();
        jobs.extend(&roots);
        jobs.sort_unstable();
        jobs.dedup();
        let waiting = sqlx::query_scalar!(
            "SELECT id FROM jobs WHERE base_model_id = ANY($1) AND id <> ALL($2)",
            &models,
            &jobs,
        )
        .fetch_all(&mut *conn)
        .await?;
        if waiting.is_empty() {
            models.sort_unstable();
            return Ok((
                jobs.into_iter().map(JobId).collect(),
                models.into_iter().map(ModelId).collect(),
            ));
        }
        roots = jobs;
        roots.extend(waiting);
    }
}

/// Versions of other datasets that were curated from these, at any depth; versions of the same dataset have
/// permissions of their own.
pub(in super::super) async fn derived(
    conn: &mut PgConnection,
    dataset: DatasetId,
    versions: &[DatasetVersionId],
) -> Result<Vec<Derived>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query!(
        r#"SELECT d.id AS "id!", v.number, v.status IN ('withdrawn', 'rejected') AS "is_over!", s.id AS dataset, s.title,
                  s.institution_id
           FROM lineage_descendants($1) d JOIN dataset_versions v ON v.id = d.id JOIN datasets s ON s.id = v.dataset_id
           WHERE d.kind = 'dataset_version' AND v.dataset_id <> $2 ORDER BY d.id"#,
        &versions,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Derived {
            version: DatasetVersionId(row.id),
            number: row.number,
            is_over: row.is_over,
            dataset: DatasetId(row.dataset),
            title: row.title,
            owner: InstitutionId(row.institution_id),
        })
        .collect())
}

/// The other versions of the same dataset that count and hold files of these: made from one of them or the other way
/// round, at any depth, or with a file of the same content. Oldest first.
pub(in super::super) async fn siblings(
    conn: &mut PgConnection,
    dataset: DatasetId,
    versions: &[DatasetVersionId],
) -> Result<Vec<Sibling>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let rows = sqlx::query!(
        "SELECT v.id, v.number FROM dataset_versions v
         WHERE v.dataset_id = $2 AND v.id <> ALL($1) AND v.status NOT IN ('withdrawn', 'rejected')
           AND (v.id IN (SELECT id FROM lineage_descendants($1) UNION ALL SELECT id FROM lineage_ancestors($1))
                OR EXISTS (SELECT 1 FROM dataset_files f JOIN dataset_files g ON g.sha256 = f.sha256
                           WHERE f.dataset_version_id = ANY($1) AND g.dataset_version_id = v.id))
         ORDER BY v.number",
        &versions,
        dataset.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Sibling {
            version: DatasetVersionId(row.id),
            number: row.number,
        })
        .collect())
}

/// Keeps the datasets of these versions as [`lock_dataset`] does.
pub(in super::super) async fn lock_datasets_of(
    tx: &mut WriteTx<'_>,
    versions: &[DatasetVersionId],
) -> Result<(), StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    sqlx::query!(
        "SELECT id FROM datasets
         WHERE id IN (SELECT dataset_id FROM dataset_versions WHERE id = ANY($1)) ORDER BY id FOR UPDATE",
        &versions,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Keeps models from being released, deployed, tuned and decided on until the transaction ends. Programs that end
/// may still register what they made from one; who holds these looks again for those.
pub(in super::super) async fn lock_models(
    tx: &mut WriteTx<'_>,
    models: &[ModelId],
) -> Result<(), StoreError> {
    let models: Vec<_> = models.iter().map(|model| model.0).collect();
    sqlx::query!(
        "SELECT id FROM models WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
        &models,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// These models, with whose they are and whether they are served.
pub(in super::super) async fn models(
    conn: &mut PgConnection,
    models: &[ModelId],
) -> Result<Vec<ReachedModel>, StoreError> {
    let models: Vec<_> = models.iter().map(|model| model.0).collect();
    let rows = sqlx::query!(
        r#"SELECT m.id, m.name, m.institution_id, i.name AS institution, m.released_at IS NOT NULL AS "was_released!",
                  EXISTS (SELECT 1 FROM deployments d WHERE d.model_id = m.id AND d.status <> 'stopped') AS "is_served!"
           FROM models m JOIN institutions i ON i.id = m.institution_id
           WHERE m.id = ANY($1) ORDER BY m.id"#,
        &models,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReachedModel {
            id: ModelId(row.id),
            name: row.name,
            institution: row.institution,
            owner: InstitutionId(row.institution_id),
            was_released: row.was_released,
            is_served: row.is_served,
        })
        .collect())
}

/// The keys that reach any of these models and have not ended.
pub(in super::super) async fn keys(
    conn: &mut PgConnection,
    models: &[ModelId],
    now: DateTime<Utc>,
) -> Result<Vec<ReachedKey>, StoreError> {
    let models: Vec<_> = models.iter().map(|model| model.0).collect();
    let rows = sqlx::query!(
        "SELECT k.id, k.name, k.institution_id, k.requested_by, i.name AS institution
         FROM api_keys k JOIN institutions i ON i.id = k.institution_id
         WHERE k.status IN ('requested', 'approved', 'active') AND k.expires_at > $2
           AND EXISTS (SELECT 1 FROM api_key_models km WHERE km.api_key_id = k.id AND km.model_id = ANY($1))
         ORDER BY k.id",
        &models,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ReachedKey {
            id: ApiKeyId(row.id),
            name: row.name,
            institution: row.institution,
            owner: InstitutionId(row.institution_id),
            holder: UserId(row.requested_by),
        })
        .collect())
}

/// What lies in the object store of these versions.
pub(in super::super) async fn copies(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Copies, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let row = sqlx::query!(
        r#"SELECT count(*) AS "files!", coalesce(sum(size_bytes), 0)::bigint AS "size_bytes!"
           FROM dataset_files WHERE dataset_version_id = ANY($1) AND state <> 'aborted'"#,
        &versions,
    )
    .fetch_one(conn)
    .await?;
    Ok(Copies {
        files: row.files,
        size_bytes: row.size_bytes,
    })
}

/// Tokens of these versions that were read in training.
pub(in super::super) async fn tokens_read(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<i64, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let tokens = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(tokens), 0)::bigint AS "tokens!" FROM tokens_read
           WHERE dataset_version_id = ANY($1)"#,
        &versions,
    )
    .fetch_one(conn)
    .await?;
    Ok(tokens)
}

/// A dataset of one's own, for the page of contributions.
pub(in super::super) struct Contribution {
    pub(in super::super) id: DatasetId,
    pub(in super::super) title: String,
    pub(in super::super) created_at: DateTime<Utc>,
    /// When its permission was last withdrawn, if no permission was given since.
    pub(in super::super) withdrawn_at: Option<DateTime<Utc>>,
    pub(in super::super) has_permission: bool,
}

pub(in super::super) async fn contributions(
    conn: &mut PgConnection,
    visibility: Visibility,
    one: Option<DatasetId>,
) -> Result<Vec<Contribution>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT d.id, d.title, d.created_at,
                  (SELECT max(w.withdrawn_at) FROM withdrawals w WHERE w.dataset_id = d.id) AS withdrawn_at,
                  EXISTS (
                      SELECT 1 FROM permissions p
                      JOIN LATERAL (SELECT state FROM permission_events WHERE permission_id = p.id
                                    ORDER BY decided_at DESC, id DESC LIMIT 1) e ON true
                      WHERE p.dataset_id = d.id AND e.state IN ('given', 'renewed')) AS "has_permission!"
           FROM datasets d WHERE ($1::uuid IS NULL OR d.institution_id = $1) AND ($2::uuid IS NULL OR d.id = $2)
           ORDER BY d.id DESC LIMIT 200"#,
        visibility.filter(),
        one.map(|id| id.0),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Contribution {
            id: DatasetId(row.id),
            title: row.title,
            created_at: row.created_at,
            withdrawn_at: row.withdrawn_at.filter(|_| !row.has_permission),
            has_permission: row.has_permission,
        })
        .collect())
}

/// What stands on a dataset, in numbers.
pub(in super::super) struct UseCounts {
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) jobs: i64,
    pub(in super::super) models: i64,
    pub(in super::super) keys: i64,
    pub(in super::super) tokens: i64,
}

/// What stands on each of these datasets, however many there are, by one query.
pub(in super::super) async fn use_counts(
    conn: &mut PgConnection,
    datasets: &[DatasetId],
    now: DateTime<Utc>,
) -> Result<Vec<UseCounts>, StoreError> {
    let datasets: Vec<_> = datasets.iter().map(|dataset| dataset.0).collect();
    let rows = sqlx::query!(
        r#"SELECT d.id AS "id!", t.jobs + (
                      SELECT count(*) FROM jobs j WHERE j.base_model_id = ANY(t.model_ids) AND j.id <> ALL(t.job_ids)
                  ) AS "jobs!", cardinality(t.model_ids)::bigint AS "models!",
                  (SELECT count(*) FROM api_keys k
                   WHERE k.status IN ('requested', 'approved', 'active') AND k.expires_at > $2
                     AND EXISTS (SELECT 1 FROM api_key_models m
                                 WHERE m.api_key_id = k.id AND m.model_id = ANY(t.model_ids))) AS "keys!",
                  (SELECT coalesce(sum(r.tokens), 0)::bigint FROM tokens_read r
                   JOIN dataset_versions v ON v.id = r.dataset_version_id WHERE v.dataset_id = d.id) AS "tokens!"
           FROM unnest($1::uuid[]) AS d (id)
           CROSS JOIN LATERAL (
               SELECT count(*) FILTER (WHERE kind = 'job') AS jobs,
                      coalesce(array_agg(w.id) FILTER (WHERE kind = 'job'), '{}') AS job_ids,
                      coalesce(array_agg(w.id) FILTER (WHERE kind = 'model'), '{}') AS model_ids
               FROM lineage_touched(ARRAY(SELECT v.id FROM dataset_versions v WHERE v.dataset_id = d.id)) w) t"#,
        &datasets,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| UseCounts {
            dataset: DatasetId(row.id),
            jobs: row.jobs,
            models: row.models,
            keys: row.keys,
            tokens: row.tokens,
        })
        .collect())
}

/// Every job that asked for one of these versions, over or not.
pub(in super::super) async fn jobs_on(
    conn: &mut PgConnection,
    versions: &[DatasetVersionId],
) -> Result<Vec<JobId>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let ids = sqlx::query_scalar!(
        "SELECT DISTINCT job_id FROM job_datasets WHERE dataset_version_id = ANY($1) ORDER BY job_id",
        &versions,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(JobId).collect())
}
