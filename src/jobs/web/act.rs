//! What is done from a job's page: approve, reject, cancel.

use actix_web::{post, web};
use serde::Deserialize;

use super::{
    super::{Compute, approve, cancel, find_visible, reject},
    show::draw,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::JobId,
    web::{FieldErrors, Page, PageResult, ProtectedForm, Text, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(decide_form).service(cancel_form);
}

#[derive(Deserialize)]
struct DecideForm {
    decision: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/jobs/{job}/decide")]
async fn decide_form(
    page: Page,
    db: web::Data<Db>,
    config: web::Data<Config>,
    compute: web::Data<Compute>,
    path: web::Path<(String, JobId)>,
    ProtectedForm(form): ProtectedForm<DecideForm>,
) -> PageResult {
    let job = path.1;
    let back = page.path(&format!("/jobs/{job}"));
    match form.decision.as_str() {
        "approve" => {
            approve(&db, page.actor(), job).await?;
            Ok(back_with(&back, "good", "flash-job-approved"))
        }
        "reject" => {
            let mut errors = FieldErrors::default();
            let bounds = Text {
                least: 1,
                most: 2000,
            };
            let reason = errors.text("reason", &form.reason, bounds);
            if let Some((_, say)) = errors.iter().next() {
                let found = find_visible(&db, page.actor(), job)
                    .await?
                    .ok_or(AppError::NotFound)?;
                let mut shown = draw(&db, &page, found, (&config, &compute)).await?;
                shown.reason_error = page.lang().say(say);
                shown.reason = form.reason;
                return page.show_invalid(&shown);
            }
            reject(&db, page.actor(), job, &reason).await?;
            Ok(back_with(&back, "info", "flash-job-rejected"))
        }
        _ => Err(AppError::invalid("form-unreadable").into()),
    }
}

#[derive(Deserialize)]
struct Nothing {}

#[post("/{lang:nl|en}/jobs/{job}/cancel")]
async fn cancel_form(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, JobId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    let job = path.1;
    let status = cancel(&db, page.actor(), job).await?;
    let flash = if status.is_over() {
        "flash-job-cancelled"
    } else {
        "flash-job-cancel-requested"
    };
    Ok(back_with(
        &page.path(&format!("/jobs/{job}")),
        "info",
        flash,
    ))
}
