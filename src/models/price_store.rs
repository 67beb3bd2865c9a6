//! The SQL of prices.

use crate::{
    db::{Db, StoreError, WriteTx},
    ids::ModelId,
    quota::Price,
};

/// The price of every model that has one.
///
/// # Errors
/// Where the database is away.
pub async fn prices(db: &Db) -> Result<Vec<(ModelId, Price)>, StoreError> {
    let mut conn = db.read().await?;
    let rows = sqlx::query!(
        "SELECT model_id, prompt_per_million, completion_per_million FROM model_prices"
    )
    .fetch_all(&mut *conn)
    .await?;
    let prices = rows.into_iter().map(|row| {
        let price = Price {
            prompt_per_million: row.prompt_per_million,
            completion_per_million: row.completion_per_million,
        };
        (ModelId(row.model_id), price)
    });
    Ok(prices.collect())
}

pub(super) async fn save(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    price: Price,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    sqlx::query!(
        "INSERT INTO model_prices (model_id, prompt_per_million, completion_per_million, set_by, set_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (model_id) DO UPDATE
         SET prompt_per_million = excluded.prompt_per_million,
             completion_per_million = excluded.completion_per_million,
             set_by = excluded.set_by, set_at = excluded.set_at",
        model.0,
        price.prompt_per_million,
        price.completion_per_million,
        user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
