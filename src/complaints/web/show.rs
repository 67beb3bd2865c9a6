//! The page of one case for who handles it, for the second person, and for institutions whose data it touches.

use actix_web::{get, web};
use askama::Template;
use chrono::{DateTime, Utc};

use super::{
    super::{
        case::{Case, IdentityMethod, Outcome, Status},
        error::ComplaintError,
        letter::date,
        search::{Reader, reader},
        store,
    },
    act::ActForm,
    follow::action_text,
    words::{Choice, Fact, badge_of, choices, due, fact, paragraphs},
};
use crate::{
    db::Db,
    documents,
    error::{AppError, Say},
    ids::ComplaintId,
    policy::{self, Action, Actor},
    web::{Chrome, Lang, Page, PageResult, filters, moment},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(show);
}

pub(super) struct MarkedRow {
    title: String,
    institution: String,
    href: String,
    documents: String,
}

struct ActionRow {
    title: String,
    href: String,
    text: String,
}

struct RemarkRow {
    from: String,
    when: String,
    exact: String,
    text: String,
}

struct LetterRow {
    title: String,
    href: Option<String>,
    when: String,
    mailed: String,
}

struct UseRow {
    job: String,
    institution: String,
    status: String,
    model: String,
}

#[derive(Template)]
#[template(path = "complaints/show.html")]
pub(super) struct ShowPage {
    chrome: Chrome,
    id: ComplaintId,
    number: String,
    kind: String,
    badge: &'static str,
    status: String,
    across: Vec<Fact>,
    side: Vec<Fact>,
    request: Vec<Vec<String>>,
    works: Vec<String>,
    evidence: Option<String>,
    terms: String,
    marked: Vec<MarkedRow>,
    uses: Vec<UseRow>,
    actions: Vec<ActionRow>,
    remarks: Vec<RemarkRow>,
    letters: Vec<LetterRow>,
    /// The decision that was written, in words; none where there is none.
    decision: Option<(String, Vec<Vec<String>>)>,
    is_forgotten: bool,
    may_take: bool,
    is_handler: bool,
    is_handling: bool,
    may_extend: bool,
    needs_identity: bool,
    may_confirm: bool,
    may_remark: bool,
    methods: Vec<Choice>,
    outcomes: Vec<Choice>,
    form: ActForm,
    error: Option<(&'static str, String)>,
}

impl ShowPage {
    fn error(&self, field: &str) -> &str {
        self.error
            .as_ref()
            .filter(|(name, _)| *name == field)
            .map_or("", |(_, text)| text.as_str())
    }
}

/// The case, where `actor` needs to know of it.
pub(super) async fn load(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
) -> Result<(Case, Reader), ComplaintError> {
    let mut conn = db.read().await?;
    let case = store::find(&mut conn, id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let (_permit, reader) = reader(&mut conn, actor, &case).await?;
    Ok((case, reader))
}

/// Draws the page, with what was typed and what is wrong with it.
pub(super) async fn draw(
    db: &Db,
    page: &Page,
    id: ComplaintId,
    form: ActForm,
    error: Option<(&'static str, Say)>,
) -> Result<ShowPage, AppError> {
    let (lang, now, actor) = (page.lang(), db.now(), page.actor());
    let (case, reader) = load(db, actor, id).await?;
    let mut conn = db.read().await?;
    let within = reader.within();
    let marked = store::marked(&mut conn, id, within).await?;
    let keys = store::marked_keys(&mut conn, id, within).await?;
    let versions: Vec<uuid::Uuid> = documents::describe(&mut conn, &keys)
        .await?
        .iter()
        .flat_map(|one| one.places.iter().map(|place| place.version.0))
        .collect();
    let uses = store::uses(&mut conn, &versions).await?;
    let actions = store::exclusions(&mut conn, id, within).await?;
    let own = within.and_then(|own| own.first().copied());
    let remarks = store::remarks(&mut conn, id, own).await?;
    let letters = store::letters(&mut conn, id).await?;
    let owner = store::name_of(&mut conn, case.owner).await?;
    drop(conn);
    let is_handler = reader == Reader::Handler;
    let is_handling = case.status == Status::Handling;
    let (badge, status) = badge_of(lang, now, &case);
    let details = case.details.as_ref();
    let may_confirm = case.status == Status::Prepared
        && policy::check(actor, Action::DecideOnRefusal, &case.scope()).is_ok();
    let sees_contact = reader.sees_contact();
    Ok(ShowPage {
        chrome: page.chrome(),
        id,
        kind: lang.t(&format!("complaint-kind-{}", case.kind.name())),
        badge,
        status,
        across: across(lang, now, &case, owner),
        side: side(lang, now, &case, sees_contact),
        request: details
            .map(|one| paragraphs(&one.request))
            .unwrap_or_default(),
        works: details
            .map(|one| {
                super::super::request::lines(&one.works)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
        evidence: details
            .filter(|_| sees_contact)
            .and_then(|one| one.evidence.as_ref())
            .map(|file| file.name.clone()),
        terms: details
            .map(|one| one.search_terms.join("\n"))
            .unwrap_or_default(),
        marked: marked
            .into_iter()
            .map(|one| MarkedRow {
                href: page.path(&format!("/datasets/{}", one.dataset)),
                title: one.title,
                institution: one.institution,
                documents: one.documents.to_string(),
            })
            .collect(),
        uses: use_rows(lang, &uses),
        actions: actions
            .iter()
            .map(|one| ActionRow {
                title: one.title.clone(),
                href: page.path(&format!("/datasets/{}", one.dataset)),
                text: action_text(lang, one),
            })
            .collect(),
        remarks: remarks
            .into_iter()
            .map(|one| RemarkRow {
                from: format!("{} · {}", one.who, one.institution),
                when: moment(lang, now, one.at),
                exact: one.at.to_rfc3339(),
                text: one.text.unwrap_or_else(|| lang.t("complaint-text-deleted")),
            })
            .collect(),
        letters: letters
            .into_iter()
            .filter(|_| sees_contact)
            .map(|one| LetterRow {
                title: lang.t(&format!("complaint-letter-{}", one.kind.name())),
                href: one
                    .body
                    .is_some()
                    .then(|| page.path(&format!("/complaints/{id}/letters/{}", one.kind.name()))),
                when: moment(lang, now, one.written_at),
                mailed: match (&one.mail_refusal, one.mailed_at) {
                    (Some(_), _) => lang.t("complaint-mail-refused"),
                    (None, Some(_)) => lang.t("complaint-mailed"),
                    (None, None) => lang.t("complaint-mail-waits"),
                },
            })
            .collect(),
        decision: decision(lang, &case).filter(|_| sees_contact || case.decided.is_some()),
        is_forgotten: details.is_none(),
        may_take: is_handler
            && matches!(case.status, Status::Received | Status::Handling)
            && case.owner != Some(actor.user),
        is_handler,
        is_handling,
        may_extend: is_handler && is_handling && case.extended.is_none() && !case.is_overdue(now),
        needs_identity: case.kind.is_of_data_subject(),
        may_confirm,
        may_remark: matches!(reader, Reader::Institution(_)) && case.status != Status::Decided,
        methods: choices(
            lang,
            "complaint-identity",
            IdentityMethod::ALL.iter().map(|one| one.name()),
            &form.method,
        ),
        outcomes: choices(
            lang,
            "complaint-outcome",
            Outcome::ALL.iter().map(|one| one.name()),
            &form.outcome,
        ),
        form,
        error: error.map(|(field, say)| (field, lang.say(&say))),
        number: case.number,
    })
}

fn across(lang: Lang, now: DateTime<Utc>, case: &Case, owner: Option<String>) -> Vec<Fact> {
    let is_decided = case.status == Status::Decided;
    vec![
        fact(lang, "complaint-received", date(lang, case.received_at)),
        fact(
            lang,
            "complaint-due",
            due(lang, now, case.due_at, is_decided),
        ),
        fact(
            lang,
            "complaint-owner",
            owner.unwrap_or_else(|| "–".to_owned()),
        ),
    ]
}

fn side(lang: Lang, now: DateTime<Utc>, case: &Case, sees_contact: bool) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(details) = case.details.as_ref().filter(|_| sees_contact) {
        facts.push(fact(lang, "complaint-name", details.name.clone()));
        facts.push(Fact {
            name: lang.t("complaint-email"),
            href: Some(format!("mailto:{}", details.email)),
            value: details.email.clone(),
        });
    }
    facts.push(fact(
        lang,
        "complaint-capacity",
        lang.t(&format!(
            "complaint-capacity-{}",
            case.capacity.name().replace('_', "-")
        )),
    ));
    facts.push(fact(
        lang,
        "complaint-language",
        lang.t(&format!("complaint-language-{}", case.language)),
    ));
    if case.kind.is_of_data_subject() {
        let text = match &case.identity {
            Some((method, done)) => format!(
                "{}, {}",
                lang.t(&format!(
                    "complaint-identity-{}",
                    method.name().replace('_', "-")
                )),
                moment(lang, now, done.at)
            ),
            None => lang.t("complaint-identity-none"),
        };
        facts.push(fact(lang, "complaint-identity", text));
        let note = case
            .details
            .as_ref()
            .and_then(|one| one.identity_note.clone());
        if let Some(note) = note.filter(|note| sees_contact && !note.is_empty()) {
            facts.push(fact(lang, "complaint-identity-note", note));
        }
    }
    if let Some(done) = case.extended {
        facts.push(fact(lang, "complaint-extended-on", date(lang, done.at)));
        let reason = case
            .details
            .as_ref()
            .and_then(|one| one.extension_reason.clone());
        if let Some(reason) = reason.filter(|_| sees_contact) {
            facts.push(fact(lang, "complaint-extension", reason));
        }
    }
    facts.push(fact(
        lang,
        "complaint-request-hash",
        crate::web::short_hash(&case.request_sha256),
    ));
    facts
}

fn decision(lang: Lang, case: &Case) -> Option<(String, Vec<Vec<String>>)> {
    let (outcome, _) = case.prepared?;
    let reason = case
        .details
        .as_ref()
        .and_then(|one| one.reason.as_deref())
        .map(paragraphs)
        .unwrap_or_default();
    Some((
        lang.t(&format!("complaint-outcome-{}", outcome.name())),
        reason,
    ))
}

fn use_rows(lang: Lang, uses: &[store::Use]) -> Vec<UseRow> {
    let mut rows: Vec<(uuid::Uuid, UseRow)> = Vec::new();
    for one in uses {
        if rows.iter().all(|(job, _)| *job != one.job) {
            let row = UseRow {
                job: one.title.clone(),
                institution: one.institution.clone(),
                status: lang.t(&format!("jobs-status-{}", one.status)),
                model: one
                    .model
                    .as_ref()
                    .map_or_else(|| "–".to_owned(), |(_, name)| name.clone()),
            };
            rows.push((one.job, row));
        }
    }
    rows.into_iter().map(|(_, row)| row).collect()
}

#[get("/{lang:nl|en}/complaints/{id}")]
async fn show(page: Page, db: web::Data<Db>, path: web::Path<(String, ComplaintId)>) -> PageResult {
    let drawn = draw(&db, &page, path.1, ActForm::default(), None).await?;
    page.show(&drawn)
}
