//! What to run.

use std::{fmt, fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use uuid::Uuid;

use crate::Refusal;

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

/// A program to run for one attempt.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    /// The attempt; it is started at most once.
    pub attempt: Uuid,
    /// Absolute path of the program, as seen where it runs.
    pub program: PathBuf,
    /// Its arguments. Everybody on the machine can read them: no secrets here.
    pub args: Vec<String>,
    /// Its environment; beyond these it gets only `PATH`, `HOME`, `LANG`, `TZ` and `TMPDIR`. Secrets belong here.
    pub env: Vec<(String, String)>,
    /// After this it is stopped, and ends with 124; whole seconds. `None`: no limit.
    pub time_limit: Option<Duration>,
}

impl fmt::Debug for Launch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("Launch")
            .field("attempt", &self.attempt)
            .field("program", &self.program)
            .field("args", &self.args)
            // The values are secrets.
            .field("env", &names)
            .field("time_limit", &self.time_limit)
            .finish()
    }
}

impl Launch {
    /// Checks what would fail later, in a place where nobody can tell why.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(&self) -> Result<(), Refusal> {
        let is_program = self.program.is_absolute()
            && fs::metadata(&self.program)
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
        if !is_program {
            return Err(Refusal::Program(self.program.display().to_string()));
        }
        if self.args.iter().any(|arg| arg.contains('\0')) {
            return Err(Refusal::Argument);
        }
        for (name, value) in &self.env {
            if !is_variable(name) || value.contains('\0') {
                return Err(Refusal::Environment(name.clone()));
            }
        }
        match self.time_limit {
            Some(limit) if limit < Duration::from_secs(1) || limit > YEAR => {
                Err(Refusal::TimeLimit)
            }
            _ => Ok(()),
        }
    }
}

/// A name as shells accept it; others they drop without a word.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            attempt: Uuid::nil(),
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".to_owned(), "true".to_owned()],
            env: vec![("TOKEN".to_owned(), "secret-value".to_owned())],
            time_limit: Some(Duration::from_secs(60)),
        }
    }

    #[test]
    fn secrets_are_not_shown_when_printed() {
        let shown = format!("{:?}", launch());
        assert!(shown.contains("TOKEN"), "{shown}");
        assert!(!shown.contains("secret-value"), "{shown}");
    }

    #[test]
    fn what_cannot_run_is_refused_with_its_reason() {
        assert_eq!(launch().check(), Ok(()));
        for program in ["sh", "/bin", "/etc/passwd", "/nonexistent"] {
            let bad = Launch {
                program: PathBuf::from(program),
                ..launch()
            };
            assert_eq!(bad.check(), Err(Refusal::Program(program.to_owned())));
        }
        for name in ["", "1X", "A-B", "A=B", "A\0"] {
            let bad = Launch {
                env: vec![(name.to_owned(), String::new())],
                ..launch()
            };
            assert_eq!(bad.check(), Err(Refusal::Environment(name.to_owned())));
        }
        let bad = Launch {
            args: vec!["a\0b".to_owned()],
            ..launch()
        };
        assert_eq!(bad.check(), Err(Refusal::Argument));
        let bad = Launch {
            time_limit: Some(Duration::from_millis(10)),
            ..launch()
        };
        assert_eq!(bad.check(), Err(Refusal::TimeLimit));
    }
}
