//! No way to a model passes by the quota; what is free has a bound of its own.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Keyholder, chat_body};

/// The paths under `/v1` that make something, as the gateway registers them: a new one is found here by itself.
fn generating() -> Vec<&'static str> {
    let routes = include_str!("../../src/gateway/web.rs");
    let path = |rest: &'static str| {
        let (path, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let rest = rest.trim_start_matches([',', ' ', '\n']);
        rest.starts_with("web::post()").then_some(path)
    };
    routes.split("resource(").skip(1).filter_map(path).collect()
}

/// A request that would be answered.
fn body(path: &str, model: &str, streams: bool) -> Value {
    match path {
        "/chat/completions" => chat_body("een twee", json!({"model": model, "stream": streams})),
        "/completions" => {
            json!({"model": model, "prompt": "een twee", "max_tokens": 20, "stream": streams})
        }
        "/embeddings" => json!({"model": model, "input": "een twee"}),
        other => panic!("say here what is sent to {other}, so that its quota is looked at"),
    }
}

async fn code(answer: Response) -> String {
    let body: Value = answer.json().await.unwrap();
    body["error"]["code"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn no_route_to_a_model_passes_by_the_quota() {
    let paths = generating();
    assert!(paths.len() >= 3, "{paths:?}");
    let holder = Keyholder::start(10_000, 1_000).await;
    for kind in ["key", "institution"] {
        for (measure, period) in [("tokens", "day"), ("tokens", "month")] {
            let mut conn = holder.database().await;
            // Used up: nothing is left of nothing.
            sqlx::query(
                "INSERT INTO quota_limits (node_id, measure, period, cap)
                 SELECT CASE $1 WHEN 'key' THEN id ELSE institution_id END, $2, $3, 0 FROM api_keys
                 ON CONFLICT (node_id, measure, period) DO UPDATE SET cap = 0",
            )
            .bind(kind)
            .bind(measure)
            .bind(period)
            .execute(&mut conn)
            .await
            .unwrap();
            for path in &paths {
                for streams in [false, true] {
                    let sent = body(path, &holder.name, streams);
                    let answer = holder.post(&format!("/v1{path}"), &sent).send().await;
                    let answer = answer.unwrap();
                    let of = format!("{path} {streams}: {kind} {measure} {period}");
                    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{of}");
                    assert_eq!(answer.headers()["x-should-retry"], "false", "{of}");
                    assert_eq!(code(answer).await, "insufficient_quota", "{of}");
                }
            }
            sqlx::query("UPDATE quota_limits SET cap = 10000 WHERE cap = 0")
                .execute(&mut conn)
                .await
                .unwrap();
        }
    }
    assert_eq!(holder.upstream.requests(), 0, "nothing came through");
    assert_eq!(holder.counters().await, (0, 0));
    // With something left the same requests are let in; what has no program behind it in this test fails later.
    for path in &paths {
        let sent = body(path, &holder.name, false);
        let answer = holder.post(&format!("/v1{path}"), &sent).send().await;
        let status = answer.unwrap().status();
        assert_ne!(status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    assert!(holder.upstream.requests() > 0);
}

#[actix_web::test]
async fn what_takes_nothing_of_a_limit_is_free_within_a_bound_of_its_own() {
    let holder = Keyholder::start(10_000, 1_000).await;
    sqlx::query("UPDATE quota_limits SET cap = 0")
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    let models = format!("/v1/models/{}", holder.name);
    let paths = ["/v1/models", "/v1/usage", models.as_str()];
    let get = async |path: &str| {
        let request = holder.client.get(holder.app.url.join(path).unwrap());
        request.bearer_auth(&holder.key).send().await.unwrap()
    };
    for path in paths {
        let free = get(path).await;
        assert_eq!(free.status(), StatusCode::OK, "{path}, with nothing left");
    }
    let mut seen = paths.len();
    let refused = loop {
        let answer = get("/v1/models").await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break answer;
        }
        assert_eq!(answer.status(), StatusCode::OK);
        seen += 1;
        assert!(seen <= 600, "there is no bound");
    };
    assert_eq!(seen, 600);
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(code(refused).await, "rate_limit_exceeded");
    for path in paths {
        let status = get(path).await.status();
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{path}");
    }
    // Models are asked within the key's limits all the same.
    sqlx::query("UPDATE quota_limits SET cap = 1000")
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}
