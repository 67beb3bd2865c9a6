//! The page of one line: what may be proposed, what is said, and what was said before.

use actix_web::{get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        agreement::Agreement,
        code::{self, Place},
        event::AgreementError,
        line::{Basis, Line, Pages, RawLine, Said},
        register,
        store::{self, DocumentState},
        suggest::{Suggestion, suggest},
        template::{self, kept_reason},
        term::{Term, Value},
    },
    Choice, Problem, error_of, problems,
    sheet::{Mark, Sheet, sheets},
    visible, words,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::AgreementId,
    permissions::{Layer, OnWithdrawal, Purpose, Recipients},
    web::{Chrome, FieldErrors, Lang, Page, PageResult, ProtectedForm, back_with, filters, moment},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show).service(save);
}

struct SuggestionRow {
    number: usize,
    page: i32,
    passage: String,
    why: String,
    value: String,
    href: String,
}

struct VersionRow {
    version: i32,
    value: String,
    why: String,
    by: String,
    when: String,
    exact: String,
    confirmed: String,
}

#[derive(Template)]
#[template(path = "agreements/line.html")]
struct LinePage {
    chrome: Chrome,
    title: String,
    layer: String,
    term: String,
    about: String,
    action: String,
    back: String,
    may_code: bool,
    seen: i32,
    suggestions: Vec<SuggestionRow>,
    /// How the value is asked: checkbox, radio, text, textarea, date or number.
    input: &'static str,
    values: Vec<Choice>,
    value: String,
    value_hint: String,
    bases: Vec<Choice>,
    page: String,
    passage: String,
    reason: String,
    sheets: Vec<Sheet>,
    versions: Vec<VersionRow>,
    errors: Vec<Problem>,
}

impl LinePage {
    fn error(&self, field: &str) -> &str {
        error_of(&self.errors, field)
    }
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

/// How a term's value is asked, and among what.
fn choices(lang: Lang, term: Term, typed: &[String]) -> (&'static str, Vec<Choice>) {
    let choice = |value: &str, label: String| Choice {
        is_chosen: typed.iter().any(|one| one == value),
        value: value.to_owned(),
        label,
        hint: String::new(),
    };
    let keyed = |prefix: &str, value: &str| {
        choice(
            value,
            lang.t(&format!("{prefix}-{}", value.replace('_', "-"))),
        )
    };
    match term {
        Term::Purposes | Term::Prohibited => (
            "checkbox",
            Purpose::ALL
                .iter()
                .map(|one| keyed("agreement-purpose", one.name()))
                .collect(),
        ),
        Term::Recipients => (
            "radio",
            Recipients::ALL
                .iter()
                .map(|one| keyed("recipients", one.name()))
                .collect(),
        ),
        Term::CommercialUse | Term::ReportUse | Term::Compensate => (
            "radio",
            ["yes", "no"]
                .iter()
                .map(|one| keyed("agreement", one))
                .collect(),
        ),
        Term::OnWithdrawal => (
            "radio",
            OnWithdrawal::ALL
                .iter()
                .map(|one| keyed("agreement-withdrawal", one.name()))
                .collect(),
        ),
        Term::Territories | Term::ProcessingLocations | Term::ModelFamilies => ("text", Vec::new()),
        Term::ValidFrom | Term::ValidUntil => ("date", Vec::new()),
        Term::Attribution => ("textarea", Vec::new()),
        Term::DeleteWithinDays => ("number", Vec::new()),
    }
}

/// The grounds that may be given for this line, with what each means.
fn bases(lang: Lang, looked: &Looked, chosen: &str) -> Vec<Choice> {
    let mut offered: Vec<(&str, String)> = Vec::new();
    if let Some(pages) = &looked.pages {
        if !pages.is_scan() {
            offered.push(("passage", lang.t("agreement-basis-passage-hint")));
        }
        if pages.texts.iter().any(String::is_empty) {
            offered.push(("page", lang.t("agreement-basis-page-hint")));
        }
    }
    let said = looked
        .agreement
        .template
        .as_deref()
        .and_then(template::find)
        .and_then(|template| template.terms.get(&looked.line.term));
    if let (Some(said), Some(_)) = (said, &looked.agreement.source_url) {
        offered.push(("template", said.reason.of(lang).to_owned()));
    }
    if let Some(silent) = looked.line.term.when_silent() {
        let hint = lang.t_with(
            "agreement-basis-silent-hint",
            &[("value", words::value(lang, &silent))],
        );
        offered.push(("silent", hint));
    }
    offered.push(("cannot_code", lang.t("agreement-basis-cannot-code-hint")));
    offered
        .into_iter()
        .map(|(name, hint)| Choice {
            value: name.to_owned(),
            label: lang.t(&format!("agreement-basis-{}", name.replace('_', "-"))),
            hint,
            is_chosen: chosen == name,
        })
        .collect()
}

fn version_row(lang: Lang, now: chrono::DateTime<chrono::Utc>, line: &Line) -> VersionRow {
    let place = match line.basis() {
        Some(Basis::Passage { page, passage, .. }) => lang.t_with(
            "agreement-quoted",
            &[("page", page.to_string()), ("passage", passage.clone())],
        ),
        Some(Basis::Page { page, .. }) => {
            lang.t_with("agreement-on-page", &[("page", page.to_string())])
        }
        Some(Basis::Template { .. } | Basis::Silent) | None => words::why(lang, line),
    };
    let names: Vec<_> = line
        .confirmations
        .iter()
        .map(|one| one.name.clone())
        .collect();
    VersionRow {
        version: line.version,
        value: line
            .value()
            .map_or_else(|| "–".to_owned(), |value| words::value(lang, value)),
        why: place,
        by: line.coded_by.clone(),
        when: moment(lang, now, line.coded_at),
        exact: line.coded_at.to_rfc3339(),
        confirmed: if names.is_empty() {
            "–".to_owned()
        } else {
            names.join(", ")
        },
    }
}

fn draw(
    db: &Db,
    page: &Page,
    looked: &Looked,
    (raw, seen): (&RawLine, i32),
    errors: &FieldErrors,
) -> LinePage {
    let (lang, now) = (page.lang(), db.now());
    let (agreement, line) = (&looked.agreement, &looked.line);
    let path = format!(
        "/agreements/{}/lines/{}/{}",
        agreement.id,
        line.layer.name(),
        line.term.name()
    );
    let (input, values) = choices(lang, line.term, &raw.value);
    let suggestions: Vec<SuggestionRow> = (1..)
        .zip(&looked.suggestions)
        .map(|(number, one)| SuggestionRow {
            number,
            page: one.page,
            passage: one.passage.clone(),
            why: lang.t_with("agreement-found-by", &[("words", one.found_by.join(", "))]),
            value: one.value.as_ref().map_or_else(String::new, |value| {
                lang.t_with(
                    "agreement-suggested-value",
                    &[("value", words::value(lang, value))],
                )
            }),
            href: page.path(&format!("{path}?use={number}")),
        })
        .collect();
    let marks: Vec<Mark<'_>> = suggestions
        .iter()
        .map(|one| Mark {
            number: one.number,
            page: one.page,
            passage: &one.passage,
        })
        .collect();
    let reason = match &line.said {
        Said::NeedsHuman { reason, need, .. }
            if *need != super::super::line::Need::CannotCode && !reason.is_empty() =>
        {
            kept_reason(reason, lang).to_owned()
        }
        Said::NeedsHuman { .. } | Said::Coded { .. } => String::new(),
    };
    let about = lang.t(&format!(
        "agreement-term-{}-hint",
        line.term.name().replace('_', "-")
    ));
    LinePage {
        chrome: page.chrome(),
        title: agreement.facts.title.clone(),
        layer: words::layer(lang, line.layer),
        term: words::term(lang, line.term),
        about: if reason.is_empty() {
            about
        } else {
            format!("{about} {reason}")
        },
        action: page.path(&path),
        back: page.path(&format!("/agreements/{}", agreement.id)),
        may_code: register::may_code(page.actor(), agreement),
        seen,
        sheets: looked
            .pages
            .as_ref()
            .map_or_else(Vec::new, |pages| sheets(pages, &marks)),
        suggestions,
        input,
        values,
        value: raw.value.join(", "),
        value_hint: match line.term {
            Term::Territories | Term::ProcessingLocations => lang.t("agreement-places-hint"),
            Term::ModelFamilies => lang.t("agreement-families-hint"),
            Term::Attribution => lang.t("agreement-attribution-hint"),
            Term::Purposes
            | Term::Prohibited
            | Term::Recipients
            | Term::CommercialUse
            | Term::ValidFrom
            | Term::ValidUntil
            | Term::ReportUse
            | Term::Compensate
            | Term::DeleteWithinDays
            | Term::OnWithdrawal => String::new(),
        },
        bases: bases(lang, looked, &raw.basis),
        page: raw.page.clone(),
        passage: raw.passage.clone(),
        reason: raw.reason.clone(),
        versions: looked
            .history
            .iter()
            .map(|line| version_row(lang, now, line))
            .collect(),
        errors: problems(lang, errors),
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
