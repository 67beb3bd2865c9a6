//! The SQL of addresses and messages.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::endpoint::Endpoint;
use crate::{
    db::{MeterTx, StoreError, WriteTx},
    ids::{InstitutionId, WebhookId},
};

/// The addresses of an institution, oldest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<Endpoint>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT e.id, e.url, e.generation, e.rotated_at, e.created_at, u.name,
                  (SELECT count(*) FROM webhook_messages m
                   WHERE m.endpoint_id = e.id AND m.ended_at IS NULL) AS "waiting!",
                  l.tried_at AS "tried_at?", l.outcome AS "outcome?"
           FROM webhook_endpoints e JOIN users u ON u.id = e.created_by
           LEFT JOIN LATERAL (SELECT tried_at, outcome FROM webhook_messages m
                              WHERE m.endpoint_id = e.id AND m.tried_at IS NOT NULL
                              ORDER BY m.tried_at DESC LIMIT 1) l ON true
           WHERE e.institution_id = $1 AND e.removed_at IS NULL ORDER BY e.id"#,
        institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Endpoint {
            id: WebhookId(row.id),
            url: row.url,
            generation: row.generation,
            rotated_at: row.rotated_at,
            created_by_name: row.name,
            created_at: row.created_at,
            waiting: row.waiting,
            last: row.tried_at.zip(row.outcome),
        })
        .collect())
}

/// Where to tell an institution.
pub(super) async fn addresses(
    conn: &mut PgConnection,
    institution: InstitutionId,
) -> Result<Vec<WebhookId>, StoreError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM webhook_endpoints WHERE institution_id = $1 AND removed_at IS NULL ORDER BY id",
        institution.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(WebhookId).collect())
}

/// A new address of the actor's institution; false where it has `most`.
pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    id: WebhookId,
    url: &str,
    most: i64,
) -> Result<bool, StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('webhooks of ' || $1::text, 0))",
        actor.institution.0.to_string(),
    )
    .execute(tx.conn())
    .await?;
    let done = sqlx::query!(
        "INSERT INTO webhook_endpoints (id, institution_id, url, created_by, created_at)
         SELECT $1, $2, $3, $4, $5
         WHERE (SELECT count(*) FROM webhook_endpoints WHERE institution_id = $2 AND removed_at IS NULL) < $6",
        id.0,
        actor.institution.0,
        url,
        actor.user.0,
        now,
        most,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The next secret of an address of the actor's institution; answers its generation.
pub(super) async fn rotate(tx: &mut WriteTx<'_>, id: WebhookId) -> Result<Option<i32>, StoreError> {
    let (now, institution) = (tx.now(), tx.actor().institution);
    Ok(sqlx::query_scalar!(
        "UPDATE webhook_endpoints SET generation = generation + 1, rotated_at = $3
         WHERE id = $1 AND institution_id = $2 AND removed_at IS NULL RETURNING generation",
        id.0,
        institution.0,
        now,
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Ends an address of the actor's institution, with what waits for it.
pub(super) async fn remove(tx: &mut WriteTx<'_>, id: WebhookId) -> Result<bool, StoreError> {
    let (now, institution) = (tx.now(), tx.actor().institution);
    let done = sqlx::query!(
        "UPDATE webhook_endpoints SET removed_at = $3
         WHERE id = $1 AND institution_id = $2 AND removed_at IS NULL",
        id.0,
        institution.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE webhook_messages SET ended_at = $2, outcome = 'removed' WHERE endpoint_id = $1 AND ended_at IS NULL",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(true)
}

/// A message to be sent.
pub(super) async fn insert_message(
    tx: &mut WriteTx<'_>,
    (id, endpoint): (Uuid, WebhookId),
    kind: &str,
    body: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "INSERT INTO webhook_messages (id, endpoint_id, kind, body, created_at, next_at) VALUES ($1, $2, $3, $4, $5, $5)",
        id,
        endpoint.0,
        kind,
        body,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A message that is due, with where it goes.
pub(super) struct Due {
    pub(super) id: Uuid,
    pub(super) endpoint: WebhookId,
    pub(super) url: String,
    pub(super) generation: i32,
    pub(super) rotated_at: Option<DateTime<Utc>>,
    pub(super) body: String,
    pub(super) created_at: DateTime<Utc>,
    /// Tries, with this one.
    pub(super) tries: i32,
}

/// Takes the oldest message of each address, where it is due, and keeps others from it for the time of `lease`. So the
/// messages of an address go in order.
pub(super) async fn claim(
    tx: &mut MeterTx,
    lease: TimeDelta,
    most: i64,
) -> Result<Vec<Due>, StoreError> {
    let now = tx.now();
    let rows = sqlx::query!(
        "UPDATE webhook_messages m SET next_at = $2, tries = m.tries + 1
         FROM webhook_endpoints e
         WHERE e.id = m.endpoint_id AND m.id IN (
             SELECT w.id FROM webhook_messages w
             WHERE w.ended_at IS NULL AND w.next_at <= $1
               AND w.id = (SELECT o.id FROM webhook_messages o
                           WHERE o.endpoint_id = w.endpoint_id AND o.ended_at IS NULL ORDER BY o.id LIMIT 1)
             ORDER BY w.next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING m.id, m.endpoint_id, m.body, m.created_at, m.tries, e.url, e.generation, e.rotated_at",
        now,
        now + lease,
        most,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            id: row.id,
            endpoint: WebhookId(row.endpoint_id),
            url: row.url,
            generation: row.generation,
            rotated_at: row.rotated_at,
            body: row.body,
            created_at: row.created_at,
            tries: row.tries,
        })
        .collect())
}

/// How a try went; `next_at` where there is to be another.
pub(super) async fn set_tried(
    tx: &mut MeterTx,
    id: Uuid,
    outcome: &str,
    next_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE webhook_messages SET tried_at = $2::timestamptz, outcome = $3, next_at = coalesce($4, next_at),
             ended_at = CASE WHEN $4::timestamptz IS NULL THEN $2::timestamptz END
         WHERE id = $1 AND ended_at IS NULL",
        id,
        now,
        outcome,
        next_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
