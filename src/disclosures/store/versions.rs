//! Prepared and published versions.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    disclosures::{canonical::sha256_hex, kind::Kind, version::Reason},
    ids::{DisclosureId, InstitutionId, ModelId, UserId},
};

/// What was decided on a version.
#[derive(Debug, Clone)]
pub(in super::super) struct Decision {
    pub(in super::super) is_published: bool,
    pub(in super::super) reason: String,
    pub(in super::super) at: DateTime<Utc>,
}

/// A version of the documents about a model.
#[derive(Debug, Clone)]
pub(in super::super) struct Version {
    pub(in super::super) id: DisclosureId,
    pub(in super::super) model: ModelId,
    pub(in super::super) model_name: String,
    /// Whose model it is.
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) number: i32,
    pub(in super::super) prepared_by: UserId,
    pub(in super::super) prepared_at: DateTime<Utc>,
    pub(in super::super) decision: Option<Decision>,
}

impl Version {
    /// When it was published, if it was.
    pub(in super::super) fn published_at(&self) -> Option<DateTime<Utc>> {
        self.decision
            .as_ref()
            .filter(|decision| decision.is_published)
            .map(|decision| decision.at)
    }
}

struct Row {
    id: uuid::Uuid,
    model_id: uuid::Uuid,
    name: String,
    institution_id: uuid::Uuid,
    number: i32,
    prepared_by: uuid::Uuid,
    prepared_at: DateTime<Utc>,
    decision: Option<String>,
    reason: Option<String>,
    decided_at: Option<DateTime<Utc>>,
}

impl From<Row> for Version {
    fn from(row: Row) -> Self {
        Self {
            id: DisclosureId(row.id),
            model: ModelId(row.model_id),
            model_name: row.name,
            institution: InstitutionId(row.institution_id),
            number: row.number,
            prepared_by: UserId(row.prepared_by),
            prepared_at: row.prepared_at,
            decision: row
                .decision
                .zip(row.decided_at)
                .map(|(decision, at)| Decision {
                    is_published: decision == "published",
                    reason: row.reason.unwrap_or_default(),
                    at,
                }),
        }
    }
}

/// Keeps other changes of a model's documents waiting until the transaction ends.
pub(in super::super) async fn lock_model(
    tx: &mut WriteTx<'_>,
    model: ModelId,
) -> Result<(), StoreError> {
    sqlx::query!("SELECT id FROM models WHERE id = $1 FOR UPDATE", model.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(())
}

/// One version.
pub(in super::super) async fn find(
    conn: &mut PgConnection,
    id: DisclosureId,
) -> Result<Option<Version>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.model_id, m.name, m.institution_id, d.number, d.prepared_by, d.prepared_at,
                  o.decision AS "decision?", o.reason AS "reason?", o.decided_at AS "decided_at?"
           FROM disclosures d JOIN models m ON m.id = d.model_id
           LEFT JOIN disclosure_decisions o ON o.disclosure_id = d.id
           WHERE d.id = $1"#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Version::from))
}

/// The versions of a model, newest first.
pub(in super::super) async fn of_model(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.model_id, m.name, m.institution_id, d.number, d.prepared_by, d.prepared_at,
                  o.decision AS "decision?", o.reason AS "reason?", o.decided_at AS "decided_at?"
           FROM disclosures d JOIN models m ON m.id = d.model_id
           LEFT JOIN disclosure_decisions o ON o.disclosure_id = d.id
           WHERE d.model_id = $1 ORDER BY d.number DESC"#,
        model.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Version::from).collect())
}

/// The newest published version of each model, the last published first: at most `limit` of them, those after
/// version `after` where one is given.
pub(in super::super) async fn published(
    conn: &mut PgConnection,
    after: Option<DisclosureId>,
    limit: i64,
) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.model_id, m.name, m.institution_id, d.number, d.prepared_by, d.prepared_at,
                  o.decision AS "decision?", o.reason AS "reason?", o.decided_at AS "decided_at?"
           FROM disclosures d JOIN models m ON m.id = d.model_id
           JOIN disclosure_decisions o ON o.disclosure_id = d.id AND o.decision = 'published'
           WHERE NOT EXISTS (
               SELECT 1 FROM disclosures n JOIN disclosure_decisions p ON p.disclosure_id = n.id
               WHERE n.model_id = d.model_id AND n.number > d.number AND p.decision = 'published')
             AND ($1::uuid IS NULL OR (o.decided_at, d.id) < (
               SELECT c.decided_at, c.disclosure_id FROM disclosure_decisions c WHERE c.disclosure_id = $1))
           ORDER BY o.decided_at DESC, d.id DESC LIMIT $2"#,
        after.map(|after| after.0),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Version::from).collect())
}

/// The newest version of each model, where nobody decided on it; oldest first.
pub(in super::super) async fn undecided(
    conn: &mut PgConnection,
) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT d.id, d.model_id, m.name, m.institution_id, d.number, d.prepared_by, d.prepared_at,
                  NULL AS decision, NULL AS reason, NULL::timestamptz AS decided_at
           FROM disclosures d JOIN models m ON m.id = d.model_id
           WHERE NOT EXISTS (SELECT 1 FROM disclosure_decisions o WHERE o.disclosure_id = d.id)
             AND NOT EXISTS (SELECT 1 FROM disclosures n WHERE n.model_id = d.model_id AND n.number > d.number)
           ORDER BY d.prepared_at"#,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Version::from).collect())
}

/// Freezes a version with its documents.
pub(in super::super) async fn insert_version(
    tx: &mut WriteTx<'_>,
    (id, model, number): (DisclosureId, ModelId, i32),
    documents: &[(Kind, String)],
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO disclosures (id, model_id, number, prepared_by, prepared_at) VALUES ($1, $2, $3, $4, $5)",
        id.0,
        model.0,
        number,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    for (kind, canonical) in documents {
        sqlx::query!(
            "INSERT INTO disclosure_documents (disclosure_id, kind, canonical, sha256) VALUES ($1, $2, $3, $4)",
            id.0,
            kind.name(),
            canonical,
            sha256_hex(canonical),
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Keeps the decision on a version.
pub(in super::super) async fn insert_decision_on(
    tx: &mut WriteTx<'_>,
    version: &Version,
    (decision, reason): (&str, &str),
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO disclosure_decisions (disclosure_id, decision, reason, prepared_by, decided_by, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        version.id.0,
        decision,
        reason,
        version.prepared_by.0,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Why a version must be made anew, oldest reason first.
pub(in super::super) async fn dues(
    conn: &mut PgConnection,
    id: DisclosureId,
) -> Result<Vec<(Reason, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT reason, noticed_at FROM disclosure_dues WHERE disclosure_id = $1 ORDER BY noticed_at, reason",
        id.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let reason = Reason::parse(&row.reason).ok_or(CorruptRow {
                table: "disclosure_dues",
                id: id.0,
                problem: "unknown reason",
            })?;
            Ok((reason, row.noticed_at))
        })
        .collect()
}

/// A model whose published documents must be made anew.
pub(in super::super) struct DueModel {
    pub(in super::super) model: ModelId,
    pub(in super::super) model_name: String,
    /// The first reason, and since when.
    pub(in super::super) reason: Reason,
    pub(in super::super) since: DateTime<Utc>,
}

/// The models whose newest published version is due, and for which no newer one waits for its publication.
pub(in super::super) async fn due_models(
    conn: &mut PgConnection,
) -> Result<Vec<DueModel>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (d.model_id) d.id, d.model_id, m.name, u.reason, u.noticed_at
           FROM disclosure_dues u JOIN disclosures d ON d.id = u.disclosure_id JOIN models m ON m.id = d.model_id
           WHERE NOT EXISTS (
               SELECT 1 FROM disclosures n LEFT JOIN disclosure_decisions o ON o.disclosure_id = n.id
               WHERE n.model_id = d.model_id AND n.number > d.number
                 AND (o.decision IS NULL OR o.decision = 'published'))
           ORDER BY d.model_id, u.noticed_at, u.reason"#,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let reason = Reason::parse(&row.reason).ok_or(CorruptRow {
                table: "disclosure_dues",
                id: row.id,
                problem: "unknown reason",
            })?;
            Ok(DueModel {
                model: ModelId(row.model_id),
                model_name: row.name,
                reason,
                since: row.noticed_at,
            })
        })
        .collect()
}

/// Notes that a version must be made anew; false where that was known.
pub(in super::super) async fn insert_due(
    tx: &mut WriteTx<'_>,
    id: DisclosureId,
    reason: Reason,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "INSERT INTO disclosure_dues (disclosure_id, reason, noticed_at) VALUES ($1, $2, $3)
         ON CONFLICT (disclosure_id, reason) DO NOTHING",
        id.0,
        reason.name(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}
