//! Files that come in parts.

use chrono::TimeDelta;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::upload::{Part, Upload};
use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::{ApiKeyId, FileId, InstitutionId},
};

/// One upload of an institution.
pub(in super::super) async fn find(
    conn: &mut PgConnection,
    institution: InstitutionId,
    id: Uuid,
) -> Result<Option<Upload>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, api_key_id, filename, bytes, status, created_at, expires_at, receiving_id, file_id
         FROM api_uploads WHERE id = $1 AND institution_id = $2",
        id,
        institution.0,
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
        receiving: row.receiving_id.map(FileId),
        file: row.file_id.map(FileId),
    }))
}

pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    upload: &Upload,
) -> Result<(), StoreError> {
    let actor = tx.actor();
    sqlx::query!(
        "INSERT INTO api_uploads (id, institution_id, api_key_id, created_by, filename, bytes, status, created_at,
             expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        upload.id,
        actor.institution.0,
        upload.key.0,
        actor.user.0,
        upload.filename,
        upload.bytes,
        upload.status,
        upload.created_at,
        upload.expires_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes a part before it is sent to the store, so that it is found there whatever happens; false where the upload takes
/// none any more, or has as many bytes as it may.
pub(in super::super) async fn insert_part(
    tx: &mut MeterTx,
    upload: Uuid,
    part: &Part,
) -> Result<bool, StoreError> {
    let now = tx.now();
    // Parts of one upload are counted one after another.
    let open = sqlx::query_scalar!(
        "SELECT bytes FROM api_uploads WHERE id = $1 AND status = 'pending' AND expires_at > $2 FOR UPDATE",
        upload,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(bytes) = open else { return Ok(false) };
    let taken = sqlx::query!(
        r#"SELECT count(*) AS "parts!", coalesce(sum(size_bytes), 0)::bigint AS "bytes!" FROM api_upload_parts
           WHERE upload_id = $1"#,
        upload,
    )
    .fetch_one(tx.conn())
    .await?;
    // A part that was sent twice may be there twice, so twice the whole is the bound.
    let most = i64::try_from(openai_api::MAX_PARTS).unwrap_or(i64::MAX);
    if taken.parts >= most || taken.bytes + part.size_bytes > 2 * bytes {
        return Ok(false);
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
    Ok(true)
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

/// Lets one request at a time put an upload together; false where another does, or it is not open any more.
pub(in super::super) async fn claim(
    tx: &mut MeterTx,
    upload: Uuid,
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE api_uploads SET completing_until = $3
         WHERE id = $1 AND status = 'pending' AND expires_at > $2
           AND (completing_until IS NULL OR completing_until < $2)",
        upload,
        now,
        now + lease,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the claim back.
pub(in super::super) async fn release(tx: &mut MeterTx, upload: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE api_uploads SET completing_until = NULL WHERE id = $1",
        upload
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes which file the parts are put together as.
pub(in super::super) async fn set_receiving(
    tx: &mut MeterTx,
    upload: Uuid,
    file: FileId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE api_uploads SET receiving_id = $2 WHERE id = $1",
        upload,
        file.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn set_completed(
    tx: &mut WriteTx<'_>,
    upload: Uuid,
    file: FileId,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE api_uploads SET status = 'completed', file_id = $2, completing_until = NULL
         WHERE id = $1 AND status = 'pending'",
        upload,
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

/// Uploads that have ended and of which parts may still be in the store.
pub(in super::super) async fn to_clear(conn: &mut PgConnection) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM api_uploads WHERE NOT is_cleared AND status <> 'pending' ORDER BY expires_at LIMIT 50"
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
