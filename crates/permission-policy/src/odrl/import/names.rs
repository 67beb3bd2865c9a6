//! Names without where they come from, whether they stand bare, prefixed or as an IRI.

use super::super::{ODRL, PROFILE, action};
use crate::Purpose;

/// The short name of an ODRL key, whether it comes bare, prefixed or as an IRI.
pub(super) fn odrl(key: &str) -> &str {
    key.strip_prefix(ODRL)
        .or_else(|| key.strip_prefix("odrl:"))
        .unwrap_or(key)
}

/// The short name of a key of our profile.
pub(super) fn faculty(key: &str) -> Option<&str> {
    key.strip_prefix("faculty:")
        .or_else(|| key.split_once(PROFILE).map(|(_, name)| name))
}

pub(super) fn ours_or_odrl(name: &str) -> &str {
    faculty(name).unwrap_or_else(|| odrl(name))
}

/// What stands behind the prefix or the namespace: `faculty:consortium`, `http://www.w3.org/ns/odrl/2/index`.
pub(super) fn name_of(name: &str) -> &str {
    if let Some(known) = faculty(name) {
        return known;
    }
    match name.rsplit_once(['#', '/']) {
        Some((_, short)) => short,
        None => name.rsplit_once(':').map_or(name, |(_, short)| short),
    }
}

/// Whether an action's name comes from where that action is defined.
pub(super) fn is_known_namespace(name: &str, purpose: Purpose) -> bool {
    if action(purpose).starts_with("odrl:") {
        name.starts_with(ODRL) || name.starts_with("odrl:") || !name.contains([':', '/', '#'])
    } else {
        faculty(name).is_some()
    }
}
