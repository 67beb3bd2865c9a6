//! Models whose data was withdrawn: marked, and kept from use where the agreement says so.

use chrono::{DateTime, Utc};

use super::{Model, Quarantine, Status, store};
use crate::{
    db::{StoreError, WriteTx},
    ids::{InstitutionId, ModelId},
};

/// A model with whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    pub model: ModelId,
    pub institution: InstitutionId,
}

/// Keeps quarantines of `model` waiting until the caller's transaction ends; answers whether it may be used.
/// Taken after datasets and before jobs.
///
/// # Errors
/// Where a row makes no sense or the database refuses.
pub async fn lock_for_use(tx: &mut WriteTx<'_>, model: ModelId) -> Result<bool, StoreError> {
    let found = lock_shared(tx, model).await?;
    Ok(found.is_some_and(|model| model.is_usable()))
}

/// As [`lock_for_use`]; answers whether it may be measured, released or not.
///
/// # Errors
/// Where a row makes no sense or the database refuses.
pub async fn lock_to_measure(tx: &mut WriteTx<'_>, model: ModelId) -> Result<bool, StoreError> {
    let found = lock_shared(tx, model).await?;
    Ok(found.is_some_and(|model| model.is_measurable()))
}

async fn lock_shared(tx: &mut WriteTx<'_>, model: ModelId) -> Result<Option<Model>, StoreError> {
    sqlx::query!("SELECT id FROM models WHERE id = $1 FOR SHARE", model.0)
        .fetch_optional(tx.conn())
        .await?;
    // Read after the lock is held: what it waited for is seen.
    store::find(tx.conn(), model).await
}

/// Marks models: data in their lineage was withdrawn. What was marked before keeps its day. Answers whose they are.
///
/// # Errors
/// Where the database refuses.
pub async fn mark(
    tx: &mut WriteTx<'_>,
    models: &[ModelId],
    reason: &str,
) -> Result<Vec<Owned>, StoreError> {
    let models: Vec<_> = models.iter().map(|model| model.0).collect();
    let now = tx.now();
    let rows = sqlx::query!(
        "UPDATE models SET marked_at = coalesce(marked_at, $2), marked_reason = coalesce(marked_reason, $3)
         WHERE id = ANY($1) RETURNING id, institution_id",
        &models,
        now,
        reason,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Owned {
            model: ModelId(row.id),
            institution: InstitutionId(row.institution_id),
        })
        .collect())
}

/// Keeps marked models from use: they are served no more, and those to be retired are. The stricter of two
/// quarantines stands. The caller holds the models' rows.
///
/// # Errors
/// Where the database refuses.
pub async fn quarantine(
    tx: &mut WriteTx<'_>,
    models: &[ModelId],
    kind: Quarantine,
) -> Result<(), StoreError> {
    let models: Vec<_> = models.iter().map(|model| model.0).collect();
    let now = tx.now();
    let word = match kind {
        Quarantine::Retrain => "retrain",
        Quarantine::Retire => "retire",
    };
    // Before the models change: a live deployment of a quarantined model is refused by a trigger.
    sqlx::query!(
        "UPDATE deployments SET status = 'stopped', stopped_at = $2 WHERE model_id = ANY($1) AND status <> 'stopped'",
        &models,
        now,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "UPDATE models SET quarantined_at = coalesce(quarantined_at, $2),
             quarantine = CASE WHEN quarantine = 'retire' THEN 'retire' ELSE $3 END,
             status = CASE WHEN $3 = 'retire' THEN 'retired' ELSE status END
         WHERE id = ANY($1)",
        &models,
        now,
        word,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes a quarantined model out of use for good. The caller holds its row.
///
/// # Errors
/// Where the database refuses.
pub async fn retire_quarantined(tx: &mut WriteTx<'_>, model: ModelId) -> Result<(), StoreError> {
    quarantine(tx, &[model], Quarantine::Retire).await
}

/// Lets a quarantined model be used again; it stays marked, and is served once it is deployed again. The caller
/// holds its row and knows that no other withdrawal stands in the way. Answers since when it was quarantined.
///
/// # Errors
/// Where the database refuses.
pub async fn lift(
    tx: &mut WriteTx<'_>,
    model: ModelId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let found = store::lock(tx, model).await?;
    let since = found
        .filter(|model| model.status != Status::Retired)
        .and_then(|model| model.quarantine)
        .map(|(since, _)| since);
    if since.is_some() {
        sqlx::query!(
            "UPDATE models SET quarantined_at = NULL, quarantine = NULL WHERE id = $1",
            model.0,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(since)
}
