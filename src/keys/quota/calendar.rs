//! When a key's minute and day turn; days are those of the Netherlands.

use chrono::{DateTime, DurationRound as _, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Europe::Amsterdam;

/// The day in the Netherlands.
#[must_use]
pub fn day_of(now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&Amsterdam).date_naive()
}

/// When the day that `now` lies in ends in the Netherlands.
#[must_use]
pub fn day_ends(now: DateTime<Utc>) -> DateTime<Utc> {
    let next = day_of(now).succ_opt().unwrap_or(NaiveDate::MAX);
    next.and_time(NaiveTime::MIN)
        .and_local_timezone(Amsterdam)
        .earliest()
        .map_or(now, |midnight| midnight.with_timezone(&Utc))
}

/// The minute that `now` lies in, by its first instant.
pub(super) fn minute_of(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_turns_at_midnight_in_the_netherlands() {
        let winter: DateTime<Utc> = "2026-11-23T23:30:00Z".parse().unwrap();
        assert_eq!(day_of(winter).to_string(), "2026-11-24");
        assert_eq!(day_ends(winter).to_string(), "2026-11-24 23:00:00 UTC");
        let summer: DateTime<Utc> = "2026-07-01T21:59:59Z".parse().unwrap();
        assert_eq!(day_of(summer).to_string(), "2026-07-01");
        assert_eq!(day_ends(summer).to_string(), "2026-07-01 22:00:00 UTC");
    }

    #[test]
    fn a_day_of_the_clock_change_has_an_hour_more() {
        let before: DateTime<Utc> = "2026-10-24T22:00:00Z".parse().unwrap();
        assert_eq!(day_ends(before) - before, TimeDelta::hours(25));
    }
}
