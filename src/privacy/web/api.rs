//! Privacy assessments for programs.

use actix_web::{HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{
        Assessment, Decision, Filed, RawAssessment, fill as filling, sign as signing, standing,
    },
    show::load,
};
use crate::{
    db::Db,
    error::{AppError, Say},
    ids::{AssessmentId, DatasetId},
    web::{ApiActor, ApiResult, Lang, ProtectedJson},
};

fn with_recall(one: &Filed) -> Value {
    let recall = one.assessment.measurement.and_then(|m| m.recall());
    let mut value = json!(one);
    if let Some(object) = value.as_object_mut() {
        object.insert("recall".into(), json!(recall));
    }
    value
}

/// What was filed about a dataset, and how its newest version stands.
#[get("/api/v1/datasets/{dataset}/privacy")]
pub(super) async fn list(
    actor: ApiActor,
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
) -> ApiResult {
    let (subject, filed) = load(&db, &actor.0, *path).await?;
    Ok(HttpResponse::Ok().json(json!({
        "version": subject.version,
        "has_personal_data": subject.has_personal_data,
        "standing": standing(&filed, subject.version, db.now()),
        "assessments": filed.iter().map(with_recall).collect::<Vec<_>>(),
    })))
}

/// Files an assessment: the fields of the form.
#[post("/api/v1/datasets/{dataset}/privacy")]
pub(super) async fn fill(
    db: web::Data<Db>,
    path: web::Path<DatasetId>,
    request: ProtectedJson<RawAssessment>,
) -> ApiResult {
    // Whose it is comes first: nobody learns by a wrong form that a dataset is there.
    let _seen = load(&db, &request.actor, *path).await?;
    let assessment = Assessment::parse(&request.body).map_err(|errors| {
        let what = errors.iter().next();
        let (field, problem) = what.map_or(("", String::new()), |(field, say)| {
            (*field, Lang::En.say(say))
        });
        AppError::Invalid(
            Say::new("assessment-field-wrong")
                .with("field", field)
                .with("problem", problem),
        )
    })?;
    let id = filling::fill(&db, &request.actor, *path, &assessment).await?;
    let (_, filed) = load(&db, &request.actor, *path).await?;
    let one = filed.iter().find(|one| one.id == id);
    Ok(HttpResponse::Created().json(one.map(with_recall)))
}

#[derive(Deserialize)]
pub(super) struct Sent {
    text_sha256: String,
    decision: String,
    #[serde(default)]
    reason: String,
}

/// Signs the text with this hash, or returns it.
#[post("/api/v1/datasets/{dataset}/privacy/{assessment}/sign")]
pub(super) async fn sign(
    db: web::Data<Db>,
    path: web::Path<(DatasetId, AssessmentId)>,
    request: ProtectedJson<Sent>,
) -> ApiResult {
    let (dataset, assessment) = path.into_inner();
    let sent = &request.body;
    let decision = Decision::parse(&sent.decision)
        .filter(|_| sent.reason.chars().count() <= 2000)
        .ok_or(AppError::invalid("form-unreadable"))?;
    let verdict = signing::Verdict {
        assessment,
        text_sha256: &sent.text_sha256,
        decision,
        reason: &sent.reason,
    };
    signing::sign(&db, &request.actor, dataset, verdict).await?;
    Ok(HttpResponse::Ok().json(json!({ "decision": decision })))
}
