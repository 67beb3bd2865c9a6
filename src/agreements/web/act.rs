//! What people do to an agreement from its page: hand it in, confirm lines, decide, put it into force.

use actix_web::{post, web};
use serde::Deserialize;

use super::{
    super::{confirm, event::AgreementError, put_in_force, register, review, store},
    visible,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{AgreementId, AgreementLineId},
    web::{Page, PageResult, ProtectedForm, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(submit)
        .service(confirm_lines)
        .service(speak)
        .service(in_force);
}

#[derive(Deserialize)]
struct Nothing {}

fn back(page: &Page, id: AgreementId, key: &'static str) -> actix_web::HttpResponse {
    back_with(&page.path(&format!("/agreements/{id}")), "good", key)
}

#[post("/{lang:nl|en}/agreements/{id}/submit")]
async fn submit(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    register::submit(&db, page.actor(), path.1)
        .await
        .map_err(AppError::from)?;
    Ok(back(&page, path.1, "flash-agreement-submitted"))
}

#[derive(Deserialize)]
struct Chosen {
    #[serde(default)]
    lines: Vec<AgreementLineId>,
}

#[post("/{lang:nl|en}/agreements/{id}/confirm")]
async fn confirm_lines(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
    ProtectedForm(form): ProtectedForm<Chosen>,
) -> PageResult {
    let agreement = visible(&db, page.actor(), path.1).await?;
    let mut conn = db.read().await?;
    let lines = store::standing(&mut conn, agreement.id).await?;
    drop(conn);
    let party = confirm::party_of(page.actor(), &agreement, &lines)
        .ok_or_else(|| AppError::Forbidden(Say::new("agreement-not-yours-to-confirm")))?;
    match confirm::confirm(&db, page.actor(), (agreement.id, party), &form.lines).await {
        Ok(_) => Ok(back(&page, agreement.id, "flash-agreement-confirmed")),
        Err(AgreementError::Field("lines", _)) => Ok(back_with(
            &page.path(&format!("/agreements/{}", agreement.id)),
            "bad",
            "flash-agreement-nothing-chosen",
        )),
        Err(error) => Err(AppError::from(error).into()),
    }
}

#[derive(Deserialize)]
struct Said {
    verb: String,
    #[serde(default)]
    text: String,
}

#[post("/{lang:nl|en}/agreements/{id}/say")]
async fn speak(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
    ProtectedForm(form): ProtectedForm<Said>,
) -> PageResult {
    let verb = review::Verb::parse(&form.verb)
        .ok_or_else(|| AppError::Invalid(Say::new("form-unreadable")))?;
    match review::say(&db, page.actor(), path.1, verb, &form.text).await {
        Ok(()) => {
            let key = match verb {
                review::Verb::Return => "flash-agreement-returned",
                review::Verb::Reject => "flash-agreement-rejected",
                review::Verb::Withdraw => "flash-agreement-withdrawn",
                review::Verb::Comment => "flash-agreement-commented",
            };
            Ok(back(&page, path.1, key))
        }
        Err(AgreementError::Field("text", say)) => {
            super::show::show_with_error(&db, &page, path.1, &form.text, &say).await
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}

#[post("/{lang:nl|en}/agreements/{id}/in-force")]
async fn in_force(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    put_in_force::put_in_force(&db, page.actor(), path.1)
        .await
        .map_err(AppError::from)?;
    Ok(back(&page, path.1, "flash-agreement-in-force"))
}
