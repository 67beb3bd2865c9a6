//! The page of one agreement: the document's text on the left with the quoted passages marked, the coded terms on
//! the right, and what its reader may do.

mod document;
mod facts;
mod lines;
mod verbs;

use actix_web::{get, web};
use askama::Template;

pub(super) use self::document::document_problem;
use self::{
    document::{DocumentRow, document_row},
    facts::{across, facts},
    lines::{LineRow, line_rows},
    verbs::{VerbButton, verbs},
};
use super::{
    super::{
        agreement::{Agreement, Status},
        confirm,
        line::{Basis, Progress},
        put_in_force, register,
        store::{self, DocumentState},
    },
    Badge, Fact, badge,
    clause::{self, ClauseForm, ClauseRow},
    sheet::{Mark, Sheet, sheets},
    visible,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::AgreementId,
    web::{Chrome, Page, PageResult, filters, moment},
};

struct RemarkRow {
    verb: String,
    text: String,
    by: String,
    when: String,
    exact: String,
}

struct GivenRow {
    href: String,
    title: String,
    layer: String,
}

#[derive(Template)]
#[template(path = "agreements/show.html")]
struct ShowPage {
    chrome: Chrome,
    id: String,
    title: String,
    badge: Badge,
    /// What happens now, as a sentence.
    now: String,
    across: Vec<Fact>,
    side: Vec<Fact>,
    document: Option<DocumentRow>,
    source_url: Option<String>,
    sheets: Vec<Sheet>,
    is_scan: bool,
    lines: Vec<LineRow>,
    clauses: Vec<ClauseRow>,
    clause: ClauseForm,
    may_note: bool,
    progress_text: String,
    done: usize,
    all: usize,
    /// What a person must do about lines that could not be coded; empty: nothing.
    human: String,
    may_confirm: bool,
    may_submit: bool,
    may_put_in_force: bool,
    edit: Option<String>,
    may_attach: bool,
    verbs: Vec<VerbButton>,
    text: String,
    text_error: String,
    remarks: Vec<RemarkRow>,
    given: Vec<GivenRow>,
}

async fn draw(db: &Db, page: &Page, agreement: Agreement) -> Result<ShowPage, AppError> {
    let (lang, actor, now) = (page.lang(), page.actor(), db.now());
    let mut conn = db.read().await?;
    let lines = store::standing(&mut conn, agreement.id).await?;
    let newest = store::newest_document(&mut conn, agreement.id, false).await?;
    let of_use = store::newest_document(&mut conn, agreement.id, true).await?;
    let pages = match &of_use {
        Some(document) if matches!(document.state, DocumentState::Ready(_)) => {
            Some(store::pages(&mut conn, document.id).await?)
        }
        Some(_) | None => None,
    };
    let clauses = store::clauses(&mut conn, agreement.id).await?;
    let remarks = store::remarks(&mut conn, agreement.id).await?;
    let given = store::given(&mut conn, agreement.id).await?;
    let titles = store::datasets_of(&mut conn, agreement.institution).await?;
    drop(conn);
    let progress = Progress::of(&lines);
    let party = confirm::party_of(actor, &agreement, &lines);
    let marks: Vec<Mark<'_>> = (1..)
        .zip(&lines)
        .filter_map(|(number, line)| match line.basis() {
            Some(Basis::Passage { page, passage, .. }) => Some(Mark {
                number,
                page: *page,
                passage,
            }),
            Some(Basis::Page { .. } | Basis::Template { .. } | Basis::Silent) | None => None,
        })
        .collect();
    let may_edit = register::may_edit(actor, &agreement);
    let has_pages = pages.is_some();
    let path = |rest: &str| page.path(&format!("/agreements/{}{rest}", agreement.id));
    let shown = newest.as_ref().or(of_use.as_ref());
    let is_read = pages.is_some() || (of_use.is_none() && agreement.source_url.is_some());
    let human = if progress.needs_human > 0 && agreement.status == Status::InReview {
        lang.t_with(
            "agreement-human-what",
            &[("lines", progress.needs_human.to_string())],
        )
    } else {
        String::new()
    };
    Ok(ShowPage {
        chrome: page.chrome(),
        id: agreement.id.to_string(),
        title: agreement.facts.title.clone(),
        badge: badge(lang, agreement.status),
        now: lang.t(&format!(
            "agreement-now-{}",
            agreement.status.name().replace('_', "-")
        )),
        across: across(lang, &agreement),
        side: facts(page, &agreement, &titles),
        document: shown.map(|document| document_row(page, document, now)),
        source_url: agreement.source_url.clone(),
        is_scan: pages
            .as_ref()
            .is_some_and(super::super::line::Pages::is_scan),
        sheets: pages.map_or_else(Vec::new, |pages| sheets(&pages, &marks)),
        clauses: clause::rows(lang, &clauses, party),
        clause: ClauseForm::default(),
        may_note: has_pages && register::may_code(actor, &agreement),
        progress_text: lang.t_with(
            "agreement-progress",
            &[
                ("lines", progress.lines.to_string()),
                ("institution", progress.confirmed_by_institution.to_string()),
                ("platform", progress.confirmed_by_platform.to_string()),
                ("human", progress.needs_human.to_string()),
            ],
        ),
        done: progress.confirmed_by_institution + progress.confirmed_by_platform,
        all: 2 * progress.lines,
        human,
        may_confirm: party.is_some_and(|party| progress.left_for(party) > 0),
        may_submit: may_edit && is_read && progress.uncoded == 0,
        may_put_in_force: put_in_force::may_put_in_force(actor, &agreement, (&lines, &clauses)),
        edit: may_edit.then(|| path("/edit")),
        may_attach: may_edit && shown.is_none_or(|one| one.state != DocumentState::Reading),
        verbs: verbs(lang, actor, &agreement),
        text: String::new(),
        text_error: String::new(),
        remarks: remarks
            .into_iter()
            .map(|remark| RemarkRow {
                verb: lang.t(&format!("agreement-did-{}", remark.verb.replace('_', "-"))),
                text: remark.text,
                by: remark.by,
                when: moment(lang, now, remark.at),
                exact: remark.at.to_rfc3339(),
            })
            .collect(),
        given: given
            .into_iter()
            .map(|(_, dataset, title, layer)| GivenRow {
                href: page.path(&format!("/datasets/{dataset}")),
                title,
                layer: lang.t(&format!("layer-{}", layer.replace('_', "-"))),
            })
            .collect(),
        lines: line_rows(page, &agreement, &lines, party),
    })
}

#[get("/{lang:nl|en}/agreements/{id}")]
pub(super) async fn show(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, AgreementId)>,
) -> PageResult {
    let agreement = visible(&db, page.actor(), path.1).await?;
    let drawn = draw(&db, &page, agreement).await?;
    page.show(&drawn)
}

/// The page again with what was typed and what is wrong with it.
pub(super) async fn show_with_error(
    db: &Db,
    page: &Page,
    id: AgreementId,
    text: &str,
    say: &Say,
) -> PageResult {
    let agreement = visible(db, page.actor(), id).await?;
    let mut drawn = draw(db, page, agreement).await?;
    text.clone_into(&mut drawn.text);
    drawn.text_error = page.lang().say(say);
    page.show_invalid(&drawn)
}

/// The page again with a clause that was not taken.
pub(super) async fn show_with_clause(
    db: &Db,
    page: &Page,
    id: AgreementId,
    clause: ClauseForm,
) -> PageResult {
    let agreement = visible(db, page.actor(), id).await?;
    let mut drawn = draw(db, page, agreement).await?;
    drawn.clause = clause;
    page.show_invalid(&drawn)
}
