//! What Slurm's words mean here. Pure.

use crate::{Cause, State};

/// A process's end as wait(2) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exit {
    /// What it returned.
    pub(super) code: i32,
    /// The signal that ended it; 0: none.
    pub(super) signal: i32,
}

impl Exit {
    /// From the number in which wait(2) packs both.
    pub(super) fn from_wait_status(status: i32) -> Self {
        Self {
            code: (status >> 8) & 0xff,
            signal: status & 0x7f,
        }
    }

    /// From `code:signal`, as `sacct` writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (code, signal) = text.trim().split_once(':')?;
        Some(Self {
            code: code.parse().ok()?,
            signal: signal.parse().ok()?,
        })
    }

    /// As shells tell it: 128 + n for signal n.
    pub(super) fn as_shell(self) -> i32 {
        if self.signal == 0 {
            self.code
        } else {
            128 + self.signal
        }
    }
}

/// What is known beside Slurm's word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a> {
    /// How the script ended, where Slurm tells.
    pub(super) exit: Option<Exit>,
    /// What the script noted of the program's end.
    pub(super) noted: Option<i32>,
    /// Slurm's reason.
    pub(super) reason: &'a str,
    /// Whether we asked for the end.
    pub(super) is_cancelled_by_us: bool,
    /// Whether it got as far as running.
    pub(super) has_run: bool,
}

/// By `timeout`, by our own convention and by that of the job contract.
const TIMED_OUT: i32 = 124;
const TERMINATED: i32 = 128 + 15;
const KILLED: i32 = 128 + 9;
/// Slurm's words for a job that it will not start again by itself (`job_mgr.c` of slurmctld).
const HELD_AFTER_FAILURE: &str = "launch failed requeued held";

/// The state that Slurm's words amount to; `None` where it has a word that is not known here.
///
/// Older versions tell one word, newer ones a list: the base state and its flags. `CANCELLED by 1000` is `sacct`'s.
pub(super) fn state(words: &[String], beside: &Beside<'_>) -> Option<State> {
    // Whatever it was, its processes are still being stopped.
    if words.iter().any(|word| word == "COMPLETING") {
        return Some(State::Running);
    }
    let base = words.first()?.split_whitespace().next()?;
    let code = beside.noted.or(beside.exit.map(Exit::as_shell));
    let ended = |exit_code, cause| State::Ended { exit_code, cause };
    Some(match base {
        // It could not be started, was put back, and is held until an administrator lets it go: nothing comes of it by
        // itself, and the portal has other attempts. `cancel_strays` takes it out of the queue.
        "PENDING" if beside.reason.replace('_', " ") == HELD_AFTER_FAILURE => match beside.noted {
            Some(code) => forgotten(Some(code), false),
            None => ended(KILLED, Cause::NodeFailed),
        },
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD"
        | "RESV_DEL_HOLD" | "SPECIAL_EXIT" | "POWER_UP_NODE" => State::Pending,
        // REVOKED: a sister cluster of a federation has it.
        "RUNNING" | "RESIZING" | "SIGNALING" | "STAGE_OUT" | "SUSPENDED" | "STOPPED"
        | "UPDATE_DB" | "REVOKED" | "EXPEDITING" => State::Running,
        "COMPLETED" => ended(0, Cause::Exited),
        "FAILED" if beside.reason == "BadConstraints" => {
            ended(code.unwrap_or(1), Cause::NeverStarted)
        }
        "FAILED" => {
            let code = code.filter(|code| *code != 0).unwrap_or(1);
            ended(
                code,
                if code == TIMED_OUT {
                    Cause::TimeLimit
                } else {
                    Cause::Exited
                },
            )
        }
        "TIMEOUT" => ended(TIMED_OUT, Cause::TimeLimit),
        "DEADLINE" if beside.has_run => ended(TIMED_OUT, Cause::TimeLimit),
        "OUT_OF_MEMORY" => ended(KILLED, Cause::OutOfMemory),
        "NODE_FAIL" | "BOOT_FAIL" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => ended(
            code.filter(|code| *code != 0).unwrap_or(KILLED),
            Cause::NodeFailed,
        ),
        "PREEMPTED" => ended(
            code.filter(|code| *code != 0).unwrap_or(TERMINATED),
            Cause::Preempted,
        ),
        "CANCELLED" | "DEADLINE" => {
            let by_signal = code.filter(|code| *code > 128).unwrap_or(TERMINATED);
            let cause = match (beside.is_cancelled_by_us, beside.has_run) {
                (true, _) => Cause::Exited,
                (false, true) => Cause::StoppedByScheduler,
                (false, false) => Cause::NeverStarted,
            };
            ended(by_signal, cause)
        }
        _ => return None,
    })
}

/// What is left where Slurm has forgotten the job: what its script noted, or that we called it off.
pub(super) fn forgotten(noted: Option<i32>, is_cancelled_by_us: bool) -> State {
    match noted {
        Some(exit_code) => State::Ended {
            exit_code,
            cause: if exit_code == TIMED_OUT {
                Cause::TimeLimit
            } else {
                Cause::Exited
            },
        },
        None if is_cancelled_by_us => State::Ended {
            exit_code: TERMINATED,
            cause: Cause::Exited,
        },
        None => State::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside() -> Beside<'static> {
        Beside {
            exit: None,
            noted: None,
            reason: "None",
            is_cancelled_by_us: false,
            has_run: true,
        }
    }

    fn told(words: &str, beside: &Beside<'_>) -> String {
        let words: Vec<String> = words.split('+').map(str::to_owned).collect();
        match state(&words, beside) {
            None => "not known".to_owned(),
            Some(State::Ended { exit_code, cause }) => format!("{exit_code} {cause:?}"),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn every_word_of_slurm_has_its_meaning() {
        let mut table = String::new();
        for word in [
            "PENDING",
            "CONFIGURING",
            "REQUEUED",
            "REQUEUE_FED",
            "REQUEUE_HOLD",
            "RESV_DEL_HOLD",
            "SPECIAL_EXIT",
            "POWER_UP_NODE",
            "RUNNING",
            "COMPLETING",
            "RESIZING",
            "SIGNALING",
            "STAGE_OUT",
            "SUSPENDED",
            "STOPPED",
            "UPDATE_DB",
            "REVOKED",
            "EXPEDITING",
            "COMPLETED",
            "FAILED",
            "TIMEOUT",
            "DEADLINE",
            "OUT_OF_MEMORY",
            "NODE_FAIL",
            "BOOT_FAIL",
            "LAUNCH_FAILED",
            "RECONFIG_FAIL",
            "PREEMPTED",
            "CANCELLED",
            "CANCELLED by 1000",
            "RUNNING+COMPLETING",
            "CANCELLED+COMPLETING",
            "COMPLETED+UPDATE_DB",
            "NEW_WORD",
            "",
        ] {
            let is_over = Beside {
                has_run: false,
                ..beside()
            };
            table += &format!(
                "{word}: {} | {}\n",
                told(word, &beside()),
                told(word, &is_over)
            );
        }
        // Columns: of a job that ran | of one that never did.
        assert_eq!(
            table,
            "\
PENDING: Pending | Pending
CONFIGURING: Pending | Pending
REQUEUED: Pending | Pending
REQUEUE_FED: Pending | Pending
REQUEUE_HOLD: Pending | Pending
RESV_DEL_HOLD: Pending | Pending
SPECIAL_EXIT: Pending | Pending
POWER_UP_NODE: Pending | Pending
RUNNING: Running | Running
COMPLETING: Running | Running
RESIZING: Running | Running
SIGNALING: Running | Running
STAGE_OUT: Running | Running
SUSPENDED: Running | Running
STOPPED: Running | Running
UPDATE_DB: Running | Running
REVOKED: Running | Running
EXPEDITING: Running | Running
COMPLETED: 0 Exited | 0 Exited
FAILED: 1 Exited | 1 Exited
TIMEOUT: 124 TimeLimit | 124 TimeLimit
DEADLINE: 124 TimeLimit | 143 NeverStarted
OUT_OF_MEMORY: 137 OutOfMemory | 137 OutOfMemory
NODE_FAIL: 137 NodeFailed | 137 NodeFailed
BOOT_FAIL: 137 NodeFailed | 137 NodeFailed
LAUNCH_FAILED: 137 NodeFailed | 137 NodeFailed
RECONFIG_FAIL: 137 NodeFailed | 137 NodeFailed
PREEMPTED: 143 Preempted | 143 Preempted
CANCELLED: 143 StoppedByScheduler | 143 NeverStarted
CANCELLED by 1000: 143 StoppedByScheduler | 143 NeverStarted
RUNNING+COMPLETING: Running | Running
CANCELLED+COMPLETING: Running | Running
COMPLETED+UPDATE_DB: 0 Exited | 0 Exited
NEW_WORD: not known | not known
: not known | not known
"
        );
    }

    #[test]
    fn exit_codes_come_from_the_script_or_from_slurm() {
        for (status, expected) in [(1792, 7), (9, 137), (36608, 143), (0, 0), (15, 143)] {
            assert_eq!(Exit::from_wait_status(status).as_shell(), expected);
        }
        let signal = Exit { code: 0, signal: 9 };
        assert_eq!(Exit::parse("0:9"), Some(signal));
        assert_eq!(Exit::parse("N/A"), None);
        let with = |code| Beside {
            exit: Some(Exit { code, signal: 0 }),
            ..beside()
        };
        assert_eq!(told("FAILED", &with(7)), "7 Exited");
        assert_eq!(told("FAILED", &with(124)), "124 TimeLimit");
        assert_eq!(told("CANCELLED", &with(137)), "137 StoppedByScheduler");
        let noted = Beside {
            noted: Some(137),
            is_cancelled_by_us: true,
            ..with(0)
        };
        assert_eq!(told("CANCELLED", &noted), "137 Exited");
        let never = Beside {
            reason: "BadConstraints",
            ..with(1)
        };
        assert_eq!(told("FAILED", &never), "1 NeverStarted");
        // As the commands write it, and as `scontrol` does.
        for reason in ["launch failed requeued held", "launch_failed_requeued_held"] {
            let held = Beside { reason, ..beside() };
            assert_eq!(told("PENDING", &held), "137 NodeFailed");
            let noted = Some(0);
            assert_eq!(told("PENDING", &Beside { noted, ..held }), "0 Exited");
        }
        assert_eq!(forgotten(None, false), State::Unknown);
        let ended = |exit_code, cause| State::Ended { exit_code, cause };
        assert_eq!(forgotten(None, true), ended(143, Cause::Exited));
        assert_eq!(forgotten(Some(124), false), ended(124, Cause::TimeLimit));
        assert_eq!(forgotten(Some(0), true), ended(0, Cause::Exited));
    }
}
