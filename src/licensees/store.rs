//! The SQL of the register.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::licensee::{Licence, Licensee, New};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{InstitutionId, LicenseeId, ModelId},
};

struct Row {
    id: Uuid,
    model_id: Uuid,
    model_name: String,
    name: String,
    contact: String,
    licence: String,
    country: Option<String>,
    held_since: NaiveDate,
    held_until: Option<NaiveDate>,
    is_ended: bool,
}

impl TryFrom<Row> for Licensee {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        Ok(Self {
            id: LicenseeId(row.id),
            model: ModelId(row.model_id),
            model_name: row.model_name,
            name: row.name,
            contact: row.contact,
            licence: Licence::parse(&row.licence).ok_or(CorruptRow {
                table: "licensees",
                id: row.id,
                problem: "unknown licence",
            })?,
            country: row.country,
            since: row.held_since,
            until: row.held_until,
            is_ended: row.is_ended,
        })
    }
}

/// The register, newest first; of one model where one is named.
pub(super) async fn list(
    conn: &mut PgConnection,
    model: Option<ModelId>,
) -> Result<Vec<Licensee>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT l.id, l.model_id, m.name AS model_name, l.name, l.contact, l.licence, l.country, l.held_since, l.held_until,
                  l.ended_at IS NOT NULL AS "is_ended!"
           FROM licensees l JOIN models m ON m.id = l.model_id
           WHERE $1::uuid IS NULL OR l.model_id = $1
           ORDER BY l.ended_at IS NOT NULL, l.id DESC LIMIT 500"#,
        model.map(|model| model.0),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Licensee::try_from(row)?))
        .collect()
}

/// Who holds any of these models at `at`, by contact.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn of_models(
    conn: &mut PgConnection,
    models: &[ModelId],
    at: DateTime<Utc>,
) -> Result<Vec<Licensee>, StoreError> {
    let models: Vec<_> = models.iter().map(|model| model.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT l.id, l.model_id, m.name AS model_name, l.name, l.contact, l.licence, l.country, l.held_since, l.held_until,
                  false AS "is_ended!"
           FROM licensees l JOIN models m ON m.id = l.model_id
           WHERE l.model_id = ANY($1) AND l.ended_at IS NULL
             AND (l.held_until IS NULL OR l.held_until >= ($2::timestamptz AT TIME ZONE 'Europe/Amsterdam')::date)
           ORDER BY l.contact, l.id"#,
        &models,
        at,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Licensee::try_from(row)?))
        .collect()
}

/// What giving a model out looks at.
pub(super) struct Given {
    pub(super) institution: InstitutionId,
    pub(super) is_usable: bool,
    /// The circle that its release and its lineage allow.
    pub(super) recipients: String,
    pub(super) allows_commercial_use: bool,
    /// The countries that it may go to; none: anywhere.
    pub(super) territories: Option<Vec<String>>,
}

/// The model, kept from being quarantined until the transaction ends.
pub(super) async fn lock_model(
    tx: &mut WriteTx<'_>,
    model: ModelId,
) -> Result<Option<Given>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT m.institution_id, m.status = 'released' AND m.quarantined_at IS NULL AS "is_usable!",
                  r.recipients AS "recipients!", r.allows_commercial AS "allows_commercial!", r.territories
           FROM models m CROSS JOIN LATERAL model_release(m.id) r WHERE m.id = $1 FOR SHARE OF m"#,
        model.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| Given {
        institution: InstitutionId(row.institution_id),
        is_usable: row.is_usable,
        recipients: row.recipients,
        allows_commercial_use: row.allows_commercial,
        territories: row.territories,
    }))
}

/// Adds a licensee; none where they hold this model under this licence already.
pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    new: &New,
) -> Result<Option<LicenseeId>, StoreError> {
    let (now, by) = (tx.now(), tx.actor().user);
    let id = sqlx::query_scalar!(
        "INSERT INTO licensees (id, model_id, name, contact, licence, held_since, held_until, added_by, added_at, country)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (model_id, lower(contact), licence) WHERE ended_at IS NULL DO NOTHING RETURNING id",
        LicenseeId::fresh().0,
        new.model.0,
        new.name,
        new.contact,
        new.licence.name(),
        new.since,
        new.until,
        by.0,
        now,
        new.country,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(id.map(LicenseeId))
}

/// Ends an entry; answers its model's institution, or none where there is none that goes on.
pub(super) async fn end(
    tx: &mut WriteTx<'_>,
    id: LicenseeId,
) -> Result<Option<InstitutionId>, StoreError> {
    let (now, by) = (tx.now(), tx.actor().user);
    let institution = sqlx::query_scalar!(
        "UPDATE licensees l SET ended_at = $2, ended_by = $3 FROM models m
         WHERE l.id = $1 AND l.ended_at IS NULL AND m.id = l.model_id RETURNING m.institution_id",
        id.0,
        now,
        by.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(institution.map(InstitutionId))
}
