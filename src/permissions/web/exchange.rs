//! Permissions in other people's words: ODRL, DUO, TDMRep, the schema and the profile.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, Responder, get, http::header, post, web};
use chrono::{DateTime, Utc};
use chrono_tz::Europe::Amsterdam;
use permission_policy::{
    duo,
    odrl::{self, Envelope, Kind, PROFILE, Party},
    tdmrep,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{Permission, sha256_hex, store::Found},
    show::load,
};
use crate::{
    config::Config,
    db::Db,
    error::AppError,
    ids::PermissionId,
    web::{ApiActor, ApiResult, Lang, ProtectedJson},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(as_odrl)
        .service(as_duo)
        .service(import)
        .service(schema)
        .service(profile);
}

#[derive(Deserialize)]
struct OdrlQuery {
    kind: Option<Kind>,
}

/// The answer about a permission that holds no more: nobody takes along an agreement that has ended.
fn over(found: &Found, now: DateTime<Utc>) -> Option<HttpResponse> {
    let permission = &found.permission;
    let state = standing(permission, now)?;
    Some(
        HttpResponse::Gone()
            .content_type("application/problem+json")
            .json(json!({
                "type": "about:blank",
                "title": "Gone",
                "status": 410,
                "code": "permission-over",
                "detail": Lang::En.t("permission-over"),
                "permission": permission.id,
                "state": state,
                "decided_at": permission.decided_at,
            })),
    )
}

/// Why a permission holds no more at `now`: the name of its state, or `expired`; none where it holds or is to come.
pub(super) fn standing(permission: &Permission, now: DateTime<Utc>) -> Option<&'static str> {
    let today = now.with_timezone(&Amsterdam).date_naive();
    if !permission.state.counts() {
        return Some(permission.state.name());
    }
    (permission.terms.valid_until < today).then_some("expired")
}

/// The permission as ODRL 2.2. An agreement where a signed document proves it, else an offer; `kind` asks for another.
#[get("/api/v1/permissions/{id}/odrl")]
async fn as_odrl(
    db: web::Data<Db>,
    config: web::Data<Config>,
    actor: ApiActor,
    id: web::Path<PermissionId>,
    query: web::Query<OdrlQuery>,
) -> ApiResult {
    let found = load(&db, &actor.0, *id).await?;
    if let Some(answer) = over(&found, db.now()) {
        return Ok(answer);
    }
    let (permission, origin) = (&found.permission, config.origin());
    let is_signed = permission.terms.evidence.document_sha256.is_some();
    let kind = query.kind.unwrap_or(if is_signed {
        Kind::Agreement
    } else {
        Kind::Offer
    });
    let assigner = Party {
        iri: format!("{origin}/institutions/{}", found.institution_slug),
        name: found.institution_name.clone(),
    };
    let assignee = Party {
        iri: origin.clone(),
        name: "GPT-NL".into(),
    };
    let envelope = Envelope {
        kind,
        profile: format!("{origin}{PROFILE}"),
        uid: format!("{origin}/api/v1/permissions/{}", permission.id),
        target: format!("{origin}/api/v1/datasets/{}", found.dataset),
        layer: permission.layer,
        state: permission.state,
        decided_at: permission.decided_at,
        assigner: (kind != Kind::Set).then_some(assigner),
        assignee: (kind == Kind::Agreement).then_some(assignee),
    };
    Ok(HttpResponse::Ok()
        .content_type("application/ld+json")
        .body(odrl::export(&permission.terms, &envelope).to_string()))
}

/// The permission as GA4GH DUO codes, with our own terms for what they cannot say.
#[get("/api/v1/permissions/{id}/duo")]
async fn as_duo(db: web::Data<Db>, actor: ApiActor, id: web::Path<PermissionId>) -> ApiResult {
    let found = load(&db, &actor.0, *id).await?;
    if let Some(answer) = over(&found, db.now()) {
        return Ok(answer);
    }
    let permission = &found.permission;
    let since = (permission.state, permission.decided_at);
    Ok(HttpResponse::Ok().json(duo::export(&permission.terms, permission.layer, since)))
}

/// What is to be read.
#[derive(Deserialize)]
#[serde(tag = "format", rename_all = "snake_case", deny_unknown_fields)]
enum Import {
    /// One ODRL policy.
    Odrl { document: Value },
    /// A `/.well-known/tdmrep.json`, with the policies it names, by address; nothing is fetched.
    Tdmrep {
        document: Value,
        #[serde(default)]
        policies: BTreeMap<String, Value>,
        /// A path of the site: which line is about it.
        path: Option<String>,
    },
}

/// Reads somebody else's policy as terms. Nothing is stored: a manager looks at it first and gives it.
#[post("/api/v1/permissions/import")]
async fn import(
    db: web::Data<Db>,
    config: web::Data<Config>,
    sent: ProtectedJson<Import>,
) -> ApiResult {
    let (today, us) = (db.now().date_naive(), config.origin());
    let answer = match &sent.body {
        Import::Odrl { document } => {
            let imported = odrl::import(document, today, &us)
                .map_err(|_| AppError::invalid("permission-import-unreadable"))?;
            let canonical = imported
                .terms
                .canonical()
                .map_err(|e| AppError::Internal(e.into()))?;
            json!({ "imported": imported, "terms_sha256": sha256_hex(&canonical) })
        }
        Import::Tdmrep {
            document,
            policies,
            path,
        } => {
            let read = tdmrep::import(document, policies, today, &us)
                .map_err(|_| AppError::invalid("permission-import-unreadable"))?;
            let rules: Vec<_> = read.iter().map(|one| one.rule.clone()).collect();
            let about = path.as_deref().and_then(|path| tdmrep::find(&rules, path));
            json!({ "locations": read, "about_path": about })
        }
    };
    Ok(HttpResponse::Ok().json(answer))
}

/// The JSON Schema of terms in canonical form.
#[get("/schemas/permission-terms-2.json")]
async fn schema() -> impl Responder {
    HttpResponse::Ok()
        .content_type("application/schema+json")
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(permission_policy::SCHEMA)
}

/// Our words in ODRL policies, for who follows one.
#[get("/ns/permission")]
async fn profile(config: web::Data<Config>) -> impl Responder {
    let namespace = format!("{}{PROFILE}", config.origin());
    HttpResponse::Ok()
        .content_type("application/ld+json")
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(odrl::profile(&namespace).to_string())
}
