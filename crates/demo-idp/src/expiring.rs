//! A bounded store of things that end by themselves.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::secret;

/// Things found by a secret token; only the token's digest is kept.
#[derive(Debug)]
pub(crate) struct Expiring<V> {
    entries: HashMap<[u8; 32], (DateTime<Utc>, V)>,
    limit: usize,
}

impl<V> Expiring<V> {
    /// At most `limit` things; beyond it the one that would end first goes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            limit,
        }
    }

    pub(crate) fn insert(&mut self, token: &str, value: V, now: DateTime<Utc>, end: DateTime<Utc>) {
        if self.entries.len() >= self.limit {
            self.entries.retain(|_, (end, _)| *end > now);
        }
        if self.entries.len() >= self.limit {
            let first = self.entries.iter().min_by_key(|(_, (end, _))| *end);
            if let Some(key) = first.map(|(key, _)| *key) {
                self.entries.remove(&key);
            }
        }
        self.entries.insert(secret::digest(token), (end, value));
    }

    pub(crate) fn get_mut(&mut self, token: &str, now: DateTime<Utc>) -> Option<&mut V> {
        let (end, value) = self.entries.get_mut(&secret::digest(token))?;
        (*end > now).then_some(value)
    }

    pub(crate) fn remove(&mut self, token: &str) -> Option<V> {
        self.entries
            .remove(&secret::digest(token))
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_thing_is_gone_at_its_end() {
        let mut store = Expiring::new(2);
        store.insert("a", 1, at(0), at(60));
        assert_eq!(store.get_mut("a", at(59)), Some(&mut 1));
        assert_eq!(store.get_mut("a", at(60)), None);
    }

    #[test]
    fn a_full_store_forgets_what_would_end_first() {
        let mut store = Expiring::new(2);
        store.insert("long", 1, at(0), at(90));
        store.insert("short", 2, at(0), at(60));
        store.insert("new", 3, at(1), at(61));
        assert_eq!(store.get_mut("short", at(1)), None);
        assert_eq!(store.get_mut("long", at(1)), Some(&mut 1));
        assert_eq!(store.get_mut("new", at(1)), Some(&mut 3));
    }
}
