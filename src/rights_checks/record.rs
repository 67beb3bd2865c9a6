//! Writing a check down: one that a person made, or one that a look of the worker brought home.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Europe::Amsterdam;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    check::{Findings, Outcome, differences},
    error::RightsError,
    happened::Happened,
    licence::normalise,
    look::Evidence,
    store::{self, NewCheck, NewSignal, Subject, Way},
};
use crate::{
    db::{Db, WriteTx},
    ids::{DatasetId, RightsChangeId, RightsCheckId},
    objects::{ObjectError, ObjectStore},
    policy::{self, Action, Actor},
};

/// Raw text up to this many bytes is kept in the row; longer ones in the object store.
const EXCERPT: usize = 4000;

/// What a person found.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Where they looked.
    pub source_url: String,
    /// On which day, in the Netherlands.
    pub looked_on: NaiveDate,
    /// What they found.
    pub findings: Findings,
    /// What they want to say about it.
    pub note: String,
    /// What they quoted or kept.
    pub evidence: Vec<Evidence>,
}

/// Writes down what a person found at the source of `dataset`.
///
/// # Errors
/// [`RightsError::InTheFuture`] where they looked after today.
pub async fn record(
    db: &Db,
    objects: &ObjectStore,
    actor: &Actor,
    dataset: DatasetId,
    seen: &Observation,
) -> Result<RightsCheckId, RightsError> {
    // Asked before anything is stored; asked again, with the row held, below.
    {
        let mut conn = db.read().await?;
        let subject = store::subject(&mut conn, dataset)
            .await?
            .ok_or(RightsError::NotFound(dataset))?;
        let _permit = policy::check(actor, Action::CheckRights, &subject.scope())?;
    }
    let signals = kept(objects, &seen.evidence).await?;
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(RightsError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::CheckRights, &subject.scope())?;
    let checked_at = moment(seen.looked_on, tx.now()).ok_or(RightsError::InTheFuture)?;
    let new = NewCheck {
        id: RightsCheckId::fresh(),
        source_url: &seen.source_url,
        findings: &seen.findings,
        note: &seen.note,
        way: Way::Person,
        checked_at,
    };
    write(&mut tx, &subject, &new, &signals).await?;
    tx.commit(permit).await?;
    Ok(new.id)
}

/// Noon of a day that has been; of today, now.
fn moment(day: NaiveDate, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = now.with_timezone(&Amsterdam).date_naive();
    if day > today {
        return None;
    }
    if day == today {
        return Some(now);
    }
    let noon = NaiveTime::from_hms_opt(12, 0, 0)?;
    let at = day
        .and_time(noon)
        .and_local_timezone(Amsterdam)
        .earliest()?;
    Some(at.with_timezone(&Utc))
}

/// Stores evidence that is too long for a row, and answers what goes into the rows.
pub(super) async fn kept(
    objects: &ObjectStore,
    evidence: &[Evidence],
) -> Result<Vec<NewSignal>, ObjectError> {
    let mut signals = Vec::with_capacity(evidence.len());
    for one in evidence {
        let sha256 = (!one.body.is_empty())
            .then(|| data_encoding::HEXLOWER.encode(&Sha256::digest(&one.body)));
        let (excerpt, is_whole) = excerpt(&one.body);
        let object = match &sha256 {
            Some(sha256) if !is_whole => {
                // Named after its content: the same again is the same object.
                let key = format!("rights-evidence/{sha256}");
                let version = match objects.head(&key).await {
                    Ok(head) => head.version,
                    Err(error) if error.is_missing => objects.put(&key, one.body.clone()).await?,
                    Err(error) => return Err(error),
                };
                Some((key, version))
            }
            _ => None,
        };
        signals.push(NewSignal {
            place: one.place,
            url: one.url.clone(),
            http_status: one.http_status,
            says: one.says.clone(),
            excerpt,
            sha256,
            size_bytes: i64::try_from(one.body.len()).unwrap_or(i64::MAX),
            is_cut: one.is_cut,
            media_type: one.media_type.clone(),
            object,
        });
    }
    Ok(signals)
}

/// The beginning of a text, and whether that is all of it as it was.
fn excerpt(body: &[u8]) -> (String, bool) {
    match std::str::from_utf8(body) {
        Ok(text) if body.len() <= EXCERPT && !text.contains('\0') => (text.to_owned(), true),
        Ok(text) => {
            let end = text.floor_char_boundary(EXCERPT);
            (
                text.get(..end).unwrap_or_default().replace('\0', " "),
                false,
            )
        }
        // No text: nothing that a row could show.
        Err(_) => (String::new(), body.is_empty()),
    }
}

/// Writes a check with its evidence and with what it says that the one before did not.
pub(super) async fn write(
    tx: &mut WriteTx<'_>,
    subject: &Subject,
    new: &NewCheck<'_>,
    signals: &[NewSignal],
) -> Result<(), RightsError> {
    let whose = (subject.dataset, subject.institution);
    let before = store::last(tx.conn(), subject.dataset, new.way, new.source_url).await?;
    let mut last_read = store::last_read(tx.conn(), subject.dataset).await?;
    if let Some(last) = &mut last_read {
        let known = store::last_reservation(tx.conn(), subject.dataset).await?;
        last.findings.reservation = known.unwrap_or(last.findings.reservation);
    }
    store::insert_check(tx, subject, new).await?;
    for signal in signals {
        store::insert_signal(tx, new.id, signal).await?;
    }
    let found = new.findings;
    tx.record(&Happened::to(
        whose,
        if found.outcome == Outcome::Read { "rights_checks.checked" } else { "rights_checks.not_reached" },
        json!({
            "check": new.id, "version": subject.version, "source_url": new.source_url, "outcome": found.outcome,
            "problem": found.problem, "license": found.license_expression, "reservation": found.reservation,
            "robots": found.robots, "evidence": signals.iter().filter_map(|s| s.sha256.as_deref()).collect::<Vec<_>>(),
        }),
    ))?;
    let differences = differences(
        before.as_ref().map(|check| &check.findings),
        last_read.as_ref().map(|check| &check.findings),
        found,
        &normalise(&subject.license),
    );
    let previous = last_read.or(before).map(|check| check.id);
    for one in &differences {
        let id = RightsChangeId::fresh();
        store::insert_change(tx, subject.dataset, id, (new.id, previous), one).await?;
        tx.record(&Happened::to(
            whose,
            "rights_checks.changed",
            json!({ "change": id, "check": new.id, "previous": previous, "what": one.what, "was": one.was,
                "became": one.became }),
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nobody_looked_tomorrow() {
        let now = DateTime::from_timestamp(1_795_475_400, 0).unwrap();
        let today = now.with_timezone(&Amsterdam).date_naive();
        assert_eq!(moment(today, now), Some(now));
        assert!(moment(today.pred_opt().unwrap(), now).is_some_and(|at| at < now));
        assert_eq!(moment(today.succ_opt().unwrap(), now), None);
    }

    proptest! {
        #[test]
        fn an_excerpt_fits_its_row(body in prop::collection::vec(any::<u8>(), 0..9000)) {
            let (text, is_whole) = excerpt(&body);
            prop_assert!(text.len() <= 8192 && !text.contains('\0'));
            prop_assert!(!is_whole || text.as_bytes() == body);
        }
    }
}
