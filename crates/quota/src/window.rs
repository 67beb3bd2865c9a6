//! The windows in which use is counted: calendar windows of the Netherlands.

use chrono::{DateTime, Datelike as _, DurationRound as _, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Europe::Amsterdam;

/// How long a limit runs before it begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// A minute of the clock.
    Minute,
    /// A day in Europe/Amsterdam; 23 or 25 hours where the clock changes.
    Day,
    /// A month in Europe/Amsterdam.
    Month,
    /// No end: for what is given back rather than used up.
    Always,
}

impl Window {
    /// When the window that `at` lies in began.
    #[must_use]
    pub fn start(self, at: DateTime<Utc>) -> DateTime<Utc> {
        let today = at.with_timezone(&Amsterdam).date_naive();
        match self {
            Self::Minute => at.duration_trunc(TimeDelta::minutes(1)).unwrap_or(at),
            Self::Day => midnight(today).unwrap_or(at),
            Self::Month => today.with_day(1).and_then(midnight).unwrap_or(at),
            Self::Always => DateTime::UNIX_EPOCH,
        }
    }

    /// When the window that `at` lies in ends: the first instant of the next one.
    #[must_use]
    pub fn end(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = at.with_timezone(&Amsterdam).date_naive();
        match self {
            Self::Minute => Some(self.start(at) + TimeDelta::minutes(1)),
            Self::Day => today.succ_opt().and_then(midnight),
            Self::Month => today
                .with_day(1)?
                .checked_add_months(chrono::Months::new(1))
                .and_then(midnight),
            Self::Always => None,
        }
    }

    /// The word in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Day => "day",
            Self::Month => "month",
            Self::Always => "always",
        }
    }

    /// The window of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Minute, Self::Day, Self::Month, Self::Always]
            .into_iter()
            .find(|window| window.name() == name)
    }
}

/// Midnight exists each day: the clock changes at two or three at night.
fn midnight(day: NaiveDate) -> Option<DateTime<Utc>> {
    day.and_time(NaiveTime::MIN)
        .and_local_timezone(Amsterdam)
        .earliest()
        .map(|at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn days_turn_at_midnight_in_the_netherlands() {
        assert_eq!(
            Window::Day.start(at("2026-11-23T23:30:00Z")),
            at("2026-11-23T23:00:00Z")
        );
        assert_eq!(
            Window::Day.end(at("2026-07-01T21:59:59Z")),
            Some(at("2026-07-01T22:00:00Z"))
        );
    }

    #[test]
    fn a_day_of_the_clock_change_is_23_or_25_hours_long() {
        for (day, hours) in [("2026-03-29T10:00:00Z", 23), ("2026-10-25T10:00:00Z", 25)] {
            let length = Window::Day.end(at(day)).unwrap() - Window::Day.start(at(day));
            assert_eq!(length, TimeDelta::hours(hours), "{day}");
        }
        // The hour that is there twice belongs to one day, and its minutes are two.
        let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!(Window::Day.start(first), Window::Day.start(second));
        assert_ne!(Window::Minute.start(first), Window::Minute.start(second));
    }

    #[test]
    fn months_begin_by_the_local_calendar() {
        assert_eq!(
            Window::Month.start(at("2026-10-31T23:30:00Z")),
            at("2026-10-31T23:00:00Z")
        );
        assert_eq!(
            Window::Month.end(at("2026-12-31T22:59:59Z")),
            Some(at("2026-12-31T23:00:00Z"))
        );
    }

    #[test]
    fn windows_lie_within_one_another() {
        let mut now = at("2026-03-28T20:00:00Z");
        while now < at("2026-04-01T04:00:00Z") {
            let minute = Window::Minute.start(now);
            for wider in [Window::Day, Window::Month] {
                assert_eq!(wider.start(minute), wider.start(now));
                assert!(Window::Minute.end(now) <= wider.end(now));
            }
            now += TimeDelta::seconds(61);
        }
    }
}
