//! Which model a request means, and where it is served.

use chrono::{DateTime, Utc};
use openai_api::ApiError;

use super::{Gateway, failure::Failure};
use crate::{
    db::Db,
    ids::ModelId,
    institutions,
    keys::Holder,
    models::{self, ServedModel, Status},
    web::{Lang, day},
};

/// A model with the address that answers for it.
pub(super) struct Route {
    pub(super) model: ModelId,
    pub(super) address: String,
}

/// The models that a key is for and that are released, in OpenAI's form.
///
/// # Errors
/// Where the database is away.
pub(super) async fn usable(db: &Db, holder: &Holder) -> Result<Vec<openai_api::Model>, Failure> {
    let mut found = Vec::new();
    for model in of_key(db, holder).await? {
        if model.status != Status::Released || model.quarantined_at.is_some() {
            continue;
        }
        let owner = institutions::find(db, model.institution).await?;
        let created = u64::try_from(model.created_at.timestamp()).unwrap_or_default();
        let owner = owner.map_or_else(String::new, |owner| owner.slug);
        found.push(openai_api::Model::new(model.name, created, owner));
    }
    Ok(found)
}

/// Where a request for `name` goes.
///
/// # Errors
/// 404 where there is no such model, where it is not the key's, or where it is retired (with the reason);
/// 503 where it is not served at the moment.
pub(super) async fn route(
    db: &Db,
    gateway: &Gateway,
    holder: &Holder,
    name: &str,
) -> Result<Route, Failure> {
    let model = of_key(db, holder)
        .await?
        .into_iter()
        .find(|model| model.name == name)
        .ok_or_else(|| ApiError::model_not_found(name))?;
    // Read for this very request: nothing is cached, so a withdrawal holds from its commit on.
    if let Some(since) = model.quarantined_at {
        return Err(withdrawn(&model, since).into());
    }
    if model.status != Status::Released {
        return Err(retired(&model).into());
    }
    let address = model
        .address
        .or_else(|| gateway.client.other(name).map(str::to_owned))
        .ok_or_else(|| {
            let message = format!("The model '{name}' is released but not served at the moment.");
            let mut error = ApiError::new(503, "server_error", Some("model_not_deployed"), message);
            error.retry_after_seconds = Some(30);
            error
        })?;
    Ok(Route {
        model: model.id,
        address: address.trim_end_matches('/').to_owned(),
    })
}

async fn of_key(db: &Db, holder: &Holder) -> Result<Vec<ServedModel>, Failure> {
    let mut models = models::served(db).await?;
    models.retain(|model| holder.models.contains(&model.id));
    Ok(models)
}

/// Permission for data that the model learned from was withdrawn, and the agreement keeps it from use.
fn withdrawn(model: &ServedModel, since: DateTime<Utc>) -> ApiError {
    let (code, what) = if model.status == Status::Retired {
        ("model_withdrawn", "It is out of use.")
    } else {
        (
            "model_quarantined",
            "It is not in use until the platform has decided whether it is made anew.",
        )
    };
    let message = format!(
        "The model '{}' cannot be used since {}: permission for data that it was trained on was withdrawn. {what}",
        model.name,
        day(Lang::En, since),
    );
    ApiError::new(403, "permission_error", Some(code), message).with_param("model")
}

fn retired(model: &ServedModel) -> ApiError {
    let mut message = format!("The model '{}' is not in use any more.", model.name);
    if model.marked_reason.is_some() {
        message.push_str(" Permission for data that it was trained on was withdrawn");
        if let Some(reason) = &model.marked_reason {
            message.push_str(": ");
            message.push_str(reason);
        }
        message.push('.');
    }
    let kind = "invalid_request_error";
    ApiError::new(404, kind, Some("model_retired"), message).with_param("model")
}
