//! When an answer is due.
//!
//! Within one month of receipt; where it is complex or there are many, two months more (GDPR, art. 12(3)). Months are
//! counted as in Regulation 1182/71, art. 3: up to the end of the day of the same date, or of the last day of the
//! month where there is no such date. A weekend or holiday would move the end further; we do not use that. Complaints
//! of right holders have no term in law; ours is the same.

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Europe::Amsterdam;

/// Months for an answer.
const MONTHS: u32 = 1;
/// Months for an answer that needs more time, counted from receipt.
const MONTHS_EXTENDED: u32 = 3;
/// Days before the last one on which people are told.
const DAYS_BEFORE: i64 = 7;

/// When the answer to what was received at `received` is due: the last second of that day in Amsterdam.
#[must_use]
pub(super) fn due(received: DateTime<Utc>) -> DateTime<Utc> {
    end_of(received, MONTHS)
}

/// When it is due with the extension.
#[must_use]
pub(super) fn extended_due(received: DateTime<Utc>) -> DateTime<Utc> {
    end_of(received, MONTHS_EXTENDED)
}

/// The date in Amsterdam.
#[must_use]
pub(super) fn day(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&Amsterdam).date_naive()
}

/// What is said of an answer that is not given yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reminder {
    /// It is due within a week.
    Soon,
    /// It is due today.
    LastDay,
    /// It was due before.
    Late,
}

/// What is to be said at `now` of an answer that is due at `due`; none where there is time.
#[must_use]
pub(super) fn reminder(now: DateTime<Utc>, due: DateTime<Utc>) -> Option<Reminder> {
    let left = (day(due) - day(now)).num_days();
    if now > due {
        Some(Reminder::Late)
    } else if left <= 0 {
        Some(Reminder::LastDay)
    } else {
        (left <= DAYS_BEFORE).then_some(Reminder::Soon)
    }
}

fn end_of(received: DateTime<Utc>, months: u32) -> DateTime<Utc> {
    let after = day(received)
        .checked_add_months(Months::new(months))
        .and_then(|day| day.checked_add_days(Days::new(1)))
        .unwrap_or(NaiveDate::MAX);
    // Midnight is there once on every day in Amsterdam: clocks change at two or three.
    after
        .and_hms_opt(0, 0, 0)
        .and_then(|midnight| Amsterdam.from_local_datetime(&midnight).earliest())
        .map_or(DateTime::<Utc>::MAX_UTC, |midnight| {
            midnight.with_timezone(&Utc) - TimeDelta::seconds(1)
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn local(at: DateTime<Utc>) -> String {
        at.with_timezone(&Amsterdam)
            .format("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_ends_on_the_same_date_or_the_last_day() {
        // Past midnight in Amsterdam already.
        assert_eq!(
            local(due(at("2026-11-24T23:30:00Z"))),
            "2026-12-25 23:59:59"
        );
        assert_eq!(
            local(due(at("2026-11-24T22:30:00Z"))),
            "2026-12-24 23:59:59"
        );
        assert_eq!(
            local(due(at("2027-01-31T12:00:00Z"))),
            "2027-02-28 23:59:59"
        );
        assert_eq!(
            local(extended_due(at("2026-11-30T12:00:00Z"))),
            "2027-02-28 23:59:59"
        );
        // Over the change of the clocks.
        assert_eq!(
            local(due(at("2027-02-28T12:00:00Z"))),
            "2027-03-28 23:59:59"
        );
    }

    #[test]
    fn people_hear_a_week_before_on_the_day_and_after_it() {
        let due = due(at("2026-11-25T12:00:00Z"));
        for (now, expected) in [
            ("2026-11-25T12:00:00Z", None),
            ("2026-12-17T22:59:59Z", None),
            ("2026-12-17T23:00:00Z", Some(Reminder::Soon)),
            ("2026-12-24T22:59:59Z", Some(Reminder::Soon)),
            ("2026-12-24T23:00:00Z", Some(Reminder::LastDay)),
            ("2026-12-25T22:59:59Z", Some(Reminder::LastDay)),
            ("2026-12-25T23:00:00Z", Some(Reminder::Late)),
        ] {
            assert_eq!(reminder(at(now), due), expected, "{now}");
        }
    }

    proptest! {
        #[test]
        fn nobody_waits_longer_than_the_law_allows_and_later_is_never_due_earlier(
            seconds in 1_700_000_000_i64..2_500_000_000,
            more in 0_i64..10_000_000,
        ) {
            let received = DateTime::from_timestamp(seconds, 0).unwrap();
            let later = DateTime::from_timestamp(seconds + more, 0).unwrap();
            prop_assert!(due(received) > received);
            prop_assert!(day(due(received)) - day(received) <= TimeDelta::days(31));
            prop_assert!(extended_due(received) > due(received));
            prop_assert!(day(extended_due(received)) - day(received) <= TimeDelta::days(92));
            prop_assert!(due(later) >= due(received));
        }
    }
}
