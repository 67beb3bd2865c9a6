//! Reservation of text and data mining (art. 4(3) of the DSM directive) by the TDM Reservation Protocol: the
//! file `/.well-known/tdmrep.json`, two HTTP headers, and meta elements of the same names.
//! <https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/>

use serde::{Deserialize, Serialize};

/// The longest address of a policy that is kept.
const LONGEST_POLICY: usize = 2000;

/// Whether text and data mining is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reservation {
    /// It is.
    Reserved,
    /// The right holder says that it is not.
    NotReserved,
    /// Nobody says anything; that is no permission.
    Unset,
    /// The source could not be read.
    Unknown,
}

impl Reservation {
    /// All, for texts.
    pub const ALL: [Self; 4] = [
        Self::Reserved,
        Self::NotReserved,
        Self::Unset,
        Self::Unknown,
    ];

    /// The word in the database and in texts (`rights-reservation-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::NotReserved => "not_reserved",
            Self::Unset => "unset",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What one place says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Says {
    /// Reserved or not; none where it says neither.
    pub(super) reserved: Option<bool>,
    /// Where the policy stands.
    pub(super) policy: Option<String>,
}

impl Says {
    /// From the two values as they were found; anything but `1` and `0` says nothing.
    #[must_use]
    pub(super) fn of(reservation: Option<&str>, policy: Option<&str>) -> Self {
        Self {
            reserved: match reservation.map(str::trim) {
                Some("1") => Some(true),
                Some("0") => Some(false),
                _ => None,
            },
            policy: policy
                .map(str::trim)
                .filter(|url| !url.is_empty() && url.len() <= LONGEST_POLICY)
                // It comes from elsewhere, and a database takes no NUL.
                .filter(|url| !url.chars().any(char::is_control))
                .map(str::to_owned),
        }
    }

    /// What holds where `closer` speaks after this: it overrides, and its silence changes nothing.
    #[must_use]
    pub(super) fn then(self, closer: Self) -> Self {
        match closer.reserved {
            // A reservation that is said anew comes with its own policy, or with none.
            Some(reserved) => Self {
                reserved: Some(reserved),
                policy: closer.policy,
            },
            None => self,
        }
    }

    /// The reservation that this comes to.
    #[must_use]
    pub(super) fn reservation(&self) -> Reservation {
        match self.reserved {
            Some(true) => Reservation::Reserved,
            Some(false) => Reservation::NotReserved,
            None => Reservation::Unset,
        }
    }
}

/// A tdmrep.json that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no tdmrep.json")]
pub(super) struct Unreadable;

/// What tdmrep.json says about `path`: the first rule whose location fits.
///
/// # Errors
/// [`Unreadable`] where it is not an array of rules.
pub(super) fn read_file(body: &[u8], path: &str) -> Result<Says, Unreadable> {
    let rules: Vec<serde_json::Value> = serde_json::from_slice(body).map_err(|_| Unreadable)?;
    for rule in &rules {
        let rule = rule.as_object().ok_or(Unreadable)?;
        let Some(location) = rule.get("location").and_then(serde_json::Value::as_str) else {
            continue;
        };
        if fits(location, path) {
            let reservation = match rule.get("tdm-reservation") {
                Some(serde_json::Value::Number(number)) => Some(number.to_string()),
                Some(serde_json::Value::String(text)) => Some(text.clone()),
                _ => None,
            };
            let policy = rule.get("tdm-policy").and_then(serde_json::Value::as_str);
            return Ok(Says::of(reservation.as_deref(), policy));
        }
    }
    Ok(Says::default())
}

/// Whether a location fits a path, by the rules of robots.txt: from the beginning, `*` is anything, `$` at the
/// end is the end. Takes time linear in both.
fn fits(location: &str, path: &str) -> bool {
    let (pattern, to_the_end) = match location.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (location, false),
    };
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    if parts.is_empty() {
        return !to_the_end || rest.is_empty();
    }
    let last = parts.len() - 1;
    for (at, part) in parts.into_iter().enumerate() {
        if to_the_end && at == last {
            return rest.ends_with(part);
        }
        // The earliest place leaves the most for what follows.
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &[u8] = br#"[
        {"location": "/prive/*.pdf$", "tdm-reservation": 1, "tdm-policy": "https://a.example/policy.json"},
        {"location": "/open", "tdm-reservation": 0},
        {"location": "/odd", "tdm-reservation": 2},
        {"location": "/", "tdm-reservation": "1"}
    ]"#;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let at = |path| read_file(FILE, path).unwrap();
        let reserved = at("/prive/2020/x.pdf");
        assert_eq!(reserved.reserved, Some(true));
        assert_eq!(
            reserved.policy.as_deref(),
            Some("https://a.example/policy.json")
        );
        assert_eq!(at("/prive/x.pdfs").policy, None);
        assert_eq!(at("/open/data").reserved, Some(false));
        assert_eq!(at("/odd").reservation(), Reservation::Unset);
        assert_eq!(at("/else").reserved, Some(true));
    }

    #[test]
    fn what_is_no_file_says_so() {
        for body in [&b"<html>"[..], b"{}", b"[1]", b""] {
            assert_eq!(read_file(body, "/"), Err(Unreadable));
        }
        assert_eq!(read_file(b"[]", "/"), Ok(Says::default()));
    }

    #[test]
    fn closer_overrides_and_silence_changes_nothing() {
        let file = Says::of(Some("1"), Some("https://a.example/p"));
        assert_eq!(file.clone().then(Says::default()), file);
        let page = file.then(Says::of(Some("0"), None));
        assert_eq!(
            (page.reservation(), page.policy),
            (Reservation::NotReserved, None)
        );
    }

    #[test]
    fn nothing_said_is_not_leave() {
        assert_eq!(Says::default().reservation(), Reservation::Unset);
        assert_eq!(
            Says::of(Some("yes"), None).reservation(),
            Reservation::Unset
        );
    }

    /// The same rule, said by trying every split: slow and plain.
    fn fits_plainly(pattern: &[u8], path: &[u8], to_the_end: bool) -> bool {
        match pattern.first() {
            None => !to_the_end || path.is_empty(),
            Some(b'*') => {
                (0..=path.len()).any(|at| fits_plainly(&pattern[1..], &path[at..], to_the_end))
            }
            Some(c) => {
                path.first() == Some(c) && fits_plainly(&pattern[1..], &path[1..], to_the_end)
            }
        }
    }

    proptest! {
        #[test]
        fn patterns_fit_as_trying_everything_says(pattern in "[ab*]{0,8}", path in "[ab]{0,10}", end in any::<bool>()) {
            let location = if end { format!("{pattern}$") } else { pattern.clone() };
            prop_assert_eq!(fits(&location, &path), fits_plainly(pattern.as_bytes(), path.as_bytes(), end));
        }

        #[test]
        fn any_bytes_are_read(body in prop::collection::vec(any::<u8>(), 0..400), path in ".{0,40}") {
            let _ = read_file(&body, &path);
        }

        #[test]
        fn any_json_is_read(location in ".{0,20}", value in -3_i64..4, path in ".{0,20}") {
            let body = serde_json::json!([{ "location": location, "tdm-reservation": value }]).to_string();
            let says = read_file(body.as_bytes(), &path).unwrap();
            prop_assert!(says.reserved.is_none() || value == 0 || value == 1);
        }
    }
}
