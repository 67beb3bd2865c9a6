//! The page of one line: what may be proposed, what is said, and what was said before.

mod draw;
mod offered;

use actix_web::{get, post, web};
use serde::Deserialize;

use self::draw::draw;
use super::{
    super::{
        agreement::Agreement,
        code::{self, Place},
        event::AgreementError,
        line::{Basis, Line, Pages, RawLine, Said},
        store::{self, DocumentState},
        suggest::{Suggestion, suggest},
        term::{Term, Value},
    },
    visible,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::AgreementId,
    permissions::Layer,
    web::{FieldErrors, Page, PageResult, ProtectedForm, back_with},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(save);
}

/// What a line's page and its API are made from.
pub(super) struct Looked {
    pub(super) agreement: Agreement,
    pub(super) line: Line,
    pub(super) pages: Option<Pages>,
    pub(super) history: Vec<Line>,
    pub(super) suggestions: Vec<Suggestion>,
}

/// Finds a line that `actor` may see.
pub(super) async fn look(
    db: &Db,
    actor: &crate::policy::Actor,
    id: AgreementId,
    (layer, term): (&str, &str),
) -> Result<Looked, AppError> {
    let (Ok(layer), Ok(term)) = (layer.parse::<Layer>(), term.parse::<Term>()) else {
        return Err(AppError::NotFound);
    };
    let agreement = visible(db, actor, id).await?;
    let mut conn = db.read().await?;
    let lines = store::standing(&mut conn, id).await?;
    let place = Place {
        layer,
        term,
        seen: 0,
    };
    let line = code::find(&lines, place).ok_or(AppError::NotFound)?.clone();
    let document = store::newest_document(&mut conn, id, true).await?;
    let pages = match document {
        Some(document) if matches!(document.state, DocumentState::Ready(_)) => {
            Some(store::pages(&mut conn, document.id).await?)
        }
        Some(_) | None => None,
    };
    let history = store::history(&mut conn, id, layer, term).await?;
    let suggestions = pages
        .as_ref()
        .map_or_else(Vec::new, |pages| suggest(term, pages));
    Ok(Looked {
        agreement,
        line,
        pages,
        history,
        suggestions,
    })
}

/// The form as the line stands.
fn standing(line: &Line) -> RawLine {
    let value = line.value().map_or_else(Vec::new, Value::typed);
    match &line.said {
        Said::Coded { basis, .. } => RawLine {
            basis: basis.name().to_owned(),
            value,
            page: basis
                .page()
                .map_or_else(String::new, |page| page.to_string()),
            passage: match basis {
                Basis::Passage { passage, .. } => passage.clone(),
                Basis::Page { .. } | Basis::Template { .. } | Basis::Silent => String::new(),
            },
            reason: String::new(),
        },
        Said::NeedsHuman { need, reason, .. } => RawLine {
            basis: match need {
                super::super::line::Need::CannotCode => "cannot_code".to_owned(),
                super::super::line::Need::NotCoded | super::super::line::Need::NoPlace => {
                    String::new()
                }
            },
            value,
            page: String::new(),
            passage: String::new(),
            reason: match need {
                super::super::line::Need::CannotCode => reason.clone(),
                super::super::line::Need::NotCoded | super::super::line::Need::NoPlace => {
                    String::new()
                }
            },
        },
    }
}

#[derive(Deserialize)]
struct Query {
    /// Number of a suggestion to fill in; nothing is saved by it.
    r#use: Option<usize>,
}

type LinePath = web::Path<(String, AgreementId, String, String)>;

#[get("/{lang:nl|en}/agreements/{id}/lines/{layer}/{term}")]
async fn show(
    page: Page,
    db: web::Data<Db>,
    path: LinePath,
    query: web::Query<Query>,
) -> PageResult {
    let looked = look(&db, page.actor(), path.1, (&path.2, &path.3)).await?;
    let mut raw = standing(&looked.line);
    let chosen = query
        .r#use
        .and_then(|number| number.checked_sub(1))
        .and_then(|at| looked.suggestions.get(at));
    if let Some(one) = chosen {
        raw.basis = "passage".to_owned();
        raw.page = one.page.to_string();
        raw.passage.clone_from(&one.passage);
        if let Some(value) = &one.value {
            raw.value = value.typed();
        }
    }
    let seen = looked.line.version;
    let drawn = draw(&db, &page, &looked, (&raw, seen), &FieldErrors::default());
    page.show(&drawn)
}

#[derive(Deserialize)]
pub(super) struct Coded {
    pub(super) seen: i32,
    #[serde(flatten)]
    pub(super) line: RawLine,
}

#[derive(Deserialize)]
struct Form {
    seen: String,
    #[serde(default)]
    basis: String,
    #[serde(default)]
    value: Vec<String>,
    #[serde(default)]
    page: String,
    #[serde(default)]
    passage: String,
    #[serde(default)]
    reason: String,
}

#[post("/{lang:nl|en}/agreements/{id}/lines/{layer}/{term}")]
async fn save(
    page: Page,
    db: web::Data<Db>,
    path: LinePath,
    ProtectedForm(form): ProtectedForm<Form>,
) -> PageResult {
    let looked = look(&db, page.actor(), path.1, (&path.2, &path.3)).await?;
    let seen: i32 = form
        .seen
        .parse()
        .map_err(|_| AppError::Invalid(Say::new("form-unreadable")))?;
    let raw = RawLine {
        basis: form.basis,
        value: form.value,
        page: form.page,
        passage: form.passage,
        reason: form.reason,
    };
    let place = Place {
        layer: looked.line.layer,
        term: looked.line.term,
        seen,
    };
    match code::code(&db, page.actor(), (path.1, place), &raw).await {
        Ok(()) => {
            let number = {
                let mut conn = db.read().await?;
                let lines = store::standing(&mut conn, path.1).await?;
                lines
                    .iter()
                    .position(|line| line.layer == place.layer && line.term == place.term)
                    .map_or(1, |at| at + 1)
            };
            Ok(back_with(
                &page.path(&format!("/agreements/{}#line-{number}", path.1)),
                "good",
                "flash-agreement-line-saved",
            ))
        }
        Err(AgreementError::Field(field, say)) => {
            let mut errors = FieldErrors::default();
            errors.add(field, say);
            let drawn = draw(&db, &page, &looked, (&raw, seen), &errors);
            page.show_invalid(&drawn)
        }
        Err(error) => Err(AppError::from(error).into()),
    }
}
