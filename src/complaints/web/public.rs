//! The form that anybody may send, what they get for it, and the page on copyright.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, get, post, web};
use askama::Template;
use serde::Deserialize;

use super::{
    super::{
        arrivals, file,
        request::{Capacity, Kind, NewRequest, RawRequest},
    },
    receive::receive,
    words::{Choice, Problem, choices},
};
use crate::{
    config::Config,
    db::Db,
    error::{AppError, Say},
    objects::ObjectStore,
    signing::Signer,
    web::{
        Chrome, FieldErrors, PageResult, PublicSender, Visit, check_form_token, client_address,
        filters, form_token,
    },
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(new).service(send).service(copyright);
}

/// What the token of the form is for.
const PURPOSE: &str = "complaint";

#[derive(Template)]
#[template(path = "complaints/new.html")]
struct NewPage {
    chrome: Chrome,
    token: String,
    kinds: Vec<Choice>,
    capacities: Vec<Choice>,
    raw: RawRequest,
    most_megabytes: usize,
    errors: Vec<Problem>,
}

impl NewPage {
    fn error(&self, field: &str) -> &str {
        self.errors
            .iter()
            .find(|problem| problem.field == field)
            .map_or("", |problem| problem.text.as_str())
    }
}

fn draw(visit: &Visit, db: &Db, config: &Config, raw: RawRequest, errors: &FieldErrors) -> NewPage {
    let lang = visit.lang;
    let names = |all: &[Kind]| all.iter().map(|one| one.name()).collect::<Vec<_>>();
    let mut kinds = choices(lang, "complaint-kind", names(Kind::ALL), &raw.kind);
    for kind in &mut kinds {
        kind.hint = lang.t(&format!("complaint-kind-{}-hint", kind.value));
    }
    NewPage {
        chrome: visit.chrome(),
        token: form_token(&config.secret, PURPOSE, db.now()),
        kinds,
        capacities: choices(
            lang,
            "complaint-capacity",
            Capacity::ALL.iter().map(|one| one.name()),
            &raw.capacity,
        ),
        most_megabytes: config.complaints.evidence_bytes / 1_000_000,
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

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    kind: String,
}

#[get("/{lang:nl|en}/complaints/new")]
async fn new(
    visit: Visit,
    (db, config): (web::Data<Db>, web::Data<Config>),
    query: web::Query<Query>,
) -> PageResult {
    let kind: Option<Kind> = query.kind.parse().ok();
    let raw = RawRequest {
        kind: kind.map_or("", Kind::name).to_owned(),
        capacity: match kind {
            Some(Kind::Copyright) => Capacity::RightHolder.name(),
            _ => Capacity::Own.name(),
        }
        .to_owned(),
        ..RawRequest::default()
    };
    visit.show(&draw(&visit, &db, &config, raw, &FieldErrors::default()))
}

/// What the person gets: number, code and receipt.
#[derive(Template)]
#[template(path = "complaints/filed.html")]
struct FiledPage {
    chrome: Chrome,
    number: String,
    code: String,
    due: String,
    sha256: String,
    is_of_data_subject: bool,
}

#[post("/{lang:nl|en}/complaints/new")]
async fn send(
    visit: Visit,
    _sender: PublicSender,
    (db, objects, signer, config): (
        web::Data<Db>,
        web::Data<ObjectStore>,
        web::Data<Signer>,
        web::Data<Config>,
    ),
    request: HttpRequest,
    form: Multipart,
) -> PageResult {
    let received = receive(form, config.complaints.evidence_bytes).await?;
    let nonce = check_form_token(&config.secret, PURPOSE, db.now(), &received.token)
        .ok_or_else(|| AppError::Forbidden(Say::new("csrf-refused")))?;
    let mut errors = received.errors;
    let parsed = match NewRequest::parse(&received.raw, visit.lang) {
        Ok(parsed) => Some(parsed),
        Err(wrong) => {
            for (field, say) in wrong.iter() {
                errors.add(field, say.clone());
            }
            None
        }
    };
    let Some(parsed) = parsed.filter(|_| errors.is_empty()) else {
        return visit.show_invalid(&draw(&visit, &db, &config, received.raw, &errors));
    };
    admit(&db, &config, &request).await?;
    let ports = (&**db, &**objects, &**signer);
    let filed = file::file(ports, &parsed, received.evidence, Some(nonce)).await?;
    visit.show(&FiledPage {
        chrome: visit.chrome(),
        due: super::super::letter::date(visit.lang, filed.case.due_at),
        code: filed.code.shown(),
        sha256: filed.case.request_sha256,
        is_of_data_subject: filed.case.kind.is_of_data_subject(),
        number: filed.case.number,
    })
}

/// Refuses what comes from an address that sent enough today.
pub(super) async fn admit(db: &Db, config: &Config, request: &HttpRequest) -> Result<(), AppError> {
    let most = config.complaints.per_address_per_day;
    let address = client_address(request, config)
        .ok_or_else(|| AppError::Forbidden(Say::new("complaint-no-address")))?;
    if arrivals::admit(db, &config.secret, address, most).await? {
        Ok(())
    } else {
        Err(AppError::TooMany(
            Say::new("complaint-too-many").with("most", most),
        ))
    }
}

#[derive(Template)]
#[template(path = "complaints/copyright.html")]
struct CopyrightPage {
    chrome: Chrome,
}

/// Where right holders turn to, and what they can expect.
#[get("/{lang:nl|en}/copyright")]
async fn copyright(visit: Visit) -> PageResult {
    visit.show(&CopyrightPage {
        chrome: visit.chrome(),
    })
}
