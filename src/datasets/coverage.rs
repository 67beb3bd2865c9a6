//! Whether a dataset version may be used for something now: its facts and permissions, decided upon.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, PermissionId},
    permissions::{
        self, DatasetFacts, Permission, Policy, PrivacyFacts, State, Use, Verdict, sha256_hex,
    },
    privacy, rights_checks,
};

/// A verdict and what identifies the policy it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no, with reasons.
    pub verdict: Verdict,
    /// Rules, facts, permissions and use, as canonical JSON.
    pub policy: String,
    /// Hash of that text.
    pub policy_sha256: String,
}

/// Keeps withdrawals and reviews of the version's dataset waiting until the caller's transaction ends, so
/// that nothing slips between deciding and committing.
///
/// # Errors
/// Where the database refuses.
pub async fn lock_for_use(
    tx: &mut WriteTx<'_>,
    version: DatasetVersionId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT d.id FROM datasets d JOIN dataset_versions v ON v.dataset_id = d.id
         WHERE v.id = $1 FOR SHARE OF d",
        version.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(())
}

/// Decides whether `version` may be used for `wanted` at `at`; none where there is no such version.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn decide_use(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    wanted: &Use,
    at: DateTime<Utc>,
) -> Result<Option<Decision>, StoreError> {
    decide_use_without(conn, version, wanted, at, &[]).await
}

/// As [`decide_use`], as if the permissions `without` were withdrawn: what a withdrawal would come to.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn decide_use_without(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    wanted: &Use,
    at: DateTime<Utc>,
    without: &[PermissionId],
) -> Result<Option<Decision>, StoreError> {
    let Some((facts, mut permissions)) = read(conn, version, at).await? else {
        return Ok(None);
    };
    for permission in permissions
        .iter_mut()
        .filter(|one| without.contains(&one.id))
    {
        permission.state = State::Withdrawn;
    }
    let verdict = permissions::decide(&facts, &permissions, wanted, at);
    let policy = Policy::of(&facts, &permissions, wanted)
        .canonical()
        .map_err(|e| sqlx::Error::Encode(e.into()))?;
    Ok(Some(Decision {
        verdict,
        policy_sha256: sha256_hex(&policy),
        policy,
    }))
}

/// The facts of a version and every permission that speaks about it, for a decision at `at`.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn read(
    conn: &mut PgConnection,
    version: DatasetVersionId,
    at: DateTime<Utc>,
) -> Result<Option<(DatasetFacts, Vec<Permission>)>, StoreError> {
    let row = sqlx::query!(
        "SELECT v.dataset_id, v.status, v.withdrawn_from, d.license, d.has_personal_data, d.confidentiality
         FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id WHERE v.id = $1",
        version.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let dataset = DatasetId(row.dataset_id);
    let mut permissions = permissions::of_version(&mut *conn, dataset, version).await?;
    // A version can be withdrawn alone: the permissions of all versions count for it no more.
    if row.status == "withdrawn" {
        for permission in permissions.iter_mut().filter(|one| one.state.counts()) {
            permission.state = State::Withdrawn;
        }
    }
    let licence = rights_checks::licence_facts(&mut *conn, dataset, &row.license, at).await?;
    let privacy = if row.has_personal_data {
        privacy::facts(&privacy::of_dataset(&mut *conn, dataset).await?, version)
    } else {
        PrivacyFacts::default()
    };
    let facts = DatasetFacts {
        confidentiality: row.confidentiality.parse().map_err(|_| CorruptRow {
            table: "dataset_versions",
            id: version.0,
            problem: "unknown confidentiality",
        })?,
        is_approved: row.status == "approved" || row.withdrawn_from.as_deref() == Some("approved"),
        licence,
        privacy,
    };
    Ok(Some((facts, permissions)))
}
