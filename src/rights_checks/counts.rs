//! Which licence and which reservation count, of all that was ever found. Pure.
//!
//! Findings are read from the first to the last. What asks more always counts at once. What asks less counts
//! where the source itself says so at the same address, or once the platform accepted it. So a failure,
//! a source that falls silent, another address and the word of whoever owns the data lift nothing that is known.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Reservation, Robots};
use crate::{ids::RightsCheckId, permissions};

/// Who found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A program that looked at the source.
    Program,
    /// Somebody of an institution, as a rule the one whose data it is.
    Institution,
    /// Somebody of the platform.
    Platform,
}

/// What one check that could be read says, and when the platform accepted what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The check.
    pub check: RightsCheckId,
    /// Who looked.
    pub by: By,
    /// Where.
    pub source_url: String,
    /// The licence in the words of the source, and as an SPDX expression.
    pub licence: Option<(String, String)>,
    /// Whether text and data mining is reserved.
    pub reservation: Reservation,
    /// What robots.txt says.
    pub robots: Robots,
    /// When it was written down.
    pub recorded_at: DateTime<Utc>,
    /// When the platform accepted the change of the licence.
    pub licence_accepted_at: Option<DateTime<Utc>>,
    /// When the platform accepted the change of the reservation.
    pub reservation_accepted_at: Option<DateTime<Utc>>,
}

/// What counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The licence, as the rules read it.
    pub license: String,
    /// The reservation; never unknown.
    pub reservation: Reservation,
    /// The newest of the checks that this stands on; none: as it was registered.
    pub check: Option<RightsCheckId>,
    /// When that was written down.
    pub recorded_at: Option<DateTime<Utc>>,
}

/// What the rules read of the checks that were written down and accepted until `at`, in the order in which they were
/// written; without `at`, of all.
#[must_use]
pub fn counts(said: &[Said], registered: &str, at: Option<DateTime<Utc>>) -> Counts {
    let is_past = |moment: DateTime<Utc>| at.is_none_or(|at| moment <= at);
    let said = said.iter().filter(|one| is_past(one.recorded_at));
    let mut licence = Known::new(registered.to_owned(), |a: &String, b: &String| {
        permissions::stricter_licence(a, b)
    });
    let mut reservation = Known::new(Reservation::Unset, |a, b| stricter(*a, *b));
    for one in said {
        licence.hear(
            one,
            licence_word(one, registered),
            one.licence_accepted_at.is_some_and(is_past),
        );
        reservation.hear(
            one,
            reservation_word(one),
            one.reservation_accepted_at.is_some_and(is_past),
        );
    }
    let newest = licence
        .found()
        .chain(reservation.found())
        .max_by_key(|one| (one.recorded_at, one.check.0));
    Counts {
        license: licence.value(),
        reservation: reservation.value(),
        check: newest.map(|one| one.check),
        recorded_at: newest.map(|one| one.recorded_at),
    }
}

/// What a check says of one thing.
enum Word<T> {
    /// It could not be seen.
    Unseen,
    /// It was looked for and not there, which comes to this.
    Silence(T),
    /// It was there.
    Spoken(T),
}

fn licence_word(one: &Said, registered: &str) -> Word<String> {
    match &one.licence {
        // The words of the source where the rules know them, else what they stand for.
        Some((label, _)) if permissions::licence_flags(label).is_some() => {
            Word::Spoken(label.clone())
        }
        Some((_, expression)) => Word::Spoken(expression.clone()),
        // Where robots.txt shut us out the page was not asked for.
        None if one.robots == Robots::Disallowed => Word::Unseen,
        None => Word::Silence(registered.to_owned()),
    }
}

fn reservation_word(one: &Said) -> Word<Reservation> {
    match one.reservation {
        Reservation::Unknown => Word::Unseen,
        Reservation::Unset => Word::Silence(Reservation::Unset),
        spoken => Word::Spoken(spoken),
    }
}

fn stricter(a: Reservation, b: Reservation) -> Reservation {
    let rank = |one| match one {
        Reservation::NotReserved => 0,
        Reservation::Unset | Reservation::Unknown => 1,
        Reservation::Reserved => 2,
    };
    if rank(a) < rank(b) { b } else { a }
}

/// What is known of one thing: by every address that a program looked at, and by people (none).
struct Known<'a, T> {
    base: T,
    stricter: fn(&T, &T) -> T,
    by_source: BTreeMap<Option<&'a str>, (T, &'a Said)>,
}

impl<'a, T: Clone> Known<'a, T> {
    fn new(base: T, stricter: fn(&T, &T) -> T) -> Self {
        Self {
            base,
            stricter,
            by_source: BTreeMap::new(),
        }
    }

    fn hear(&mut self, one: &'a Said, word: Word<T>, is_accepted: bool) {
        let (value, is_spoken) = match word {
            Word::Unseen => return,
            Word::Silence(value) => (value, false),
            Word::Spoken(value) => (value, true),
        };
        let source = (one.by == By::Program).then_some(one.source_url.as_str());
        if is_accepted || one.by == By::Platform {
            self.by_source.clear();
            self.by_source.insert(source, (value, one));
            return;
        }
        let before = self.by_source.get(&source).map(|(value, _)| value);
        let value = match (one.by, before) {
            (By::Program, None) => value,
            (By::Program, Some(_)) if is_spoken => value,
            (_, before) => (self.stricter)(before.unwrap_or(&self.base), &value),
        };
        self.by_source.insert(source, (value, one));
    }

    fn found(&self) -> impl Iterator<Item = &'a Said> {
        self.by_source.values().map(|(_, one)| *one)
    }

    fn value(&self) -> T {
        let mut values = self.by_source.values().map(|(value, _)| value);
        let Some(first) = values.next() else {
            return self.base.clone();
        };
        values.fold(first.clone(), |all, one| (self.stricter)(&all, one))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(by: By, licence: Option<&str>, reservation: Reservation) -> Said {
        Said {
            check: RightsCheckId::fresh(),
            by,
            source_url: "https://a.example/".into(),
            licence: licence
                .map(|label| (label.to_owned(), super::super::licence::normalise(label))),
            reservation,
            robots: Robots::Allowed,
            recorded_at: DateTime::UNIX_EPOCH,
            licence_accepted_at: None,
            reservation_accepted_at: None,
        }
    }

    fn accepted(one: Said) -> Said {
        Said {
            licence_accepted_at: Some(DateTime::UNIX_EPOCH),
            reservation_accepted_at: Some(DateTime::UNIX_EPOCH),
            ..one
        }
    }

    fn reservation(all: &[Said]) -> Reservation {
        counts(all, "CC0-1.0", None).reservation
    }

    fn license(all: &[Said], registered: &str) -> String {
        counts(all, registered, None).license
    }

    use By::{Institution, Platform, Program};
    use Reservation::{NotReserved, Reserved, Unknown, Unset};

    #[test]
    fn neither_failure_nor_silence_lifts_a_reservation_and_the_source_itself_does() {
        let reserved = said(Program, None, Reserved);
        for quiet in [Unknown, Unset] {
            let now = said(Program, None, quiet);
            assert_eq!(reservation(&[reserved.clone(), now.clone()]), Reserved);
            let lifted = [reserved.clone(), accepted(now)];
            let expected = if quiet == Unset { Unset } else { Reserved };
            assert_eq!(reservation(&lifted), expected, "accepted: {quiet:?}");
        }
        let lifted = [reserved, said(Program, None, NotReserved)];
        assert_eq!(reservation(&lifted), NotReserved);
    }

    #[test]
    fn an_owner_lifts_nothing_until_the_platform_has_seen_it() {
        let reserved = said(Program, Some("CC-BY-NC-4.0"), Reserved);
        let owner = said(Institution, Some("CC0-1.0"), NotReserved);
        let all = [reserved.clone(), owner.clone()];
        assert_eq!(reservation(&all), Reserved);
        assert_eq!(license(&all, "CC0-1.0"), "CC-BY-NC-4.0");
        let all = [reserved.clone(), accepted(owner.clone())];
        assert_eq!(reservation(&all), NotReserved);
        assert_eq!(license(&all, "CC-BY-4.0"), "CC0-1.0");
        let all = [
            reserved.clone(),
            said(Platform, Some("CC0-1.0"), NotReserved),
        ];
        assert_eq!(reservation(&all), NotReserved);
        // Nor what they wrote themselves, nor by having another address looked at.
        let all = [said(Institution, None, Reserved), owner.clone()];
        assert_eq!(reservation(&all), Reserved);
        let elsewhere = Said {
            source_url: "https://b.example/".into(),
            ..said(Program, Some("CC0-1.0"), NotReserved)
        };
        let all = [reserved, elsewhere];
        assert_eq!(reservation(&all), Reserved);
        assert_eq!(license(&all, "CC0-1.0"), "CC-BY-NC-4.0");
        assert_eq!(license(&[owner], "unknown"), "unknown");
    }

    #[test]
    fn a_page_that_names_no_licence_any_more_keeps_the_stricter_one() {
        let all = [
            said(Program, Some("CC-BY-NC-4.0"), Unset),
            said(Program, None, Unset),
        ];
        assert_eq!(license(&all, "CC0-1.0"), "CC-BY-NC-4.0");
        let all = [all[0].clone(), accepted(all[1].clone())];
        assert_eq!(license(&all, "CC0-1.0"), "CC0-1.0");
        let all = [
            said(Program, Some("CC0-1.0"), Unset),
            said(Program, None, Unset),
        ];
        assert_eq!(license(&all, "CC-BY-NC-4.0"), "CC-BY-NC-4.0");
    }

    #[test]
    fn what_is_accepted_later_did_not_count_before() {
        let reserved = said(Program, None, Reserved);
        let owner = Said {
            reservation_accepted_at: Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(1)),
            ..said(Institution, None, NotReserved)
        };
        let all = [reserved, owner];
        let then = counts(&all, "CC0-1.0", Some(DateTime::UNIX_EPOCH));
        assert_eq!(then.reservation, Reserved);
        assert_eq!(reservation(&all), NotReserved);
    }

    fn anything() -> impl Strategy<Value = Said> {
        let by = prop::sample::select(vec![Program, Institution, Platform]);
        let licence = prop::option::of(prop::sample::select(vec![
            "CC0-1.0",
            "unknown",
            "CC-BY-NC-4.0",
            "CC-BY-SA-4.0",
        ]));
        let reservation = prop::sample::select(vec![Reserved, NotReserved, Unset, Unknown]);
        let host = prop::sample::select(vec!["https://a.example/", "https://b.example/"]);
        (by, licence, reservation, host, any::<bool>()).prop_map(
            |(by, licence, reservation, host, is_accepted)| {
                let one = Said {
                    source_url: host.into(),
                    ..said(by, licence, reservation)
                };
                if is_accepted { accepted(one) } else { one }
            },
        )
    }

    proptest! {
        #[test]
        fn whatever_the_owner_writes_asks_no_less(
            all in prop::collection::vec(anything(), 0..8),
            licence in prop::option::of("CC0-1.0|unknown|CC-BY-NC-4.0"),
            says in prop::sample::select(vec![Reserved, NotReserved, Unset, Unknown]),
        ) {
            let before = counts(&all, "CC-BY-4.0", None);
            let mut more = all;
            more.push(said(Institution, licence.as_deref(), says));
            let after = counts(&more, "CC-BY-4.0", None);
            prop_assert!(before.reservation != Reserved || after.reservation == Reserved);
            let both = permissions::stricter_licence(&before.license, &after.license);
            prop_assert_eq!(
                permissions::licence_flags(&both),
                permissions::licence_flags(&after.license)
            );
        }

        #[test]
        fn nothing_counts_as_unknown(all in prop::collection::vec(anything(), 0..8)) {
            prop_assert_ne!(counts(&all, "CC0-1.0", None).reservation, Unknown);
        }
    }
}
