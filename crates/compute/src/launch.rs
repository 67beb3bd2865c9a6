//! What to run.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
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
    /// What it needs of the machine. Where programs share one machine this is advice; a cluster gives that much.
    pub resources: Resources,
}

/// What a program needs, for each of its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// GPUs of the place's kind.
    pub gpus: u32,
    /// Processor cores; at least 1.
    pub cores: u32,
    /// Main memory in bytes; `None`: what the place gives by itself.
    pub memory_bytes: Option<u64>,
    /// Machines; 1. A program on several is refused.
    pub nodes: u32,
}

impl Default for Resources {
    /// One core of one machine.
    fn default() -> Self {
        Self {
            gpus: 0,
            cores: 1,
            memory_bytes: None,
            nodes: 1,
        }
    }
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
            .field("resources", &self.resources)
            .finish()
    }
}

impl Launch {
    /// Checks what would fail later, in a place where nobody can tell why.
    ///
    /// Whether the program is there is for the backend to see: on a cluster it lies on machines that we do not.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn check(&self) -> Result<(), Refusal> {
        if !self.program.is_absolute() || self.program.to_str().is_none_or(|it| it.contains('\0')) {
            return Err(Refusal::Program(self.program.display().to_string()));
        }
        // A program runs once. On several machines each would take itself for the attempt.
        if self.resources.cores == 0 || self.resources.nodes != 1 {
            return Err(Refusal::Resources);
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
            resources: Resources::default(),
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
        let bad = Launch {
            program: PathBuf::from("sh"),
            ..launch()
        };
        assert_eq!(bad.check(), Err(Refusal::Program("sh".to_owned())));
        let bad = Launch {
            resources: Resources {
                cores: 0,
                ..Resources::default()
            },
            ..launch()
        };
        assert_eq!(bad.check(), Err(Refusal::Resources));
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
