//! The SQL of the sizes of bases.

use sqlx::PgConnection;

use super::base_shape::BaseShape;
use crate::{
    db::{CorruptRow, StoreError},
    ids::ModelId,
};

/// Keeps the sizes of a base that has none yet.
pub(super) async fn keep_shape(
    conn: &mut PgConnection,
    model: ModelId,
    shape: &BaseShape,
) -> Result<(), StoreError> {
    let shape = serde_json::to_value(shape).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "UPDATE models SET shape = $2 WHERE id = $1 AND shape IS NULL",
        model.0,
        shape,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The sizes of a base, where its files told.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn shape_of(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Option<BaseShape>, StoreError> {
    let shape = sqlx::query_scalar!("SELECT shape FROM models WHERE id = $1", model.0)
        .fetch_optional(conn)
        .await?
        .flatten();
    let corrupt = |_| CorruptRow {
        table: "models",
        id: model.0,
        problem: "unknown shape",
    };
    let shape = shape.map(|shape| serde_json::from_value(shape).map_err(corrupt));
    Ok(shape.transpose()?)
}
