//! Agreements for programs.

use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    super::{
        agreement::{Agreement, RawFacts, Status},
        code::{self, Place},
        confirm,
        event::AgreementError,
        line::{Basis, Line, Party, Progress, Said},
        put_in_force, register, review,
        store::{self, DocumentState},
        template,
        term::Term,
    },
    form,
    line::{Coded, look},
    show::document_problem,
    visible,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{AgreementId, AgreementLineId},
    permissions::Layer,
    policy::{Action, Actor, Role, visible as seen},
    web::{ApiActor, ApiResult, FieldErrors, Lang, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(templates)
        .service(list)
        .service(create)
        .service(find)
        .service(describe)
        .service(find_line)
        .service(code_line)
        .service(submit)
        .service(confirm_lines)
        .service(speak)
        .service(in_force);
}

#[derive(Serialize)]
struct ConfirmationJson {
    party: Party,
    by: String,
    at: DateTime<Utc>,
}

#[derive(Serialize)]
struct LineJson {
    id: AgreementLineId,
    layer: Layer,
    term: Term,
    version: i32,
    state: &'static str,
    value: Option<Json>,
    basis: Option<&'static str>,
    page: Option<i32>,
    passage: Option<String>,
    need: Option<super::super::line::Need>,
    reason: Option<String>,
    coded_by: String,
    coded_at: DateTime<Utc>,
    confirmations: Vec<ConfirmationJson>,
}

impl From<&Line> for LineJson {
    fn from(line: &Line) -> Self {
        let (state, need, reason) = match &line.said {
            Said::Coded {
                basis: Basis::Template { reason },
                ..
            } => ("coded", None, Some(reason.clone())),
            Said::Coded { .. } => ("coded", None, None),
            Said::NeedsHuman { need, reason, .. } => {
                ("needs_human", Some(*need), Some(reason.clone()))
            }
        };
        Self {
            id: line.id,
            layer: line.layer,
            term: line.term,
            version: line.version,
            state,
            value: line.value().map(super::super::term::Value::json),
            basis: line.basis().map(Basis::name),
            page: line.basis().and_then(Basis::page),
            passage: match line.basis() {
                Some(Basis::Passage { passage, .. }) => Some(passage.clone()),
                Some(Basis::Page { .. } | Basis::Template { .. } | Basis::Silent) | None => None,
            },
            need,
            reason,
            coded_by: line.coded_by.clone(),
            coded_at: line.coded_at,
            confirmations: line
                .confirmations
                .iter()
                .map(|one| ConfirmationJson {
                    party: one.party,
                    by: one.name.clone(),
                    at: one.at,
                })
                .collect(),
        }
    }
}

async fn shown(db: &Db, agreement: &Agreement) -> Result<Json, AppError> {
    let mut conn = db.read().await?;
    let lines = store::standing(&mut conn, agreement.id).await?;
    let document = store::newest_document(&mut conn, agreement.id, false).await?;
    let clauses = store::clauses(&mut conn, agreement.id).await?;
    let remarks = store::remarks(&mut conn, agreement.id).await?;
    let given = store::given(&mut conn, agreement.id).await?;
    let document = document.map(|document| {
        let (state, pages, problem) = match document.state {
            DocumentState::Reading => ("reading", None, None),
            DocumentState::Ready(pages) => ("ready", Some(pages), None),
            DocumentState::Refused(problem) => ("refused", None, Some(problem)),
        };
        json!({
            "id": document.id, "number": document.number, "file_name": document.file_name,
            "size_bytes": document.size_bytes, "sha256": document.sha256, "object_version": document.object_version,
            "state": state, "pages": pages, "problem": problem,
            "message": problem.map(|problem| document_problem(Lang::En, problem)),
        })
    });
    Ok(json!({
        "id": agreement.id,
        "institution": agreement.institution_name,
        "status": agreement.status,
        "facts": agreement.facts,
        "template": agreement.template,
        "source_url": agreement.source_url,
        "submitted_at": agreement.submitted_at,
        "decided_at": agreement.decided_at,
        "document": document,
        "progress": Progress::of(&lines),
        "lines": lines.iter().map(LineJson::from).collect::<Vec<_>>(),
        "clauses": clauses.iter().map(super::clause::json).collect::<Vec<_>>(),
        "permissions": given.iter().map(|(id, dataset, _, layer)| json!({
            "permission": id, "dataset": dataset, "layer": layer,
        })).collect::<Vec<_>>(),
        "remarks": remarks.iter().map(|remark| json!({
            "verb": remark.verb, "text": remark.text, "by": remark.by, "at": remark.at,
        })).collect::<Vec<_>>(),
    }))
}

fn wrong(errors: &FieldErrors) -> AppError {
    let (field, problem) = errors
        .iter()
        .next()
        .map_or(("", String::new()), |(f, say)| (*f, Lang::En.say(say)));
    field_wrong(field, problem)
}

fn field_wrong(field: &str, problem: String) -> AppError {
    AppError::Invalid(
        Say::new("agreement-field-wrong")
            .with("field", field)
            .with("problem", problem),
    )
}

/// Names the field too, which the page shows beside it.
pub(super) fn named(error: AgreementError) -> AppError {
    match error {
        AgreementError::Field(field, say) => field_wrong(field, Lang::En.say(&say)),
        other => other.into(),
    }
}

/// The templates: for each term a value and the reason for it.
#[get("/api/v1/agreement-templates")]
async fn templates(ApiActor(_): ApiActor) -> ApiResult {
    let all: Vec<_> = template::all()
        .iter()
        .map(|one| {
            let terms: serde_json::Map<String, Json> = one
                .terms
                .iter()
                .map(|(term, said)| {
                    let value = said.value.as_ref().map(super::super::term::Value::json);
                    let said =
                        json!({ "value": value, "nl": said.reason.nl, "en": said.reason.en });
                    (term.name().to_owned(), said)
                })
                .collect();
            json!({
                "name": one.name, "kind": one.kind, "layers": one.layers, "title": one.title.en,
                "about": one.about.en, "source_url": one.source_url, "terms": terms,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "templates": all })))
}

#[derive(Deserialize)]
struct Before {
    before: Option<uuid::Uuid>,
}

/// The agreements that the caller may see, newest first, 50 at a time.
#[get("/api/v1/agreements")]
async fn list(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    query: web::Query<Before>,
) -> ApiResult {
    let mut conn = db.read().await?;
    let visibility = seen(&actor, Action::ViewAgreement);
    let found = store::list(&mut conn, visibility, query.before, 50).await?;
    let agreements: Vec<_> = found
        .iter()
        .map(|one| {
            json!({
                "id": one.id, "title": one.title, "institution": one.institution, "kind": one.kind,
                "status": one.status, "datasets": one.datasets, "created_at": one.created_at,
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "agreements": agreements })))
}

/// Registers an agreement: the fields of the form.
#[post("/api/v1/agreements")]
async fn create(db: web::Data<Db>, request: ProtectedJson<RawFacts>) -> ApiResult {
    let (facts, chosen) = form::parse(&request.body).map_err(|errors| wrong(&errors))?;
    let id = register::register(&db, &request.actor, &facts, chosen)
        .await
        .map_err(named)?;
    let agreement = visible(&db, &request.actor, id).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/agreements/{id}")))
        .json(shown(&db, &agreement).await?))
}

/// One agreement with its document, lines, remarks and permissions.
#[get("/api/v1/agreements/{id}")]
async fn find(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    path: web::Path<AgreementId>,
) -> ApiResult {
    let agreement = visible(&db, &actor, *path).await?;
    Ok(HttpResponse::Ok().json(shown(&db, &agreement).await?))
}

/// Replaces the facts: the fields of the form.
#[post("/api/v1/agreements/{id}")]
async fn describe(
    db: web::Data<Db>,
    path: web::Path<AgreementId>,
    request: ProtectedJson<RawFacts>,
) -> ApiResult {
    let agreement = visible(&db, &request.actor, *path).await?;
    let raw = RawFacts {
        template: agreement.template.clone().unwrap_or_default(),
        ..request.body
    };
    let (facts, _) = form::parse(&raw).map_err(|errors| wrong(&errors))?;
    register::describe(&db, &request.actor, *path, &facts)
        .await
        .map_err(named)?;
    let agreement = visible(&db, &request.actor, *path).await?;
    Ok(HttpResponse::Ok().json(shown(&db, &agreement).await?))
}

type LinePath = web::Path<(AgreementId, String, String)>;

/// One line with its history and what is suggested for it.
#[get("/api/v1/agreements/{id}/lines/{layer}/{term}")]
async fn find_line(db: web::Data<Db>, ApiActor(actor): ApiActor, path: LinePath) -> ApiResult {
    let looked = look(&db, &actor, path.0, (&path.1, &path.2)).await?;
    Ok(HttpResponse::Ok().json(json!({
        "line": LineJson::from(&looked.line),
        "when_silent": looked.line.term.when_silent().map(|value| value.json()),
        "suggestions": looked.suggestions,
        "history": looked.history.iter().map(LineJson::from).collect::<Vec<_>>(),
    })))
}

/// Gives a line a new version.
#[post("/api/v1/agreements/{id}/lines/{layer}/{term}")]
async fn code_line(db: web::Data<Db>, path: LinePath, request: ProtectedJson<Coded>) -> ApiResult {
    let looked = look(&db, &request.actor, path.0, (&path.1, &path.2)).await?;
    let place = Place {
        layer: looked.line.layer,
        term: looked.line.term,
        seen: request.body.seen,
    };
    code::code(&db, &request.actor, (path.0, place), &request.body.line)
        .await
        .map_err(named)?;
    let looked = look(&db, &request.actor, path.0, (&path.1, &path.2)).await?;
    Ok(HttpResponse::Ok().json(LineJson::from(&looked.line)))
}

/// Hands the agreement in.
#[post("/api/v1/agreements/{id}/submit")]
async fn submit(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    path: web::Path<AgreementId>,
) -> ApiResult {
    register::submit(&db, &actor, *path)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "status": Status::InReview })))
}

#[derive(Deserialize)]
struct Chosen {
    /// Lines by the id of the version that was seen.
    lines: Vec<AgreementLineId>,
    /// For whom; left out: what the caller's role says.
    party: Option<Party>,
}

fn party_by_role(actor: &Actor) -> Party {
    if actor.is(Role::LegalReviewer) {
        Party::Platform
    } else {
        Party::Institution
    }
}

/// Confirms lines for the institution or for the platform.
#[post("/api/v1/agreements/{id}/confirm")]
async fn confirm_lines(
    db: web::Data<Db>,
    path: web::Path<AgreementId>,
    request: ProtectedJson<Chosen>,
) -> ApiResult {
    let party = request.body.party.unwrap_or(party_by_role(&request.actor));
    let count = confirm::confirm(&db, &request.actor, (*path, party), &request.body.lines)
        .await
        .map_err(named)?;
    Ok(HttpResponse::Ok().json(json!({ "party": party, "confirmed": count })))
}

#[derive(Deserialize)]
struct Spoken {
    /// `return`, `reject`, `withdraw` or `comment`.
    verb: String,
    text: String,
}

/// Returns, rejects, takes back, or remarks on the agreement.
#[post("/api/v1/agreements/{id}/say")]
async fn speak(
    db: web::Data<Db>,
    path: web::Path<AgreementId>,
    request: ProtectedJson<Spoken>,
) -> ApiResult {
    let verb = review::Verb::parse(&request.body.verb)
        .ok_or_else(|| AppError::Invalid(Say::new("form-unreadable")))?;
    review::say(&db, &request.actor, *path, verb, &request.body.text)
        .await
        .map_err(named)?;
    let agreement = visible(&db, &request.actor, *path).await?;
    Ok(HttpResponse::Ok().json(json!({ "status": agreement.status })))
}

/// Puts the agreement into force; answers the permissions it gave.
#[post("/api/v1/agreements/{id}/in-force")]
async fn in_force(
    db: web::Data<Db>,
    ApiActor(actor): ApiActor,
    path: web::Path<AgreementId>,
) -> ApiResult {
    let given = put_in_force::put_in_force(&db, &actor, *path)
        .await
        .map_err(AppError::from)?;
    Ok(HttpResponse::Ok().json(json!({ "status": Status::InForce, "permissions": given })))
}
