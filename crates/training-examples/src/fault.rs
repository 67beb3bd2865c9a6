//! What is wrong with an example.

/// What is wrong with an example, by whoever does not know its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For example `messages[2].role`, where one field is to blame.
    pub field: Option<String>,
    /// What is wrong and what would do.
    pub problem: String,
}

impl Fault {
    /// A fault of the whole line.
    pub fn of_line(problem: impl Into<String>) -> Self {
        Self {
            field: None,
            problem: problem.into(),
        }
    }

    /// A fault of one field.
    pub fn of_field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            problem: problem.into(),
        }
    }
}
