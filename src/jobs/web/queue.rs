//! What a job waits for, and what it was expected to need beside what it used.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        Compute, Draft, Estimate, JobError, Priority, RawDraft,
        compute::Site,
        dispatch,
        estimate::{Asked, of_job, placed},
        prioritise,
        status::{AttemptStatus, JobStatus},
        store,
    },
    estimate::{cost_json, estimate_json},
    view::View,
    words::{count, decimal},
};
use crate::{
    budgets::{self, Cost},
    config::Config,
    datasets::PublishedVersion,
    db::Db,
    error::AppError,
    ids::{AttemptId, JobId},
    permissions::Territory,
    policy::{self, Action, Actor},
    web::{ApiResult, Lang, Page, PageResult, ProtectedForm, ProtectedJson, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(prioritise_form).service(prioritise_json);
}

/// A priority to choose.
pub(super) struct PriorityChoice {
    pub(super) value: &'static str,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// How a job stands in the queue, in words.
pub(super) struct Queued {
    pub(super) position: String,
    pub(super) why: String,
    pub(super) priority: String,
    /// What the person may change it to.
    pub(super) choices: Vec<PriorityChoice>,
}

/// One amount, as expected and as it turned out.
pub(super) struct Amount {
    pub(super) name: String,
    pub(super) expected: String,
    pub(super) used: String,
}

/// The estimate beside the use.
pub(super) struct Compared {
    pub(super) basis: String,
    pub(super) amounts: Vec<Amount>,
}

/// Where a job that has not started would be processed.
pub(super) async fn location(
    db: &Db,
    compute: &Compute,
    view: &View,
) -> Result<Option<Territory>, AppError> {
    let mut conn = db.read().await?;
    let asked = store::asked_of_queue(&mut conn, view.job.id).await?;
    let (place, limit) = asked.map_or((None, None), |asked| {
        (asked.place, asked.time_limit_seconds)
    });
    Ok(compute.locations(place.as_deref(), limit).first().copied())
}

/// The place in the line, from 1, and how many wait; none where the job does not wait.
async fn position(
    db: &Db,
    (config, compute): (&Config, &Compute),
    view: &View,
) -> Result<Option<(usize, usize)>, AppError> {
    if view.job.status != JobStatus::Approved {
        return Ok(None);
    }
    let (_, ordered) = dispatch::queue(db, config, compute).await?;
    let at = ordered.iter().position(|job| *job == view.job.id);
    Ok(at.map(|at| (at + 1, ordered.len())))
}

/// The part of the page about the queue; none where the job does not wait.
pub(super) async fn queued(
    db: &Db,
    page: &Page,
    places: (&Config, &Compute),
    view: &View,
) -> Result<Option<Queued>, AppError> {
    let lang = page.lang();
    let mut conn = db.read().await?;
    let Some(asked) = store::asked_of_queue(&mut conn, view.job.id).await? else {
        return Ok(None);
    };
    let told = match view.attempts.last().filter(|it| it.status.is_live()) {
        Some(attempt) => store::reports(&mut conn, &[attempt.id]).await?.pop(),
        None => None,
    };
    drop(conn);
    let mut lines = (String::new(), String::new());
    if let Some((at, of)) = position(db, places, view).await? {
        lines.0 = lang.t_with(
            "jobs-queue-position",
            &[("at", at.to_string()), ("of", of.to_string())],
        );
        if let Some(why) = &asked.waits_for {
            lines.1 = lang.t(&format!("jobs-waits-for-{why}"));
        }
    } else if let Some(told) = told.filter(|told| told.state == "pending") {
        lines.0 = match told.queue_position {
            Some(at) => lang.t_with("jobs-queue-there", &[("at", at.to_string())]),
            None => lang.t("jobs-queue-there-unknown"),
        };
        if let Some(reason) = told.reason {
            lines.1 = lang.t_with("jobs-queue-reason", &[("reason", reason)]);
        }
    } else if view
        .attempts
        .last()
        .is_some_and(|attempt| attempt.status == AttemptStatus::Dispatching)
    {
        // Started here, and not taken by its place yet.
        lines.0 = lang.t("jobs-queue-on-its-way");
    } else if view.job.status != JobStatus::Submitted {
        return Ok(None);
    }
    let choices = choices(lang, page.actor(), view, asked.priority);
    Ok(Some(Queued {
        position: lines.0,
        why: lines.1,
        priority: lang.t(&format!("jobs-priority-{}", asked.priority.name())),
        choices,
    }))
}

/// The priorities that the person may choose from; none where that is only the one it has.
fn choices(lang: Lang, actor: &Actor, view: &View, now: Priority) -> Vec<PriorityChoice> {
    let scope = view.job.scope();
    let choices: Vec<PriorityChoice> = Priority::ALL
        .into_iter()
        .filter(|priority| {
            let action = if *priority > now {
                Action::RaiseJob
            } else {
                Action::LowerJob
            };
            *priority == now || policy::check(actor, action, &scope).is_ok()
        })
        .map(|priority| PriorityChoice {
            value: priority.name(),
            label: lang.t(&format!("jobs-priority-{}", priority.name())),
            is_chosen: priority == now,
        })
        .collect();
    if choices.len() > 1 {
        choices
    } else {
        Vec::new()
    }
}

/// The estimate of a job beside what its attempts used; none for a job of before estimates were kept.
pub(super) async fn estimated(
    db: &Db,
    page: &Page,
    view: &View,
) -> Result<Option<Compared>, AppError> {
    let lang = page.lang();
    let (estimate, used) = figures(db, view).await?;
    Ok(estimate.map(|estimate| compared(lang, &estimate, used)))
}

/// What a request would need, as far as it is filled in, at one of these places; none without a base and datasets that all
/// may see, and none where no place has the memory.
pub(super) async fn expected(
    db: &Db,
    lang: Lang,
    sites: Vec<&Site>,
    (raw, published): (&RawDraft, &[PublishedVersion]),
) -> Result<Option<Compared>, AppError> {
    let Ok(draft) = Draft::parse(&raw.for_estimate()) else {
        return Ok(None);
    };
    let is_known = |version| published.iter().any(|one| one.version == version);
    if !draft.versions.iter().all(|version| is_known(*version)) {
        return Ok(None);
    }
    let mut conn = db.read().await?;
    let asked = Asked {
        task: &draft.task,
        base: draft.base,
        versions: &draft.versions,
    };
    match placed(&mut conn, sites, &asked).await {
        Ok(found) => Ok(found.map(|(_, estimate)| compared(lang, &estimate, None))),
        // Said where the memory is told, which is reckoned in the same way.
        Err(JobError::DoesNotFit(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// In words; what was used is left out where nothing ended yet.
pub(super) fn compared(lang: Lang, estimate: &Estimate, used: Option<Cost>) -> Compared {
    let amount = |name: &str, say: &dyn Fn(&Cost) -> String| Amount {
        name: lang.t(name),
        expected: say(&estimate.cost),
        used: used.as_ref().map(say).unwrap_or_default(),
    };
    let mut amounts = vec![amount("jobs-estimate-time", &|cost| {
        time(lang, cost.seconds)
    })];
    let is_any =
        |of: fn(&Cost) -> u64| of(&estimate.cost) > 0 || used.as_ref().is_some_and(|it| of(it) > 0);
    if is_any(|cost| cost.milli_sbu) {
        amounts.push(amount("jobs-estimate-sbu", &|cost| {
            decimal(lang, cost.milli_sbu as f64 / 1000.0, 3)
        }));
    }
    if is_any(|cost| cost.joules) {
        amounts.push(amount("jobs-estimate-energy", &|cost| {
            let watt_hours = cost.joules as f64 / 3600.0;
            lang.t_with(
                "jobs-watt-hours",
                &[("amount", decimal(lang, watt_hours, 1))],
            )
        }));
    }
    let basis = format!("jobs-estimate-{}", estimate.basis.name());
    Compared {
        basis: lang.t_with(&basis, &[("place", estimate.place.clone())]),
        amounts,
    }
}

fn time(lang: Lang, seconds: u64) -> String {
    if seconds < 120 {
        return lang.t_with("jobs-seconds", &[("count", count(lang, seconds))]);
    }
    let minutes = seconds.div_ceil(60);
    if minutes < 120 {
        return lang.t_with("jobs-minutes", &[("count", count(lang, minutes))]);
    }
    let hours = decimal(lang, seconds as f64 / 3600.0, 1);
    lang.t_with("jobs-hours", &[("count", hours)])
}

async fn figures(db: &Db, view: &View) -> Result<(Option<Estimate>, Option<Cost>), AppError> {
    let mut conn = db.read().await?;
    let estimate = of_job(&mut conn, &view.job).await?;
    let attempts: Vec<AttemptId> = view.attempts.iter().map(|attempt| attempt.id).collect();
    let (_, used) = budgets::of_attempts(&mut conn, &attempts).await?;
    Ok((estimate, used))
}

/// Adds to a job's JSON what it waits for, and what it needs.
pub(super) async fn add_json(
    db: &Db,
    places: (&Config, &Compute),
    view: &View,
    shown: &mut Value,
) -> Result<(), AppError> {
    let (estimate, used) = figures(db, view).await?;
    let position = position(db, places, view).await?;
    let mut conn = db.read().await?;
    let asked = store::asked_of_queue(&mut conn, view.job.id).await?;
    let attempts: Vec<AttemptId> = view.attempts.iter().map(|attempt| attempt.id).collect();
    let told = store::reports(&mut conn, &attempts).await?;
    drop(conn);
    let Some(fields) = shown.as_object_mut() else {
        return Ok(());
    };
    if let Some(asked) = asked {
        let waits = view.job.status == JobStatus::Approved;
        fields.insert(
            "queue".into(),
            json!({
                "priority": asked.priority.name(),
                "place": asked.place,
                "position": position.map(|(at, _)| at),
                "waiting": position.map(|(_, of)| of),
                "waits_for": asked.waits_for.filter(|_| waits),
            }),
        );
        let default = places.0.compute.default_time_limit_seconds;
        let limit = asked.time_limit_seconds.unwrap_or(default);
        fields.insert("time_limit_seconds".into(), json!(limit));
    }
    let estimate = estimate.as_ref().map(estimate_json);
    fields.insert("estimate".into(), json!(estimate));
    fields.insert("used".into(), json!(used.as_ref().map(cost_json)));
    if let Some(attempts) = fields.get_mut("attempts").and_then(Value::as_array_mut) {
        for attempt in attempts {
            let id = attempt["id"].as_str().unwrap_or_default().to_owned();
            if let Some(told) = told.iter().find(|told| told.attempt.to_string() == id) {
                attempt["told"] = json!({
                    "state": told.state,
                    "native_id": told.native_id,
                    "reason": told.reason,
                    "partition": told.partition,
                    "queue_position": told.queue_position,
                    "started_at": told.started_at,
                    "ended_at": told.ended_at,
                    "seconds": told.used.seconds,
                    "gpus": told.used.gpus,
                    "cores": told.used.cores,
                });
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    priority: String,
}

impl Wanted {
    fn priority(&self) -> Result<Priority, AppError> {
        Priority::parse(&self.priority).ok_or_else(|| AppError::invalid("form-unreadable"))
    }
}

#[derive(Deserialize)]
struct WantedForm {
    #[serde(default)]
    priority: String,
}

#[post("/{lang:nl|en}/jobs/{job}/priority")]
async fn prioritise_form(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, JobId)>,
    ProtectedForm(form): ProtectedForm<WantedForm>,
) -> PageResult {
    let priority = Wanted {
        priority: form.priority,
    }
    .priority()?;
    prioritise(&db, page.actor(), path.1, priority)
        .await
        .map_err(AppError::from)?;
    let back = page.path(&format!("/jobs/{}", path.1));
    Ok(back_with(&back, "good", "flash-job-prioritised"))
}

/// Changes how urgent a job is.
#[post("/api/v1/jobs/{job}/priority")]
async fn prioritise_json(
    db: web::Data<Db>,
    sent: ProtectedJson<Wanted>,
    path: web::Path<JobId>,
) -> ApiResult {
    let priority = sent.body.priority()?;
    prioritise(&db, &sent.actor, *path, priority)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "id": *path, "priority": priority.name() })))
}
