//! Files in lists: those that were sent, and the figures of jobs.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use openai_api::{ApiError, File, Page};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    super::{
        failure::refused,
        file::{self, ApiFile, PURPOSE, PURPOSE_OF_RESULTS},
        ids::Of,
        results::Results,
        store,
    },
    Answer, Tuner,
    files::find,
    limit,
};
use crate::{
    config::Config,
    db::Db,
    ids::JobId,
    policy::{self, Action, Actor, Scope},
};

/// The figures of a job of the caller's institution.
pub(super) async fn results(
    db: &Db,
    actor: &Actor,
    text: &str,
) -> Result<Option<(File, String)>, ApiError> {
    let Some(id) = Of::Results.parse(text).map(JobId) else {
        return Ok(None);
    };
    let missing = || Of::Results.missing(text);
    let job = crate::jobs::find_visible(db, actor, id)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    let mut conn = db.read().await.map_err(refused)?;
    store::jobs::find_of(&mut conn, actor.institution, id)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    let ended_at = job.ended_at.ok_or_else(missing)?;
    let csv = Results::figures(&mut conn, id)
        .await
        .map_err(refused)?
        .csv();
    Ok(Some((file::results_file(id.0, ended_at, &csv), csv)))
}

#[derive(Deserialize)]
pub(super) struct Query {
    after: Option<String>,
    limit: Option<String>,
    order: Option<String>,
    purpose: Option<String>,
}

/// Files of figures on a page: each is written anew from what its job told, to know its size.
const MOST_RESULTS: usize = 100;

/// A file before it is written as the SDKs read it.
enum Listed {
    Sent(Box<ApiFile>),
    /// When the job ended.
    Results(DateTime<Utc>),
}

/// Files in the order of their ids; the figures of a job stand where the job was asked for.
pub(super) async fn list(
    tuner: Tuner,
    (db, config): (web::Data<Db>, web::Data<Config>),
    query: web::Query<Query>,
) -> Answer {
    let limit = limit(query.limit.as_deref(), 10_000, 10_000)?;
    let is_ascending = match query.order.as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => {
            let message = "'order' is 'asc' or 'desc'.";
            return Err(ApiError::invalid_param("order", message).into());
        }
    };
    let actor = &tuner.actor;
    let after = match query.after.as_deref() {
        None => None,
        Some(text) => Some(match Of::Results.parse(text) {
            Some(job) => {
                results(&db, actor, text).await?;
                job
            }
            None => find(&db, actor, text).await?.id.0,
        }),
    };
    let is_wanted = |purpose: &str| query.purpose.as_deref().is_none_or(|one| one == purpose);
    let order = (limit + 1, is_ascending);
    let mut conn = db.read().await?;
    let mut all: Vec<(Uuid, Listed)> = Vec::new();
    if is_wanted(PURPOSE) {
        let sent = store::files::list(&mut conn, actor.institution, after, order).await?;
        all.extend(
            sent.into_iter()
                .map(|one| (one.id.0, Listed::Sent(Box::new(one)))),
        );
    }
    let own = Scope::of(actor.institution);
    if is_wanted(PURPOSE_OF_RESULTS) && policy::check(actor, Action::ViewJob, &own).is_ok() {
        let ended = store::jobs::with_figures(&mut conn, actor.institution, after, order).await?;
        all.extend(
            ended
                .into_iter()
                .map(|(job, at)| (job.0, Listed::Results(at))),
        );
    }
    all.sort_unstable_by_key(|(id, _)| *id);
    if !is_ascending {
        all.reverse();
    }
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut figures = 0;
    let fits = all.iter().take(size).take_while(|(_, one)| {
        figures += usize::from(matches!(one, Listed::Results(_)));
        figures <= MOST_RESULTS
    });
    let fitting = fits.count();
    let has_more = all.len() > fitting;
    all.truncate(fitting);
    let origin = config.origin();
    let mut data = Vec::with_capacity(all.len());
    for (id, one) in all {
        data.push(match one {
            Listed::Sent(sent) => sent.as_wire(&origin),
            Listed::Results(ended_at) => {
                let csv = Results::figures(&mut conn, JobId(id)).await?.csv();
                file::results_file(id, ended_at, &csv)
            }
        });
    }
    let page = Page::new(data, has_more, |file: &File| file.id.clone());
    Ok(HttpResponse::Ok().json(page))
}
