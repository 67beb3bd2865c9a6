//! What was used, for programs: by day, key, model and project, or summed.

use actix_web::{HttpResponse, get, web};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::{
    super::{
        store::{self, Row, Sum},
        which::{Grouping, Place, Which},
    },
    Query,
};
use crate::{
    config::Config,
    db::{Db, StoreError},
    error::AppError,
    quota::{self, Measure, Window, day_of},
    web::{ApiActor, ApiResult},
};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(list);
}

const ROWS: i64 = 1_000;
const MOST_ROWS: i64 = 10_000;

/// How it is told; beside [`Query`], which says of whom.
#[derive(Debug, Deserialize)]
struct Form {
    /// A sum for each instead of rows: `institution`, `project`, `key`, `model`.
    by: Option<String>,
    /// Where the answer before this one ended.
    after: Option<String>,
    limit: Option<i64>,
}

#[get("/api/v1/usage")]
async fn list(
    actor: ApiActor,
    (db, config): (web::Data<Db>, web::Data<Config>),
    query: web::Query<Query>,
    form: web::Query<Form>,
) -> ApiResult {
    let which = query.which(&actor.0, day_of(db.now()))?;
    let limit = form.limit.unwrap_or(ROWS).clamp(1, MOST_ROWS);
    let mut conn = db.read().await?;
    let (mut answer, is_first) = match form.by.as_deref() {
        Some(by) => {
            let by = Grouping::parse(by).ok_or_else(|| AppError::invalid("usage-by-wrong"))?;
            (sums(&mut conn, &which, by, limit).await?, true)
        }
        None => {
            let after = form.after.as_deref().filter(|text| !text.is_empty());
            let after = after.map(|text| {
                Place::parse(text).ok_or_else(|| AppError::invalid("usage-after-wrong"))
            });
            let after = after.transpose()?;
            (
                rows(&mut conn, &which, after, limit).await?,
                after.is_none(),
            )
        }
    };
    // All of it, so once: those who page on have it.
    if is_first {
        answer["today"] = today(&mut conn, &db, &which).await?;
    }
    answer["cost_unit"] = json!(config.gateway.price_unit);
    Ok(HttpResponse::Ok().json(answer))
}

async fn rows(
    conn: &mut PgConnection,
    which: &Which,
    after: Option<Place>,
    limit: i64,
) -> Result<Value, StoreError> {
    let mut rows = store::rows(conn, which, after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more);
    let after = last.map(|row| row.place().text());
    let data: Vec<_> = rows.iter().map(row_json).collect();
    Ok(json!({ "data": data, "has_more": has_more, "after": after }))
}

fn row_json(row: &Row) -> Value {
    json!({
        "day": row.day,
        "key": row.key,
        "key_name": row.key_name,
        "institution": row.institution,
        "institution_id": row.institution_id,
        "project": row.project,
        "project_id": row.project_id,
        "model": row.model,
        "model_id": row.model_id,
        "requests": row.requests,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "total_tokens": row.tokens(),
        "cost_micros": row.cost_micros,
    })
}

/// Those with the most tokens; `count` says how many there are.
async fn sums(
    conn: &mut PgConnection,
    which: &Which,
    by: Grouping,
    limit: i64,
) -> Result<Value, StoreError> {
    let sums = store::sums(conn, which, by, limit).await?;
    let count = sums.first().map_or(0, |sum| sum.count);
    let data: Vec<_> = sums.iter().map(sum_json).collect();
    Ok(json!({
        "by": by.name(), "data": data, "count": count, "has_more": count > limit, "after": null,
    }))
}

fn sum_json(sum: &Sum) -> Value {
    json!({
        "id": sum.id,
        "name": sum.name,
        "requests": sum.requests,
        "prompt_tokens": sum.prompt_tokens,
        "completion_tokens": sum.completion_tokens,
        "total_tokens": sum.prompt_tokens.saturating_add(sum.completion_tokens),
        "cost_micros": sum.cost_micros,
    })
}

/// What counts for today, of each key: the counters that enforce its limits. Told with the first page.
async fn today(conn: &mut PgConnection, db: &Db, which: &Which) -> Result<Value, StoreError> {
    let now = db.now();
    let tokens = (Measure::Tokens, Window::Day);
    let tokens = quota::used_of_all(conn, which.visibility, tokens, now).await?;
    let requests = (Measure::Requests, Window::Day);
    let requests = quota::used_of_all(conn, which.visibility, requests, now).await?;
    let under = match which.project {
        Some(project) => Some(store::keys_under(conn, project).await?),
        None => None,
    };
    let today: Vec<_> = tokens
        .iter()
        .filter(|(key, _)| which.key.is_none_or(|wanted| wanted == **key))
        .filter(|(key, _)| under.as_ref().is_none_or(|under| under.contains(key)))
        .map(|(key, day)| {
            json!({
                "key": key,
                "day": day_of(now),
                "used_tokens": day.used,
                "reserved_tokens": day.set_aside,
                "requests": requests.get(key).map_or(0, |day| day.used),
            })
        })
        .collect();
    Ok(json!(today))
}
