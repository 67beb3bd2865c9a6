//! Copies that have to go, and the proof that they are gone.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::{AttemptId, DatasetVersionId, FileId, JobId, PurgeItemId, WithdrawalId},
};

/// Gives up what is still being uploaded to these versions; answers the files, for their leftovers to be freed.
/// An address that was signed for a part is of no use once its upload is aborted.
pub(in super::super) async fn abort_uploads(
    tx: &mut WriteTx<'_>,
    versions: &[DatasetVersionId],
) -> Result<Vec<FileId>, StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    let ids = sqlx::query_scalar!(
        "UPDATE dataset_files SET state = 'aborted'
         WHERE dataset_version_id = ANY($1) AND state IN ('uploading', 'verifying') RETURNING id",
        &versions,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(ids.into_iter().map(FileId).collect())
}

/// Withdraws these versions, where they are not over.
pub(in super::super) async fn withdraw_versions(
    tx: &mut WriteTx<'_>,
    versions: &[DatasetVersionId],
) -> Result<(), StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    sqlx::query!(
        "UPDATE dataset_versions SET withdrawn_from = status, status = 'withdrawn'
         WHERE id = ANY($1) AND status NOT IN ('withdrawn', 'rejected')",
        &versions,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes down what has to go: each file of these versions, whatever its state, its words in the search index, and the
/// work folder of each attempt that read one of them, with what the attempt put in the store and is no model's: checkpoints,
/// and what it made that was never registered.
pub(in super::super) async fn plan_purge(
    tx: &mut WriteTx<'_>,
    withdrawal: WithdrawalId,
    versions: &[DatasetVersionId],
    jobs: &[JobId],
) -> Result<(), StoreError> {
    let versions: Vec<_> = versions.iter().map(|version| version.0).collect();
    sqlx::query!(
        "INSERT INTO purge_items (id, withdrawal_id, kind, name, file_id)
         SELECT gen_random_uuid(), $1, 'object', object_key, id FROM dataset_files
         WHERE dataset_version_id = ANY($2)",
        withdrawal.0,
        &versions,
    )
    .execute(tx.conn())
    .await?;
    // The search index holds every word of a verified file with its place.
    sqlx::query!(
        "INSERT INTO purge_items (id, withdrawal_id, kind, name, file_id)
         SELECT gen_random_uuid(), $1, 'index', f.object_key, f.id FROM dataset_files f
         WHERE f.dataset_version_id = ANY($2)
           AND (f.state = 'ready' OR EXISTS (SELECT 1 FROM indexed_files i WHERE i.file_id = f.id))",
        withdrawal.0,
        &versions,
    )
    .execute(tx.conn())
    .await?;
    let jobs: Vec<_> = jobs.iter().map(|job| job.0).collect();
    sqlx::query!(
        "INSERT INTO purge_items (id, withdrawal_id, kind, name, place, attempt_id)
         SELECT gen_random_uuid(), $1, 'work_folder', a.id::text, a.backend, a.id FROM attempts a
         WHERE a.job_id = ANY($2) AND EXISTS (
             SELECT 1 FROM job_datasets d WHERE d.job_id = a.job_id AND d.dataset_version_id = ANY($3))",
        withdrawal.0,
        &jobs,
        &versions,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "INSERT INTO purge_items (id, withdrawal_id, kind, name, attempt_id)
         SELECT gen_random_uuid(), $1, 'artifact', f.object_key, f.attempt_id
         FROM artifacts f JOIN attempts a ON a.id = f.attempt_id
         WHERE a.job_id = ANY($2) AND f.kind IN ('checkpoint', 'model') AND f.deleted_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM model_files m WHERE m.object_key = f.object_key)
           AND EXISTS (
             SELECT 1 FROM job_datasets d WHERE d.job_id = a.job_id AND d.dataset_version_id = ANY($3))",
        withdrawal.0,
        &jobs,
        &versions,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An object that has to go.
pub(in super::super) struct Item {
    pub(in super::super) id: PurgeItemId,
    pub(in super::super) key: String,
    /// The version that was verified, and the hash of its content.
    pub(in super::super) object_version: Option<String>,
    pub(in super::super) sha256: Option<String>,
    /// An upload to it that may still be open.
    pub(in super::super) upload: Option<String>,
}

/// The objects of a withdrawal that nobody has proven gone.
pub(in super::super) async fn unproven_objects(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT i.id, i.name, f.object_version AS "object_version?", f.sha256 AS "sha256?",
                  f.s3_upload_id AS "upload?"
           FROM purge_items i JOIN dataset_files f ON f.id = i.file_id
           WHERE i.withdrawal_id = $1 AND i.kind = 'object'
             AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)
           ORDER BY i.name"#,
        withdrawal.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Item {
            id: PurgeItemId(row.id),
            key: row.name,
            object_version: row.object_version,
            sha256: row.sha256,
            upload: row.upload,
        })
        .collect())
}

/// The words of a file in the search index, which have to go.
pub(in super::super) struct Words {
    pub(in super::super) item: PurgeItemId,
    pub(in super::super) file: FileId,
}

/// The files of a withdrawal whose words nobody has proven gone.
pub(in super::super) async fn unproven_words(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
) -> Result<Vec<Words>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT i.id, i.file_id AS "file_id!" FROM purge_items i
           WHERE i.withdrawal_id = $1 AND i.kind = 'index'
             AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)
           ORDER BY i.id"#,
        withdrawal.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Words {
            item: PurgeItemId(row.id),
            file: FileId(row.file_id),
        })
        .collect())
}

/// What an attempt put in the store, which has to go.
pub(in super::super) struct Learnt {
    pub(in super::super) withdrawal: WithdrawalId,
    pub(in super::super) item: Item,
}

/// What nobody has proven gone and nobody can be putting any more, 100 at most: those first that never failed or failed
/// longest ago.
pub(in super::super) async fn unproven_artifacts(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<Learnt>, StoreError> {
    let rows = sqlx::query!(
        "SELECT i.id, i.withdrawal_id, i.name, f.object_version, f.sha256
         FROM purge_items i JOIN artifacts f ON f.object_key = i.name JOIN attempts a ON a.id = i.attempt_id
         WHERE i.kind = 'artifact' AND a.ended_at IS NOT NULL AND f.put_until < $1
           AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)
         ORDER BY (SELECT max(x.failed_at) FROM purge_failures x WHERE x.item_id = i.id) NULLS FIRST, i.id LIMIT 100",
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Learnt {
            withdrawal: WithdrawalId(row.withdrawal_id),
            item: Item {
                id: PurgeItemId(row.id),
                key: row.name,
                object_version: row.object_version,
                sha256: Some(row.sha256),
                upload: None,
            },
        })
        .collect())
}

/// A work folder that has to go.
pub(in super::super) struct Place {
    pub(in super::super) item: PurgeItemId,
    pub(in super::super) withdrawal: WithdrawalId,
    pub(in super::super) attempt: AttemptId,
}

/// The work folders at `place` whose program has ended and that nobody has proven gone, 100 at most: those first that
/// never failed or failed longest ago, so that folders that cannot be removed hide no others.
pub(in super::super) async fn unproven_folders(
    conn: &mut PgConnection,
    place: &str,
) -> Result<Vec<Place>, StoreError> {
    let rows = sqlx::query!(
        "SELECT i.id, i.withdrawal_id, a.id AS attempt
           FROM purge_items i JOIN attempts a ON a.id = i.attempt_id
           WHERE i.kind = 'work_folder' AND i.place = $1 AND a.ended_at IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)
           ORDER BY (SELECT max(x.failed_at) FROM purge_failures x WHERE x.item_id = i.id) NULLS FIRST, i.id LIMIT 100",
        place,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Place {
            item: PurgeItemId(row.id),
            withdrawal: WithdrawalId(row.withdrawal_id),
            attempt: AttemptId(row.attempt),
        })
        .collect())
}

/// What is known of an object version that was deleted.
pub(in super::super) struct Deleted<'a> {
    pub(in super::super) version: &'a str,
    pub(in super::super) is_delete_marker: bool,
    pub(in super::super) size_bytes: Option<i64>,
    pub(in super::super) sha256: Option<&'a str>,
}

/// Keeps that a version was deleted; again is fine.
pub(in super::super) async fn add_deletion(
    tx: &mut MeterTx,
    item: PurgeItemId,
    deleted: &Deleted<'_>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO purge_deletions (item_id, object_version, is_delete_marker, size_bytes, sha256, deleted_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (item_id, object_version) DO NOTHING",
        item.0,
        deleted.version,
        deleted.is_delete_marker,
        deleted.size_bytes,
        deleted.sha256,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps that nothing was found any more; again is fine.
pub(in super::super) async fn add_proof(
    tx: &mut MeterTx,
    item: PurgeItemId,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO purge_proofs (item_id, verified_absent_at) VALUES ($1, $2) ON CONFLICT (item_id) DO NOTHING",
        item.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what stood in the way; it is tried again.
pub(in super::super) async fn add_failure(
    tx: &mut MeterTx,
    item: PurgeItemId,
    problem: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO purge_failures (item_id, failed_at, problem) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        item.0,
        now,
        problem,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The machines with work folders of a withdrawal that nobody has proven gone, nor declared gone with their machine.
pub(in super::super) async fn open_places(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
) -> Result<Vec<String>, StoreError> {
    let places = sqlx::query_scalar!(
        r#"SELECT DISTINCT i.place AS "place!" FROM purge_items i JOIN attempts a ON a.id = i.attempt_id
           WHERE i.withdrawal_id = $1 AND i.kind = 'work_folder'
             AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)
             AND NOT EXISTS (SELECT 1 FROM lost_places l WHERE l.place = i.place AND l.declared_at > a.created_at)
           ORDER BY 1"#,
        withdrawal.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(places)
}

/// Keeps that a machine is gone.
pub(in super::super) async fn add_lost_place(
    tx: &mut WriteTx<'_>,
    place: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let (now, by) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO lost_places (place, declared_at, reason, declared_by) VALUES ($1, $2, $3, $4)",
        place,
        now,
        reason,
        by.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The withdrawals with work folders at `place` that nobody has proven gone.
pub(in super::super) async fn waiting_at(
    conn: &mut PgConnection,
    place: &str,
) -> Result<Vec<WithdrawalId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT DISTINCT i.withdrawal_id FROM purge_items i
         WHERE i.place = $1 AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)
         ORDER BY i.withdrawal_id",
        place,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(WithdrawalId).collect())
}

/// Withdrawals with objects or words that nobody has proven gone and whose task is given up.
pub(in super::super) async fn given_up(
    conn: &mut PgConnection,
    kind: &str,
) -> Result<Vec<WithdrawalId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT DISTINCT i.withdrawal_id FROM purge_items i
           JOIN tasks t ON t.kind = $1 AND t.payload->>'withdrawal' = i.withdrawal_id::text
               AND t.parked_at IS NOT NULL
           WHERE i.kind IN ('object', 'index') AND NOT EXISTS (SELECT 1 FROM purge_proofs p WHERE p.item_id = i.id)"#,
        kind,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(WithdrawalId).collect())
}
