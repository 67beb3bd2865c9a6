//! What a notice is.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::{InstitutionId, NoticeId, UserId},
    policy::Role,
    web::{Lang, day},
};

/// Who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Everybody who holds the role in the institution when they look, or when the mail goes out.
    Role {
        institution: InstitutionId,
        role: Role,
    },
    /// One person of an institution.
    User {
        institution: InstitutionId,
        user: UserId,
    },
    /// Somebody without an account, by mail alone.
    Address(String),
}

/// A value in a text: as it is, or one that each language writes in its own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Text(String),
    Day(DateTime<Utc>),
    /// The title of another notice.
    Title {
        kind: String,
        values: BTreeMap<String, Value>,
    },
}

/// The thing that a notice is about; notices are found by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// `withdrawal`, `job`.
    pub kind: &'static str,
    pub id: Uuid,
}

/// Something to be told to somebody.
#[derive(Debug, Clone)]
pub struct Notice {
    pub(super) kind: &'static str,
    pub(super) to: Recipient,
    pub(super) about: About,
    pub(super) values: BTreeMap<String, Value>,
    pub(super) link: String,
    pub(super) acknowledge_by: Option<DateTime<Utc>>,
    pub(super) once: Option<String>,
}

impl Notice {
    /// A notice with the texts `notice-{kind}-title` and `notice-{kind}-text`; a test finds kinds without texts.
    #[must_use]
    pub fn new(kind: &'static str, to: Recipient, about: About) -> Self {
        Self {
            kind,
            to,
            about,
            values: BTreeMap::new(),
            link: "/notices".into(),
            acknowledge_by: None,
            once: None,
        }
    }

    /// Names a value of the texts.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        let value = Value::Text(value.to_string());
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Names a day of the texts.
    #[must_use]
    pub fn with_day(mut self, name: &'static str, day: DateTime<Utc>) -> Self {
        self.values.insert(name.to_owned(), Value::Day(day));
        self
    }

    /// Names another notice by its title.
    #[must_use]
    pub(super) fn with_title_of(mut self, name: &'static str, other: &Shown) -> Self {
        let value = Value::Title {
            kind: other.kind.clone(),
            values: other.values.clone(),
        };
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Where it leads: a path of the pages without the language.
    #[must_use]
    pub fn link(mut self, path: impl Into<String>) -> Self {
        self.link = path.into();
        self
    }

    /// Asks to be acknowledged, and is escalated where it is not by then.
    #[must_use]
    pub fn acknowledge_by(mut self, due: DateTime<Utc>) -> Self {
        self.acknowledge_by = Some(due);
        self
    }

    /// Tells only once: a second notice with the same words here is not told.
    #[must_use]
    pub fn once(mut self, what: impl Into<String>) -> Self {
        self.once = Some(what.into());
        self
    }
}

/// A notice as it was told, and what became of it.
#[derive(Debug, Clone)]
pub struct Shown {
    pub id: NoticeId,
    pub kind: String,
    pub values: BTreeMap<String, Value>,
    pub link: String,
    /// The institution of the recipient; none for an address outside.
    pub institution: Option<InstitutionId>,
    pub institution_name: Option<String>,
    /// Who it is for, in words: a name, an institution, an address.
    pub to: String,
    /// The role that it is for, if it is for one.
    pub to_role: Option<Role>,
    pub created_at: DateTime<Utc>,
    pub acknowledge_by: Option<DateTime<Utc>>,
    pub acknowledged_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<String>,
    pub escalated_at: Option<DateTime<Utc>>,
    /// Mails that the mail server took.
    pub mails: i64,
    /// What the mail server said where it took none.
    pub refusal: Option<String>,
}

impl Shown {
    /// Whether somebody still has to say that they read it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.acknowledge_by.is_some() && self.acknowledged_at.is_none()
    }

    /// The same for eyes of another institution: that somebody there was told, not who, nor what of theirs it names.
    #[must_use]
    pub fn without_names(mut self) -> Self {
        self.to = self.institution_name.clone().unwrap_or_default();
        if let Some(names) = self.values.get_mut("names") {
            *names = Value::Text("…".into());
        }
        self
    }

    /// The line above it.
    #[must_use]
    pub fn title(&self, lang: Lang) -> String {
        title(lang, &self.kind, &self.values)
    }

    /// What it says.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        text(lang, &self.kind, &self.values)
    }
}

pub(super) fn title(lang: Lang, kind: &str, values: &BTreeMap<String, Value>) -> String {
    words(lang, &format!("notice-{kind}-title"), values)
}

pub(super) fn text(lang: Lang, kind: &str, values: &BTreeMap<String, Value>) -> String {
    words(lang, &format!("notice-{kind}-text"), values)
}

fn words(lang: Lang, key: &str, values: &BTreeMap<String, Value>) -> String {
    let values = values
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Text(text) => text.clone(),
                Value::Day(at) => day(lang, *at),
                Value::Title { kind, values } => title(lang, kind, values),
            };
            (name.clone(), value)
        })
        .collect();
    lang.t_named(key, values)
}
