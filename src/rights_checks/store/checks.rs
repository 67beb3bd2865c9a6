//! Checks and their evidence.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    super::{By, Check, Findings, Outcome, Place, Reservation, Robots, Said, Signal},
    Subject,
};
use crate::{
    db::{CorruptRow, StoreError, WriteTx},
    ids::{DatasetId, DatasetVersionId, RightsCheckId},
};

/// By which way a check came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Way {
    /// The actor looked.
    Person,
    /// This program looked.
    Program(&'static str),
}

/// A check to be stored.
pub(in super::super) struct NewCheck<'a> {
    pub(in super::super) id: RightsCheckId,
    pub(in super::super) source_url: &'a str,
    pub(in super::super) findings: &'a Findings,
    pub(in super::super) note: &'a str,
    pub(in super::super) way: Way,
    pub(in super::super) checked_at: DateTime<Utc>,
}

/// Evidence to be stored.
pub(in super::super) struct NewSignal {
    pub(in super::super) place: Place,
    pub(in super::super) url: String,
    pub(in super::super) http_status: Option<i32>,
    pub(in super::super) says: String,
    pub(in super::super) excerpt: String,
    pub(in super::super) sha256: Option<String>,
    pub(in super::super) size_bytes: i64,
    pub(in super::super) is_cut: bool,
    pub(in super::super) media_type: String,
    pub(in super::super) object: Option<(String, String)>,
}

struct Row {
    id: Uuid,
    dataset_version_id: Uuid,
    source_url: String,
    outcome: String,
    problem: String,
    http_status: Option<i32>,
    license_label: Option<String>,
    license_expression: Option<String>,
    reservation: String,
    reservation_policy: Option<String>,
    robots: String,
    note: String,
    checked_with: Option<String>,
    checked_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    name: Option<String>,
}

impl TryFrom<Row> for Check {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let corrupt = |problem| CorruptRow {
            table: "rights_checks",
            id: row.id,
            problem,
        };
        Ok(Self {
            id: RightsCheckId(row.id),
            version: DatasetVersionId(row.dataset_version_id),
            source_url: row.source_url,
            findings: Findings {
                outcome: Outcome::parse(&row.outcome).ok_or_else(|| corrupt("unknown outcome"))?,
                problem: row.problem,
                http_status: row.http_status,
                license_label: row.license_label,
                license_expression: row.license_expression,
                reservation: Reservation::parse(&row.reservation)
                    .ok_or_else(|| corrupt("unknown reservation"))?,
                reservation_policy: row.reservation_policy,
                robots: Robots::parse(&row.robots).ok_or_else(|| corrupt("unknown robots"))?,
            },
            note: row.note,
            checked_by: row.name,
            checked_with: row.checked_with,
            checked_at: row.checked_at,
            recorded_at: row.recorded_at,
        })
    }
}

/// The checks of a dataset that were written down until `until`, newest first.
pub(in super::super) async fn checks(
    conn: &mut PgConnection,
    dataset: DatasetId,
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Check>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.dataset_version_id, c.source_url, c.outcome, c.problem, c.http_status, c.license_label,
                  c.license_expression, c.reservation, c.reservation_policy, c.robots, c.note, c.checked_with,
                  c.checked_at, c.recorded_at, u.name AS "name?"
           FROM rights_checks c LEFT JOIN users u ON u.id = c.checked_by
           WHERE c.dataset_id = $1 AND c.recorded_at <= $2
           ORDER BY c.recorded_at DESC, c.id DESC LIMIT $3"#,
        dataset.0,
        until,
        limit,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .map(Check::try_from)
    .collect()
}

/// The last check by the same way: of a program, of the same address.
pub(in super::super) async fn last(
    conn: &mut PgConnection,
    dataset: DatasetId,
    way: Way,
    source_url: &str,
) -> Result<Option<Check>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.dataset_version_id, c.source_url, c.outcome, c.problem, c.http_status, c.license_label,
                  c.license_expression, c.reservation, c.reservation_policy, c.robots, c.note, c.checked_with,
                  c.checked_at, c.recorded_at, u.name AS "name?"
           FROM rights_checks c LEFT JOIN users u ON u.id = c.checked_by
           WHERE c.dataset_id = $1 AND (c.checked_by IS NOT NULL) = $2 AND ($2 OR c.source_url = $3)
           ORDER BY c.recorded_at DESC, c.id DESC LIMIT 1"#,
        dataset.0,
        way == Way::Person,
        source_url,
    )
    .fetch_optional(conn)
    .await?
    .map(Check::try_from)
    .transpose()
}

/// The last check that could be read, by whichever way.
pub(in super::super) async fn last_read(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<Check>, StoreError> {
    sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.dataset_version_id, c.source_url, c.outcome, c.problem, c.http_status, c.license_label,
                  c.license_expression, c.reservation, c.reservation_policy, c.robots, c.note, c.checked_with,
                  c.checked_at, c.recorded_at, u.name AS "name?"
           FROM rights_checks c LEFT JOIN users u ON u.id = c.checked_by
           WHERE c.dataset_id = $1 AND c.outcome = 'read'
           ORDER BY c.recorded_at DESC, c.id DESC LIMIT 1"#,
        dataset.0,
    )
    .fetch_optional(conn)
    .await?
    .map(Check::try_from)
    .transpose()
}

/// The last reservation that was known, by whichever way.
pub(in super::super) async fn last_reservation(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Option<Reservation>, StoreError> {
    let name = sqlx::query_scalar!(
        "SELECT reservation FROM rights_checks
         WHERE dataset_id = $1 AND outcome = 'read' AND reservation <> 'unknown'
         ORDER BY recorded_at DESC, id DESC LIMIT 1",
        dataset.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(name.as_deref().and_then(Reservation::parse))
}

/// What every check says that was read and written down until `until` (none: all), oldest first.
pub(in super::super) async fn said(
    conn: &mut PgConnection,
    dataset: DatasetId,
    until: Option<DateTime<Utc>>,
) -> Result<Vec<Said>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.id, c.source_url, c.license_label, c.license_expression, c.reservation, c.robots, c.recorded_at,
                  c.checked_by IS NOT NULL AS "is_by_person!", c.is_by_platform,
                  (SELECT min(n.noted_at) FROM rights_changes h JOIN rights_change_notes n ON n.change_id = h.id
                   WHERE h.check_id = c.id AND n.accepts
                     AND h.what IN ('licence', 'differs_from_registered')) AS licence_accepted_at,
                  (SELECT min(n.noted_at) FROM rights_changes h JOIN rights_change_notes n ON n.change_id = h.id
                   WHERE h.check_id = c.id AND n.accepts AND h.what = 'reservation') AS reservation_accepted_at
           FROM rights_checks c
           WHERE c.dataset_id = $1 AND c.outcome = 'read' AND ($2::timestamptz IS NULL OR c.recorded_at <= $2)
           ORDER BY c.recorded_at, c.id"#,
        dataset.0,
        until,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |problem| CorruptRow {
                table: "rights_checks",
                id: row.id,
                problem,
            };
            Ok(Said {
                check: RightsCheckId(row.id),
                by: match (row.is_by_person, row.is_by_platform) {
                    (false, _) => By::Program,
                    (true, false) => By::Institution,
                    (true, true) => By::Platform,
                },
                source_url: row.source_url,
                licence: row.license_label.zip(row.license_expression),
                reservation: Reservation::parse(&row.reservation)
                    .ok_or_else(|| corrupt("unknown reservation"))?,
                robots: Robots::parse(&row.robots).ok_or_else(|| corrupt("unknown robots"))?,
                recorded_at: row.recorded_at,
                licence_accepted_at: row.licence_accepted_at,
                reservation_accepted_at: row.reservation_accepted_at,
            })
        })
        .collect()
}

pub(in super::super) async fn insert_check(
    tx: &mut WriteTx<'_>,
    subject: &Subject,
    new: &NewCheck<'_>,
) -> Result<(), StoreError> {
    let (now, user) = (tx.now(), tx.actor().user);
    let (checked_by, checked_with, is_by_platform) = match new.way {
        Way::Person => (Some(user.0), None, tx.actor().is_platform()),
        Way::Program(name) => (None, Some(name), false),
    };
    let found = new.findings;
    sqlx::query!(
        "INSERT INTO rights_checks (id, dataset_id, dataset_version_id, source_url, outcome, problem, http_status,
             license_label, license_expression, reservation, reservation_policy, robots, note, checked_by,
             checked_with, is_by_platform, checked_at, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        new.id.0,
        subject.dataset.0,
        subject.version.0,
        new.source_url,
        found.outcome.name(),
        found.problem,
        found.http_status,
        found.license_label,
        found.license_expression,
        found.reservation.name(),
        found.reservation_policy,
        found.robots.name(),
        new.note,
        checked_by,
        checked_with,
        is_by_platform,
        new.checked_at,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(in super::super) async fn insert_signal(
    tx: &mut WriteTx<'_>,
    check: RightsCheckId,
    new: &NewSignal,
) -> Result<(), StoreError> {
    let (key, version) = new.object.clone().unzip();
    sqlx::query!(
        "INSERT INTO rights_signals (id, check_id, place, url, http_status, says, excerpt, sha256, size_bytes,
             is_cut, media_type, object_key, object_version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        Uuid::now_v7(),
        check.0,
        new.place.name(),
        new.url,
        new.http_status,
        new.says,
        new.excerpt,
        new.sha256,
        new.size_bytes,
        new.is_cut,
        new.media_type,
        key,
        version,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct SignalRow {
    id: Uuid,
    place: String,
    url: String,
    http_status: Option<i32>,
    says: String,
    excerpt: String,
    sha256: Option<String>,
    size_bytes: i64,
    is_cut: bool,
    media_type: String,
    object_key: Option<String>,
    object_version: Option<String>,
}

impl TryFrom<SignalRow> for Signal {
    type Error = StoreError;

    fn try_from(row: SignalRow) -> Result<Self, StoreError> {
        let place = Place::parse(&row.place).ok_or(CorruptRow {
            table: "rights_signals",
            id: row.id,
            problem: "unknown place",
        })?;
        Ok(Self {
            id: row.id,
            place,
            url: row.url,
            http_status: row.http_status,
            says: row.says,
            excerpt: row.excerpt,
            sha256: row.sha256,
            size_bytes: row.size_bytes,
            is_cut: row.is_cut,
            media_type: row.media_type,
            object: row.object_key.zip(row.object_version),
        })
    }
}

/// The evidence of some checks, with the check that each is of, in the order it was seen.
pub(in super::super) async fn signals(
    conn: &mut PgConnection,
    checks: &[RightsCheckId],
) -> Result<Vec<(RightsCheckId, Signal)>, StoreError> {
    let checks: Vec<_> = checks.iter().map(|check| check.0).collect();
    let rows = sqlx::query!(
        "SELECT check_id, id, place, url, http_status, says, excerpt, sha256, size_bytes, is_cut, media_type,
                object_key, object_version
         FROM rights_signals WHERE check_id = ANY($1) ORDER BY id",
        &checks,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let signal = SignalRow {
                id: row.id,
                place: row.place,
                url: row.url,
                http_status: row.http_status,
                says: row.says,
                excerpt: row.excerpt,
                sha256: row.sha256,
                size_bytes: row.size_bytes,
                is_cut: row.is_cut,
                media_type: row.media_type,
                object_key: row.object_key,
                object_version: row.object_version,
            };
            Ok((RightsCheckId(row.check_id), signal.try_into()?))
        })
        .collect()
}

/// One piece of evidence of a dataset.
pub(in super::super) async fn signal(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: Uuid,
) -> Result<Option<Signal>, StoreError> {
    sqlx::query_as!(
        SignalRow,
        "SELECT s.id, s.place, s.url, s.http_status, s.says, s.excerpt, s.sha256, s.size_bytes, s.is_cut,
                s.media_type, s.object_key, s.object_version
         FROM rights_signals s JOIN rights_checks c ON c.id = s.check_id
         WHERE s.id = $1 AND c.dataset_id = $2",
        id,
        dataset.0,
    )
    .fetch_optional(conn)
    .await?
    .map(Signal::try_from)
    .transpose()
}
