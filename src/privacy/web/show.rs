//! The page with the assessment of a dataset, where the privacy officer signs.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{Decision, Filed, of_dataset, sign as signing, standing, store},
    parts::{Badge, Line, Row, all_lines, badge, row},
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{AssessmentId, DatasetId},
    policy::{self, Action, Actor},
    web::{Chrome, FieldErrors, Page, PageResult, ProtectedForm, Text, back_with, filters},
};

/// The text that can be signed.
struct Panel {
    id: AssessmentId,
    sha256: String,
}

#[derive(Template)]
#[template(path = "privacy/show.html")]
struct ShowPage {
    chrome: Chrome,
    id: DatasetId,
    title: String,
    institution: String,
    version: i32,
    has_personal_data: bool,
    badge: Badge,
    text: String,
    /// The newest text.
    lines: Vec<Line>,
    newest: String,
    may_fill: bool,
    panel: Option<Panel>,
    history: Vec<Row>,
    reason: String,
    error: String,
}

/// A dataset that `actor` may see, with what was filed about it.
pub(super) async fn load(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
) -> Result<(store::Subject, Vec<Filed>), AppError> {
    let mut conn = db.read().await?;
    let subject = store::subject(&mut conn, dataset)
        .await?
        .ok_or(AppError::NotFound)?;
    let _permit = policy::check(actor, Action::ViewDataset, &subject.scope())?;
    let filed = of_dataset(&mut conn, dataset).await?;
    Ok((subject, filed))
}

async fn draw(db: &Db, page: &Page, dataset: DatasetId) -> Result<ShowPage, AppError> {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let (subject, filed) = load(db, actor, dataset).await?;
    let own: Vec<_> = filed
        .iter()
        .filter(|one| one.version == subject.version)
        .collect();
    let newest = own.last().copied();
    let standing = standing(&filed, subject.version, now);
    let may_sign = |one: &&Filed| {
        let scope = subject.scope().requested_by(Some(one.filled_by));
        one.signature.is_none() && policy::check(actor, Action::SignPrivacy, &scope).is_ok()
    };
    Ok(ShowPage {
        chrome: page.chrome(),
        id: dataset,
        badge: badge(lang, standing),
        text: lang.t(&format!("assessment-text-{}", standing.name())),
        lines: newest.map_or_else(Vec::new, |one| all_lines(lang, &one.assessment)),
        newest: newest.map_or_else(String::new, |one| {
            lang.t_with("assessment-newest", &[("number", one.number.to_string())])
        }),
        may_fill: subject.has_personal_data
            && policy::check(actor, Action::FillPrivacy, &subject.scope()).is_ok(),
        panel: newest.filter(may_sign).map(|one| Panel {
            id: one.id,
            sha256: one.text_sha256.clone(),
        }),
        history: own.iter().rev().map(|one| row(lang, now, one)).collect(),
        title: subject.title,
        institution: subject.institution_name,
        version: subject.number,
        has_personal_data: subject.has_personal_data,
        reason: String::new(),
        error: String::new(),
    })
}

#[get("/{lang:nl|en}/datasets/{dataset}/privacy")]
pub(super) async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let drawn = draw(&db, &page, path.1).await?;
    page.show(&drawn)
}

#[derive(Deserialize)]
pub(super) struct Form {
    text_sha256: String,
    decision: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/datasets/{dataset}/privacy/{assessment}/sign")]
pub(super) async fn sign(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId, AssessmentId)>,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let (_, dataset, assessment) = path.into_inner();
    let Some(decision) = Decision::parse(&form.decision) else {
        return Err(AppError::Invalid(Say::new("form-unreadable")).into());
    };
    let mut errors = FieldErrors::default();
    let least = usize::from(decision == Decision::Returned);
    let reason = errors.text("reason", &form.reason, Text { least, most: 2000 });
    if let Some(say) = errors.of("reason") {
        let mut drawn = draw(&db, &page, dataset).await?;
        drawn.error = if reason.is_empty() {
            page.lang().t("assessment-reason-needed")
        } else {
            page.lang().say(say)
        };
        drawn.reason = form.reason;
        return page.show_invalid(&drawn);
    }
    let verdict = signing::Verdict {
        assessment,
        text_sha256: &form.text_sha256,
        decision,
        reason: &reason,
    };
    signing::sign(&db, page.actor(), dataset, verdict).await?;
    let key = match decision {
        Decision::Signed => "flash-assessment-signed",
        Decision::Returned => "flash-assessment-returned",
    };
    let back = page.path(&format!("/datasets/{dataset}/privacy"));
    Ok(back_with(&back, "good", key))
}
