//! A job rests and goes on: the part of its page, and the same in JSON.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;
use serde_json::json;

use super::{
    super::{
        job::Job,
        pause::{can_rest, pause, resume},
        places::silent_since,
        rest_ends::ends_at,
        status::JobStatus,
        store,
    },
    words::count,
};
use crate::{
    db::Db,
    error::AppError,
    ids::JobId,
    policy::{self, Action},
    web::{ApiActor, ApiResult, Lang, Page, PageResult, ProtectedForm, back_with, day, moment},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(pause_form)
        .service(resume_form)
        .service(pause_json)
        .service(resume_json);
}

/// What a page says and offers about resting.
pub(super) struct Rest {
    /// Empty where there is nothing to say.
    pub(super) text: String,
    pub(super) may_pause: bool,
    pub(super) may_resume: bool,
}

/// How it stands with resting.
pub(super) async fn rest(
    db: &Db,
    page: &Page,
    (job, paused_days): (&Job, u32),
) -> Result<Rest, AppError> {
    let lang = page.lang();
    let rests = job.status == JobStatus::Paused;
    let is_asked = job.pause_requested_at.is_some();
    let may = job.cancel_requested_at.is_none()
        && policy::check(page.actor(), Action::CancelJob, &job.scope()).is_ok();
    let text = if rests {
        let mut conn = db.read().await?;
        let from = store::newest_checkpoint(&mut conn, job.id).await?;
        let why = match job.status_code.as_deref() {
            Some("exit_124") => lang.t("jobs-paused-time-limit"),
            _ => lang.t("jobs-paused"),
        };
        let step = from.map(|one| u64::from(one.step.unsigned_abs()));
        let then = match step {
            Some(step) => lang.t_with("jobs-paused-from", &[("step", count(lang, step))]),
            None => lang.t("jobs-paused-from-start"),
        };
        let since = job.paused_at.unwrap_or_else(|| db.now());
        let end = day(lang, ends_at(since, paused_days));
        let end = lang.t_with("jobs-paused-until", &[("day", end)]);
        format!("{why} {then} {end}")
    } else {
        stopping(db, lang, job).await?
    };
    let waits_or_runs = matches!(job.status, JobStatus::Approved | JobStatus::Running);
    Ok(Rest {
        text,
        may_pause: may && waits_or_runs && !is_asked && can_rest(&job.task),
        may_resume: may && (rests || is_asked),
    })
}

/// What is said of a running job that is asked to leave; nothing where it is not.
async fn stopping(db: &Db, lang: Lang, job: &Job) -> Result<String, AppError> {
    if job.status != JobStatus::Running || job.asked_to_stop().is_none() {
        return Ok(String::new());
    }
    let last = {
        let mut conn = db.read().await?;
        store::attempts(&mut conn, job.id).await?.pop()
    };
    let silent = match last {
        Some(attempt) => silent_since(db, &attempt.backend).await?,
        None => None,
    };
    let is_pause = job.cancel_requested_at.is_none();
    Ok(match silent {
        Some((place, since)) => lang.t_with(
            if is_pause {
                "jobs-pause-waits-for-place"
            } else {
                "jobs-stop-waits-for-place"
            },
            &[("place", place), ("since", moment(lang, db.now(), since))],
        ),
        None if is_pause => lang.t("jobs-pausing"),
        None => lang.t("jobs-stopping"),
    })
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/jobs/{job}/pause")]
async fn pause_form(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, JobId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let job = path.1;
    let flash = match pause(&db, page.actor(), job).await? {
        JobStatus::Paused => "flash-job-paused",
        _ => "flash-job-pause-requested",
    };
    let back = page.path(&format!("/jobs/{job}"));
    Ok(back_with(&back, "info", flash))
}

#[post("/{lang:nl|en}/jobs/{job}/resume")]
async fn resume_form(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, JobId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let job = path.1;
    resume(&db, page.actor(), job).await?;
    let back = page.path(&format!("/jobs/{job}"));
    Ok(back_with(&back, "good", "flash-job-resumed"))
}

#[post("/api/v1/jobs/{job}/pause")]
async fn pause_json(db: web::Data<Db>, actor: ApiActor, path: web::Path<JobId>) -> ApiResult {
    let status = pause(&db, &actor.0, *path).await.map_err(AppError::from)?;
    Ok(HttpResponse::Ok()
        .json(json!({ "id": *path, "status": status.name(), "pause_requested": true })))
}

#[post("/api/v1/jobs/{job}/resume")]
async fn resume_json(db: web::Data<Db>, actor: ApiActor, path: web::Path<JobId>) -> ApiResult {
    let status = resume(&db, &actor.0, *path).await.map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "id": *path, "status": status.name() })))
}
