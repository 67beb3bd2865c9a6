//! What is done to a case, by form and by program: the same fields.

use actix_web::{HttpResponse, post, web};
use serde::Deserialize;

use super::{
    super::{
        case::{IdentityMethod, Outcome},
        decide, handle, mark, remark,
        request::lines,
    },
    hits::parse_key,
    show::draw,
};
use crate::{
    db::Db,
    documents::DocumentKey,
    error::{AppError, Say},
    ids::ComplaintId,
    policy::Actor,
    web::{
        ApiResult, FieldErrors, Page, PageResult, ProtectedForm, ProtectedJson, Text, back_with,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(act_on_page).service(act_json);
}

/// The fields of all acts; each reads its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ActForm {
    /// How it was found out who asks.
    pub(super) method: String,
    pub(super) note: String,
    /// Why more time is needed.
    pub(super) extension: String,
    /// One name or phrase a line.
    pub(super) terms: String,
    pub(super) outcome: String,
    pub(super) reason: String,
    pub(super) remark: String,
    /// Documents that were on the page, and those that were ticked: `{dataset}:{sha256}`.
    pub(super) shown: Vec<String>,
    pub(super) chosen: Vec<String>,
}

/// Why nothing was done: a field is wrong, or something else.
enum ActError {
    Field(&'static str, Say),
    App(AppError),
}

impl<E: Into<AppError>> From<E> for ActError {
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

/// What was done: the message for people, and the page to go on with.
struct Acted {
    flash: &'static str,
    path: &'static str,
}

fn text(field: &'static str, raw: &str, (least, most): (usize, usize)) -> Result<String, ActError> {
    let mut errors = FieldErrors::default();
    let text = errors.text(field, raw, Text { least, most });
    match errors.of(field) {
        Some(say) => Err(ActError::Field(field, say.clone())),
        None => Ok(text),
    }
}

fn keys(texts: &[String]) -> Result<Vec<DocumentKey>, ActError> {
    texts
        .iter()
        .take(500)
        .map(|text| parse_key(text).ok_or_else(|| AppError::invalid("form-unreadable").into()))
        .collect()
}

async fn perform(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    (act, form): (&str, &ActForm),
) -> Result<Acted, ActError> {
    let (flash, path) = match act {
        "take" => {
            handle::take(db, actor, id).await?;
            ("flash-complaint-taken", "")
        }
        "identity" => {
            let wrong = || ActError::Field("method", Say::new("field-choice"));
            let method: IdentityMethod = form.method.parse().map_err(|_| wrong())?;
            let note = text("note", &form.note, (0, 500))?;
            handle::identify(db, actor, id, (method, &note)).await?;
            ("flash-complaint-identified", "")
        }
        "extend" => {
            let reason = text("extension", &form.extension, (1, 2000))?;
            handle::extend(db, actor, id, &reason).await?;
            ("flash-complaint-extended", "")
        }
        "terms" => {
            let terms = text("terms", &form.terms, (1, 4000))?;
            let terms: Vec<String> = lines(&terms).map(str::to_owned).collect();
            mark::set_terms(db, actor, id, &terms).await?;
            ("flash-complaint-searched", "/hits")
        }
        "mark" => {
            let (shown, chosen) = (keys(&form.shown)?, keys(&form.chosen)?);
            mark::mark(db, actor, id, (&shown, &chosen)).await?;
            ("flash-complaint-marked", "")
        }
        "mark-all" => {
            mark::mark_all(db, actor, id).await?;
            ("flash-complaint-marked", "")
        }
        "decide" => {
            let wrong = || ActError::Field("outcome", Say::new("field-choice"));
            let outcome: Outcome = form.outcome.parse().map_err(|_| wrong())?;
            let reason = text("reason", &form.reason, (1, 4000))?;
            decide::prepare(db, actor, id, (outcome, &reason)).await?;
            match outcome {
                Outcome::Granted => ("flash-complaint-decided", ""),
                Outcome::Partly | Outcome::Refused => ("flash-complaint-prepared", ""),
            }
        }
        "confirm" => {
            decide::confirm(db, actor, id).await?;
            ("flash-complaint-decided", "")
        }
        "send-back" => {
            decide::send_back(db, actor, id).await?;
            // Who sent it back may not see it any more.
            ("flash-complaint-sent-back", "?")
        }
        "remark" => {
            let text = text("remark", &form.remark, (1, 2000))?;
            remark::remark(db, actor, id, &text).await?;
            ("flash-complaint-remarked", "")
        }
        _ => return Err(AppError::NotFound.into()),
    };
    Ok(Acted { flash, path })
}

#[post("/{lang:nl|en}/complaints/{id}/{act}")]
async fn act_on_page(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, ComplaintId, String)>,
    ProtectedForm(form): ProtectedForm<ActForm>,
) -> PageResult {
    let id = path.1;
    match perform(&db, page.actor(), id, (&path.2, &form)).await {
        Ok(Acted { flash, path: "?" }) => Ok(back_with(&page.path("/complaints"), "good", flash)),
        Ok(Acted { flash, path }) => {
            let to = page.path(&format!("/complaints/{id}{path}"));
            Ok(back_with(&to, "good", flash))
        }
        Err(ActError::Field(field, say)) => {
            let drawn = draw(&db, &page, id, form, Some((field, say))).await?;
            page.show_invalid(&drawn)
        }
        Err(ActError::App(error)) => Err(error.into()),
    }
}

#[post("/api/v1/complaints/{id}/{act}")]
async fn act_json(
    db: web::Data<Db>,
    path: web::Path<(ComplaintId, String)>,
    request: ProtectedJson<ActForm>,
) -> ApiResult {
    let acted = perform(&db, &request.actor, path.0, (&path.1, &request.body)).await;
    match acted {
        Ok(_) => Ok(HttpResponse::NoContent().finish()),
        Err(ActError::Field(_, say)) => Err(AppError::Invalid(say).into()),
        Err(ActError::App(error)) => Err(error.into()),
    }
}
