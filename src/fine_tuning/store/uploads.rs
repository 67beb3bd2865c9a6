//! Files that come in parts.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::upload::{Part, Upload};
use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::{ApiKeyId, FileId, InstitutionId},
};

/// One upload of an institution, as it stands at `now`.
pub(in super::super) async fn find(
    conn: &mut PgConnection,
    (institution, id): (InstitutionId, Uuid),
    now: DateTime<Utc>,
) -> Result<Option<Upload>, StoreError> {
    let row = sqlx::query!(
        // Whether or not the sweep has come by.
        r#"SELECT id, api_key_id, filename, bytes, created_at, expires_at, file_expires_seconds, receiving_id, file_id,
                  CASE WHEN status = 'pending' AND expires_at <= $3
                            AND (completing_until IS NULL OR completing_until < $3)
                       THEN 'expired' ELSE status END AS "status!"
           FROM api_uploads WHERE id = $1 AND institution_id = $2"#,
        id,
        institution.0,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Upload {
        id: row.id,
        key: ApiKeyId(row.api_key_id),
        filename: row.filename,
        bytes: row.bytes,
        status: row.status,
        created_at: row.created_at,
        expires_at: row.expires_at,
        file_expires_seconds: row.file_expires_seconds.map(i32::unsigned_abs),
        receiving: row.receiving_id.map(FileId),
        file: row.file_id.map(FileId),
    }))
}

/// A new upload of the actor's institution; false where it has `most` that are open.
pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    upload: &Upload,
    most: i64,
) -> Result<bool, StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    // Those of one institution are counted one after another.
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('uploads of ' || $1::text, 0))",
        actor.institution.0.to_string(),
    )
    .execute(tx.conn())
    .await?;
    let done = sqlx::query!(
        "INSERT INTO api_uploads (id, institution_id, api_key_id, created_by, filename, bytes, status, created_at,
             expires_at, file_expires_seconds)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
         WHERE (SELECT count(*) FROM api_uploads
                WHERE institution_id = $2 AND status = 'pending'
                  -- Whether or not the sweep has come by.
                  AND (expires_at > $11 OR completing_until >= $11)) < $12",
        upload.id,
        actor.institution.0,
        upload.key.0,
        actor.user.0,
        upload.filename,
        upload.bytes,
        upload.status,
        upload.created_at,
        upload.expires_at,
        upload
            .file_expires_seconds
            .and_then(|seconds| i32::try_from(seconds).ok()),
        now,
        most,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What became of a part that was to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Noted {
    Yes,
    /// The upload takes none any more.
    Ended,
    /// It has as many parts or bytes as it may.
    Full,
}

/// Notes a part before it is sent to the store, so that it is found there whatever happens.
pub(in super::super) async fn insert_part(
    tx: &mut MeterTx,
    upload: Uuid,
    part: &Part,
) -> Result<Noted, StoreError> {
    let now = tx.now();
    // Parts of one upload are counted one after another.
    let open = sqlx::query_scalar!(
        "SELECT bytes FROM api_uploads WHERE id = $1 AND status = 'pending' AND expires_at > $2 FOR UPDATE",
        upload,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(bytes) = open else {
        return Ok(Noted::Ended);
    };
    let taken = sqlx::query!(
        r#"SELECT count(*) AS "parts!", coalesce(sum(size_bytes), 0)::bigint AS "bytes!" FROM api_upload_parts
           WHERE upload_id = $1"#,
        upload,
    )
    .fetch_one(tx.conn())
    .await?;
    // The SDKs try three times to send a part, and each try may have come in and its answer been lost.
    let most = i64::try_from(openai_api::MAX_PARTS).unwrap_or(i64::MAX);
    if taken.parts >= most || taken.bytes + part.size_bytes > bytes.saturating_mul(3) {
        return Ok(Noted::Full);
    }
    sqlx::query!(
        "INSERT INTO api_upload_parts (id, upload_id, size_bytes, object_key, created_at) VALUES ($1, $2, $3, $4, $5)",
        part.id,
        upload,
        part.size_bytes,
        part.object_key,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(Noted::Yes)
}

/// The part is in the store.
pub(in super::super) async fn set_stored(
    tx: &mut MeterTx,
    part: Uuid,
    version: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE api_upload_parts SET object_version = $2 WHERE id = $1",
        part,
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// All parts of an upload, by arrival.
pub(in super::super) async fn parts(
    conn: &mut PgConnection,
    upload: Uuid,
) -> Result<Vec<Part>, StoreError> {
    let rows = sqlx::query_as!(
        Part,
        "SELECT id, size_bytes, object_key, object_version, created_at FROM api_upload_parts
         WHERE upload_id = $1 ORDER BY id",
        upload,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Lets one request at a time put an upload together, under a claim of its own; false where another does, or it is not
/// open any more.
pub(in super::super) async fn claim(
    tx: &mut MeterTx,
    (upload, claim): (Uuid, Uuid),
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE api_uploads SET completing_until = $3, completing_by = $4
         WHERE id = $1 AND status = 'pending' AND expires_at > $2
           AND (completing_until IS NULL OR completing_until < $2)",
        upload,
        now,
        now + lease,
        claim,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a claim for longer; false where it went to another, or the upload ended.
pub(in super::super) async fn renew(
    tx: &mut MeterTx,
    (upload, claim): (Uuid, Uuid),
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let until = tx.now() + lease;
    let done = sqlx::query!(
        "UPDATE api_uploads SET completing_until = $3
         WHERE id = $1 AND completing_by = $2 AND status = 'pending'",
        upload,
        claim,
        until,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a claim back.
pub(in super::super) async fn release(
    tx: &mut MeterTx,
    (upload, claim): (Uuid, Uuid),
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE api_uploads SET completing_until = NULL, completing_by = NULL WHERE id = $1 AND completing_by = $2",
        upload,
        claim,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes which file the parts are put together as; false where the claim went to another.
pub(in super::super) async fn set_receiving(
    tx: &mut WriteTx<'_>,
    (upload, claim): (Uuid, Uuid),
    file: FileId,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE api_uploads SET receiving_id = $3 WHERE id = $1 AND completing_by = $2 AND status = 'pending'",
        upload,
        claim,
        file.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends an upload as this file; false where the claim went to another.
pub(in super::super) async fn set_completed(
    tx: &mut WriteTx<'_>,
    (upload, claim): (Uuid, Uuid),
    file: FileId,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE api_uploads SET status = 'completed', file_id = $3, completing_until = NULL, completing_by = NULL
         WHERE id = $1 AND completing_by = $2 AND status = 'pending'",
        upload,
        claim,
        file.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends an upload that nothing is made of; false where it had ended or is being put together.
pub(in super::super) async fn set_cancelled(
    tx: &mut WriteTx<'_>,
    upload: Uuid,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE api_uploads SET status = 'cancelled'
         WHERE id = $1 AND status = 'pending' AND (completing_until IS NULL OR completing_until < $2)",
        upload,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends what expired; answers how many there were.
pub(in super::super) async fn expire(tx: &mut MeterTx) -> Result<u64, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE api_uploads SET status = 'expired'
         WHERE status = 'pending' AND expires_at <= $1 AND (completing_until IS NULL OR completing_until < $1)",
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected())
}

/// Uploads that have ended and of which parts may still be in the store. One with a part that may still be on its way
/// there waits: what comes in after it was cleared would stay for good.
pub(in super::super) async fn to_clear(
    conn: &mut PgConnection,
    on_their_way_since: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT u.id FROM api_uploads u WHERE NOT u.is_cleared AND u.status <> 'pending'
           AND NOT EXISTS (SELECT FROM api_upload_parts p
                           WHERE p.upload_id = u.id AND p.object_version IS NULL AND p.created_at > $1)
         ORDER BY u.expires_at LIMIT 50",
        on_their_way_since,
    )
    .fetch_all(conn)
    .await?)
}

pub(in super::super) async fn set_cleared(
    tx: &mut MeterTx,
    upload: Uuid,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE api_uploads SET is_cleared = true WHERE id = $1",
        upload
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
