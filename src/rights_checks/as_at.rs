//! What held for a dataset at a moment, read from the facts.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Europe::Amsterdam;
use sqlx::PgConnection;

use super::{
    Check, Counts, Reservation, Said, counts,
    history::{History, LicenceFact, StatusFact},
    store,
};
use crate::{
    db::StoreError,
    ids::DatasetId,
    permissions::{self, LicenceFacts, Permission, TdmReservation},
    privacy::{self, Filed, Standing},
};

/// Checks that are read for a history; the newest of them.
const MOST_CHECKS: i64 = 1000;

/// All that is known of a dataset's rights.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn history(
    conn: &mut PgConnection,
    dataset: DatasetId,
    until: DateTime<Utc>,
) -> Result<History, StoreError> {
    Ok(History {
        licences: store::licences(conn, dataset).await?,
        checks: store::checks(conn, dataset, until, MOST_CHECKS).await?,
        said: store::said(conn, dataset, Some(until)).await?,
        statuses: store::statuses(conn, dataset).await?,
        assessments: privacy::of_dataset(conn, dataset).await?,
    })
}

/// What held at a moment.
#[derive(Debug, Clone)]
pub struct AsAt {
    /// The moment.
    pub at: DateTime<Utc>,
    /// The registered licence; none before the dataset was registered.
    pub licence: Option<LicenceFact>,
    /// Checks that had been made by then, newest first.
    pub checks: Vec<Check>,
    /// What those that could be read say, oldest first.
    pub said: Vec<Said>,
    /// The last check that could be read.
    pub last_read: Option<Check>,
    /// Licence and reservation that counted; none before the dataset was registered.
    pub counts: Option<Counts>,
    /// The newest version and where it stood.
    pub status: Option<StatusFact>,
    /// The signed assessment of that version.
    pub assessment: Option<Filed>,
    /// How that version stood as to personal data.
    pub privacy: Option<Standing>,
    /// Every permission that had been given, withdrawn or refused by then, as it stood.
    pub permissions: Vec<Permission>,
}

/// Reads what held for `dataset` at `at`.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn as_at(
    conn: &mut PgConnection,
    dataset: DatasetId,
    at: DateTime<Utc>,
) -> Result<AsAt, StoreError> {
    let history = history(conn, dataset, at).await?;
    let then = history.at(at);
    let permissions = match then.status {
        Some(status) => {
            let mut permissions =
                permissions::of_version(&mut *conn, dataset, status.version).await?;
            let stood = store::permissions_at(conn, dataset, at).await?;
            permissions.retain_mut(|permission| {
                let Some((_, state, by, decided_at)) =
                    stood.iter().find(|(id, ..)| *id == permission.id)
                else {
                    return false;
                };
                let Ok(state) = state.parse() else {
                    return false;
                };
                permission.state = state;
                permission.decided_by.clone_from(by);
                permission.decided_at = *decided_at;
                true
            });
            permissions
        }
        None => Vec::new(),
    };
    Ok(AsAt {
        at,
        licence: then.licence.cloned(),
        last_read: then.last_read.cloned(),
        counts: then.counts.clone(),
        status: then.status.cloned(),
        assessment: then.assessment.cloned(),
        privacy: then.privacy,
        permissions,
        checks: history.checks,
        said: history.said,
    })
}

/// A moment as it stands in an address: a day (its end, in the Netherlands) or an exact time (RFC 3339). Never
/// later than `now`.
#[must_use]
pub fn moment(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let at = match text.parse::<NaiveDate>() {
        Ok(day) => {
            let midnight = day.succ_opt()?.and_time(NaiveTime::MIN);
            let end = midnight.and_local_timezone(Amsterdam).earliest()?;
            end.with_timezone(&Utc) - chrono::TimeDelta::microseconds(1)
        }
        Err(_) => DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc),
    };
    // What Postgres cannot hold did not happen here.
    let is_near = (1900..=9999).contains(&chrono::Datelike::year(&at));
    is_near.then(|| at.min(now))
}

/// A moment as it goes into an address.
#[must_use]
pub fn in_address(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// What the rules read of a dataset's licence: as it was found at the source, else as it is registered; which of the
/// findings count stands in [`counts`].
///
/// Everything that is committed counts, also where it was written down after `at`: a decision that waited for it
/// knows it.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub async fn licence_facts(
    conn: &mut PgConnection,
    dataset: DatasetId,
    registered: &str,
    at: DateTime<Utc>,
) -> Result<LicenceFacts, StoreError> {
    let said = store::said(conn, dataset, None).await?;
    let known = counts(&said, registered, None);
    let (Some(check), Some(recorded_at)) = (known.check, known.recorded_at) else {
        return Ok(LicenceFacts::registered(registered));
    };
    let reservation = match known.reservation {
        Reservation::Reserved => TdmReservation::Reserved,
        Reservation::NotReserved => TdmReservation::NotReserved,
        Reservation::Unset | Reservation::Unknown => TdmReservation::Unset,
    };
    Ok(LicenceFacts::found(
        &known.license,
        reservation,
        check.0,
        recorded_at.min(at),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-11-25T12:00:00Z")
            .unwrap()
            .into()
    }

    #[test]
    fn a_day_is_meant_to_its_end_in_the_netherlands() {
        let at = moment("2026-09-01", now()).unwrap();
        assert_eq!(in_address(at), "2026-09-01T21:59:59.999999Z");
        let winter = moment("2026-01-15", now()).unwrap();
        assert_eq!(in_address(winter), "2026-01-15T22:59:59.999999Z");
    }

    #[test]
    fn today_is_until_now_and_an_exact_moment_comes_back() {
        assert_eq!(moment("2026-11-25", now()), Some(now()));
        assert_eq!(moment("2030-01-01", now()), Some(now()));
        let exact = "2026-09-07T10:11:12.131415Z";
        assert_eq!(in_address(moment(exact, now()).unwrap()), exact);
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in ["", "gisteren", "2026-13-01", "0001-01-01", "+262143-12-31"] {
            assert_eq!(moment(text, now()), None, "{text}");
        }
    }
}
