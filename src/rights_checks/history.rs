//! What was known of a dataset's rights at any moment, and what became known after it. Pure: all of it is read
//! from facts that only ever gain newer ones beside them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Check, Counts, Outcome, Reservation, Said, counts};
use crate::{
    ids::DatasetVersionId,
    privacy::{self, Filed, Standing},
};

/// A licence that was registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LicenceFact {
    /// As it was written.
    pub license: String,
    /// As an SPDX expression.
    pub expression: String,
    /// Why it changed; empty for the first.
    pub reason: String,
    /// Who registered it, by name.
    pub said_by: String,
    /// When: from then on it holds.
    pub said_at: DateTime<Utc>,
}

/// Where a version stood, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusFact {
    /// Which version.
    pub version: DatasetVersionId,
    /// Its number, from 1.
    pub number: i32,
    /// The name of its state.
    pub status: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// All facts about a dataset's rights.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Oldest first.
    pub licences: Vec<LicenceFact>,
    /// Newest first.
    pub checks: Vec<Check>,
    /// What those that could be read say, oldest first.
    pub said: Vec<Said>,
    /// Oldest first.
    pub statuses: Vec<StatusFact>,
    /// In any order.
    pub assessments: Vec<Filed>,
}

/// What held at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Then<'a> {
    /// The registered licence; none before the dataset was registered.
    pub licence: Option<&'a LicenceFact>,
    /// The last check, whatever came of it.
    pub last_check: Option<&'a Check>,
    /// The last check that could be read: what is known of the source.
    pub last_read: Option<&'a Check>,
    /// Licence and reservation that the rules read; none before the dataset was registered.
    pub counts: Option<Counts>,
    /// The newest version and where it stood.
    pub status: Option<&'a StatusFact>,
    /// The assessment that held for that version.
    pub assessment: Option<&'a Filed>,
    /// How that version stood as to personal data.
    pub privacy: Option<Standing>,
}

/// What a decision did not know yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another licence was registered.
    RegisteredLicence,
    /// Another licence stands at the source.
    FoundLicence,
    /// The reservation is another.
    Reservation,
    /// The source could no longer be read.
    NotReachable,
}

/// A change after a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Later {
    /// In what.
    pub what: Kind,
    /// When it became known.
    pub at: DateTime<Utc>,
    /// As it was.
    pub was: String,
    /// As it became.
    pub became: String,
}

impl History {
    /// What held at `at`.
    #[must_use]
    pub fn at(&self, at: DateTime<Utc>) -> Then<'_> {
        let mut checks = self.checks.iter().filter(|check| check.recorded_at <= at);
        let last_check = checks.clone().next();
        let last_read = checks.find(|check| check.findings.outcome == Outcome::Read);
        let stood: Vec<_> = self.statuses.iter().filter(|one| one.since <= at).collect();
        let newest = stood.iter().map(|one| one.number).max();
        let status = stood.into_iter().rfind(|one| Some(one.number) == newest);
        let licence = self.licences.iter().rfind(|one| one.said_at <= at);
        Then {
            licence,
            counts: licence.map(|one| counts(&self.said, &one.license, Some(at))),
            last_check,
            last_read,
            status,
            assessment: status.and_then(|one| privacy::signed(&self.assessments, one.version, at)),
            privacy: status.map(|one| privacy::standing(&self.assessments, one.version, at)),
        }
    }

    /// The last reservation that was seen until `at`.
    fn known_reservation(&self, at: DateTime<Utc>) -> Option<Reservation> {
        self.checks
            .iter()
            .filter(|check| check.recorded_at <= at)
            .map(|check| check.findings.reservation)
            .find(|reservation| *reservation != Reservation::Unknown)
    }

    /// What became known after `at`, until `now`, oldest first.
    #[must_use]
    pub fn since(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> Vec<Later> {
        let mut later = Vec::new();
        let then = self.at(at);
        let mut registered = then.licence.map(|one| one.license.as_str());
        for fact in &self.licences {
            if fact.said_at <= at || fact.said_at > now {
                continue;
            }
            if let Some(was) = registered.filter(|was| *was != fact.license) {
                later.push(Later {
                    what: Kind::RegisteredLicence,
                    at: fact.said_at,
                    was: was.to_owned(),
                    became: fact.license.clone(),
                });
            }
            registered = Some(&fact.license);
        }
        let (mut read, mut was_there) = (
            then.last_read,
            then.last_check
                .is_none_or(|check| check.findings.outcome == Outcome::Read),
        );
        let mut reservation = self.known_reservation(at);
        for check in self.checks.iter().rev() {
            if check.recorded_at <= at || check.recorded_at > now {
                continue;
            }
            let is_there = check.findings.outcome == Outcome::Read;
            let mut add = |what, was: &str, became: &str| {
                if was != became {
                    later.push(Later {
                        what,
                        at: check.recorded_at,
                        was: was.to_owned(),
                        became: became.to_owned(),
                    });
                }
            };
            if !is_there {
                if was_there {
                    add(
                        Kind::NotReachable,
                        Outcome::Read.name(),
                        check.findings.outcome.name(),
                    );
                }
                was_there = false;
                continue;
            }
            was_there = true;
            let licence = |one: &Check| one.findings.license_expression.clone().unwrap_or_default();
            if let Some(last) = read {
                add(Kind::FoundLicence, &licence(last), &licence(check));
            }
            // What could not be seen is no news about it.
            let now = check.findings.reservation;
            if now != Reservation::Unknown {
                if let Some(was) = reservation.or(read.map(|last| last.findings.reservation)) {
                    add(Kind::Reservation, was.name(), now.name());
                }
                reservation = Some(now);
            }
            read = Some(check);
        }
        later.sort_by_key(|one| one.at);
        later
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::{
        super::{Findings, Reservation, Robots, licence::normalise},
        *,
    };
    use crate::ids::RightsCheckId;

    fn hour(n: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap() + TimeDelta::hours(n)
    }

    fn licence(n: i64, license: &str) -> LicenceFact {
        LicenceFact {
            license: license.into(),
            expression: normalise(license),
            reason: String::new(),
            said_by: "iemand".into(),
            said_at: hour(n),
        }
    }

    fn check(n: i64, license: Option<&str>) -> Check {
        let outcome = if license.is_some() {
            Outcome::Read
        } else {
            Outcome::Unreachable
        };
        Check {
            id: RightsCheckId::fresh(),
            version: DatasetVersionId::fresh(),
            source_url: "https://a.example/".into(),
            findings: Findings {
                outcome,
                problem: String::new(),
                http_status: None,
                license_label: license.map(str::to_owned),
                license_expression: license.map(normalise),
                reservation: if license.is_some() {
                    Reservation::Unset
                } else {
                    Reservation::Unknown
                },
                reservation_policy: None,
                robots: Robots::Allowed,
            },
            note: String::new(),
            checked_by: None,
            checked_with: Some("x".into()),
            checked_at: hour(n),
            recorded_at: hour(n),
        }
    }

    fn story() -> History {
        History {
            licences: vec![licence(0, "unknown"), licence(20, "public domain")],
            checks: vec![
                check(30, None),
                check(15, Some("public domain")),
                check(5, Some("unknown")),
            ],
            ..History::default()
        }
    }

    #[test]
    fn a_moment_sees_what_was_known_then() {
        let story = story();
        let then = story.at(hour(10));
        assert_eq!(then.licence.unwrap().license, "unknown");
        assert_eq!(
            then.last_read
                .unwrap()
                .findings
                .license_expression
                .as_deref(),
            Some("NOASSERTION")
        );
        assert_eq!(story.at(hour(-1)).licence, None);
        let today = story.at(hour(40));
        assert_eq!(today.licence.unwrap().license, "public domain");
        assert_eq!(
            today.last_check.unwrap().findings.outcome,
            Outcome::Unreachable
        );
        assert_eq!(
            today
                .last_read
                .unwrap()
                .findings
                .license_expression
                .as_deref(),
            Some("CC-PDDC")
        );
    }

    #[test]
    fn what_came_later_is_named_in_order() {
        let whats: Vec<_> = story()
            .since(hour(10), hour(40))
            .into_iter()
            .map(|one| one.what)
            .collect();
        assert_eq!(
            whats,
            [
                Kind::FoundLicence,
                Kind::RegisteredLicence,
                Kind::NotReachable
            ]
        );
        assert!(story().since(hour(40), hour(50)).is_empty());
    }

    proptest! {
        #[test]
        fn a_later_fact_changes_nothing_of_before(
            licences in prop::collection::vec((0_i64..50, "[abc]"), 0..6),
            checks in prop::collection::vec((0_i64..50, prop::option::of("[abc]")), 0..6),
            (at, later) in (0_i64..50, 51_i64..60),
        ) {
            let mut history = History {
                licences: licences.iter().map(|(n, license)| licence(*n, license)).collect(),
                checks: checks.iter().map(|(n, license)| check(*n, license.as_deref())).collect(),
                ..History::default()
            };
            history.licences.sort_by_key(|one| one.said_at);
            history.checks.sort_by_key(|one| std::cmp::Reverse(one.recorded_at));
            let before = history.clone();
            history.licences.push(licence(later, "d"));
            history.checks.insert(0, check(later, Some("d")));
            prop_assert_eq!(before.at(hour(at)), history.at(hour(at)));
            prop_assert_eq!(before.since(hour(at), hour(50)), history.since(hour(at), hour(50)));
        }
    }
}
