//! The pages and API of the documents about models.

mod api;
mod api_facts;
mod base;
mod draw;
mod model;
mod provider;
mod public;

use actix_web::web;
use sqlx::PgConnection;

use super::{
    document::Document,
    documents::make_all,
    kind::Kind,
    store::{self, Version},
};
use crate::{
    db::Db,
    error::AppError,
    ids::{DisclosureId, ModelId},
    models::{self, Model},
    policy::{self, Action, Actor},
    web::{FieldErrors, Lang},
};

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(public::routes)
        .configure(model::routes)
        .configure(base::routes)
        .configure(provider::routes)
        .configure(api::routes)
        .configure(api_facts::routes);
}

/// A line of the summary above a form.
struct FormProblem {
    field: &'static str,
    text: String,
}

fn problems(lang: Lang, errors: &FieldErrors) -> Vec<FormProblem> {
    errors
        .iter()
        .map(|(field, say)| FormProblem {
            field,
            text: lang.say(say),
        })
        .collect()
}

fn error_of<'a>(errors: &'a [FormProblem], field: &str) -> &'a str {
    errors
        .iter()
        .find(|problem| problem.field == field)
        .map_or("", |problem| problem.text.as_str())
}

/// A model that `actor` may see.
async fn visible_model(
    conn: &mut PgConnection,
    actor: &Actor,
    id: ModelId,
) -> Result<Model, AppError> {
    let model = models::find(conn, id).await?.ok_or(AppError::NotFound)?;
    let _permit = policy::check(actor, Action::ViewModel, &model.scope())?;
    Ok(model)
}

/// The documents about a tuned model as they would be now, as its next version.
async fn drafts(db: &Db, actor: &Actor, id: ModelId) -> Result<(Model, Vec<Document>), AppError> {
    let mut conn = db.read().await?;
    let model = visible_model(&mut conn, actor, id).await?;
    let ledger = store::ledger(&mut conn, id, db.now())
        .await?
        .ok_or(AppError::NotFound)?;
    let known = store::of_model(&mut conn, id).await?;
    let number = known.first().map_or(1, |newest| newest.number + 1);
    Ok((model, make_all(&ledger, number)))
}

/// A version that `actor` (none: nobody signed in) may read document `kind` of.
///
/// # Errors
/// `SignInFirst` where somebody might; `NotFound` where this one may not.
async fn readable(
    conn: &mut PgConnection,
    actor: Option<&Actor>,
    id: DisclosureId,
    kind: Option<Kind>,
) -> Result<Version, AppError> {
    let version = store::find(conn, id).await?;
    let is_public = version
        .as_ref()
        .is_some_and(|version| version.published_at().is_some())
        && kind.is_none_or(Kind::is_public);
    if is_public {
        return version.ok_or(AppError::NotFound);
    }
    // Asked before saying whether there is such a version: strangers learn nothing of what is not published.
    let actor = actor.ok_or(AppError::SignInFirst)?;
    let version = version.ok_or(AppError::NotFound)?;
    visible_model(conn, actor, version.model).await?;
    Ok(version)
}
