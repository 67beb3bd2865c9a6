//! What people do on the page: plan looks, ask for one, note changes, register another licence.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        Fetcher, RightsError, acknowledge, ask, error::say, plan as planning, relicense as changing,
    },
    show::{Wrong, draw, load},
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{DatasetId, RightsChangeId},
    policy::{self, Action},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, Text, back_with, filters},
};

#[derive(Deserialize)]
pub(super) struct Plan {
    pub(super) source_url: String,
    pub(super) every_days: String,
}

/// Days from 1 to 365.
pub(super) fn days(text: &str) -> Result<i32, Say> {
    let mut errors = FieldErrors::default();
    let days = errors.number("every_days", text, 1, 365);
    match errors.of("every_days") {
        Some(say) => Err(say.clone()),
        None => Ok(i32::try_from(days).unwrap_or(365)),
    }
}

#[post("/{lang:nl|en}/datasets/{dataset}/rights/plan")]
pub(super) async fn set_plan(
    page: Page,
    (db, fetcher): (web::Data<Db>, web::Data<Fetcher>),
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<Plan>,
) -> PageResult {
    let dataset = path.1;
    let done = match days(&form.every_days) {
        Ok(days) => {
            let what = (form.source_url.as_str(), days);
            planning(&db, &fetcher, page.actor(), dataset, what)
                .await
                .map_err(Some)
        }
        Err(_) => Err(None),
    };
    let lang = page.lang();
    let wrong = match done {
        Ok(()) => {
            let back = page.path(&format!("/datasets/{dataset}/rights"));
            return Ok(back_with(&back, "good", "flash-rights-planned"));
        }
        Err(Some(RightsError::Refused(why))) => Wrong {
            plan_error: lang.say(&say(why)),
            ..Wrong::default()
        },
        Err(Some(other)) => return Err(AppError::from(other).into()),
        Err(None) => Wrong {
            days_error: days(&form.every_days)
                .err()
                .map_or_else(String::new, |why| lang.say(&why)),
            ..Wrong::default()
        },
    };
    let wrong = Wrong {
        source_url: Some(form.source_url),
        every_days: Some(form.every_days),
        ..wrong
    };
    let drawn = draw(&db, &page, dataset, wrong).await?;
    page.show_invalid(&drawn)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

#[post("/{lang:nl|en}/datasets/{dataset}/rights/look")]
pub(super) async fn look_now(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    _form: ProtectedForm<Nothing>,
) -> PageResult {
    ask(&db, page.actor(), path.1).await?;
    let back = page.path(&format!("/datasets/{}/rights", path.1));
    Ok(back_with(&back, "good", "flash-rights-asked"))
}

#[derive(Deserialize)]
pub(super) struct Note {
    pub(super) note: String,
    /// `yes` where the finding counts from now on.
    #[serde(default)]
    pub(super) accepts: String,
}

impl Note {
    pub(super) fn accepts(&self) -> bool {
        self.accepts == "yes"
    }
}

/// A note of 1 to 2000 characters.
pub(super) fn noted(text: &str) -> Result<String, Say> {
    let mut errors = FieldErrors::default();
    let bounds = Text {
        least: 1,
        most: 2000,
    };
    let note = errors.text("note", text, bounds);
    match errors.of("note") {
        Some(say) => Err(say.clone()),
        None => Ok(note),
    }
}

#[post("/{lang:nl|en}/datasets/{dataset}/rights/changes/{change}/note")]
pub(super) async fn send_note(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId, RightsChangeId)>,
    ProtectedForm(form): ProtectedForm<Note>,
) -> PageResult {
    let (_, dataset, change) = path.into_inner();
    let note = match noted(&form.note) {
        Ok(note) => note,
        Err(why) => {
            let wrong = Wrong {
                note_error: (change.to_string(), page.lang().say(&why)),
                ..Wrong::default()
            };
            let drawn = draw(&db, &page, dataset, wrong).await?;
            return page.show_invalid(&drawn);
        }
    };
    let what = (note.as_str(), form.accepts());
    acknowledge(&db, page.actor(), (dataset, change), what).await?;
    let back = page.path(&format!("/datasets/{dataset}/rights"));
    Ok(back_with(&back, "good", "flash-rights-noted"))
}

#[derive(Default, Deserialize)]
pub(super) struct Licence {
    pub(super) license: String,
    pub(super) reason: String,
}

/// A licence of 1 to 100 characters and a reason of 1 to 2000.
pub(super) fn licensed(form: &Licence) -> Result<(String, String), FieldErrors> {
    let mut errors = FieldErrors::default();
    let bounds = |most| Text { least: 1, most };
    let license = errors.text("license", &form.license, bounds(100));
    let reason = errors.text("reason", &form.reason, bounds(2000));
    errors.into_result((license, reason))
}

struct Problem {
    field: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "rights_checks/licence.html")]
struct LicencePage {
    chrome: Chrome,
    id: DatasetId,
    title: String,
    current: String,
    form: Licence,
    errors: Vec<Problem>,
}

impl LicencePage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

async fn draw_licence(
    db: &Db,
    page: &Page,
    dataset: DatasetId,
    (form, errors): (Licence, &FieldErrors),
) -> Result<LicencePage, AppError> {
    let subject = load(db, page.actor(), dataset).await?;
    let _permit = policy::check(page.actor(), Action::ChangeLicence, &subject.scope())?;
    Ok(LicencePage {
        chrome: page.chrome(),
        id: dataset,
        title: subject.title,
        current: subject.license,
        form,
        errors: errors
            .iter()
            .map(|(field, say)| Problem {
                field,
                text: page.lang().say(say),
            })
            .collect(),
    })
}

#[get("/{lang:nl|en}/datasets/{dataset}/rights/licence")]
pub(super) async fn licence_page(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let nothing = (Licence::default(), &FieldErrors::default());
    let drawn = draw_licence(&db, &page, path.1, nothing).await?;
    page.show(&drawn)
}

#[post("/{lang:nl|en}/datasets/{dataset}/rights/licence")]
pub(super) async fn relicense(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
    ProtectedForm(form): ProtectedForm<Licence>,
) -> PageResult {
    let dataset = path.1;
    let mut errors = match licensed(&form) {
        Ok((license, reason)) => {
            let said = (license.as_str(), reason.as_str());
            match changing(&db, page.actor(), dataset, said).await {
                Ok(()) => {
                    let back = page.path(&format!("/datasets/{dataset}/rights"));
                    return Ok(back_with(&back, "good", "flash-rights-relicensed"));
                }
                Err(RightsError::SameLicence) => FieldErrors::default(),
                Err(other) => return Err(AppError::from(other).into()),
            }
        }
        Err(errors) => errors,
    };
    if errors.is_empty() {
        errors.add("license", Say::new("rights-same-licence"));
    }
    let drawn = draw_licence(&db, &page, dataset, (form, &errors)).await?;
    page.show_invalid(&drawn)
}
