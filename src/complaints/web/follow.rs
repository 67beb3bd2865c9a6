//! What the person sees of their case, with number and code. Both come in the body of a POST, never in an address.

use actix_web::{HttpResponse, get, http::header, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        case::Status,
        error::ComplaintError,
        follow::{Followed, follow},
        letter::{LetterKind, date},
        receipt,
    },
    words::{Fact, badge_of, due, fact, paragraphs},
};
use crate::{
    db::Db,
    error::AppError,
    web::{Chrome, Lang, PageResult, PublicForm, Visit, filters},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(ask)
        .service(show)
        .service(show_letter)
        .service(letter_text)
        .service(receipt_file);
}

#[derive(Deserialize)]
pub(super) struct Key {
    #[serde(default)]
    pub(super) number: String,
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) letter: String,
}

#[derive(Template)]
#[template(path = "complaints/follow.html")]
struct AskPage {
    chrome: Chrome,
    number: String,
    error: String,
}

#[get("/{lang:nl|en}/complaints/follow")]
async fn ask(visit: Visit) -> PageResult {
    visit.show(&AskPage {
        chrome: visit.chrome(),
        number: String::new(),
        error: String::new(),
    })
}

struct LetterRow {
    kind: &'static str,
    title: String,
    when: String,
    is_there: bool,
}

struct ActionRow {
    title: String,
    text: String,
}

#[derive(Template)]
#[template(path = "complaints/followed.html")]
struct FollowedPage {
    chrome: Chrome,
    number: String,
    code: String,
    badge: &'static str,
    status: String,
    facts: Vec<Fact>,
    request: Vec<Vec<String>>,
    letters: Vec<LetterRow>,
    actions: Vec<ActionRow>,
    is_forgotten: bool,
}

/// The words for what was kept out of a dataset, and how far that is.
pub(super) fn action_text(lang: Lang, exclusion: &super::super::store::Exclusion) -> String {
    let (number, status) = &exclusion.version;
    let key = match status.as_str() {
        _ if exclusion.files_waiting > 0 => "complaint-action-waiting",
        "approved" => "complaint-action-approved",
        _ => "complaint-action-draft",
    };
    lang.t_with(
        key,
        &[
            ("documents", exclusion.documents.to_string()),
            ("version", number.to_string()),
        ],
    )
}

#[post("/{lang:nl|en}/complaints/follow")]
async fn show(visit: Visit, db: web::Data<Db>, PublicForm(key): PublicForm<Key>) -> PageResult {
    let (lang, now) = (visit.lang, db.now());
    let Followed {
        case,
        letters,
        exclusions,
    } = match follow(&db, &key.number, &key.code).await {
        Ok(followed) => followed,
        Err(ComplaintError::NotFound) => {
            return visit.show_invalid(&AskPage {
                chrome: visit.chrome(),
                number: key.number.chars().take(30).collect(),
                error: lang.t("complaint-follow-unknown"),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let (badge, status) = badge_of(lang, now, &case);
    let is_decided = case.status == Status::Decided;
    let mut facts = vec![
        fact(
            lang,
            "complaint-kind",
            lang.t(&format!("complaint-kind-{}", case.kind.name())),
        ),
        fact(lang, "complaint-received", date(lang, case.received_at)),
        fact(
            lang,
            "complaint-due",
            due(lang, now, case.due_at, is_decided),
        ),
    ];
    if let Some(done) = case.decided {
        facts.push(fact(lang, "complaint-decided-on", date(lang, done.at)));
    }
    visit.show(&FollowedPage {
        chrome: visit.chrome(),
        code: key.code,
        badge,
        status,
        facts,
        request: case
            .details
            .as_ref()
            .map(|details| paragraphs(&details.request))
            .unwrap_or_default(),
        letters: letters
            .iter()
            .map(|letter| LetterRow {
                kind: letter.kind.name(),
                title: lang.t(&format!("complaint-letter-{}", letter.kind.name())),
                when: date(lang, letter.written_at),
                is_there: letter.body.is_some(),
            })
            .collect(),
        actions: exclusions
            .iter()
            .map(|exclusion| ActionRow {
                title: exclusion.title.clone(),
                text: action_text(lang, exclusion),
            })
            .collect(),
        is_forgotten: case.details.is_none(),
        number: case.number,
    })
}

/// A letter, to be read and printed.
#[derive(Template)]
#[template(path = "complaints/letter.html")]
pub(super) struct LetterPage {
    pub(super) chrome: Chrome,
    pub(super) title: String,
    pub(super) lang: Lang,
    pub(super) number: String,
    pub(super) when: String,
    pub(super) paragraphs: Vec<Vec<String>>,
    pub(super) sha256: String,
    /// With which the person can have it as a file.
    pub(super) code: String,
    pub(super) kind: &'static str,
}

async fn find_letter(
    db: &Db,
    key: &Key,
) -> Result<
    (
        super::super::case::Case,
        super::super::store::Letter,
        String,
    ),
    AppError,
> {
    let kind: LetterKind = key.letter.parse().map_err(|_| AppError::NotFound)?;
    let followed = follow(db, &key.number, &key.code).await?;
    let letter = followed
        .letters
        .into_iter()
        .find(|letter| letter.kind == kind)
        .ok_or(AppError::NotFound)?;
    let body = letter
        .body
        .clone()
        .ok_or_else(|| AppError::conflict("complaint-forgotten"))?;
    Ok((followed.case, letter, body))
}

#[post("/{lang:nl|en}/complaints/follow/letter")]
async fn show_letter(
    visit: Visit,
    db: web::Data<Db>,
    PublicForm(key): PublicForm<Key>,
) -> PageResult {
    let (case, letter, body) = find_letter(&db, &key).await?;
    visit.show(&LetterPage {
        chrome: visit.chrome(),
        title: visit
            .lang
            .t(&format!("complaint-letter-{}", letter.kind.name())),
        lang: case.language,
        number: case.number,
        when: date(case.language, letter.written_at),
        paragraphs: paragraphs(&body),
        sha256: letter.body_sha256,
        code: key.code,
        kind: letter.kind.name(),
    })
}

fn attachment(name: &str) -> (header::HeaderName, String) {
    let value = format!("attachment; filename=\"{name}\"");
    (header::CONTENT_DISPOSITION, value)
}

#[post("/{lang:nl|en}/complaints/follow/letter.txt")]
async fn letter_text(
    _visit: Visit,
    db: web::Data<Db>,
    PublicForm(key): PublicForm<Key>,
) -> PageResult {
    let (case, letter, body) = find_letter(&db, &key).await?;
    let name = format!("{}-{}.txt", case.number, letter.kind.name());
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(attachment(&name))
        .body(body))
}

#[post("/{lang:nl|en}/complaints/follow/receipt")]
async fn receipt_file(
    _visit: Visit,
    db: web::Data<Db>,
    PublicForm(key): PublicForm<Key>,
) -> PageResult {
    let followed = follow(&db, &key.number, &key.code).await?;
    let document = receipt::document(&followed.case).map_err(ComplaintError::from)?;
    let text = serde_json::to_string_pretty(&document).map_err(ComplaintError::from)?;
    let name = format!("receipt-{}.json", followed.case.number);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(attachment(&name))
        .body(text))
}
