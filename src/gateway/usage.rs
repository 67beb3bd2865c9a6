//! `GET /v1/usage`: what is left for a key, and what it used, asked with the key itself.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc};
use openai_api::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    failure::Failure,
    guard::Caller,
    headers::{limit_headers, seconds},
};
use crate::{
    config::Config,
    db::Db,
    keys::{self, KeyNode},
    quota::{self, Standing, day_of},
};

const DAYS_TOLD: u64 = 30;
const MOST_DAYS: u64 = 366;

#[derive(Deserialize)]
struct Query {
    since: Option<String>,
    until: Option<String>,
}

impl Query {
    /// The days asked for, at most a year; the last thirty where nothing was asked.
    fn days(&self, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), ApiError> {
        let until = day("until", self.until.as_deref())?.unwrap_or(today);
        let back = |days| until.checked_sub_days(Days::new(days)).unwrap_or(until);
        let since = day("since", self.since.as_deref())?.unwrap_or_else(|| back(DAYS_TOLD - 1));
        if since > until || since < back(MOST_DAYS) {
            let message = "'since' must be before 'until', by a year at most.";
            return Err(ApiError::invalid_param("since", message));
        }
        Ok((since, until))
    }
}

fn day(name: &str, text: Option<&str>) -> Result<Option<NaiveDate>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || ApiError::invalid_param(name, format!("'{name}' must be a day: 2026-11-27."));
    let day: NaiveDate = text.parse().map_err(|_| wrong())?;
    // Years that the database knows, and in which there may be something.
    if !(2000..2200).contains(&day.year()) {
        return Err(wrong());
    }
    Ok(Some(day))
}

pub(super) async fn show(
    caller: Caller,
    request: HttpRequest,
    (db, config): (web::Data<Db>, web::Data<Config>),
) -> Result<HttpResponse, Failure> {
    caller.look()?;
    let query = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| ApiError::invalid_param("since", "The query cannot be read."))?;
    let (now, key) = (db.now(), caller.0.holder.key);
    let days = query.days(day_of(now))?;
    let mut conn = db.read().await?;
    let standings = quota::standing_of(&mut conn, key, now).await?;
    let nodes = keys::nodes_of(&mut conn, key).await?;
    let used = keys::used_by_model(&mut conn, key, days).await?;
    let mut limits: Vec<_> = standings
        .iter()
        .filter_map(|one| Some((nodes.iter().position(|node| is_of(node, one))?, one)))
        .collect();
    limits.sort_by_key(|(at, one)| (*at, one.counter.measure.name(), one.counter.window));
    let limits: Vec<Value> = limits
        .into_iter()
        .filter_map(|(at, one)| Some(limit(nodes.get(at)?, one, now)))
        .collect();
    let data: Vec<Value> = used
        .iter()
        .map(|one| {
            json!({
                "object": "usage.day",
                "day": one.day,
                "model": one.model,
                "requests": one.requests,
                "prompt_tokens": one.prompt_tokens,
                "completion_tokens": one.completion_tokens,
                "total_tokens": one.prompt_tokens.saturating_add(one.completion_tokens),
                "cost_micros": one.cost_micros,
            })
        })
        .collect();
    let mut response = HttpResponse::Ok();
    response.insert_header(("cache-control", "no-store"));
    for header in limit_headers(&standings, now) {
        response.insert_header(header);
    }
    Ok(response.json(json!({
        "object": "usage",
        "key": { "id": key, "name": nodes.first().map(|node| node.name.as_str()) },
        "since": days.0,
        "until": days.1,
        "limits": limits,
        "cost_unit": config.gateway.price_unit,
        "data": data,
        "has_more": false,
    })))
}

fn is_of(node: &KeyNode, standing: &Standing) -> bool {
    node.id == Uuid::from_u128(standing.counter.node.0)
}

/// One limit. What requests under way have set aside is used.
fn limit(node: &KeyNode, standing: &Standing, now: DateTime<Utc>) -> Value {
    let ends_at = standing.counter.window.end(standing.counter.starts_at);
    let remaining = standing.left.clamp(0, standing.cap.max(0));
    json!({
        "object": "usage.limit",
        "scope": node.kind,
        "id": node.id,
        "name": node.name,
        "measure": standing.counter.measure.name(),
        "period": standing.counter.window.name(),
        "limit": standing.cap,
        "used": standing.cap.saturating_sub(standing.left),
        "remaining": remaining,
        "resets_at": ends_at.map(|at| at.timestamp()),
        "resets_in_seconds": standing.ends_in(now).map(seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_bounded_and_named() {
        let today = "2026-11-27".parse().unwrap();
        let query = |since: &str, until: Option<&str>| Query {
            since: Some(since.to_owned()),
            until: until.map(str::to_owned),
        };
        assert!(query("2026-11-01", None).days(today).is_ok());
        for wrong in [
            query("gisteren", None),
            query("2020-01-01", None),
            query("2026-11-02", Some("2026-11-01")),
        ] {
            let error = wrong.days(today).unwrap_err();
            assert_eq!(error.body.param.as_deref(), Some("since"));
        }
        let nothing = Query {
            since: None,
            until: None,
        };
        assert_eq!(nothing.days(today).unwrap().0.to_string(), "2026-10-29");
    }
}
