//! Agreements, the datasets they cover, what was said of them and what they gave.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{
    super::agreement::{Agreement, Facts, Status},
    corrupt,
};
use crate::{
    db::{StoreError, WriteTx},
    ids::{AgreementId, DatasetId, InstitutionId, PermissionId, UserId},
    permissions::Layer,
    policy::Visibility,
};

/// An agreement to be kept.
pub(in super::super) struct NewAgreement<'a> {
    pub(in super::super) id: AgreementId,
    pub(in super::super) facts: &'a Facts,
    pub(in super::super) template: Option<&'a str>,
    pub(in super::super) source_url: Option<&'a str>,
}

fn words(layers: &[Layer]) -> Vec<String> {
    layers.iter().map(|layer| layer.name().to_owned()).collect()
}

pub(in super::super) async fn insert(
    tx: &mut WriteTx<'_>,
    new: &NewAgreement<'_>,
) -> Result<(), StoreError> {
    let (now, actor, facts) = (tx.now(), tx.actor(), new.facts);
    sqlx::query!(
        "INSERT INTO agreements (id, institution_id, kind, title, layers, parties, signatory, authority,
             effective_on, expires_on, template, source_url, status, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'draft', $13, $14)",
        new.id.0,
        actor.institution.0,
        facts.kind.name(),
        facts.title,
        &words(&facts.layers),
        &facts.parties,
        facts.signatory,
        facts.authority,
        facts.effective_on,
        facts.expires_on,
        new.template,
        new.source_url,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    cover(tx, new.id, actor.institution, &facts.datasets).await
}

async fn cover(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    institution: InstitutionId,
    datasets: &[DatasetId],
) -> Result<(), StoreError> {
    let datasets: Vec<_> = datasets.iter().map(|dataset| dataset.0).collect();
    sqlx::query!(
        "INSERT INTO agreement_datasets (agreement_id, dataset_id, institution_id)
         SELECT $1, dataset, $2 FROM unnest($3::uuid[]) AS dataset",
        agreement.0,
        institution.0,
        &datasets,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Replaces what is said of an agreement that may still be changed.
pub(in super::super) async fn replace_facts(
    tx: &mut WriteTx<'_>,
    agreement: &Agreement,
    facts: &Facts,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE agreements SET kind = $2, title = $3, layers = $4, parties = $5, signatory = $6, authority = $7,
             effective_on = $8, expires_on = $9
         WHERE id = $1",
        agreement.id.0,
        facts.kind.name(),
        facts.title,
        &words(&facts.layers),
        &facts.parties,
        facts.signatory,
        facts.authority,
        facts.effective_on,
        facts.expires_on,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "DELETE FROM agreement_datasets WHERE agreement_id = $1",
        agreement.id.0
    )
    .execute(tx.conn())
    .await?;
    cover(tx, agreement.id, agreement.institution, &facts.datasets).await
}

pub(in super::super) async fn find(
    conn: &mut PgConnection,
    id: AgreementId,
) -> Result<Option<Agreement>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT a.id, a.institution_id, i.name AS institution, a.kind, a.title, a.layers, a.parties,
                  a.signatory, a.authority, a.effective_on, a.expires_on, a.template, a.source_url, a.status,
                  a.submitted_by, a.submitted_at, a.decided_at, a.created_at,
                  ARRAY(SELECT d.dataset_id FROM agreement_datasets d WHERE d.agreement_id = a.id
                        ORDER BY d.dataset_id) AS "datasets!"
           FROM agreements a JOIN institutions i ON i.id = a.institution_id WHERE a.id = $1"#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let wrong = |problem| corrupt("agreements", row.id, problem);
    let layers: Vec<Layer> = row
        .layers
        .iter()
        .map(|layer| layer.parse().map_err(|_| wrong("unknown layer")))
        .collect::<Result<_, _>>()?;
    Ok(Some(Agreement {
        id: AgreementId(row.id),
        institution: InstitutionId(row.institution_id),
        institution_name: row.institution,
        facts: Facts {
            kind: row.kind.parse().map_err(|_| wrong("unknown kind"))?,
            title: row.title,
            layers,
            parties: row.parties,
            signatory: row.signatory,
            authority: row.authority,
            effective_on: row.effective_on,
            expires_on: row.expires_on,
            datasets: row.datasets.into_iter().map(DatasetId).collect(),
        },
        template: row.template,
        source_url: row.source_url,
        status: row.status.parse().map_err(|_| wrong("unknown status"))?,
        submitted_by: row.submitted_by.map(UserId),
        submitted_at: row.submitted_at,
        decided_at: row.decided_at,
        created_at: row.created_at,
    }))
}

/// Finds an agreement and keeps every other change of it waiting until the transaction ends.
pub(in super::super) async fn lock(
    tx: &mut WriteTx<'_>,
    id: AgreementId,
) -> Result<Option<Agreement>, StoreError> {
    sqlx::query!("SELECT id FROM agreements WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    find(tx.conn(), id).await
}

/// How many of `datasets` belong to `institution`.
pub(in super::super) async fn owned(
    conn: &mut PgConnection,
    institution: InstitutionId,
    datasets: &[DatasetId],
) -> Result<usize, StoreError> {
    let datasets: Vec<_> = datasets.iter().map(|dataset| dataset.0).collect();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM datasets WHERE institution_id = $1 AND id = ANY($2)"#,
        institution.0,
        &datasets,
    )
    .fetch_one(conn)
    .await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The newest datasets of an institution with their titles, to choose from.
pub(in super::super) async fn datasets_of(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<(DatasetId, String)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT id, title FROM datasets WHERE institution_id = $1 ORDER BY id DESC LIMIT 200",
        institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (DatasetId(row.id), row.title))
        .collect())
}

/// Where it stands after a step of a person; `is_submission` also notes who handed it in.
pub(in super::super) async fn save_status(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    status: Status,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    let is_submission = status == Status::InReview;
    sqlx::query!(
        "UPDATE agreements SET status = $2,
             submitted_by = CASE WHEN $5 THEN $3 ELSE submitted_by END,
             submitted_at = CASE WHEN $5 THEN $4 ELSE submitted_at END,
             decided_by = CASE WHEN $5 THEN decided_by ELSE $3 END,
             decided_at = CASE WHEN $5 THEN decided_at ELSE $4 END
         WHERE id = $1",
        agreement.0,
        status.name(),
        actor.user.0,
        now,
        is_submission,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Something that was said or decided.
pub(in super::super) struct Remark {
    /// A word of the steps, or `comment`.
    pub(in super::super) verb: String,
    pub(in super::super) text: String,
    /// Name of who said it.
    pub(in super::super) by: String,
    pub(in super::super) at: DateTime<Utc>,
}

pub(in super::super) async fn remark(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    verb: &str,
    text: &str,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "INSERT INTO agreement_remarks (id, agreement_id, verb, text, said_by, said_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        uuid::Uuid::now_v7(),
        agreement.0,
        verb,
        text,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The newest first.
pub(in super::super) async fn remarks(
    conn: &mut PgConnection,
    agreement: AgreementId,
) -> Result<Vec<Remark>, StoreError> {
    let rows = sqlx::query!(
        "SELECT r.verb, r.text, u.name, r.said_at FROM agreement_remarks r JOIN users u ON u.id = r.said_by
         WHERE r.agreement_id = $1 ORDER BY r.said_at DESC, r.id DESC LIMIT 200",
        agreement.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Remark {
            verb: row.verb,
            text: row.text,
            by: row.name,
            at: row.said_at,
        })
        .collect())
}

/// An agreement in a list.
pub(in super::super) struct Listed {
    pub(in super::super) id: AgreementId,
    pub(in super::super) title: String,
    pub(in super::super) institution: String,
    pub(in super::super) kind: String,
    pub(in super::super) status: Status,
    pub(in super::super) datasets: i64,
    pub(in super::super) created_at: DateTime<Utc>,
}

/// The newest first.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    visibility: Visibility,
    before: Option<uuid::Uuid>,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT a.id, a.title, i.name, a.kind, a.status, a.created_at,
                  (SELECT count(*) FROM agreement_datasets d WHERE d.agreement_id = a.id) AS "datasets!"
           FROM agreements a JOIN institutions i ON i.id = a.institution_id
           WHERE ($1::uuid IS NULL OR a.institution_id = $1) AND ($2::uuid IS NULL OR a.id < $2)
           ORDER BY a.id DESC LIMIT $3"#,
        visibility.filter(),
        before,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Listed {
                id: AgreementId(row.id),
                title: row.title,
                institution: row.name,
                kind: row.kind,
                status: row
                    .status
                    .parse()
                    .map_err(|_| corrupt("agreements", row.id, "unknown status"))?,
                datasets: row.datasets,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Notes that the agreement gave a permission.
pub(in super::super) async fn link(
    tx: &mut WriteTx<'_>,
    agreement: AgreementId,
    dataset: DatasetId,
    layer: Layer,
    permission: PermissionId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO agreement_permissions (permission_id, agreement_id, dataset_id, layer)
         VALUES ($1, $2, $3, $4)",
        permission.0,
        agreement.0,
        dataset.0,
        layer.name(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The permissions that an agreement gave: id, dataset and its title, layer.
pub(in super::super) async fn given(
    conn: &mut PgConnection,
    agreement: AgreementId,
) -> Result<Vec<(PermissionId, DatasetId, String, String)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT p.permission_id, p.dataset_id, d.title, p.layer
         FROM agreement_permissions p JOIN datasets d ON d.id = p.dataset_id
         WHERE p.agreement_id = $1 ORDER BY p.dataset_id, p.layer",
        agreement.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            (
                PermissionId(row.permission_id),
                DatasetId(row.dataset_id),
                row.title,
                row.layer,
            )
        })
        .collect())
}
