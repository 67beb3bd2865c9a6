//! `DELETE /v1/models/{model}`: a model that was made here goes out of use.

use actix_web::{HttpResponse, guard, web};
use openai_api::{ApiError, Deleted};

use super::{super::failure::refused, Answer, Tuner};
use crate::{
    db::Db,
    models::{self, Kind, ReleaseError, Status},
    policy::{self, Action, Denied},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    // Every other method of this path is the gateway's.
    config.service(
        web::resource("/models/{model:.+}")
            .guard(guard::Delete())
            .to(remove),
    );
}

/// Retires a model of the institution of the key. Its receipt, lineage and documents stay.
async fn remove(tuner: Tuner, db: web::Data<Db>, name: web::Path<String>) -> Answer {
    let mut conn = db.read().await?;
    let found = models::find_by_name(&mut conn, &name)
        .await?
        .filter(|model| {
            model.status != Status::Retired
                && policy::check(&tuner.actor, Action::ViewModel, &model.scope()).is_ok()
        })
        .ok_or_else(|| ApiError::model_not_found(&name))?;
    drop(conn);
    if found.kind == Kind::Base {
        let message = "A base model cannot be deleted, only one that was made from it.";
        return Err(ApiError::permission_denied("base_model", message).into());
    }
    match models::retire(&db, &tuner.actor, found.id).await {
        Ok(()) => Ok(HttpResponse::Ok().json(Deleted {
            id: found.name,
            object: "model".into(),
            deleted: true,
        })),
        // Somebody else did it just now.
        Err(ReleaseError::WrongStatus(_)) => Err(ApiError::model_not_found(&name).into()),
        Err(ReleaseError::Denied(Denied::Role)) => Err(ApiError::permission_denied(
            "role_missing",
            "Whoever requested this key may not end the use of models: that takes the role of manager.",
        )
        .into()),
        Err(error) => Err(refused(error).into()),
    }
}
