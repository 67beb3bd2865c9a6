//! The OpenAI-compatible door: who comes in, what they may spend, what they get.

use std::sync::Arc;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use virtual_faculty::app::{self, Ports};

use crate::support::{Keyholder, Plan};

async fn error(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status().as_u16(), status);
    assert!(answer.headers().contains_key("x-request-id"));
    let body: Value = answer.json().await.unwrap();
    body["error"].clone()
}

fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name);
    value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

#[actix_web::test]
async fn an_answer_is_passed_on_and_booked_to_the_token() {
    let holder = Keyholder::start(10_000, 100).await;
    let answer = holder
        .ask("een twee drie", json!({"strange": 1}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "x-ratelimit-limit-requests"), "100");
    assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), "99");
    assert_eq!(header(&answer, "x-ratelimit-limit-tokens"), "10000");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["usage"]["total_tokens"], 23);
    assert_eq!(holder.counters().await, (23, 0));
    assert_eq!(holder.records().await, [(3, 20, "completed".to_owned())]);
    let sent = holder.upstream.state.bodies.lock().unwrap()[0].clone();
    assert_eq!(sent["strange"], 1);
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let usage = developer.api(Method::GET, "/api/v1/usage", None).await;
    let usage = usage.unwrap();
    assert_eq!(usage["data"][0]["total_tokens"], 23);
    assert_eq!(usage["today"][0]["used_tokens"], 23);
}

#[actix_web::test]
async fn a_stream_shows_counts_only_to_who_asked() {
    let holder = Keyholder::start(10_000, 100).await;
    let plain = json!({"stream": true, "max_tokens": 4});
    let text = holder.ask("een twee", plain).send().await.unwrap();
    assert_eq!(header(&text, "content-type"), "text/event-stream");
    let text = text.text().await.unwrap();
    assert!(
        !text.contains("usage") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
    assert_eq!(text.matches("woord").count(), 4);
    let counted =
        json!({"stream": true, "max_tokens": 4, "stream_options": {"include_usage": true}});
    let text = holder.ask("een twee", counted).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert_eq!(text.matches("\"total_tokens\":6").count(), 1, "{text}");
    let done = (2, 4, "completed".to_owned());
    assert_eq!(holder.records().await, [done.clone(), done]);
}

#[actix_web::test]
async fn models_are_those_of_the_key() {
    let holder = Keyholder::start(10_000, 100).await;
    let get = |path: &str| {
        holder
            .client
            .get(holder.app.url.join(path).unwrap())
            .header("x-api-key", &holder.key)
            .send()
    };
    let list: Value = get("/v1/models").await.unwrap().json().await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
    let one: Value = get("/v1/models/tiny:test")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&one["id"], &one["owned_by"]),
        (&json!("tiny:test"), &json!("tno"))
    );
    let missing = error(get("/v1/models/other").await.unwrap(), 404).await;
    assert_eq!(missing["code"], "model_not_found");
}

#[actix_web::test]
async fn without_a_good_key_nobody_comes_in() {
    let holder = Keyholder::start(10_000, 100).await;
    let start = &holder.key[..holder.key.len() - 2];
    let wrong = format!(
        "{start}{}",
        if holder.key.ends_with("AA") {
            "QA"
        } else {
            "AA"
        }
    );
    let url = holder.app.url.join("/v1/models").unwrap();
    let mut seen = Vec::new();
    for key in [
        "",
        "x",
        "gptnl_abcd1234_x",
        &wrong,
        "gptnl_zzzzzzzz_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let answer = holder.client.get(url.clone()).bearer_auth(key).send().await;
        seen.push(error(answer.unwrap(), 401).await);
    }
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let with_cookie = manager.get("/v1/models").await.unwrap();
    assert_eq!(with_cookie.status, StatusCode::UNAUTHORIZED);
    let revoke = format!("/api/v1/keys/{}/revoke", holder.id);
    manager.api(Method::POST, &revoke, None).await.unwrap();
    let revoked = holder.ask("een", json!({})).send().await.unwrap();
    seen.push(error(revoked, 401).await);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    assert_eq!(seen[0]["code"], "invalid_api_key");
    assert_eq!(holder.upstream.requests(), 0);
}

#[actix_web::test]
async fn an_expired_key_is_refused() {
    let holder = Keyholder::start(10_000, 100).await;
    sqlx::query("UPDATE api_keys SET expires_at = now() - interval '1 second'")
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(error(answer, 401).await["code"], "invalid_api_key");
}

#[actix_web::test]
async fn what_cannot_be_read_is_named() {
    let holder = Keyholder::start(10_000, 100).await;
    let wrong = holder
        .ask("een", json!({"temperature": "hot"}))
        .send()
        .await;
    assert_eq!(error(wrong.unwrap(), 400).await["param"], "temperature");
    let large = "x".repeat(1024 * 1024);
    let large = holder.ask(&large, json!({})).send().await.unwrap();
    error(large, 413).await;
    let unknown = holder.ask("een", json!({"model": "other"})).send().await;
    assert_eq!(
        error(unknown.unwrap(), 404).await["code"],
        "model_not_found"
    );
    holder.upstream.plan(Plan::Refuse);
    let long = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(error(long, 400).await["code"], "context_length_exceeded");
    assert_eq!(holder.counters().await, (0, 0));
}

#[actix_web::test]
async fn a_model_that_is_away_or_retired_says_so() {
    let holder = Keyholder::start(10_000, 100).await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    holder.serve_at(&address).await;
    let away = holder.ask("een", json!({})).send().await.unwrap();
    assert!(away.headers().contains_key("retry-after"));
    error(away, 503).await;
    assert_eq!(holder.records().await, [(0, 0, "failed".to_owned())]);
    let mut operator = holder.app.browser("operator").await;
    let stop = format!("/api/v1/models/{}/stop", holder.model);
    operator.api(Method::POST, &stop, None).await.unwrap();
    let stopped = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(error(stopped, 503).await["code"], "model_not_deployed");
    sqlx::query("UPDATE models SET marked_at = now(), marked_reason = 'W-7'")
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    let retire = format!("/api/v1/models/{}/retire", holder.model);
    operator.api(Method::POST, &retire, None).await.unwrap();
    let retired = error(holder.ask("een", json!({})).send().await.unwrap(), 404).await;
    assert_eq!(retired["code"], "model_retired");
    assert!(
        retired["message"].as_str().unwrap().contains("W-7"),
        "{retired}"
    );
}

#[actix_web::test]
async fn a_minute_has_its_requests_and_no_more() {
    let holder = Keyholder::start(100_000, 3).await;
    let mut refused = Vec::new();
    for _ in 0..8 {
        let answer = holder.ask("een", json!({})).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(header(&answer, "x-ratelimit-remaining-requests"), "0");
            let wait: u64 = header(&answer, "retry-after").parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
            refused.push(error(answer, 429).await);
        }
    }
    // Eight requests fall into two minutes at most.
    assert!(refused.len() >= 2, "{refused:?}");
    assert_eq!(refused[0]["code"], "rate_limit_exceeded");
}

#[actix_web::test]
async fn of_two_hundred_at_once_ten_fit_a_budget_for_ten_over_two_replicas() {
    const MESSAGE: &str = "een twee drie";
    let bound = json!([{"role": "user", "content": MESSAGE}])
        .to_string()
        .len()
        + 128
        + 20;
    let holder = Arc::new(Keyholder::start(bound as i64 * 10, 6000).await);
    holder.upstream.plan(Plan::Hold);
    let second = Arc::new(Ports::new((**holder.app.ports.config).clone()).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let replica = format!(
        "http://{}/v1/chat/completions",
        listener.local_addr().unwrap()
    );
    let server = app::serve(&second, listener).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let first = holder
        .app
        .url
        .join("/v1/chat/completions")
        .unwrap()
        .to_string();
    let (tell, mut answers) = mpsc::unbounded_channel();
    for number in 0..200 {
        let url = if number % 2 == 0 { &first } else { &replica };
        let body = json!({
            "model": "tiny:test", "max_tokens": 20,
            "messages": [{"role": "user", "content": MESSAGE}],
        });
        let request = holder.client.post(url).bearer_auth(&holder.key).json(&body);
        let tell = tell.clone();
        actix_web::rt::spawn(async move {
            let answer = request.send().await.unwrap();
            let is_final = header(&answer, "x-should-retry") == "false";
            let status = answer.status().as_u16();
            let body: Value = answer.json().await.unwrap();
            tell.send((status, is_final, body)).unwrap();
        });
    }
    for _ in 0..190 {
        let (status, is_final, body) = answers.recv().await.unwrap();
        assert_eq!((status, is_final), (429, true), "{body}");
        assert_eq!(body["error"]["code"], "insufficient_quota");
    }
    holder.upstream.state.gate.add_permits(10);
    for _ in 0..10 {
        let (status, _, body) = answers.recv().await.unwrap();
        assert_eq!(status, 200, "{body}");
    }
    assert_eq!(holder.upstream.requests(), 10);
    assert_eq!(holder.counters().await, (230, 0));
    handle.stop(false).await;
}

#[actix_web::test]
async fn an_open_request_fits_what_is_left() {
    let holder = Keyholder::start(500, 100).await;
    let mut answers = Vec::new();
    for _ in 0..30 {
        let open = json!({"max_tokens": null});
        let answer = holder.ask("een twee", open).send().await.unwrap();
        answers.push(answer.status().as_u16());
    }
    let (used, reserved) = holder.counters().await;
    assert!(used <= 500 && reserved == 0, "{used} {reserved}");
    // What is refused at the end is less than the least that a request may cost.
    assert!(used >= 300, "{used}: {answers:?}");
    assert_eq!(holder.upstream.tokens(), used as u64);
}

#[actix_web::test]
async fn a_key_for_profit_asks_no_model_that_is_not_for_profit_any_more() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut conn = holder.database().await;
    sqlx::query("UPDATE api_keys SET is_commercial = true")
        .execute(&mut conn)
        .await
        .unwrap();
    holder.app.ports.db.note_change();
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "it was released for that");
    sqlx::query(
        "UPDATE models SET own_commercial = false,
             release_commercial = CASE WHEN release_recipients IS NULL THEN NULL ELSE false END
         WHERE id = $1",
    )
    .bind(holder.model.0)
    .execute(&mut conn)
    .await
    .unwrap();
    holder.app.ports.db.note_change();
    for stream in [false, true] {
        let refused = holder.ask("een", json!({"stream": stream})).send().await;
        let refused = error(refused.unwrap(), 403).await;
        assert_eq!(
            (&refused["code"], &refused["param"]),
            (&json!("purpose_not_permitted"), &json!("model"))
        );
    }
    sqlx::query("UPDATE api_keys SET is_commercial = false")
        .execute(&mut conn)
        .await
        .unwrap();
    holder.app.ports.db.note_change();
    let answer = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "research goes on");
}

#[actix_web::test]
async fn neither_key_nor_question_nor_answer_is_stored() {
    let holder = Keyholder::start(10_000, 100).await;
    let canary = "kanarie-in-de-mijn";
    let stream = holder.ask(canary, json!({"stream": true})).send().await;
    stream.unwrap().text().await.unwrap();
    let secret = holder.key.rsplit('_').next().unwrap();
    let mut conn = holder.database().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert!(tables.contains(&"usage_records".to_owned()));
    for table in tables {
        for needle in [canary, secret, "woord woord"] {
            let query = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{needle}%'");
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .fetch_one(&mut conn)
                .await
                .unwrap();
            assert_eq!(found, 0, "{table} holds {needle}");
        }
    }
}
