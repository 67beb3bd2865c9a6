//! What Slurm's and ssh's complaints amount to. Pure.

use std::io;

use crate::{ComputeError, Refusal, Trouble, redact};

/// Complaints that pass by themselves, in the words of Slurm's own list of errors.
const PASSING: [&str; 16] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Connection refused",
    "Connection timed out",
    "Connection reset",
    "temporarily unable to accept job",
    "Slurm backup controller",
    "Slurmctld",
    "Unexpected message received",
    "Communication connection failure",
    "Communication shutdown failure",
    "Protocol authentication error",
    "Munge decode failed",
    "Job violates accounting/QOS policy",
    // A partition that its administrator has closed for a while.
    "Required partition not available",
];

/// Complaints about us, not about one job.
const CREDENTIALS: [&str; 4] = [
    "Access/permission denied",
    "Invalid user id",
    "Authentication failure",
    "Permission denied",
];

fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// The first line that says something, short and without secrets.
pub(super) fn told(text: &str) -> String {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing");
    let short: String = line.chars().take(300).collect();
    redact(&short).into_owned()
}

pub(super) fn unreachable(text: impl Into<String>) -> ComputeError {
    ComputeError::Unreachable(io::Error::other(text.into()))
}

/// Of a command that asked, and not for a job.
pub(super) fn of_question(code: i32, complaint: &str) -> ComputeError {
    if code == 127 {
        return Trouble::Settings(told(complaint)).into();
    }
    if !has(complaint, &PASSING) && has(complaint, &CREDENTIALS) {
        return Trouble::Credentials(told(complaint)).into();
    }
    unreachable(told(complaint))
}

/// Of a submission. Slurm's words after `failed:` are its answer to this job; what is not known is taken for a no,
/// since a job that waits for ever is worse than one that failed with its reason.
pub(super) fn of_submission(code: i32, complaint: &str) -> ComputeError {
    let answer = complaint
        .rsplit_once("Batch job submission failed: ")
        .map(|(_, answer)| answer);
    match answer {
        Some(answer) if !has(answer, &PASSING) && !has(answer, &CREDENTIALS) => {
            Refusal::Scheduler(told(answer)).into()
        }
        None if complaint.contains("sbatch: error: ") && !has(complaint, &PASSING) => {
            Refusal::Scheduler(told(complaint)).into()
        }
        _ => of_question(code, complaint),
    }
}

/// Of `ssh` itself, which ends with 255 where it did not get as far as running anything.
pub(super) fn of_ssh(complaint: &str) -> ComputeError {
    let is_host_key = has(
        complaint,
        &[
            "Host key verification failed",
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "No ED25519 host key is known",
            "host key is known for",
        ],
    );
    if is_host_key {
        let line = complaint
            .lines()
            .find(|line| {
                has(
                    line,
                    &[
                        "host key is known",
                        "Host key for",
                        "has changed",
                        "key fingerprint",
                        "verification failed",
                    ],
                )
            })
            .unwrap_or(complaint);
        return Trouble::HostKey(told(line)).into();
    }
    if has(
        complaint,
        &[
            "Permission denied",
            "Too many authentication failures",
            "Load key",
        ],
    ) {
        let line = complaint.lines().find(|line| line.contains("denied"));
        return Trouble::Credentials(told(line.unwrap_or(complaint))).into();
    }
    if has(
        complaint,
        &["Bad configuration option", "Can't open user config"],
    ) {
        return Trouble::Settings(told(complaint)).into();
    }
    unreachable(told(complaint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: &ComputeError) -> &'static str {
        match error {
            ComputeError::Unreachable(_) => "away",
            ComputeError::Refused(_) => "refused",
            ComputeError::Locked(Trouble::HostKey(_)) => "host key",
            ComputeError::Locked(Trouble::Credentials(_)) => "credentials",
            ComputeError::Locked(Trouble::Settings(_)) => "settings",
        }
    }

    #[test]
    fn complaints_are_told_apart() {
        let failed = "sbatch: error: Batch job submission failed: ";
        for (complaint, expected) in [
            (
                format!("{failed}Invalid partition name specified"),
                "refused",
            ),
            (
                format!("{failed}Invalid account or account/partition combination specified"),
                "refused",
            ),
            (
                format!("{failed}Requested node configuration is not available"),
                "refused",
            ),
            (format!("{failed}Something new"), "refused"),
            (
                "sbatch: error: Memory specification can not be satisfied".into(),
                "refused",
            ),
            (
                format!("{failed}Unable to contact slurm controller (connect failure)"),
                "away",
            ),
            (
                format!("{failed}Socket timed out on send/recv operation"),
                "away",
            ),
            (
                format!("{failed}Job violates accounting/QOS policy (job submit limit)"),
                "away",
            ),
            (
                format!("{failed}Required partition not available (inactive or drain)"),
                "away",
            ),
            (format!("{failed}Access/permission denied"), "credentials"),
            ("sh: 1: sbatch: not found".into(), "away"),
            (String::new(), "away"),
        ] {
            assert_eq!(kind(&of_submission(1, &complaint)), expected, "{complaint}");
        }
        assert_eq!(
            kind(&of_submission(127, "sh: 1: sbatch: not found")),
            "settings"
        );
        let away = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)";
        assert_eq!(kind(&of_question(1, away)), "away");
        for (complaint, expected) in [
            ("Host key verification failed.", "host key"),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @",
                "host key",
            ),
            ("me@there: Permission denied (publickey).", "credentials"),
            (
                "ssh: connect to host there port 22: Connection refused",
                "away",
            ),
            (
                "ssh: Could not resolve hostname there: Name or service not known",
                "away",
            ),
        ] {
            assert_eq!(kind(&of_ssh(complaint)), expected, "{complaint}");
        }
        assert_eq!(
            told("\n  vfa_0123456789abcdef is wrong\nmore"),
            "vfa_[redacted] is wrong"
        );
    }
}
