//! Requests and answers that make no sense: each is told what is wrong, and costs nothing that was not made.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed},
};

use actix_web::{App, HttpResponse, HttpServer, http, web};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Keyholder, Plan};

const CHAT: &str = "/v1/chat/completions";

async fn error(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status().as_u16(), status);
    let body: Value = answer.json().await.unwrap();
    body["error"].clone()
}

/// Sends a body as it is.
async fn send(holder: &Keyholder, body: Vec<u8>) -> Response {
    let request = holder
        .client
        .post(holder.app.url.join(CHAT).unwrap())
        .bearer_auth(&holder.key)
        .header("content-type", "application/json")
        .body(body);
    request.send().await.expect("it is answered, not reset")
}

#[actix_web::test]
async fn a_body_that_is_far_too_long_is_refused_in_words() {
    let holder = Keyholder::start(10_000, 100).await;
    for _ in 0..3 {
        let refused = send(&holder, vec![b' '; 10 * 1024 * 1024]).await;
        assert_eq!(error(refused, 413).await["code"], "request_too_large");
    }
    assert_eq!(holder.upstream.requests(), 0);
}

#[actix_web::test]
async fn what_is_no_request_is_named() {
    let holder = Keyholder::start(10_000, 100).await;
    let many = format!(
        "{{\"model\":\"tiny:test\",\"messages\":[{}{{}}]}}",
        "{},".repeat(99_999)
    );
    let refused = error(send(&holder, many.into_bytes()).await, 400).await;
    assert_eq!(refused["param"], "messages");
    let mut latin = br#"{"model":"tiny:test","messages":[{"role":"user","content":""#.to_vec();
    latin.extend(b"caf\xe9\"}]}");
    let refused = error(send(&holder, latin).await, 400).await;
    assert_eq!(refused["code"], "invalid_json");
    let deep = format!("{{\"model\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    let refused = error(send(&holder, deep.into_bytes()).await, 400).await;
    assert_eq!(refused["code"], "invalid_json");
    for (name, value) in [
        ("best_of", json!(4.0)),
        ("best_of", json!("4")),
        ("n", json!(2.0)),
        ("n", json!("2")),
        ("max_tokens", json!("20")),
        ("max_completion_tokens", json!(1e3)),
    ] {
        let refused = holder.ask("een", json!({ name: value })).send().await;
        assert_eq!(error(refused.unwrap(), 400).await["param"], name);
    }
    assert_eq!(holder.upstream.requests(), 0);
    assert_eq!(holder.counters().await, (0, 0));
}

#[actix_web::test]
async fn a_key_is_sent_once_or_each_time_the_same() {
    let holder = Keyholder::start(10_000, 100).await;
    let url = holder.app.url.join("/v1/models").unwrap();
    let ask = |headers: Vec<(&'static str, String)>| {
        let request = holder.client.get(url.clone());
        headers
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            })
            .send()
    };
    let bearer = |key: &str| ("authorization", format!("Bearer {key}"));
    let named = |key: &str| ("x-api-key", key.to_owned());
    let key = holder.key.as_str();
    for same in [
        vec![bearer(key), named(key)],
        vec![bearer(key), bearer(key)],
        vec![("authorization", "Basic eDp5".to_owned()), named(key)],
        // A header with nothing in it says nothing.
        vec![named(key), named("")],
        vec![bearer(key), named("")],
        vec![bearer(""), named(key)],
    ] {
        let answer = ask(same).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    for different in [
        vec![bearer(key), named("gptnl_abcd1234_x")],
        vec![bearer("gptnl_abcd1234_x"), named(key)],
        vec![bearer(key), bearer("gptnl_abcd1234_x")],
        vec![bearer(""), named("")],
    ] {
        let refused = error(ask(different).await.unwrap(), 401).await;
        assert_eq!(refused["code"], "invalid_api_key");
    }
}

#[actix_web::test]
async fn an_answer_that_is_none_is_not_passed_on_and_costs_nothing() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Nonsense);
    for stream in [false, true] {
        let refused = holder.ask("een", json!({"stream": stream})).send().await;
        let refused = error(refused.unwrap(), 502).await;
        assert_eq!(refused["code"], "bad_upstream");
    }
    let failed = (0, 0, "failed".to_owned());
    assert_eq!(holder.records().await, [failed.clone(), failed]);
    assert_eq!(holder.counters().await, (0, 0));
}

#[actix_web::test]
async fn an_upstream_that_boasts_is_not_believed() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Boast);
    let answer = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let messages = json!([{"role": "user", "content": "een twee"}]).to_string();
    let prompt = i64::try_from(messages.len()).unwrap() + 128 + 4096;
    assert_eq!(
        holder.records().await,
        [(prompt, 20, "completed".to_owned())]
    );
    assert_eq!(holder.counters().await, (prompt + 20, 0));
}

/// What a server of ours answers to every request, and how often it was asked what one took.
#[derive(Default)]
struct Refusals {
    status: AtomicU16,
    asked: AtomicUsize,
}

async fn refuse(state: web::Data<Refusals>) -> HttpResponse {
    let status = http::StatusCode::from_u16(state.status.load(Relaxed)).unwrap();
    HttpResponse::build(status).body("{}")
}

async fn counts(state: web::Data<Refusals>) -> HttpResponse {
    state.asked.fetch_add(1, Relaxed);
    HttpResponse::NotFound().finish()
}

#[actix_web::test]
async fn only_who_may_have_made_something_is_asked_what() {
    let holder = Keyholder::start(10_000, 100).await;
    let state = web::Data::new(Refusals::default());
    let data = state.clone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .route("/v1/chat/completions", web::post().to(refuse))
            .route("/v1/requests/{id}/usage", web::get().to(counts))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    holder.serve_at(&url).await;
    let cases = [
        (400, 400, 0),
        (404, 503, 0),
        (429, 503, 0),
        (503, 503, 0),
        (500, 502, 1),
    ];
    for (status, told, asked) in cases {
        state.status.store(status, Relaxed);
        state.asked.store(0, Relaxed);
        let answer = holder.ask("een", json!({})).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), told, "it answered {status}");
        assert_eq!(state.asked.load(Relaxed), asked, "it answered {status}");
    }
    assert_eq!(holder.counters().await, (0, 0));
    handle.stop(false).await;
}
