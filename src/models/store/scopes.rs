//! How far models may go: what limits them, and as far as what they are released.

use sqlx::PgConnection;

use super::super::scope::{DistributionScope, Limit, LimitKind};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::ModelId,
};

pub(super) fn territories(scope: &DistributionScope) -> Option<Vec<String>> {
    let codes = scope.territories.as_ref();
    codes.map(|codes| codes.iter().cloned().collect())
}

/// How far a model may go, by the database's own rule.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn scope(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<DistributionScope, StoreError> {
    let row = sqlx::query!(
        r#"SELECT recipients AS "recipients!", allows_commercial AS "allows_commercial!", territories,
                  share_alike AS "share_alike!"
           FROM model_scope($1)"#,
        model.0,
    )
    .fetch_one(conn)
    .await?;
    let recipients = row.recipients.parse().map_err(|_| CorruptRow {
        table: "models",
        id: model.0,
        problem: "unknown recipients",
    })?;
    Ok(DistributionScope {
        recipients,
        allows_commercial_use: row.allows_commercial,
        territories: row.territories.map(|codes| codes.into_iter().collect()),
        is_share_alike: row.share_alike,
    })
}

/// Whether a model may be used for profit: as it was released, and never further than its lineage allows.
///
/// # Errors
/// Where the database is away.
pub async fn allows_commercial_use(
    conn: &mut PgConnection,
    model: ModelId,
) -> Result<bool, StoreError> {
    let allows = sqlx::query_scalar!(
        r#"SELECT allows_commercial AS "allows_commercial!" FROM model_release($1)"#,
        model.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(allows.unwrap_or(false))
}

/// Everything in the lineage of a model that limits how far it may go.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn limits(conn: &mut PgConnection, model: ModelId) -> Result<Vec<Limit>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT kind AS "kind!", id AS "id!", label AS "label!", recipients AS "recipients!",
                  allows_commercial AS "allows_commercial!", territory_codes(territories) AS territories,
                  share_alike AS "share_alike!"
           FROM model_limits($1) ORDER BY kind, id"#,
        model.0,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "models",
                id: model.0,
                problem,
            };
            Ok(Limit {
                kind: LimitKind::parse(&row.kind).ok_or_else(|| corrupt("unknown limit"))?,
                id: row.id,
                label: row.label,
                scope: DistributionScope {
                    recipients: row
                        .recipients
                        .parse()
                        .map_err(|_| corrupt("unknown recipients"))?,
                    allows_commercial_use: row.allows_commercial,
                    territories: row.territories.map(|codes| codes.into_iter().collect()),
                    is_share_alike: row.share_alike,
                },
            })
        })
        .collect()
}

/// Releases a model as far as `to`; the database refuses what is wider than its lineage.
pub(in super::super) async fn save_release(
    tx: &mut WriteTx<'_>,
    model: ModelId,
    to: &DistributionScope,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    let to_territories = territories(to);
    sqlx::query!(
        "UPDATE models SET status = 'released', released_by = $2, released_at = $3, release_recipients = $4,
             release_commercial = $5, release_territories = $6, release_share_alike = $7
         WHERE id = $1",
        model.0,
        actor.user.0,
        now,
        to.recipients.name(),
        to.allows_commercial_use,
        to_territories.as_deref(),
        to.is_share_alike,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether the model modifies its base by a third or more and nobody has decided on that; the database's own rule.
pub(in super::super) async fn needs_decision(
    tx: &mut WriteTx<'_>,
    model: ModelId,
) -> Result<bool, StoreError> {
    let needs = sqlx::query_scalar!(
        r#"SELECT needs_modification_decision($1) AS "needs!""#,
        model.0
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(needs)
}
