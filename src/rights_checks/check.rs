//! A check: what was found about rights at the source of a dataset, by whom, when.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Reservation, Robots};
use crate::ids::{DatasetVersionId, RightsCheckId};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum $name {
            $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the database and in texts.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(super) fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

words! {
    /// How looking at the source went.
    Outcome {
        /// It was there and could be read.
        Read = "read",
        /// It answered that there is no such thing, or not for us.
        Gone = "gone",
        /// It did not answer.
        Unreachable = "unreachable",
        /// Its address is one that the portal does not ask.
        Refused = "refused",
    }
}

words! {
    /// Where something was seen.
    Place {
        /// `/robots.txt`
        Robots = "robots",
        /// `/.well-known/tdmrep.json`
        Tdmrep = "tdmrep",
        /// Header fields of the page.
        Header = "header",
        /// Meta elements in the page.
        Meta = "meta",
        /// What names the licence in the page.
        Licence = "licence",
        /// The page as a whole.
        Page = "page",
        /// What a person quoted.
        Quote = "quote",
        /// A file that a person kept.
        Upload = "upload",
    }
}

words! {
    /// What differs from the check before.
    What {
        /// The licence at the source.
        Licence = "licence",
        /// The reservation of text and data mining.
        Reservation = "reservation",
        /// The policy that a reservation names.
        Policy = "policy",
        /// What robots.txt says.
        Robots = "robots",
        /// The licence at the source is another than the registered one.
        DiffersFromRegistered = "differs_from_registered",
        /// The source could be read and no longer can.
        NotReachable = "not_reachable",
        /// The other way round.
        ReachableAgain = "reachable_again",
    }
}

/// What was found, by whoever looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How looking went.
    pub outcome: Outcome,
    /// Why it could not be read, as a code.
    pub problem: String,
    /// The status of the page's answer.
    pub http_status: Option<i32>,
    /// The licence as it stands there.
    pub license_label: Option<String>,
    /// The same as an SPDX expression.
    pub license_expression: Option<String>,
    /// Whether text and data mining is reserved.
    pub reservation: Reservation,
    /// Where the policy to it stands.
    pub reservation_policy: Option<String>,
    /// What robots.txt says.
    pub robots: Robots,
}

/// One check as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its id.
    pub id: RightsCheckId,
    /// The newest version of the dataset at the time.
    pub version: DatasetVersionId,
    /// What was looked at.
    pub source_url: String,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
    /// What a person wrote with it.
    pub note: String,
    /// The person who looked, by name.
    pub checked_by: Option<String>,
    /// The program that looked, with its version.
    pub checked_with: Option<String>,
    /// When the source was looked at.
    pub checked_at: DateTime<Utc>,
    /// When that was written down: from then on it counts.
    pub recorded_at: DateTime<Utc>,
}

/// Evidence of one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// Its id.
    pub id: Uuid,
    /// Where.
    pub place: Place,
    /// At which address.
    pub url: String,
    /// Status of the answer.
    pub http_status: Option<i32>,
    /// What it says, in short.
    pub says: String,
    /// The beginning of the raw text.
    pub excerpt: String,
    /// SHA-256 of all that was read.
    pub sha256: Option<String>,
    /// How much was read.
    pub size_bytes: i64,
    /// Whether there was more than was read.
    pub is_cut: bool,
    /// What kind of thing it is.
    pub media_type: String,
    /// Where the whole of it is kept, where it is longer than the excerpt.
    #[serde(skip)]
    pub object: Option<(String, String)>,
}

/// A difference between two checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// In what.
    pub what: What,
    /// As it was; empty for nothing.
    pub was: String,
    /// As it is.
    pub became: String,
}

/// What a new check says that those before it did not. `before` is the last check of the same source by the same
/// way (person or program), `last_read` the last by whichever way that could be read, with the last reservation that
/// was known.
///
/// A source that cannot be read changes nothing that is known, and is itself a change where it could be read.
#[must_use]
pub(super) fn differences(
    before: Option<&Findings>,
    last_read: Option<&Findings>,
    now: &Findings,
    registered: &str,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differs = |what, was: &str, became: &str| {
        if was != became {
            found.push(Difference {
                what,
                was: was.to_owned(),
                became: became.to_owned(),
            });
        }
    };
    if now.outcome != Outcome::Read {
        if before.is_some_and(|before| before.outcome == Outcome::Read) {
            differs(What::NotReachable, Outcome::Read.name(), now.outcome.name());
        }
        return found;
    }
    if let Some(before) = before.filter(|before| before.outcome != Outcome::Read) {
        differs(
            What::ReachableAgain,
            before.outcome.name(),
            Outcome::Read.name(),
        );
    }
    let expression = |one: &Findings| one.license_expression.clone().unwrap_or_default();
    // Where robots.txt shut us out the page was not asked for: its licence is not gone, it was not looked at.
    let saw_page =
        |one: &Findings| one.robots != Robots::Disallowed || one.license_expression.is_some();
    if let Some(last) = last_read {
        if saw_page(last) && saw_page(now) {
            differs(What::Licence, &expression(last), &expression(now));
        }
        // A place that may speak and could not be read is no news about what it says.
        if now.reservation != Reservation::Unknown {
            differs(
                What::Reservation,
                last.reservation.name(),
                now.reservation.name(),
            );
        }
        let policy = |one: &Findings| one.reservation_policy.clone().unwrap_or_default();
        differs(What::Policy, &policy(last), &policy(now));
        // What could not be read of robots.txt is no news about it.
        if last.robots != Robots::Unknown && now.robots != Robots::Unknown {
            differs(What::Robots, last.robots.name(), now.robots.name());
        }
    }
    let is_new = last_read.is_none_or(|last| expression(last) != expression(now));
    if is_new && now.license_expression.is_some() {
        differs(What::DiffersFromRegistered, registered, &expression(now));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(licence: Option<&str>, reservation: Reservation) -> Findings {
        Findings {
            outcome: Outcome::Read,
            problem: String::new(),
            http_status: Some(200),
            license_label: licence.map(str::to_owned),
            license_expression: licence.map(super::super::licence::normalise),
            reservation,
            reservation_policy: None,
            robots: Robots::Allowed,
        }
    }

    fn away() -> Findings {
        Findings {
            outcome: Outcome::Unreachable,
            problem: "timeout".into(),
            http_status: None,
            robots: Robots::Unknown,
            ..read(None, Reservation::Unknown)
        }
    }

    fn whats(found: &[Difference]) -> Vec<What> {
        found.iter().map(|one| one.what).collect()
    }

    #[test]
    fn another_licence_is_a_change_and_another_spelling_is_none() {
        let (was, now) = (
            read(Some("unknown"), Reservation::Unset),
            read(Some("Public domain"), Reservation::Unset),
        );
        let found = differences(Some(&was), Some(&was), &now, "CC-PDDC");
        assert_eq!(whats(&found), [What::Licence]);
        let again = read(Some("public-domain"), Reservation::Unset);
        assert!(differences(Some(&now), Some(&now), &again, "CC-PDDC").is_empty());
    }

    #[test]
    fn a_source_that_does_not_answer_is_a_change_once_and_forgets_nothing() {
        let known = read(Some("CC-BY-4.0"), Reservation::NotReserved);
        let found = differences(Some(&known), Some(&known), &away(), "CC-BY-4.0");
        assert_eq!(whats(&found), [What::NotReachable]);
        assert!(differences(Some(&away()), Some(&known), &away(), "CC-BY-4.0").is_empty());
        let back = read(Some("CC-BY-4.0"), Reservation::Reserved);
        let found = differences(Some(&away()), Some(&known), &back, "CC-BY-4.0");
        assert_eq!(whats(&found), [What::ReachableAgain, What::Reservation]);
    }

    #[test]
    fn the_first_look_speaks_up_where_the_registry_says_something_else() {
        let now = read(Some("CC-BY-NC-4.0"), Reservation::Unset);
        let found = differences(None, None, &now, "CC-BY-4.0");
        assert_eq!(whats(&found), [What::DiffersFromRegistered]);
        assert!(differences(Some(&now), Some(&now), &now, "CC-BY-4.0").is_empty());
    }

    fn findings() -> impl Strategy<Value = Findings> {
        let licence = prop::option::of(prop::sample::select(vec!["CC0-1.0", "unknown", "CC-BY"]));
        let reservation = prop::sample::select(vec![
            Reservation::Reserved,
            Reservation::NotReserved,
            Reservation::Unset,
        ]);
        (licence, reservation, any::<bool>()).prop_map(|(licence, reservation, is_there)| {
            if is_there {
                read(licence, reservation)
            } else {
                away()
            }
        })
    }

    proptest! {
        #[test]
        fn the_same_again_is_no_change(now in findings()) {
            let last = (now.outcome == Outcome::Read).then_some(&now);
            prop_assert!(differences(Some(&now), last, &now, "CC0-1.0").is_empty());
        }

        #[test]
        fn nothing_is_learnt_from_a_source_that_is_away(before in findings()) {
            let last = (before.outcome == Outcome::Read).then_some(&before);
            for one in differences(Some(&before), last, &away(), "CC0-1.0") {
                prop_assert_eq!(one.what, What::NotReachable);
            }
        }
    }
}
