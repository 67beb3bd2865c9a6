//! Jobs in words: states, verdicts, what happened, why it went wrong.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::Amsterdam;
use job_contract::{JobEvent, Phase};

use super::{
    super::{job::Job, rest_ends::PAUSED_TOO_LONG, status::JobStatus},
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
    let key = match (job.status, code) {
        (JobStatus::Rejected, _) => {
            let reason = job.status_message.clone().unwrap_or_default();
            return Some(lang.t_with("jobs-why-rejected", &[("reason", reason)]));
        }
        (JobStatus::Blocked, Some("not_permitted")) => {
            let rules: Vec<String> = job
                .status_message
                .iter()
                .flat_map(|rules| rules.split(", "))
                .map(|rule| lang.t(&format!("rule-{rule}")))
                .collect();
            return Some(lang.t_with("jobs-why-not-permitted", &[("rules", rules.join(" "))]));
        }
        (JobStatus::Blocked, _) => "jobs-why-withdrawn",
        (JobStatus::Cancelled, Some("cancelled_by_operator")) => "jobs-why-cancelled-by-operator",
        (JobStatus::Cancelled, Some(PAUSED_TOO_LONG)) => "jobs-why-paused-too-long",
        (JobStatus::Cancelled, _) => "jobs-why-cancelled",
        (JobStatus::Failed, Some("bad_data")) => "jobs-why-bad-data",
        (JobStatus::Failed, Some("hash_mismatch")) => "jobs-why-hash-mismatch",
        (JobStatus::Failed, Some("checkpoint_damaged")) => "jobs-why-checkpoint-damaged",
        (JobStatus::Failed, Some("refused")) => "jobs-why-refused",
        (JobStatus::Failed, Some("bad_settings")) => "jobs-why-bad-settings",
        (JobStatus::Failed, Some("does_not_fit")) => "jobs-why-does-not-fit",
        (JobStatus::Failed, Some("base_altered")) => "jobs-why-base-altered",
        (JobStatus::Failed, Some("out_of_memory")) => "jobs-why-out-of-memory",
        (JobStatus::Failed, Some("disk_full")) => "jobs-why-disk-full",
        (JobStatus::Failed, Some("not_started")) => "jobs-why-not-started",
        (JobStatus::Failed, Some("exit_124" | "time_limit")) => "jobs-why-time-limit",
        (JobStatus::Failed, Some("exit_4" | "unreachable")) => "jobs-why-unreachable",
        (JobStatus::Failed, Some("exit_2")) => "jobs-why-usage",
        (JobStatus::Failed, Some("exit_137")) => "jobs-why-killed",
        (JobStatus::Failed, Some("node_failure" | "preempted")) => "jobs-why-node-failure",
        (JobStatus::Failed, Some(code)) if code == "lost" || code.starts_with("exit_") => {
            "jobs-why-lost"
        }
        (JobStatus::Failed, _) => "jobs-why-internal",
        (
            JobStatus::Submitted
            | JobStatus::Approved
            | JobStatus::Running
            | JobStatus::Paused
            | JobStatus::Succeeded,
            _,
        ) => {
            return None;
        }
    };
    Some(lang.t(key))
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
        "paused" => "jobs-cause-paused",
        "cancelled_by_requester" | "cancelled_by_operator" | "cancelled" => "jobs-cause-cancelled",
        "permission_withdrawn" => "jobs-cause-withdrawn",
        "not_permitted" => "jobs-cause-not-permitted",
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
