//! What is wrong with an example.

/// So many characters of a line are quoted at most: lines may be long, and a hundred faults are kept.
const MOST_QUOTED: usize = 80;

/// What is wrong with an example, by whoever does not know its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For example `messages[2].role`, where one field is to blame.
    pub field: Option<String>,
    /// What is wrong and what would do; may quote a few words of the line.
    pub problem: String,
    /// The same without a word of the line, where `problem` quotes some.
    unquoted: Option<&'static str>,
}

impl Fault {
    /// A fault of the whole line.
    pub fn of_line(problem: impl Into<String>) -> Self {
        Self {
            field: None,
            problem: problem.into(),
            unquoted: None,
        }
    }

    /// A fault of one field.
    pub fn of_field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            problem: problem.into(),
            unquoted: None,
        }
    }

    /// A fault of one field of which `problem` quotes what stands there; `unquoted` says it without.
    pub(crate) fn quoting(
        field: impl Into<String>,
        problem: impl Into<String>,
        unquoted: &'static str,
    ) -> Self {
        Self {
            unquoted: Some(unquoted),
            ..Self::of_field(field, problem)
        }
    }

    /// What is wrong, without a word of the line: for people who may not read the data.
    #[must_use]
    pub fn unquoted(&self) -> &str {
        self.unquoted.unwrap_or(self.problem.as_str())
    }
}

/// What stands in a line, cut off.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(MOST_QUOTED).collect()
}
