//! Facts of the provider and of bases, and decisions on modifications.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::PgConnection;

use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    disclosures::{
        base_facts::BaseFacts,
        canonical::sha256_hex,
        ledger::{ModificationDecision, Recorded},
        provider::ProviderFacts,
        ratio::Ratio,
    },
    ids::{FactId, ModelId},
};

fn recorded<T: DeserializeOwned>(
    table: &'static str,
    id: uuid::Uuid,
    facts: &str,
) -> Result<Recorded<T>, CorruptRow> {
    let facts = serde_json::from_str(facts).map_err(|_| CorruptRow {
        table,
        id,
        problem: "facts that cannot be read",
    })?;
    Ok(Recorded {
        id: FactId(id),
        facts,
    })
}

/// The newest facts of the provider at or before `at`.
pub(in super::super) async fn provider(
    conn: &mut PgConnection,
    at: DateTime<Utc>,
) -> Result<Option<Recorded<ProviderFacts>>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, facts FROM provider_facts WHERE recorded_at <= $1 ORDER BY recorded_at DESC, id DESC LIMIT 1",
        at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row
        .map(|row| recorded("provider_facts", row.id, &row.facts))
        .transpose()?)
}

/// Keeps facts of the provider; answers their id and hash.
pub(in super::super) async fn insert_provider(
    tx: &mut WriteTx<'_>,
    facts: &str,
) -> Result<(FactId, String), StoreError> {
    let (id, sha256) = (FactId::fresh(), sha256_hex(facts));
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO provider_facts (id, facts, facts_sha256, recorded_by, recorded_at) VALUES ($1, $2, $3, $4, $5)",
        id.0,
        facts,
        sha256,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok((id, sha256))
}

/// The newest facts of a base model at or before `at`.
pub(in super::super) async fn base_facts(
    conn: &mut PgConnection,
    model: ModelId,
    at: DateTime<Utc>,
) -> Result<Option<Recorded<BaseFacts>>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, facts FROM base_model_facts WHERE model_id = $1 AND recorded_at <= $2
         ORDER BY recorded_at DESC, id DESC LIMIT 1",
        model.0,
        at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row
        .map(|row| recorded("base_model_facts", row.id, &row.facts))
        .transpose()?)
}

/// Keeps facts of a base model; answers their id and hash.
pub(in super::super) async fn insert_base_facts(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    facts: &str,
    training_flop: Option<f64>,
) -> Result<(FactId, String), StoreError> {
    let (id, sha256) = (FactId::fresh(), sha256_hex(facts));
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO base_model_facts (id, model_id, facts, facts_sha256, training_flop, recorded_by, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id.0,
        model.0,
        facts,
        sha256,
        training_flop,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok((id, sha256))
}

/// The newest decision on the modification that a model is, at or before `at`.
pub(in super::super) async fn decision(
    conn: &mut PgConnection,
    model: ModelId,
    at: DateTime<Utc>,
) -> Result<Option<ModificationDecision>, StoreError> {
    let row = sqlx::query!(
        "SELECT id, cumulative_flop, reference_flop, conclusion, reason FROM modification_decisions
         WHERE model_id = $1 AND decided_at <= $2 ORDER BY decided_at DESC, id DESC LIMIT 1",
        model.0,
        at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| ModificationDecision {
        id: FactId(row.id),
        cumulative_flop: row.cumulative_flop,
        reference_flop: row.reference_flop,
        conclusion: row.conclusion,
        reason: row.reason,
    }))
}

/// Keeps a decision on a modification.
pub(in super::super) async fn insert_decision(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    ratio: &Ratio,
    (conclusion, reason): (&str, &str),
) -> Result<FactId, StoreError> {
    let id = FactId::fresh();
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO modification_decisions (id, model_id, cumulative_flop, reference_flop, conclusion, reason,
             decided_by, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        model.0,
        ratio.cumulative_flop,
        ratio.reference_flop,
        conclusion,
        reason,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}
