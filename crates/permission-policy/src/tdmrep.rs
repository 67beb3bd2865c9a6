//! What a site says about text and data mining: `/.well-known/tdmrep.json` of the W3C TDM Reservation Protocol.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    TdmReservation, Terms,
    odrl::{self, Imported},
};

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Which paths; `*` stands for anything, `$` at the end for the end.
    pub location: String,
    /// What is reserved there.
    pub reservation: TdmReservation,
    /// Where the offer stands on which leave can be had.
    pub policy: Option<String>,
}

/// A line of the file, with its offer as terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Read {
    /// The line.
    #[serde(flatten)]
    pub rule: Rule,
    /// The offer, where rights are reserved and a policy is named.
    pub offer: Option<Imported>,
}

/// Why the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TdmrepError {
    #[error("this is no list of locations: {0}")]
    Json(#[from] serde_json::Error),
}

/// Reads the file's array. A `tdm-reservation` other than 0 and 1 says nothing, as the protocol has it.
///
/// # Errors
/// [`TdmrepError`] where it is no array of objects with a `location`.
pub fn parse(file: &Value) -> Result<Vec<Rule>, TdmrepError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Line {
        location: String,
        #[serde(default)]
        tdm_reservation: Value,
        tdm_policy: Option<String>,
    }
    let lines: Vec<Line> = serde_json::from_value(file.clone())?;
    let rules = lines.into_iter().map(|line| Rule {
        location: line.location,
        reservation: match line.tdm_reservation.as_u64() {
            Some(0) => TdmReservation::NotReserved,
            Some(1) => TdmReservation::Reserved,
            _ => TdmReservation::Unset,
        },
        policy: line.tdm_policy,
    });
    Ok(rules.collect())
}

/// The first line that is about `path`: that one counts.
#[must_use]
pub fn find<'a>(rules: &'a [Rule], path: &str) -> Option<&'a Rule> {
    rules.iter().find(|rule| is_about(&rule.location, path))
}

fn is_about(location: &str, path: &str) -> bool {
    let (pattern, is_whole) = match location.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (location, false),
    };
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| path.strip_prefix(start)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return !is_whole || rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if is_whole && parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Reads the file with the offers it names; `policies` holds those that were fetched, by address. `us` as in
/// [`odrl::import`].
///
/// # Errors
/// [`TdmrepError`] where the file is none.
pub fn import(
    file: &Value,
    policies: &BTreeMap<String, Value>,
    today: NaiveDate,
    us: &str,
) -> Result<Vec<Read>, TdmrepError> {
    let rules = parse(file)?;
    let read = rules.into_iter().map(|rule| {
        let address = rule
            .policy
            .as_ref()
            .filter(|_| rule.reservation == TdmReservation::Reserved);
        let offer = address.map(|address| {
            policies
                .get(address)
                .and_then(|policy| odrl::import(policy, today, us).ok())
                .unwrap_or_else(|| unread(address, today))
        });
        Read { rule, offer }
    });
    Ok(read.collect())
}

/// An offer that nobody could read: it allows nothing and says so.
fn unread(address: &str, today: NaiveDate) -> Imported {
    Imported {
        about: odrl::About {
            uid: Some(address.to_owned()),
            ..odrl::About::default()
        },
        layer: None,
        terms: Terms {
            needs_human: vec![format!("tdm-policy: {address}")],
            valid_from: today,
            valid_until: today,
            ..Terms::nothing()
        },
        assumed: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_matched_as_in_robots_txt() {
        for (location, path, expected) in [
            ("/", "/a/b", true),
            ("/a", "/a/b", true),
            ("/a$", "/a/b", false),
            ("/a$", "/a", true),
            ("/b", "/a/b", false),
            ("*", "/anything", true),
            ("/*.pdf$", "/docs/x.pdf", true),
            ("/*.pdf$", "/docs/x.pdf?page=2", false),
            ("/*.pdf", "/docs/x.pdf?page=2", true),
            ("/a*c*e", "/abcde", true),
            ("/a*e*c", "/abcde", false),
            ("/a*$", "/abc", true),
            ("", "/x", true),
        ] {
            assert_eq!(is_about(location, path), expected, "{location} {path}");
        }
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = json!([
            { "location": "/open/", "tdm-reservation": 0 },
            { "location": "/", "tdm-reservation": 1, "tdm-policy": "https://krant.example/policy.json" },
            { "location": "/never", "tdm-reservation": 7 },
        ]);
        let rules = parse(&file).unwrap();
        assert_eq!(rules[2].reservation, TdmReservation::Unset);
        let found = find(&rules, "/open/x").unwrap();
        assert_eq!(found.reservation, TdmReservation::NotReserved);
        let found = find(&rules, "/never").unwrap();
        assert_eq!(found.reservation, TdmReservation::Reserved);
        assert!(find(&rules[..1], "/x").is_none());
    }

    #[test]
    fn what_is_no_list_of_locations_is_refused() {
        for file in [json!({}), json!([{}]), json!([1]), json!("x")] {
            assert!(parse(&file).is_err(), "{file}");
        }
    }
}
