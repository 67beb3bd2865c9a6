//! `demo.json`: what a script needs to know of a running demonstration.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::{PEOPLE, setup::write_private};

/// The file and what it says; keys appear as they become known.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    #[serde(skip)]
    path: Option<PathBuf>,
    #[serde(flatten)]
    facts: BTreeMap<String, Value>,
}

impl Record {
    /// One that is kept in memory only, for tests.
    #[must_use]
    pub fn unwritten() -> Self {
        Self {
            path: None,
            facts: BTreeMap::new(),
        }
    }

    pub(super) fn at(path: PathBuf) -> Self {
        let accounts: Vec<Value> = PEOPLE
            .iter()
            .map(|person| {
                json!({
                    "login": person.login,
                    "password": person.login,
                    "name": person.name(),
                    "institution": person.place().map(|place| place.name),
                    "roles": [person.role.name()],
                })
            })
            .collect();
        let mut record = Self {
            path: Some(path),
            facts: BTreeMap::new(),
        };
        record.facts.insert("accounts".into(), accounts.into());
        record
    }

    /// Notes a fact and writes the file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn note(&mut self, key: &str, value: impl Into<Value>) -> anyhow::Result<()> {
        self.facts.insert(key.to_owned(), value.into());
        self.write()
    }

    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.facts.insert(key.to_owned(), value);
    }

    /// A fact that was noted.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.facts.get(key)
    }

    pub(super) fn write(&self) -> anyhow::Result<()> {
        match &self.path {
            Some(path) => write_private(path, &serde_json::to_vec_pretty(self)?),
            None => Ok(()),
        }
    }
}
