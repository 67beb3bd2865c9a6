//! What is wrong with data, line by line.

use std::fmt;

/// Problems that are kept and told; more are only counted.
pub const MOST_TOLD: usize = 100;

/// A line that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What the file is called: by its owner, or in a job by the portal, which tells no names of others' files.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: u64,
    /// For example `messages[2].role`, where one is to blame.
    pub field: Option<String>,
    /// What is wrong and what would do.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// All that is wrong; the first [`MOST_TOLD`] in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    told: Vec<Problem>,
    count: u64,
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
        write!(f, "{first}")?;
        match self.count - 1 {
            0 => Ok(()),
            1 => f.write_str(" (and one more line that cannot be used)"),
            more => write!(f, " (and {more} more lines that cannot be used)"),
        }
    }
}
