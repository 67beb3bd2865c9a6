//! What a version of a document states that the one before did not. Pure.

use serde::Serialize;

use super::document::{Content, Document, Field, Words};

/// How a field changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    /// The word in texts (`disclosure-change-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Section and field, and the thing where the field lists several.
    pub at: String,
    pub label: Words,
    pub change: Change,
    /// What was said before; empty where nothing was.
    pub before: Words,
    /// What is said since; empty where nothing is.
    pub after: Words,
}

/// Whatever `after` states differently from `before`, field by field, in the order of `after`; what it leaves out
/// comes last.
#[must_use]
pub fn difference(before: &Document, after: &Document) -> Vec<Difference> {
    let (old, new) = (lines(before), lines(after));
    let mut found = Vec::new();
    for line in &new {
        match old.iter().find(|known| known.at == line.at) {
            Some(known) if known.means == line.means => {}
            Some(known) => found.push(line.differs(Change::Changed, known.text.clone(), true)),
            None => found.push(line.differs(Change::Added, Words::default(), true)),
        }
    }
    for known in old {
        if !new.iter().any(|line| line.at == known.at) {
            let before = known.text.clone();
            found.push(known.differs(Change::Removed, before, false));
        }
    }
    found
}

/// One thing that a document says.
struct Line {
    at: String,
    label: Words,
    text: Words,
    /// What it says, without the words.
    means: serde_json::Value,
}

impl Line {
    fn differs(&self, change: Change, before: Words, is_there: bool) -> Difference {
        Difference {
            at: self.at.clone(),
            label: self.label.clone(),
            change,
            before,
            after: if is_there {
                self.text.clone()
            } else {
                Words::default()
            },
        }
    }
}

fn lines(document: &Document) -> Vec<Line> {
    document
        .sections
        .iter()
        .flat_map(|section| {
            section
                .fields
                .iter()
                .flat_map(|field| lines_of(&format!("{}/{}", section.id, field.id), field))
        })
        .collect()
}

fn lines_of(at: &str, field: &Field) -> Vec<Line> {
    let line = |at: String, text: &Words, means: serde_json::Value| Line {
        at,
        label: field.label.clone(),
        text: text.clone(),
        means,
    };
    match &field.content {
        Content::Stated {
            text,
            value,
            source,
        } => vec![line(
            at.to_owned(),
            text,
            serde_json::json!([value, source]),
        )],
        Content::Listed { items, .. } => items
            .iter()
            .map(|item| {
                line(
                    format!("{at}/{}", item.key),
                    &item.text,
                    serde_json::json!([item.value, item.source]),
                )
            })
            .collect(),
        Content::Missing { .. } => Vec::new(),
    }
}
