//! A portal that is asked to stop: it says so first, lets answers end, and cuts what takes too long.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Keyholder, Plan, Program, chat_body, is_up};

async fn ask(holder: &Keyholder, url: &url::Url, more: Value) -> Response {
    let url = url.join("/v1/chat/completions").unwrap();
    let body = chat_body("een twee", more);
    let request = holder.client.post(url).bearer_auth(&holder.key).json(&body);
    request.send().await.unwrap()
}

/// The beginning of an answer that does not go on by itself.
async fn begin(holder: &Keyholder, url: &url::Url) -> (Response, String) {
    holder.upstream.plan(Plan::Hold);
    let mut answer = ask(holder, url, json!({"stream": true, "max_tokens": 10})).await;
    let mut text = String::new();
    while text.matches("woord").count() < 3 {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    (answer, text)
}

#[actix_web::test]
async fn a_portal_says_that_it_leaves_while_it_still_answers() {
    let holder = Keyholder::start_with(&[("FACULTY_GATEWAY__ANNOUNCE_SECONDS", "5")]).await;
    let (mut replica, url) = Program::replica(&holder.app);
    is_up(&holder.app, &url).await;
    let (answer, mut text) = begin(&holder, &url).await;
    replica.ask_to_end();
    let ready = url.join("/readyz").unwrap();
    let mut told = (StatusCode::OK, String::new());
    for _ in 0..40 {
        let answer = holder.client.get(ready.clone()).send().await.unwrap();
        told = (answer.status(), answer.text().await.unwrap());
        if told.0 != StatusCode::OK {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        told,
        (StatusCode::SERVICE_UNAVAILABLE, "leaving\n".to_owned())
    );
    holder.upstream.plan(Plan::Answer);
    let late = ask(&holder, &url, json!({})).await;
    assert_eq!(late.status(), StatusCode::OK, "who has not heard is served");
    holder.upstream.state.gate.add_permits(1);
    text.push_str(&answer.text().await.unwrap());
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(replica.ended().await, "it ends well");
    let done = |made| (2, made, "completed".to_owned());
    assert_eq!(holder.records().await, [done(10), done(20)]);
    assert_eq!(holder.counters().await, (34, 0));
}

#[actix_web::test]
async fn an_answer_that_takes_too_long_is_cut_and_booked_as_far_as_it_came() {
    let holder = Keyholder::start_with(&[("FACULTY_GATEWAY__DRAIN_SECONDS", "1")]).await;
    let (mut replica, url) = Program::replica(&holder.app);
    is_up(&holder.app, &url).await;
    let (answer, mut text) = begin(&holder, &url).await;
    replica.ask_to_end();
    text.push_str(&answer.text().await.unwrap());
    assert!(
        text.contains("the gateway is stopping") && !text.contains("[DONE]"),
        "{text}"
    );
    assert!(replica.ended().await, "it ends well");
    assert_eq!(holder.records().await, [(2, 3, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (5, 0));
}
