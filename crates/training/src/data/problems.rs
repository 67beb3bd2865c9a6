//! What is wrong with data, line by line.

use std::fmt;

/// Problems that are kept and told; more are only counted.
pub const MOST_TOLD: usize = 100;

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file, as its owner knows it.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: u64,
    /// For example `messages[2].role`, where one is to blame.
    pub field: Option<String>,
    /// What is wrong and what would do.
    pub problem: String,
}

impl Problem {
    /// Line, field and what is wrong, without the file's name.
    fn unnamed(&self) -> String {
        let line = (self.line > 0).then(|| format!("line {}: ", self.line));
        let field = self.field.as_ref().map(|field| format!("{field}: "));
        format!(
            "{}{}{}",
            line.unwrap_or_default(),
            field.unwrap_or_default(),
            self.problem
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.line > 0 { ", " } else { ": " };
        write!(f, "{}{mark}{}", self.file, self.unnamed())
    }
}

/// All that is wrong; the first [`MOST_TOLD`] in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    told: Vec<Problem>,
    count: u64,
    /// The text of them all goes to people who may not read the data.
    hides_names: bool,
}

impl Problems {
    /// One problem and no other.
    pub fn one(problem: Problem) -> Self {
        let mut problems = Self::default();
        problems.add(problem);
        problems
    }

    /// Notes one more.
    pub fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(problem);
        }
    }

    /// From now on the text of them all names no file; each by itself still does.
    pub(super) fn hide_names(&mut self) {
        self.hides_names = true;
    }

    /// The first of them.
    pub fn told(&self) -> &[Problem] {
        &self.told
    }

    /// How many there are in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// True where nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.told.first() else {
            return f.write_str("nothing is wrong");
        };
        if self.hides_names {
            f.write_str(&first.unnamed())?;
        } else {
            write!(f, "{first}")?;
        }
        match self.count - 1 {
            0 => Ok(()),
            1 => f.write_str(" (and one more line that cannot be used)"),
            more => write!(f, " (and {more} more lines that cannot be used)"),
        }
    }
}
