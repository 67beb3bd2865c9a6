//! Jobs in words: states, verdicts, what happened, why it went wrong.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Amsterdam;
use job_contract::{JobEvent, Phase};

use super::{
    super::{
        conclude::{NOT_PERMITTED, WITHDRAWN},
        job::{Job, PAUSED},
        rest_ends::PAUSED_TOO_LONG,
        status::JobStatus,
    },
    RuleLine, VerdictLine,
};
use crate::{
    permissions::{self, Verdict},
    web::{Lang, moment, number},
};

/// The look of a state.
pub(super) fn badge(status: JobStatus, is_for_you: bool) -> &'static str {
    match status {
        JobStatus::Submitted if is_for_you => "waiting-for-you",
        JobStatus::Submitted | JobStatus::Approved | JobStatus::Paused | JobStatus::Cancelled => {
            "neutral"
        }
        JobStatus::Running => "running",
        JobStatus::Succeeded => "granted",
        JobStatus::Failed | JobStatus::Rejected | JobStatus::Blocked => "refused",
    }
}

/// A verdict on a dataset, rule by rule.
pub(super) fn verdict_line(lang: Lang, label: String, verdict: &Verdict) -> VerdictLine {
    VerdictLine {
        allowed: verdict.is_allowed,
        label,
        rules: verdict
            .reasons
            .iter()
            .map(|reason| RuleLine {
                id: reason.rule.name(),
                text: permissions::reason(lang, verdict.is_allowed, reason),
                href: reason
                    .permission
                    .map(|id| format!("/{lang}/permissions/{id}")),
            })
            .collect(),
        duties: permissions::duties(lang, &verdict.duties),
    }
}

/// What the rules say, as sentences.
pub(super) fn rules(lang: Lang, verdict: &Verdict) -> String {
    let mut sentences: Vec<String> = Vec::new();
    for reason in &verdict.reasons {
        let sentence = permissions::reason(lang, verdict.is_allowed, reason);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences.join(" ")
}

/// The time of a line in the log: of today only the hour, as `static/live.js` writes it.
pub(super) fn clock(lang: Lang, now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let (today, there) = (now.with_timezone(&Amsterdam), at.with_timezone(&Amsterdam));
    if today.date_naive() == there.date_naive() {
        there.format("%H:%M").to_string()
    } else {
        moment(lang, now, at)
    }
}

/// What happened, as a line; none for what is not worth one.
pub(super) fn line(lang: Lang, event: &JobEvent) -> Option<String> {
    let loss = |loss: f32| decimal(lang, f64::from(loss), 3);
    Some(match event {
        JobEvent::Phase { phase } => lang.t(match phase {
            Phase::Staging => "jobs-line-staging",
            Phase::Training => "jobs-line-training",
            Phase::Evaluating => "jobs-line-evaluating",
            Phase::Exporting => "jobs-line-exporting",
        }),
        JobEvent::DataReady {
            documents,
            held_out_documents,
            tokens,
            total_steps,
            ..
        } => lang.t_with(
            "jobs-line-data-ready",
            &[
                ("documents", count(lang, *documents)),
                ("held", count(lang, *held_out_documents)),
                ("tokens", count(lang, *tokens)),
                ("steps", count(lang, u64::from(*total_steps))),
            ],
        ),
        JobEvent::HeldOut {
            step, loss: value, ..
        } => lang.t_with(
            "jobs-line-held-out",
            &[
                ("step", count(lang, u64::from(*step))),
                ("loss", loss(*value)),
            ],
        ),
        JobEvent::Checkpoint { step, .. } => lang.t_with(
            "jobs-line-checkpoint",
            &[("step", count(lang, u64::from(*step)))],
        ),
        JobEvent::CheckpointUnreadable { step, .. } => lang.t_with(
            "jobs-line-checkpoint-unreadable",
            &[("step", count(lang, u64::from(*step)))],
        ),
        JobEvent::Note { message } => message.clone(),
        JobEvent::DataProblem {
            file,
            line,
            field,
            problem,
        } => {
            let field = field.as_ref().map(|field| format!(" {field}:"));
            format!("{file}:{line}:{} {problem}", field.unwrap_or_default())
        }
        JobEvent::Step { .. } | JobEvent::FileRead { .. } | JobEvent::Measured { .. } => {
            return None;
        }
    })
}

/// Why a job ended as it did and what to do next, in plain words; none where there is nothing to say.
pub(super) fn why(lang: Lang, job: &Job) -> Option<String> {
    let code = job.status_code.as_deref();
    match (job.status, code) {
        (JobStatus::Rejected, _) => {
            let reason = job.status_message.clone().unwrap_or_default();
            Some(lang.t_with("jobs-why-rejected", &[("reason", reason)]))
        }
        (JobStatus::Blocked, Some(NOT_PERMITTED)) => {
            let rules: Vec<String> = job
                .status_message
                .iter()
                .flat_map(|rules| rules.split(", "))
                .map(|rule| lang.t(&format!("rule-{rule}")))
                .collect();
            Some(lang.t_with("jobs-why-not-permitted", &[("rules", rules.join(" "))]))
        }
        (JobStatus::Blocked, _) => Some(lang.t("jobs-why-withdrawn")),
        (JobStatus::Cancelled, _) => Some(lang.t(why_cancelled(code))),
        (JobStatus::Failed, _) => Some(lang.t(why_failed(code.unwrap_or_default()))),
        (
            JobStatus::Submitted
            | JobStatus::Approved
            | JobStatus::Running
            | JobStatus::Paused
            | JobStatus::Succeeded,
            _,
        ) => None,
    }
}

fn why_cancelled(code: Option<&str>) -> &'static str {
    match code {
        Some("cancelled_by_operator") => "jobs-why-cancelled-by-operator",
        Some(PAUSED_TOO_LONG) => "jobs-why-paused-too-long",
        _ => "jobs-why-cancelled",
    }
}

fn why_failed(code: &str) -> &'static str {
    match code {
        "bad_data" => "jobs-why-bad-data",
        "hash_mismatch" => "jobs-why-hash-mismatch",
        "checkpoint_damaged" => "jobs-why-checkpoint-damaged",
        "refused" => "jobs-why-refused",
        "bad_settings" => "jobs-why-bad-settings",
        "does_not_fit" => "jobs-why-does-not-fit",
        "base_altered" => "jobs-why-base-altered",
        "out_of_memory" => "jobs-why-out-of-memory",
        "disk_full" => "jobs-why-disk-full",
        "not_started" => "jobs-why-not-started",
        "exit_124" | "time_limit" => "jobs-why-time-limit",
        "exit_4" | "unreachable" => "jobs-why-unreachable",
        // By these two the program says that trying again will not help.
        "exit_1" => "jobs-why-ended",
        "exit_2" => "jobs-why-usage",
        "exit_137" => "jobs-why-killed",
        "node_failure" | "preempted" => "jobs-why-node-failure",
        code if code == "lost" || code.starts_with("exit_") => "jobs-why-lost",
        _ => "jobs-why-internal",
    }
}

/// The text that says why an attempt ended, by its code; none for a code that people need no words for.
pub(super) fn cause_key(code: &str) -> Option<&'static str> {
    Some(match code {
        "bad_data" => "jobs-cause-bad-data",
        "hash_mismatch" => "jobs-cause-hash-mismatch",
        "checkpoint_damaged" => "jobs-cause-checkpoint-damaged",
        "refused" => "jobs-cause-refused",
        "bad_settings" => "jobs-cause-bad-settings",
        "does_not_fit" => "jobs-cause-does-not-fit",
        "base_altered" => "jobs-cause-base-altered",
        "out_of_memory" => "jobs-cause-out-of-memory",
        "exit_137" => "jobs-cause-killed",
        "disk_full" => "jobs-cause-disk-full",
        "internal" => "jobs-cause-internal",
        "not_started" => "jobs-cause-not-started",
        "exit_124" | "time_limit" => "jobs-cause-time-limit",
        "exit_4" | "unreachable" => "jobs-cause-unreachable",
        "exit_2" => "jobs-cause-usage",
        "lost" => "jobs-cause-lost",
        "node_failure" => "jobs-cause-node-failure",
        "preempted" => "jobs-cause-preempted",
        PAUSED => "jobs-cause-paused",
        PAUSED_TOO_LONG => "jobs-cause-paused-too-long",
        "cancelled_by_requester"
        | "cancelled_by_institution"
        | "cancelled_by_operator"
        | "cancelled" => "jobs-cause-cancelled",
        WITHDRAWN => "jobs-cause-withdrawn",
        NOT_PERMITTED => "jobs-cause-not-permitted",
        code if code.starts_with("exit_") => "jobs-cause-ended",
        _ => return None,
    })
}

/// A number with a fixed count of decimals, as people write it.
pub(super) fn decimal(lang: Lang, value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match lang {
        Lang::Nl => text.replace('.', ","),
        Lang::En => text,
    }
}

pub(super) fn count(lang: Lang, value: u64) -> String {
    number(lang, i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use compute::Cause;
    use job_contract::FailureCode;

    use super::{
        super::super::{
            conclude::{another_try_may_help, code_of},
            finish::failure_name,
        },
        *,
    };

    /// What a program says of itself: each names the one after it, so that a new one is not forgotten.
    fn next_failure(code: FailureCode) -> Option<FailureCode> {
        match code {
            FailureCode::BadData => Some(FailureCode::HashMismatch),
            FailureCode::HashMismatch => Some(FailureCode::CheckpointDamaged),
            FailureCode::CheckpointDamaged => Some(FailureCode::Refused),
            FailureCode::Refused => Some(FailureCode::BadSettings),
            FailureCode::BadSettings => Some(FailureCode::DoesNotFit),
            FailureCode::DoesNotFit => Some(FailureCode::BaseAltered),
            FailureCode::BaseAltered => Some(FailureCode::OutOfMemory),
            FailureCode::OutOfMemory => Some(FailureCode::DiskFull),
            FailureCode::DiskFull => Some(FailureCode::Internal),
            FailureCode::Internal => None,
        }
    }

    /// What a place saw, in the same way.
    fn next_cause(cause: Cause) -> Option<Cause> {
        match cause {
            Cause::Exited => Some(Cause::TimeLimit),
            Cause::TimeLimit => Some(Cause::NodeFailed),
            Cause::NodeFailed => Some(Cause::Preempted),
            Cause::Preempted => Some(Cause::OutOfMemory),
            Cause::OutOfMemory => Some(Cause::StoppedByScheduler),
            Cause::StoppedByScheduler => Some(Cause::NeverStarted),
            Cause::NeverStarted => None,
        }
    }

    fn failures() -> impl Iterator<Item = &'static str> {
        std::iter::successors(Some(FailureCode::BadData), |code| next_failure(*code))
            .map(failure_name)
    }

    /// Every end that nobody told of, with whether another attempt follows.
    fn losses() -> Vec<(String, bool)> {
        let causes = std::iter::successors(Some(Cause::Exited), |cause| next_cause(*cause));
        let seen = causes.flat_map(|cause| (0..=255).map(move |code| Some((code, cause))));
        std::iter::once(None)
            .chain(seen)
            .map(|seen| (code_of(seen), another_try_may_help(seen)))
            .collect()
    }

    fn assert_worded(key: &str, code: &str) {
        for lang in Lang::ALL {
            let text = lang.t(key);
            assert!(!text.contains('⟨') && !text.is_empty(), "{code}: {text}");
        }
    }

    #[test]
    fn every_end_of_an_attempt_has_its_cause_in_words() {
        let stops = [
            "not_started",
            "cancelled_by_requester",
            "cancelled_by_institution",
            "cancelled_by_operator",
            PAUSED,
            PAUSED_TOO_LONG,
            WITHDRAWN,
            NOT_PERMITTED,
        ];
        let codes: BTreeSet<String> = failures()
            .chain(stops)
            .map(str::to_owned)
            .chain(losses().into_iter().map(|(code, _)| code))
            .collect();
        for code in &codes {
            let key = cause_key(code);
            assert!(key.is_some(), "{code} is said with nothing");
            assert_worded(key.unwrap(), code);
        }
    }

    #[test]
    fn every_failed_job_says_what_it_was_and_promises_no_attempt_that_was_not_made() {
        for code in failures() {
            let key = why_failed(code);
            assert_worded(key, code);
            let is_internal = code == "internal";
            assert_eq!(key == "jobs-why-internal", is_internal, "{code}: {key}");
        }
        let again = ["also at a new attempt", "ook bij een nieuwe poging"];
        for (code, is_tried_again) in losses() {
            let key = why_failed(&code);
            assert_worded(key, &code);
            assert_ne!(key, "jobs-why-internal", "{code}");
            for (lang, again) in [Lang::En, Lang::Nl].into_iter().zip(again) {
                let text = lang.t(key);
                assert!(is_tried_again || !text.contains(again), "{code}: {text}");
            }
        }
        for code in [
            None,
            Some("cancelled_by_requester"),
            Some("cancelled_by_institution"),
            Some("cancelled_by_operator"),
            Some(PAUSED_TOO_LONG),
        ] {
            assert_worded(why_cancelled(code), code.unwrap_or("none"));
        }
    }

    #[test]
    fn what_would_fit_stands_where_the_page_says_it_does() {
        for lang in Lang::ALL {
            let text = lang.t(why_failed("does_not_fit"));
            assert!(text.contains(&lang.t("jobs-said")), "{text}");
        }
    }
}
