//! The SQL of keys.

mod secrets;

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use sqlx::PgConnection;
use uuid::Uuid;

pub(super) use self::secrets::{
    Active, ending_secrets, find_active, find_secret, rotate_secret, save_secret,
};
use super::{
    commerce::NotForProfit,
    key::{Key, KeyModel, Limits, Status},
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{ApiKeyId, InstitutionId, ModelId, UserId},
    policy::Visibility,
    quota::{self, Measure, Project, Window},
};

struct Row {
    id: Uuid,
    public_id: String,
    institution_id: Uuid,
    institution_name: String,
    project_id: Option<Uuid>,
    project_name: Option<String>,
    name: String,
    purpose: String,
    is_commercial: bool,
    may_infer: bool,
    may_fine_tune: bool,
    allowed_networks: Vec<String>,
    tokens_per_day: i64,
    requests_per_minute: i64,
    status: String,
    requested_by: Uuid,
    requester_name: String,
    requested_at: DateTime<Utc>,
    decider_name: Option<String>,
    decided_at: Option<DateTime<Utc>>,
    reason: Option<String>,
    expires_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    model_ids: Vec<Uuid>,
    model_names: Vec<String>,
    withdrawn_models: Vec<Uuid>,
}

impl TryFrom<Row> for Key {
    type Error = CorruptRow;

    fn try_from(row: Row) -> Result<Self, CorruptRow> {
        Ok(Self {
            id: ApiKeyId(row.id),
            public_id: row.public_id,
            institution: InstitutionId(row.institution_id),
            institution_name: row.institution_name,
            project: row
                .project_id
                .zip(row.project_name)
                .map(|(id, name)| Project { id, name }),
            name: row.name,
            purpose: row.purpose,
            is_commercial: row.is_commercial,
            may_infer: row.may_infer,
            may_fine_tune: row.may_fine_tune,
            allowed_networks: networks(row.id, &row.allowed_networks)?,
            limits: Limits {
                tokens_per_day: row.tokens_per_day,
                requests_per_minute: row.requests_per_minute,
            },
            status: Status::parse(&row.status).ok_or(CorruptRow {
                table: "api_keys",
                id: row.id,
                problem: "unknown status",
            })?,
            models: row
                .model_ids
                .into_iter()
                .zip(row.model_names)
                .map(|(id, name)| KeyModel {
                    id: ModelId(id),
                    name,
                    is_withdrawn: row.withdrawn_models.contains(&id),
                })
                .collect(),
            requested_by: UserId(row.requested_by),
            requester_name: row.requester_name,
            requested_at: row.requested_at,
            decider_name: row.decider_name,
            decided_at: row.decided_at,
            reason: row.reason,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
        })
    }
}

fn networks(key: Uuid, texts: &[String]) -> Result<Vec<IpNet>, CorruptRow> {
    let parsed: Result<_, _> = texts.iter().map(|text| text.parse()).collect();
    parsed.map_err(|_| CorruptRow {
        table: "api_keys",
        id: key,
        problem: "a network that cannot be read",
    })
}

/// Most keys of one list.
const MOST_LISTED: i64 = 500;

/// Keys that pass the filters, newest first.
struct Filter<'a> {
    visibility: Visibility,
    id: Option<ApiKeyId>,
    /// Empty: any.
    statuses: &'a [String],
}

async fn select(conn: &mut PgConnection, filter: Filter<'_>) -> Result<Vec<Key>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT k.id, k.public_id, k.institution_id, i.name AS institution_name,
                  p.id AS "project_id?", p.name AS "project_name?", k.name, k.purpose,
                  k.is_commercial, k.may_infer, k.may_fine_tune, k.allowed_networks::text[] AS "allowed_networks!",
                  k.status, k.requested_by,
                  coalesce((SELECT cap FROM quota_limits WHERE node_id = k.id AND measure = 'tokens' AND period = 'day'), 0)
                      AS "tokens_per_day!",
                  coalesce((SELECT cap FROM quota_limits WHERE node_id = k.id AND measure = 'requests' AND period = 'minute'), 0)
                      AS "requests_per_minute!",
                  u.name AS requester_name, k.requested_at, d.name AS "decider_name?", k.decided_at, k.reason,
                  k.expires_at, k.revoked_at, k.last_used_at,
                  ARRAY(SELECT m.id FROM api_key_models km JOIN models m ON m.id = km.model_id
                        WHERE km.api_key_id = k.id ORDER BY m.name) AS "model_ids!",
                  ARRAY(SELECT m.name FROM api_key_models km JOIN models m ON m.id = km.model_id
                        WHERE km.api_key_id = k.id ORDER BY m.name) AS "model_names!",
                  ARRAY(SELECT m.id FROM api_key_models km JOIN models m ON m.id = km.model_id
                        WHERE km.api_key_id = k.id AND m.quarantined_at IS NOT NULL) AS "withdrawn_models!"
           FROM api_keys k
           JOIN institutions i ON i.id = k.institution_id
           JOIN users u ON u.id = k.requested_by
           LEFT JOIN quota_nodes n ON n.id = k.id
           LEFT JOIN quota_nodes p ON p.id = n.parent_id AND p.kind = 'project'
           LEFT JOIN users d ON d.id = k.decided_by
           WHERE ($1::uuid IS NULL OR k.institution_id = $1)
             AND ($2::uuid IS NULL OR k.id = $2)
             AND (cardinality($3::text[]) = 0 OR k.status = ANY($3))
           ORDER BY k.id DESC LIMIT $4"#,
        filter.visibility.filter(),
        filter.id.map(|id| id.0),
        filter.statuses,
        MOST_LISTED,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Key::try_from(row)?))
        .collect()
}

pub(super) async fn find(conn: &mut PgConnection, id: ApiKeyId) -> Result<Option<Key>, StoreError> {
    let filter = Filter {
        visibility: Visibility::All,
        id: Some(id),
        statuses: &[],
    };
    Ok(select(conn, filter).await?.pop())
}

pub(super) async fn list(
    conn: &mut PgConnection,
    visibility: Visibility,
) -> Result<Vec<Key>, StoreError> {
    let filter = Filter {
        visibility,
        id: None,
        statuses: &[],
    };
    select(conn, filter).await
}

/// Keys that wait for a person, oldest first.
pub(super) async fn list_waiting(
    conn: &mut PgConnection,
    visibility: Visibility,
) -> Result<Vec<Key>, StoreError> {
    let filter = Filter {
        visibility,
        id: None,
        statuses: &[
            Status::Requested.name().to_owned(),
            Status::Approved.name().to_owned(),
        ],
    };
    let mut keys = select(conn, filter).await?;
    keys.reverse();
    Ok(keys)
}

/// One key, kept from changing until the transaction ends.
pub(super) async fn lock(tx: &mut WriteTx<'_>, id: ApiKeyId) -> Result<Option<Key>, StoreError> {
    sqlx::query!("SELECT id FROM api_keys WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(tx.conn())
        .await?;
    find(tx.conn(), id).await
}

/// The first of these models that may not be used for profit, if any. None of them is released anew until the transaction
/// ends.
pub(super) async fn not_for_profit(
    tx: &mut WriteTx<'_>,
    models: &[ModelId],
) -> Result<Option<NotForProfit>, StoreError> {
    let models: Vec<Uuid> = models.iter().map(|model| model.0).collect();
    let rows = sqlx::query!(
        r#"SELECT m.name, coalesce(s.allows_commercial, false) AS "by_lineage!",
                  coalesce(r.allows_commercial, false) AS "by_release!"
           FROM models m CROSS JOIN LATERAL model_scope(m.id) s CROSS JOIN LATERAL model_release(m.id) r
           WHERE m.id = ANY($1)
           ORDER BY m.id
           FOR SHARE OF m"#,
        &models,
    )
    .fetch_all(tx.conn())
    .await?;
    let refused = rows.into_iter().find(|row| !row.by_release);
    Ok(refused.map(|row| {
        if row.by_lineage {
            NotForProfit::AsReleased(row.name)
        } else {
            NotForProfit::ByLineage(row.name)
        }
    }))
}

pub(super) async fn insert(
    tx: &mut WriteTx<'_>,
    key: &Key,
    models: &[ModelId],
) -> Result<(), StoreError> {
    let networks: Vec<String> = key.allowed_networks.iter().map(IpNet::to_string).collect();
    sqlx::query!(
        "INSERT INTO api_keys (id, public_id, institution_id, name, purpose, is_commercial, status, requested_by,
             requested_at, expires_at, may_infer, may_fine_tune, allowed_networks)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text[]::cidr[])",
        key.id.0,
        key.public_id,
        key.institution.0,
        key.name,
        key.purpose,
        key.is_commercial,
        key.status.name(),
        key.requested_by.0,
        key.requested_at,
        key.expires_at,
        key.may_infer,
        key.may_fine_tune,
        &networks,
    )
    .execute(tx.conn())
    .await?;
    let Limits {
        tokens_per_day,
        requests_per_minute,
    } = key.limits;
    for (of, cap) in [
        ((Measure::Tokens, Window::Day), tokens_per_day),
        ((Measure::Requests, Window::Minute), requests_per_minute),
    ] {
        quota::set_limit(tx.conn(), key.id.0, of, Some(cap)).await?;
    }
    let models: Vec<Uuid> = models.iter().map(|model| model.0).collect();
    sqlx::query!(
        "INSERT INTO api_key_models (api_key_id, model_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        key.id.0,
        &models,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn save_decision(
    tx: &mut WriteTx<'_>,
    id: ApiKeyId,
    status: Status,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    sqlx::query!(
        "UPDATE api_keys SET status = $2, decided_by = $3, decided_at = $4, reason = $5 WHERE id = $1",
        id.0,
        status.name(),
        actor.user.0,
        now,
        reason,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn save_revoked(tx: &mut WriteTx<'_>, id: ApiKeyId) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE api_keys SET status = 'revoked', revoked_at = $2 WHERE id = $1",
        id.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes down that the actor accepts; says whether that is new.
pub(super) async fn accept_terms(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    version: &str,
) -> Result<bool, StoreError> {
    let (now, actor) = (tx.now(), tx.actor());
    let done = sqlx::query!(
        "INSERT INTO model_terms_acceptances (institution_id, version, accepted_by, accepted_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        institution.0,
        version,
        actor.user.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn has_accepted_terms(
    conn: &mut PgConnection,
    institution: InstitutionId,
    version: &str,
) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS(SELECT 1 FROM model_terms_acceptances WHERE institution_id = $1 AND version = $2) AS "found!""#,
        institution.0,
        version,
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}
