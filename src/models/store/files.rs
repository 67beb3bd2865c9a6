//! Files of models.

use sqlx::PgConnection;

use super::super::model::ModelFile;
use crate::{
    db::{StoreError, WriteTx},
    ids::ModelId,
};

/// The files of a model, by name.
///
/// # Errors
/// Where the database is away.
pub async fn files_of(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<ModelFile>, StoreError> {
    let rows = sqlx::query_as!(
        ModelFile,
        "SELECT id, name, size_bytes, sha256, object_key, object_version FROM model_files
         WHERE model_id = $1 ORDER BY name",
        model.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// A file to be kept with a model.
#[derive(Debug, Clone)]
pub struct NewFile {
    pub name: String,
    pub size_bytes: i64,
    pub sha256: String,
    pub object_key: String,
    pub object_version: String,
}

pub(in super::super) async fn insert_file(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    file: &NewFile,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO model_files (id, model_id, name, size_bytes, sha256, object_key, object_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        uuid::Uuid::now_v7(),
        model.0,
        file.name,
        file.size_bytes,
        file.sha256,
        file.object_key,
        file.object_version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
