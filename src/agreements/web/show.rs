//! The page of one agreement: the document's text on the left with the quoted passages marked, the coded terms on
//! the right, and what its reader may do.

use actix_web::{get, web};
use askama::Template;

use super::{
    super::{
        agreement::{Agreement, Status},
        confirm,
        line::{Basis, Line, Party, Progress},
        pdf::Problem as DocumentProblem,
        put_in_force, register, review,
        store::{self, DocumentState},
    },
    Badge, Fact, badge,
    clause::{self, ClauseForm, ClauseRow},
    sheet::{Mark, Sheet, sheets},
    visible, words,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::AgreementId,
    policy::{self, Action, Actor},
    web::{Chrome, Lang, Page, PageResult, bytes, filters, moment, short_hash},
};

/// A line as it is shown.
struct LineRow {
    number: usize,
    /// The layer's name, where it is the first line of its layer.
    layer: String,
    id: String,
    term: String,
    value: String,
    why: String,
    page: String,
    passage: String,
    needs_human: bool,
    state: Badge,
    institution: Badge,
    platform: Badge,
    may_confirm: bool,
    edit: Option<String>,
    edit_label: String,
}

struct DocumentRow {
    name: String,
    badge: Badge,
    about: String,
    sha256: String,
    hash: String,
    problem: String,
    is_reading: bool,
    href: Option<String>,
}

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

struct VerbButton {
    verb: &'static str,
    label: String,
    look: &'static str,
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

fn state_badge(lang: Lang, line: &Line) -> Badge {
    if line.needs_human() {
        Badge {
            kind: "waiting-for-you",
            label: lang.t("agreement-line-needs-human-state"),
        }
    } else {
        Badge {
            kind: "neutral",
            label: lang.t("agreement-line-coded"),
        }
    }
}

fn party_badge(lang: Lang, line: &Line, party: Party) -> Badge {
    let found = line.confirmations.iter().find(|one| one.party == party);
    match found {
        Some(one) => Badge {
            kind: "granted",
            label: lang.t_with(
                &format!("agreement-confirmed-{}", party.name()),
                &[("name", one.name.clone())],
            ),
        },
        None => Badge {
            kind: "neutral",
            label: lang.t(&format!("agreement-unconfirmed-{}", party.name())),
        },
    }
}

fn line_rows(
    page: &Page,
    agreement: &Agreement,
    lines: &[Line],
    party: Option<Party>,
) -> Vec<LineRow> {
    let lang = page.lang();
    let may_code = register::may_code(page.actor(), agreement);
    let mut before = None;
    (1..)
        .zip(lines)
        .map(|(number, line)| {
            let layer = if before == Some(line.layer) {
                String::new()
            } else {
                words::layer(lang, line.layer)
            };
            before = Some(line.layer);
            let path = format!(
                "/agreements/{}/lines/{}/{}",
                agreement.id,
                line.layer.name(),
                line.term.name()
            );
            LineRow {
                number,
                layer,
                id: line.id.to_string(),
                term: words::term(lang, line.term),
                value: line
                    .value()
                    .map_or_else(|| "–".to_owned(), |value| words::value(lang, value)),
                why: words::why(lang, line),
                page: line
                    .basis()
                    .and_then(Basis::page)
                    .map_or_else(String::new, |page| page.to_string()),
                passage: match line.basis() {
                    Some(Basis::Passage { passage, .. }) => passage.clone(),
                    Some(Basis::Page { .. } | Basis::Template { .. } | Basis::Silent) | None => {
                        String::new()
                    }
                },
                needs_human: line.needs_human(),
                state: state_badge(lang, line),
                institution: party_badge(lang, line, Party::Institution),
                platform: party_badge(lang, line, Party::Platform),
                may_confirm: !line.needs_human()
                    && party.is_some_and(|party| !line.is_confirmed_by(party)),
                edit_label: lang.t(if may_code {
                    "agreement-line-change"
                } else {
                    "agreement-line-look"
                }),
                edit: Some(page.path(&path)),
            }
        })
        .collect()
}

fn document_row(
    page: &Page,
    document: &store::Document,
    now: chrono::DateTime<chrono::Utc>,
) -> DocumentRow {
    let lang = page.lang();
    let (kind, key) = match document.state {
        DocumentState::Reading => ("running", "agreement-document-reading"),
        DocumentState::Ready(_) => ("granted", "agreement-document-ready"),
        DocumentState::Refused(_) => ("refused", "agreement-document-refused"),
    };
    let size = bytes(lang, document.size_bytes);
    let when = moment(lang, now, document.created_at);
    let about = match document.state {
        DocumentState::Ready(pages) => lang.t_with(
            "agreement-document-about-pages",
            &[("pages", pages.to_string()), ("size", size), ("when", when)],
        ),
        DocumentState::Reading | DocumentState::Refused(_) => lang.t_with(
            "agreement-document-about",
            &[("size", size), ("when", when)],
        ),
    };
    DocumentRow {
        name: document.file_name.clone(),
        badge: Badge {
            kind,
            label: lang.t(key),
        },
        about,
        hash: short_hash(&document.sha256),
        sha256: document.sha256.clone(),
        problem: match document.state {
            DocumentState::Refused(problem) => document_problem(lang, problem),
            DocumentState::Reading | DocumentState::Ready(_) => String::new(),
        },
        is_reading: document.state == DocumentState::Reading,
        href: matches!(document.state, DocumentState::Ready(_))
            .then(|| page.path(&format!("/agreements/{}/document", document.agreement))),
    }
}

/// What is wrong with a document, and what to do about it.
pub(super) fn document_problem(lang: Lang, problem: DocumentProblem) -> String {
    lang.t(&format!(
        "agreement-problem-{}",
        problem.name().replace('_', "-")
    ))
}

fn across(lang: Lang, agreement: &Agreement) -> Vec<Fact> {
    let facts = &agreement.facts;
    let until = facts
        .expires_on
        .map_or_else(|| lang.t("agreement-no-end"), |day| words::date(lang, day));
    let layers: Vec<_> = facts
        .layers
        .iter()
        .map(|layer| words::layer(lang, *layer))
        .collect();
    [
        ("agreement-institution", agreement.institution_name.clone()),
        (
            "agreement-kind",
            lang.t(&format!(
                "agreement-kind-{}",
                facts.kind.name().replace('_', "-")
            )),
        ),
        ("agreement-layers", layers.join(", ")),
        (
            "agreement-effective-on",
            words::date(lang, facts.effective_on),
        ),
        ("agreement-expires-on", until),
    ]
    .into_iter()
    .map(|(key, value)| Fact {
        name: lang.t(key),
        value,
        href: None,
    })
    .collect()
}

fn facts(
    page: &Page,
    agreement: &Agreement,
    titles: &[(crate::ids::DatasetId, String)],
) -> Vec<Fact> {
    let (lang, facts) = (page.lang(), &agreement.facts);
    let mut rows = vec![("agreement-parties", facts.parties.join(", "), None)];
    if !facts.signatory.is_empty() {
        rows.push(("agreement-signatory", facts.signatory.clone(), None));
        rows.push(("agreement-authority", facts.authority.clone(), None));
    }
    for (id, title) in titles {
        if facts.datasets.contains(id) {
            let href = page.path(&format!("/datasets/{id}"));
            rows.push(("agreement-dataset", title.clone(), Some(href)));
        }
    }
    rows.into_iter()
        .map(|(key, value, href)| Fact {
            name: lang.t(key),
            value,
            href,
        })
        .collect()
}

fn verbs(lang: Lang, actor: &Actor, agreement: &Agreement) -> Vec<VerbButton> {
    let button = |verb: review::Verb, look| VerbButton {
        verb: verb.name(),
        label: lang.t(&format!("agreement-do-{}", verb.name())),
        look,
    };
    let mut buttons = Vec::new();
    let may = |action| register::check(actor, action, agreement).is_ok();
    if may(Action::WorkOnAgreement) {
        buttons.push(button(review::Verb::Comment, "plain"));
    }
    let scope = agreement.scope().requested_by(agreement.submitted_by);
    if agreement.status == Status::InReview
        && policy::check(actor, Action::ReviewRights, &scope).is_ok()
    {
        buttons.push(button(review::Verb::Return, "plain"));
        buttons.push(button(review::Verb::Reject, "danger"));
    }
    if !agreement.status.is_closed() && may(Action::EditAgreement) {
        buttons.push(button(review::Verb::Withdraw, "danger"));
    }
    buttons
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
