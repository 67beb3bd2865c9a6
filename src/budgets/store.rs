//! The SQL of budgets.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Reserving,
    budget::{Amounts, Budget},
    cost::{Cost, Rates},
    set::Draft,
};
use crate::{
    db::{StoreError, WriteTx},
    ids::{AttemptId, BudgetId, InstitutionId},
};

struct Row {
    id: Uuid,
    institution_id: Uuid,
    institution_name: String,
    begins_on: NaiveDate,
    ends_on: NaiveDate,
    milli_sbu: Option<i64>,
    gpu_seconds: Option<i64>,
    core_seconds: Option<i64>,
    reserved_milli_sbu: i64,
    reserved_gpu_seconds: i64,
    reserved_core_seconds: i64,
    used_milli_sbu: i64,
    used_gpu_seconds: i64,
    used_core_seconds: i64,
}

impl From<Row> for Budget {
    fn from(row: Row) -> Self {
        Self {
            id: BudgetId(row.id),
            institution: InstitutionId(row.institution_id),
            institution_name: row.institution_name,
            begins_on: row.begins_on,
            ends_on: row.ends_on,
            milli_sbu: row.milli_sbu,
            gpu_seconds: row.gpu_seconds,
            core_seconds: row.core_seconds,
            reserved: Amounts {
                milli_sbu: row.reserved_milli_sbu,
                gpu_seconds: row.reserved_gpu_seconds,
                core_seconds: row.reserved_core_seconds,
            },
            used: Amounts {
                milli_sbu: row.used_milli_sbu,
                gpu_seconds: row.used_gpu_seconds,
                core_seconds: row.used_core_seconds,
            },
        }
    }
}

/// The budgets of one institution, or of all; the newest first.
pub(super) async fn list(
    conn: &mut PgConnection,
    of: Option<Uuid>,
) -> Result<Vec<Budget>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT b.id, b.institution_id, i.name AS institution_name, b.begins_on, b.ends_on, b.milli_sbu, b.gpu_seconds,
                b.core_seconds, b.reserved_milli_sbu, b.reserved_gpu_seconds, b.reserved_core_seconds, b.used_milli_sbu,
                b.used_gpu_seconds, b.used_core_seconds
         FROM budgets b JOIN institutions i ON i.id = b.institution_id
         WHERE $1::uuid IS NULL OR b.institution_id = $1
         ORDER BY b.begins_on DESC, i.name, b.id LIMIT 500",
        of,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Budget::from).collect())
}

/// The budget of an institution that holds on a day, kept from changing.
pub(super) async fn lock_current(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    on: NaiveDate,
) -> Result<Option<Budget>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT b.id, b.institution_id, i.name AS institution_name, b.begins_on, b.ends_on, b.milli_sbu, b.gpu_seconds,
                b.core_seconds, b.reserved_milli_sbu, b.reserved_gpu_seconds, b.reserved_core_seconds, b.used_milli_sbu,
                b.used_gpu_seconds, b.used_core_seconds
         FROM budgets b JOIN institutions i ON i.id = b.institution_id
         WHERE b.institution_id = $1 AND b.begins_on <= $2 AND b.ends_on > $2
         FOR NO KEY UPDATE OF b",
        institution.0,
        on,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(Budget::from))
}

/// Sets the budget that begins on that day, anew or over the one that does.
pub(super) async fn put(tx: &mut WriteTx<'_>, draft: &Draft) -> Result<BudgetId, StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    let id = sqlx::query_scalar!(
        "INSERT INTO budgets (id, institution_id, begins_on, ends_on, milli_sbu, gpu_seconds, core_seconds, set_by, set_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (institution_id, begins_on) DO UPDATE SET ends_on = excluded.ends_on,
             milli_sbu = excluded.milli_sbu, gpu_seconds = excluded.gpu_seconds, core_seconds = excluded.core_seconds,
             set_by = excluded.set_by, set_at = excluded.set_at
         RETURNING id",
        BudgetId::fresh().0,
        draft.institution.0,
        draft.begins_on,
        draft.ends_on,
        draft.milli_sbu,
        draft.gpu_seconds,
        draft.core_seconds,
        user.0,
        now,
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(BudgetId(id))
}

/// Whether another budget of the institution holds on one of the days.
pub(super) async fn overlaps(conn: &mut PgConnection, draft: &Draft) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM budgets WHERE institution_id = $1 AND begins_on <> $2 AND begins_on < $3
               AND ends_on > $2) AS "found!""#,
        draft.institution.0,
        draft.begins_on,
        draft.ends_on,
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// An institution that has a budget set, by its id or its short name.
pub(super) async fn institutions(
    conn: &mut PgConnection,
) -> Result<Vec<(InstitutionId, String, String)>, StoreError> {
    let rows = sqlx::query!("SELECT id, slug, name FROM institutions ORDER BY name, id LIMIT 1000")
        .fetch_all(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (InstitutionId(row.id), row.slug, row.name))
        .collect())
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A line about an attempt.
struct Entry<'a> {
    kind: &'static str,
    attempt: AttemptId,
    institution: Uuid,
    budget: Option<Uuid>,
    place: &'a str,
    rates: &'a Rates,
    cost: &'a Cost,
}

/// Writes a line; false where the attempt has one of that kind.
async fn insert(tx: &mut WriteTx<'_>, entry: &Entry<'_>) -> Result<bool, StoreError> {
    let now = tx.now();
    let (rates, cost) = (entry.rates, entry.cost);
    // Looked for and not left to ON CONFLICT: the trigger that keeps the budget comes before that.
    let done = sqlx::query!(
        "INSERT INTO budget_entries (id, attempt_id, institution_id, budget_id, kind, place, gpus, cores,
             milli_sbu_per_gpu_hour, milli_sbu_per_core_hour, watts_per_gpu, watts_per_core, seconds, milli_sbu,
             gpu_seconds, core_seconds, joules, written_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18
         WHERE NOT EXISTS (SELECT 1 FROM budget_entries WHERE attempt_id = $2 AND kind = $5)",
        Uuid::now_v7(),
        entry.attempt.0,
        entry.institution,
        entry.budget,
        entry.kind,
        entry.place,
        small(rates.gpus),
        small(rates.cores),
        int(rates.milli_sbu_per_gpu_hour),
        int(rates.milli_sbu_per_core_hour),
        small(rates.watts_per_gpu),
        small(rates.watts_per_core),
        int(cost.seconds),
        int(cost.milli_sbu),
        int(cost.gpu_seconds),
        int(cost.core_seconds),
        int(cost.joules),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Reserves; the database refuses what is not left. An attempt reserves once.
pub(super) async fn insert_reserve(
    tx: &mut WriteTx<'_>,
    reserving: &Reserving<'_>,
    budget: Option<BudgetId>,
    cost: &Cost,
) -> Result<bool, StoreError> {
    let entry = Entry {
        kind: "reserve",
        attempt: reserving.attempt,
        institution: reserving.institution.0,
        budget: budget.map(|id| id.0),
        place: reserving.place,
        rates: &reserving.rates,
        cost,
    };
    insert(tx, &entry).await
}

/// What was reserved for an attempt.
pub(super) struct Reserved {
    institution: Uuid,
    budget: Option<Uuid>,
    place: String,
    pub(super) rates: Rates,
}

/// The reservation of an attempt.
pub(super) async fn reserved(
    conn: &mut PgConnection,
    attempt: AttemptId,
) -> Result<Option<Reserved>, StoreError> {
    let row = sqlx::query!(
        "SELECT institution_id, budget_id, place, gpus, cores, milli_sbu_per_gpu_hour, milli_sbu_per_core_hour,
                watts_per_gpu, watts_per_core
         FROM budget_entries WHERE attempt_id = $1 AND kind = 'reserve'",
        attempt.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Reserved {
        institution: row.institution_id,
        budget: row.budget_id,
        place: row.place,
        rates: Rates {
            gpus: row.gpus.unsigned_abs(),
            cores: row.cores.unsigned_abs(),
            milli_sbu_per_gpu_hour: row.milli_sbu_per_gpu_hour.unsigned_abs(),
            milli_sbu_per_core_hour: row.milli_sbu_per_core_hour.unsigned_abs(),
            watts_per_gpu: row.watts_per_gpu.unsigned_abs(),
            watts_per_core: row.watts_per_core.unsigned_abs(),
        },
    }))
}

/// Settles; false where it was settled before.
pub(super) async fn insert_settle(
    tx: &mut WriteTx<'_>,
    attempt: AttemptId,
    reserved: &Reserved,
    (rates, cost): (&Rates, &Cost),
) -> Result<bool, StoreError> {
    let entry = Entry {
        kind: "settle",
        attempt,
        institution: reserved.institution,
        budget: reserved.budget,
        place: &reserved.place,
        rates,
        cost,
    };
    insert(tx, &entry).await
}

/// The sums over some attempts: what is reserved still, and what was used; none of that where nothing is settled yet.
pub(super) async fn of_attempts(
    conn: &mut PgConnection,
    attempts: &[AttemptId],
) -> Result<(Cost, Option<Cost>), StoreError> {
    let ids: Vec<Uuid> = attempts.iter().map(|attempt| attempt.0).collect();
    let rows = sqlx::query!(
        r#"SELECT e.kind, sum(e.seconds)::bigint AS "seconds!", sum(e.milli_sbu)::bigint AS "milli_sbu!",
                  sum(e.gpu_seconds)::bigint AS "gpu_seconds!", sum(e.core_seconds)::bigint AS "core_seconds!",
                  sum(e.joules)::bigint AS "joules!"
           FROM budget_entries e
           WHERE e.attempt_id = ANY($1)
             AND (e.kind = 'settle' OR NOT EXISTS (SELECT 1 FROM budget_entries s
                                                   WHERE s.attempt_id = e.attempt_id AND s.kind = 'settle'))
           GROUP BY e.kind"#,
        &ids,
    )
    .fetch_all(conn)
    .await?;
    let of = |kind: &str| {
        rows.iter().find(|row| row.kind == kind).map(|row| Cost {
            seconds: row.seconds.unsigned_abs(),
            milli_sbu: row.milli_sbu.unsigned_abs(),
            gpu_seconds: row.gpu_seconds.unsigned_abs(),
            core_seconds: row.core_seconds.unsigned_abs(),
            joules: row.joules.unsigned_abs(),
        })
    };
    Ok((of("reserve").unwrap_or_default(), of("settle")))
}

/// What each institution used of late, in core seconds.
pub(super) async fn recent_use(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    half_life_hours: u32,
    cores_a_gpu: f64,
) -> Result<HashMap<InstitutionId, f64>, StoreError> {
    // After ten half-lives a thousandth is left.
    let since = now - TimeDelta::hours(10 * i64::from(half_life_hours));
    let half_life = f64::from(half_life_hours) * 3600.0;
    let rows = sqlx::query!(
        r#"SELECT e.institution_id,
                  sum((e.core_seconds + $1::float8 * e.gpu_seconds)
                      * CASE WHEN e.kind = 'reserve' THEN 1
                             ELSE power(0.5::float8, greatest(extract(epoch FROM $2::timestamptz - e.written_at)::float8, 0) / $3::float8) END
                  )::float8 AS "used!"
           FROM budget_entries e
           WHERE (e.kind = 'settle' AND e.written_at > $4)
              OR (e.kind = 'reserve' AND NOT EXISTS (SELECT 1 FROM budget_entries s
                                                     WHERE s.attempt_id = e.attempt_id AND s.kind = 'settle'))
           GROUP BY e.institution_id"#,
        cores_a_gpu,
        now,
        half_life,
        since,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (InstitutionId(row.institution_id), row.used))
        .collect())
}
