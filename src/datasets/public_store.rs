//! The SQL of what public summaries say of a dataset.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use super::{PublicFacts, StatedFacts};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, FactId, UserId},
};

struct Row {
    id: uuid::Uuid,
    source_category: Option<String>,
    content_types: Vec<String>,
    acquired_until: Option<NaiveDate>,
    languages: Vec<String>,
    collection: String,
    characteristics: String,
    details: serde_json::Value,
    recorded_by: uuid::Uuid,
    recorded_at: DateTime<Utc>,
}

impl TryFrom<Row> for StatedFacts {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        let corrupt = |problem| CorruptRow {
            table: "dataset_public_facts",
            id: row.id,
            problem,
        };
        let source_category = row
            .source_category
            .map(|word| word.parse())
            .transpose()
            .map_err(|_| corrupt("unknown category"))?;
        let details = serde_json::from_value(row.details)
            .map_err(|_| corrupt("details that cannot be read"))?;
        Ok(Self {
            id: FactId(row.id),
            facts: PublicFacts {
                source_category,
                content_types: row.content_types,
                acquired_until: row.acquired_until,
                languages: row.languages,
                collection: row.collection,
                characteristics: row.characteristics,
                details,
            },
            recorded_by: UserId(row.recorded_by),
            recorded_at: row.recorded_at,
        })
    }
}

/// What was last stated at or before `at`.
pub(super) async fn as_at(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<Option<StatedFacts>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, source_category, content_types, acquired_until, languages, collection, characteristics, details,
                recorded_by, recorded_at
         FROM dataset_public_facts WHERE dataset_id = $1 AND recorded_at <= $2
         ORDER BY recorded_at DESC, id DESC LIMIT 1",
        dataset.0,
        at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(StatedFacts::try_from).transpose()?)
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    facts: &PublicFacts,
) -> Result<FactId, StoreError> {
    let (id, now, actor) = (FactId::fresh(), tx.now(), tx.actor());
    let details =
        serde_json::to_value(&facts.details).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "INSERT INTO dataset_public_facts (id, dataset_id, source_category, content_types, acquired_until, languages,
             collection, characteristics, details, recorded_by, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id.0,
        dataset.0,
        facts.source_category.map(super::SourceCategory::name),
        &facts.content_types,
        facts.acquired_until,
        &facts.languages,
        facts.collection,
        facts.characteristics,
        details,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(id)
}
