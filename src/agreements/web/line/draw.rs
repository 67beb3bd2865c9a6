//! A line drawn: the document with its suggestions marked, the form, and the versions before.

use askama::Template;

use super::{
    super::{
        Choice, Problem, error_of, problems,
        sheet::{Mark, Sheet, sheets},
        words,
    },
    Looked,
    offered::{bases, choices},
};
use crate::{
    agreements::{
        line::{Basis, Line, Need, RawLine, Said},
        register,
        template::kept_reason,
        term::Term,
    },
    db::Db,
    web::{Chrome, FieldErrors, Lang, Page, filters, moment},
};

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
pub(super) struct LinePage {
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

pub(super) fn draw(
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
            if *need != Need::CannotCode && !reason.is_empty() =>
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
