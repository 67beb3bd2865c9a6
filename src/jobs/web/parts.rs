//! The pieces of a job's page.

use chrono::{DateTime, Utc};

use super::{
    super::{
        job::{Job, PAUSED},
        status::{AttemptStatus, JobStatus},
        tell::phase_name,
    },
    Fact,
    live::station,
    settings,
    view::View,
    words::{cause_key, decimal},
};
use crate::{
    models::Model,
    permissions,
    web::{Lang, Page, moment, number},
};

pub(super) struct PhaseStation {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) note: String,
    pub(super) state: &'static str,
}

/// Requested → approved → queued → running → done.
pub(super) fn phases(lang: Lang, now: DateTime<Utc>, view: &View) -> Vec<PhaseStation> {
    const NAMES: [&str; 5] = ["requested", "approved", "queued", "running", "done"];
    let job = &view.job;
    let started = view.attempts.first().map(|attempt| attempt.created_at);
    let at = station(job.status);
    // What went wrong is shown where it did.
    let broken = match job.status {
        JobStatus::Succeeded
        | JobStatus::Submitted
        | JobStatus::Approved
        | JobStatus::Running
        | JobStatus::Paused => None,
        JobStatus::Rejected => Some("approved"),
        JobStatus::Failed | JobStatus::Cancelled | JobStatus::Blocked => {
            Some(match (job.approved_at, started) {
                (_, Some(_)) => "running",
                (Some(_), None) => "queued",
                (None, None) => "approved",
            })
        }
    };
    let here = broken.unwrap_or(at);
    let here_index = NAMES.iter().position(|name| *name == here).unwrap_or(0);
    let said = |at: Option<DateTime<Utc>>| at.map(|at| moment(lang, now, at)).unwrap_or_default();
    NAMES
        .iter()
        .enumerate()
        .map(|(index, name)| PhaseStation {
            name,
            label: lang.t(&format!("jobs-phase-{name}")),
            note: match *name {
                "requested" => said(Some(job.requested_at)),
                "approved" => said(job.approved_at),
                "running" => match (job.status, view.progress.phase) {
                    (JobStatus::Running, Some(phase)) => {
                        lang.t(&format!("jobs-now-{}", phase_name(phase)))
                    }
                    _ => said(started),
                },
                "done" if broken.is_none() => said(job.ended_at),
                _ => String::new(),
            },
            state: match index.cmp(&here_index) {
                std::cmp::Ordering::Less => "done",
                std::cmp::Ordering::Equal if broken.is_some() => "failed",
                std::cmp::Ordering::Equal if job.status == JobStatus::Succeeded => "done",
                std::cmp::Ordering::Equal => "here",
                std::cmp::Ordering::Greater => "next",
            },
        })
        .collect()
}

pub(super) struct Figure {
    pub(super) key: &'static str,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) unit: String,
}

/// The numbers that people watch.
pub(super) fn figures(lang: Lang, view: &View) -> Vec<Figure> {
    let progress = &view.progress;
    let figure = |key, name: &str, value: Option<String>, unit: &str| Figure {
        key,
        name: lang.t(name),
        value: value.unwrap_or_else(|| "–".into()),
        unit: if unit.is_empty() {
            String::new()
        } else {
            lang.t(unit)
        },
    };
    let loss = |loss: f32| decimal(lang, f64::from(loss), 2);
    let held_out = progress.held_out.last().map(|(_, value)| loss(*value));
    let speed = progress
        .tokens_per_second
        .filter(|speed| speed.is_finite())
        .map(|speed| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "saturates; no program is that fast"
            )]
            number(lang, speed.round() as i64)
        });
    vec![
        figure("loss", "jobs-figure-loss", progress.loss.map(loss), ""),
        figure("held_out", "jobs-figure-held-out", held_out, ""),
        figure(
            "tokens_per_second",
            "jobs-figure-speed",
            speed,
            "jobs-figure-speed-unit",
        ),
    ]
}

pub(super) struct Station {
    pub(super) what: String,
    pub(super) label: String,
    pub(super) href: Option<String>,
    pub(super) state: &'static str,
}

/// Dataset → permission → job → model.
pub(super) fn chain(page: &Page, view: &View) -> Vec<Station> {
    let lang = page.lang();
    let mut stations: Vec<Station> = view
        .inputs
        .iter()
        .map(|input| Station {
            what: lang.t("chain-dataset"),
            label: input.title.clone(),
            href: Some(page.path(&format!("/datasets/{}", input.dataset))),
            state: "done",
        })
        .collect();
    let status = view.job.status;
    let (label, state) = match status {
        JobStatus::Blocked => ("jobs-chain-refused", "broken"),
        _ if view.bound.is_empty() => ("jobs-chain-later", "next"),
        _ => ("jobs-chain-bound", "done"),
    };
    stations.push(Station {
        what: lang.t("chain-permission"),
        label: lang.t(label),
        href: None,
        state,
    });
    let went_wrong = status.is_over() && status != JobStatus::Succeeded;
    stations.push(Station {
        what: lang.t("chain-job"),
        label: view.job.title.clone(),
        href: None,
        state: if went_wrong && status != JobStatus::Blocked {
            "broken"
        } else {
            "here"
        },
    });
    stations.push(model_station(page, view.model.as_ref(), went_wrong));
    stations
}

fn model_station(page: &Page, model: Option<&Model>, went_wrong: bool) -> Station {
    let lang = page.lang();
    let (label, href, state) = match model {
        Some(model) => (
            model.name.clone(),
            Some(page.path(&format!("/models/{}", model.id))),
            "done",
        ),
        None if went_wrong => (lang.t("jobs-chain-no-model"), None, "next"),
        None => (lang.t("jobs-chain-later"), None, "next"),
    };
    Station {
        what: lang.t("chain-model"),
        label,
        href,
        state,
    }
}

/// What was asked for.
pub(super) fn facts(page: &Page, job: &Job) -> Vec<Fact> {
    let lang = page.lang();
    let fact = |name: &str, value: String| Fact {
        name: lang.t(name),
        value,
        href: None,
    };
    let profit = if job.is_commercial {
        "commercial-yes"
    } else {
        "commercial-no"
    };
    let recipients = job.recipients.name().replace('_', "-");
    let mut facts = vec![
        fact("jobs-institution", job.institution_name.clone()),
        fact("jobs-requested-by", job.requested_by_name.clone()),
        Fact {
            href: job.base.map(|base| page.path(&format!("/models/{base}"))),
            ..fact("jobs-base-model", base_name(lang, &job.base_name))
        },
        fact(
            "jobs-recipients",
            lang.t(&format!("recipients-{recipients}")),
        ),
        fact("jobs-commercial", lang.t(profit)),
        fact("jobs-territory", permissions::place(lang, job.territory)),
    ];
    let usual = settings::said(lang, job);
    facts.extend(usual.into_iter().filter(|one| one.is_main).map(|one| Fact {
        name: one.name,
        value: one.value,
        href: None,
    }));
    facts
}

/// What a job starts from, in words.
pub(super) fn base_name(lang: Lang, name: &str) -> String {
    if name.is_empty() {
        lang.t("jobs-from-nothing")
    } else {
        name.to_owned()
    }
}

pub(super) struct AttemptRow {
    pub(super) number: i32,
    pub(super) badge: &'static str,
    pub(super) status: String,
    pub(super) place: String,
    pub(super) begun: String,
    pub(super) begun_exact: String,
    pub(super) ended: String,
    pub(super) code: String,
    /// Why it ended so, in plain words.
    pub(super) cause: String,
}

pub(super) fn attempts(lang: Lang, now: DateTime<Utc>, view: &View) -> Vec<AttemptRow> {
    view.attempts
        .iter()
        .map(|attempt| AttemptRow {
            number: attempt.number,
            badge: match attempt.status {
                AttemptStatus::Dispatching | AttemptStatus::Running => "running",
                AttemptStatus::Succeeded => "granted",
                AttemptStatus::Failed | AttemptStatus::Lost => "refused",
                AttemptStatus::Cancelled => "neutral",
            },
            status: match attempt.failure_code.as_deref() {
                // It left on request, with what it had learnt put down.
                Some(PAUSED) if attempt.status == AttemptStatus::Cancelled => {
                    lang.t("jobs-attempt-paused")
                }
                _ => lang.t(&format!("jobs-attempt-{}", attempt.status.name())),
            },
            place: attempt.backend.clone(),
            begun: moment(lang, now, attempt.created_at),
            begun_exact: attempt.created_at.to_rfc3339(),
            ended: attempt
                .ended_at
                .map(|at| moment(lang, now, at))
                .unwrap_or_default(),
            code: attempt.failure_code.clone().unwrap_or_default(),
            cause: attempt
                .failure_code
                .as_deref()
                .and_then(cause_key)
                .map(|key| lang.t(key))
                .unwrap_or_default(),
        })
        .collect()
}
