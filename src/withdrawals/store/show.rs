//! Reading a withdrawal with what became of it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::super::duty::Kind;
use crate::{
    db::{CorruptRow, StoreError},
    ids::{DatasetId, InstitutionId, ModelId, WithdrawalId},
    policy::Role,
};

/// A withdrawal as it was made.
pub(in super::super) struct Withdrawal {
    pub(in super::super) id: WithdrawalId,
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) title: String,
    pub(in super::super) institution: InstitutionId,
    pub(in super::super) institution_name: String,
    pub(in super::super) is_revoked: bool,
    pub(in super::super) scope: String,
    pub(in super::super) version_number: Option<i32>,
    pub(in super::super) layer: Option<String>,
    pub(in super::super) reason: String,
    pub(in super::super) by: String,
    pub(in super::super) at: DateTime<Utc>,
    pub(in super::super) consequence: String,
    pub(in super::super) delete_by: Option<DateTime<Utc>>,
    pub(in super::super) keys: i64,
    /// Addresses for reading that were given before and still worked, and when the last of them ends.
    pub(in super::super) addresses: i64,
    pub(in super::super) addresses_end_at: Option<DateTime<Utc>>,
    /// Whether a permission counts now that was given afterwards.
    pub(in super::super) is_given_anew: bool,
}

pub(in super::super) async fn find(
    conn: &mut PgConnection,
    id: WithdrawalId,
) -> Result<Option<Withdrawal>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT w.id, w.dataset_id, d.title, w.institution_id, i.name AS institution, w.kind, w.scope, w.layer,
                  v.number AS "version_number?", w.reason, u.name AS by, w.withdrawn_at, w.on_withdrawal, w.delete_by,
                  (SELECT count(*) FROM withdrawal_keys k WHERE k.withdrawal_id = w.id) AS "keys!",
                  (SELECT count(*) FROM grant_revocations r WHERE r.withdrawal_id = w.id) AS "addresses!",
                  (SELECT max(g.expires_at) FROM grant_revocations r JOIN read_grants g ON g.id = r.grant_id
                   WHERE r.withdrawal_id = w.id) AS addresses_end_at,
                  EXISTS (SELECT 1 FROM permissions p
                          JOIN permission_events e ON e.permission_id = p.id AND e.state IN ('given', 'renewed')
                          WHERE p.dataset_id = w.dataset_id AND e.decided_at > w.withdrawn_at) AS "is_given_anew!"
           FROM withdrawals w
           JOIN datasets d ON d.id = w.dataset_id
           JOIN institutions i ON i.id = w.institution_id
           JOIN users u ON u.id = w.withdrawn_by
           LEFT JOIN dataset_versions v ON v.id = w.dataset_version_id
           WHERE w.id = $1"#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Withdrawal {
        id: WithdrawalId(row.id),
        dataset: DatasetId(row.dataset_id),
        title: row.title,
        institution: InstitutionId(row.institution_id),
        institution_name: row.institution,
        is_revoked: row.kind == "revoked",
        scope: row.scope,
        version_number: row.version_number,
        layer: row.layer,
        reason: row.reason,
        by: row.by,
        at: row.withdrawn_at,
        consequence: row.on_withdrawal,
        delete_by: row.delete_by,
        keys: row.keys,
        addresses: row.addresses,
        addresses_end_at: row.addresses_end_at,
        is_given_anew: row.is_given_anew,
    }))
}

/// A dataset of `institution` of which versions were curated from what was withdrawn: its id and title.
pub(in super::super) async fn curated_by(
    conn: &mut PgConnection,
    id: WithdrawalId,
    institution: InstitutionId,
) -> Result<Option<(DatasetId, String)>, StoreError> {
    let row = sqlx::query!(
        "SELECT d.id, d.title FROM withdrawal_versions x
         JOIN dataset_versions v ON v.id = x.dataset_version_id JOIN datasets d ON d.id = v.dataset_id
         JOIN withdrawals w ON w.id = x.withdrawal_id
         WHERE x.withdrawal_id = $1 AND d.institution_id = $2 AND d.id <> w.dataset_id
         ORDER BY d.id LIMIT 1",
        id.0,
        institution.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (DatasetId(row.id), row.title)))
}

/// A withdrawal in a list.
pub(in super::super) struct ListedWithdrawal {
    pub(in super::super) id: WithdrawalId,
    pub(in super::super) dataset: DatasetId,
    pub(in super::super) at: DateTime<Utc>,
}

/// The withdrawals of these datasets, newest first.
pub(in super::super) async fn list(
    conn: &mut PgConnection,
    datasets: &[DatasetId],
) -> Result<Vec<ListedWithdrawal>, StoreError> {
    let datasets: Vec<_> = datasets.iter().map(|dataset| dataset.0).collect();
    let rows = sqlx::query!(
        "SELECT id, dataset_id, withdrawn_at FROM withdrawals WHERE dataset_id = ANY($1) ORDER BY id DESC",
        &datasets,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ListedWithdrawal {
            id: WithdrawalId(row.id),
            dataset: DatasetId(row.dataset_id),
            at: row.withdrawn_at,
        })
        .collect())
}

/// How many jobs there are with one consequence, and how many of them still run.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Stops {
    pub consequence: String,
    pub jobs: i64,
    pub still_running: i64,
}

pub(in super::super) async fn stops_of(
    conn: &mut PgConnection,
    id: WithdrawalId,
) -> Result<Vec<Stops>, StoreError> {
    let rows = sqlx::query_as!(
        Stops,
        r#"SELECT w.consequence, count(*) AS "jobs!", count(*) FILTER (WHERE j.status = 'running') AS "still_running!"
           FROM withdrawal_jobs w JOIN jobs j ON j.id = w.job_id
           WHERE w.withdrawal_id = $1 GROUP BY w.consequence ORDER BY w.consequence"#,
        id.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// A model with what was decided on it.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct MadeOfModel {
    pub model: ModelId,
    /// None where whoever looks may not know it.
    pub name: Option<String>,
    pub institution: String,
    #[serde(skip)]
    pub owner: InstitutionId,
    #[serde(skip)]
    pub was_released: bool,
    pub consequence: String,
    pub was_served: bool,
    pub is_quarantined: bool,
    pub status: String,
    pub decision: Option<String>,
    pub reason: Option<String>,
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    /// The model that was made anew in its place.
    pub replaced_by: Option<ModelId>,
    pub replacement: Option<String>,
    /// Who proposed to use it again, and why; a legal reviewer confirms that.
    pub lift_proposed_by: Option<String>,
    pub lift_reason: Option<String>,
}

/// How many models a withdrawal touched, or of them one institution's.
pub(in super::super) async fn count_models(
    conn: &mut PgConnection,
    id: WithdrawalId,
    owner: Option<InstitutionId>,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM withdrawal_models w JOIN models m ON m.id = w.model_id
           WHERE w.withdrawal_id = $1 AND ($2::uuid IS NULL OR m.institution_id = $2)"#,
        id.0,
        owner.map(|owner| owner.0),
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// The models of a withdrawal, or of them one institution's: those that wait for a decision first, 200 at most;
/// [`count_models`] says how many there are.
pub(in super::super) async fn models_of(
    conn: &mut PgConnection,
    id: WithdrawalId,
    owner: Option<InstitutionId>,
) -> Result<Vec<MadeOfModel>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT w.model_id, m.name, m.institution_id, m.released_at IS NOT NULL AS "was_released!", i.name AS institution, w.consequence, w.was_served, m.status,
                  m.quarantined_at IS NOT NULL AS "is_quarantined!", d.decision AS "decision?", d.reason AS "reason?",
                  d.decided_at AS "decided_at?", u.name AS "decided_by?",
                  d.replaced_by AS "replaced_by?", n.name AS "replacement?", p.reason AS "lift_reason?",
                  y.name AS "lift_proposed_by?"
           FROM withdrawal_models w
           JOIN models m ON m.id = w.model_id
           JOIN institutions i ON i.id = m.institution_id
           LEFT JOIN model_decisions d ON d.withdrawal_id = w.withdrawal_id AND d.model_id = w.model_id
           LEFT JOIN users u ON u.id = d.decided_by
           LEFT JOIN models n ON n.id = d.replaced_by
           LEFT JOIN lift_proposals p ON p.withdrawal_id = w.withdrawal_id AND p.model_id = w.model_id
           LEFT JOIN users y ON y.id = p.proposed_by
           WHERE w.withdrawal_id = $1 AND ($2::uuid IS NULL OR m.institution_id = $2)
           ORDER BY d.decision IS NOT NULL, w.consequence = 'retrain' DESC, m.id LIMIT 200"#,
        id.0,
        owner.map(|owner| owner.0),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| MadeOfModel {
            model: ModelId(row.model_id),
            name: Some(row.name),
            institution: row.institution,
            owner: InstitutionId(row.institution_id),
            was_released: row.was_released,
            consequence: row.consequence,
            was_served: row.was_served,
            is_quarantined: row.is_quarantined,
            status: row.status,
            decision: row.decision,
            reason: row.reason,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            replaced_by: row.replaced_by.map(ModelId),
            replacement: row.replacement,
            lift_proposed_by: row.lift_proposed_by,
            lift_reason: row.lift_reason,
        })
        .collect())
}

/// The model of this name or id.
pub(in super::super) async fn model_named(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<ModelId>, StoreError> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM models WHERE name = $1 OR id::text = $1",
        name
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.map(ModelId))
}

/// What has to be done, and whether it was.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Duty {
    pub kind: Kind,
    #[serde(skip)]
    pub owner: Role,
    pub due_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub ended_by: Option<String>,
    pub note: Option<String>,
    #[serde(skip)]
    pub withdrawal: WithdrawalId,
    #[serde(skip)]
    pub title: String,
    #[serde(skip)]
    pub withdrawn_at: DateTime<Utc>,
}

/// Which duties are looked for.
enum Wanted {
    Of(WithdrawalId),
    /// Open and for people of this role to act on at this moment.
    OpenFor(Role, DateTime<Utc>),
    /// Open and past their day at this moment, and nobody was told so far.
    OverdueUntold(DateTime<Utc>),
}

/// The duties of one withdrawal, the earliest first.
pub(in super::super) async fn duties(
    conn: &mut PgConnection,
    id: WithdrawalId,
) -> Result<Vec<Duty>, StoreError> {
    select(conn, Wanted::Of(id)).await
}

/// The duties of a role that are open and wait for a person at `now`; the earliest first, 200 at most. The purge waits
/// for nobody unless it is late.
pub(in super::super) async fn open_duties(
    conn: &mut PgConnection,
    role: Role,
    now: DateTime<Utc>,
) -> Result<Vec<Duty>, StoreError> {
    select(conn, Wanted::OpenFor(role, now)).await
}

/// Duties that were to be done before `now` and that no notice named yet; 200 at most, so ask again until none is
/// left.
pub(in super::super) async fn overdue_untold(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<Duty>, StoreError> {
    select(conn, Wanted::OverdueUntold(now)).await
}

/// The key under which a duty that is overdue is told once.
pub(in super::super) fn overdue_once(duty: &Duty) -> String {
    format!("overdue:{}:{}", duty.withdrawal, duty.kind.name())
}

async fn select(conn: &mut PgConnection, wanted: Wanted) -> Result<Vec<Duty>, StoreError> {
    let (withdrawal, role, overdue_at, role_at) = match wanted {
        Wanted::Of(id) => (Some(id.0), None, None, None),
        Wanted::OpenFor(role, now) => (None, Some(role.name()), None, Some(now)),
        Wanted::OverdueUntold(now) => (None, None, Some(now), None),
    };
    let rows = sqlx::query!(
        r#"SELECT d.id, d.withdrawal_id, d.kind, d.owner_role, d.due_at, s.title, w.withdrawn_at, e.ended_at AS "ended_at?",
                  e.note AS "note?", u.name AS "ended_by?"
           FROM withdrawal_duties d
           JOIN withdrawals w ON w.id = d.withdrawal_id
           JOIN datasets s ON s.id = w.dataset_id
           LEFT JOIN withdrawal_duty_ends e ON e.duty_id = d.id
           LEFT JOIN users u ON u.id = e.ended_by
           WHERE ($1::uuid IS NULL OR d.withdrawal_id = $1)
             AND ($2::text IS NULL OR d.owner_role = $2 AND (d.kind <> 'purge' OR d.due_at <= $4))
             AND ($1::uuid IS NOT NULL OR e.duty_id IS NULL)
             AND ($3::timestamptz IS NULL OR d.due_at <= $3 AND NOT EXISTS (
                 SELECT 1 FROM notices n WHERE n.once = 'overdue:' || d.withdrawal_id || ':' || d.kind))
           ORDER BY d.due_at, d.id LIMIT 200"#,
        withdrawal,
        role,
        overdue_at,
        role_at,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "withdrawal_duties",
                id: row.id,
                problem,
            };
            Ok(Duty {
                kind: Kind::parse(&row.kind).ok_or_else(|| corrupt("unknown kind"))?,
                owner: row
                    .owner_role
                    .parse()
                    .map_err(|_| corrupt("unknown role"))?,
                due_at: row.due_at,
                ended_at: row.ended_at,
                ended_by: row.ended_by,
                note: row.note,
                withdrawal: WithdrawalId(row.withdrawal_id),
                title: row.title,
                withdrawn_at: row.withdrawn_at,
            })
        })
        .collect()
}
