//! The form in which a person writes down what they found at a source, with a quotation or a file as evidence.

use actix_multipart::{Field, Multipart};
use actix_web::{get, post, web};
use askama::Template;
use bytes::BytesMut;
use chrono::NaiveDate;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::{
    super::{
        Evidence, Fetcher, Findings, Observation, Outcome, Place, Reservation, Robots, error::say,
        licence::normalise, record,
    },
    show::load,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::DatasetId,
    objects::ObjectStore,
    policy::{self, Action},
    web::{Chrome, FieldErrors, FormSender, Page, PageResult, Text, back_with, filters},
};

/// The largest file that is kept with a check.
const LARGEST_FILE: usize = 5_000_000;
/// The largest of the other fields.
const LARGEST_FIELD: usize = 32 * 1024;

/// The form as it was typed or sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    source_url: String,
    looked_on: String,
    outcome: String,
    license: String,
    reservation: String,
    policy: String,
    quote: String,
    note: String,
}

/// A file that came with the form.
struct Sent {
    name: String,
    media_type: String,
    bytes: Vec<u8>,
}

struct Choice {
    value: &'static str,
    label: String,
    hint: String,
    is_chosen: bool,
}

struct Problem {
    field: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "rights_checks/record.html")]
struct FormPage {
    chrome: Chrome,
    dataset: DatasetId,
    title: String,
    raw: Raw,
    outcomes: Vec<Choice>,
    reservations: Vec<Choice>,
    errors: Vec<Problem>,
}

impl FormPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

fn draw(
    page: &Page,
    dataset: DatasetId,
    title: String,
    raw: Raw,
    errors: &FieldErrors,
) -> FormPage {
    let lang = page.lang();
    let choice = |prefix: &str, value: &'static str, is_chosen| Choice {
        value,
        label: lang.t(&format!("{prefix}-{}", value.replace('_', "-"))),
        hint: String::new(),
        is_chosen,
    };
    FormPage {
        chrome: page.chrome(),
        dataset,
        title,
        outcomes: [Outcome::Read, Outcome::Gone, Outcome::Unreachable]
            .into_iter()
            .map(|one| choice("rights-outcome", one.name(), raw.outcome == one.name()))
            .collect(),
        reservations: [
            Reservation::Unset,
            Reservation::Reserved,
            Reservation::NotReserved,
        ]
        .into_iter()
        .map(|one| {
            choice(
                "rights-reservation",
                one.name(),
                raw.reservation == one.name(),
            )
        })
        .collect(),
        errors: errors
            .iter()
            .map(|(field, say)| Problem {
                field,
                text: lang.say(say),
            })
            .collect(),
        raw,
    }
}

/// What the form says, as something that can be written down.
pub(super) fn parse(raw: &Raw, fetcher: &Fetcher) -> Result<Observation, FieldErrors> {
    let mut errors = FieldErrors::default();
    let bounds = |least, most| Text { least, most };
    let source_url = match fetcher.parse(&raw.source_url) {
        Ok(url) => url.to_string(),
        Err(why) => {
            errors.add("source_url", say(why));
            String::new()
        }
    };
    let looked_on = errors.choice("looked_on", raw.looked_on.parse::<NaiveDate>().ok());
    let outcome = errors.choice(
        "outcome",
        Outcome::parse(&raw.outcome).filter(|one| *one != Outcome::Refused),
    );
    let label = errors.text("license", &raw.license, bounds(0, 500));
    let quote = errors.text("quote", &raw.quote, bounds(0, 20_000));
    let note = errors.text("note", &raw.note, bounds(0, 5000));
    let policy = errors.text("policy", &raw.policy, bounds(0, 2000));
    let is_read = outcome == Some(Outcome::Read);
    let reservation = if is_read {
        errors
            .choice(
                "reservation",
                Reservation::parse(&raw.reservation).filter(|one| *one != Reservation::Unknown),
            )
            .unwrap_or(Reservation::Unset)
    } else {
        Reservation::Unknown
    };
    if outcome.is_some() && !is_read && !label.is_empty() {
        errors.add("license", Say::new("rights-not-read-no-licence"));
    }
    let findings = Findings {
        outcome: outcome.unwrap_or(Outcome::Unreachable),
        problem: if is_read { "" } else { "seen_by_person" }.to_owned(),
        http_status: None,
        license_expression: (!label.is_empty()).then(|| normalise(&label)),
        license_label: (!label.is_empty()).then_some(label),
        reservation,
        reservation_policy: (is_read && !policy.is_empty()).then_some(policy),
        robots: Robots::Unknown,
    };
    let mut evidence = Vec::new();
    if !quote.is_empty() {
        evidence.push(Evidence {
            place: Place::Quote,
            url: source_url.clone(),
            http_status: None,
            says: String::new(),
            body: quote.into_bytes(),
            is_cut: false,
            media_type: "text/plain".into(),
        });
    }
    errors.into_result(Observation {
        source_url,
        looked_on: looked_on.unwrap_or_default(),
        findings,
        note,
        evidence,
    })
}

#[get("/{lang:nl|en}/datasets/{dataset}/rights/new")]
pub(super) async fn new(
    page: Page,
    db: web::Data<Db>,
    path: web::Path<(String, DatasetId)>,
) -> PageResult {
    let subject = load(&db, page.actor(), path.1).await?;
    let _permit = policy::check(page.actor(), Action::CheckRights, &subject.scope())?;
    let today = db
        .now()
        .with_timezone(&chrono_tz::Europe::Amsterdam)
        .date_naive();
    let raw = Raw {
        looked_on: today.to_string(),
        outcome: Outcome::Read.name().to_owned(),
        reservation: Reservation::Unset.name().to_owned(),
        ..Raw::default()
    };
    let errors = FieldErrors::default();
    page.show(&draw(&page, path.1, subject.title, raw, &errors))
}

async fn read(field: &mut Field, most: usize) -> Result<Vec<u8>, AppError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|_| AppError::invalid("form-unreadable"))?;
        if bytes.len() + chunk.len() > most {
            return Err(AppError::TooLarge(
                Say::new("rights-form-too-large").with("most", LARGEST_FILE / 1_000_000),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.to_vec())
}

/// All parts of the form: the token, the fields, the file.
async fn receive(form: &mut Multipart) -> Result<(String, Raw, Option<Sent>), AppError> {
    let unreadable = || AppError::invalid("form-unreadable");
    let (mut token, mut raw, mut sent) = (String::new(), Raw::default(), None);
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|_| unreadable())?;
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let disposition = field.content_disposition();
            let file = disposition
                .and_then(|one| one.get_filename())
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect::<String>();
            let media_type = field.content_type().map_or_else(String::new, |kind| {
                kind.essence_str().chars().take(100).collect()
            });
            let bytes = read(&mut field, LARGEST_FILE).await?;
            if !bytes.is_empty() {
                sent = Some(Sent {
                    name: file,
                    media_type,
                    bytes,
                });
            }
            continue;
        }
        let bytes = read(&mut field, LARGEST_FIELD).await?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
        let place = match name.as_str() {
            "csrf" => &mut token,
            "source_url" => &mut raw.source_url,
            "looked_on" => &mut raw.looked_on,
            "outcome" => &mut raw.outcome,
            "license" => &mut raw.license,
            "reservation" => &mut raw.reservation,
            "policy" => &mut raw.policy,
            "quote" => &mut raw.quote,
            "note" => &mut raw.note,
            _ => return Err(unreadable()),
        };
        *place = text;
    }
    Ok((token, raw, sent))
}

#[post("/{lang:nl|en}/datasets/{dataset}/rights/new")]
pub(super) async fn send(
    page: Page,
    sender: FormSender,
    (db, objects, fetcher): (web::Data<Db>, web::Data<ObjectStore>, web::Data<Fetcher>),
    path: web::Path<(String, DatasetId)>,
    mut form: Multipart,
) -> PageResult {
    let dataset = path.1;
    let (token, raw, sent) = receive(&mut form).await?;
    let actor = sender.check(&token)?;
    let subject = load(&db, &actor, dataset).await?;
    let _permit = policy::check(&actor, Action::CheckRights, &subject.scope())?;
    let mut seen = match parse(&raw, &fetcher) {
        Ok(seen) => seen,
        Err(errors) => {
            return page.show_invalid(&draw(&page, dataset, subject.title, raw, &errors));
        }
    };
    let today = db
        .now()
        .with_timezone(&chrono_tz::Europe::Amsterdam)
        .date_naive();
    if seen.looked_on > today {
        let mut errors = FieldErrors::default();
        errors.add("looked_on", Say::new("rights-in-the-future"));
        return page.show_invalid(&draw(&page, dataset, subject.title, raw, &errors));
    }
    if let Some(sent) = sent {
        seen.evidence.push(Evidence {
            place: Place::Upload,
            url: seen.source_url.clone(),
            http_status: None,
            says: sent.name,
            body: sent.bytes,
            is_cut: false,
            media_type: sent.media_type,
        });
    }
    record(&db, &objects, &actor, dataset, &seen).await?;
    Ok(back_with(
        &page.path(&format!("/datasets/{dataset}/rights")),
        "good",
        "flash-rights-recorded",
    ))
}
