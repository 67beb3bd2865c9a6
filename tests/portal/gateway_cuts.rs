//! Requests that do not end well: every token that was made is booked, and no other.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::{
    gateway,
    ids::{InstitutionId, RequestId, UserId},
    keys::{
        Holder, Limits,
        quota::{self, Ask, Completion, NewReservation, Renewal},
    },
};

use crate::support::{Keyholder, Plan};

/// Waits until `count` requests are settled, half a minute at most.
async fn settled(holder: &Keyholder, count: usize) -> Vec<(i64, i64, String)> {
    for _ in 0..600 {
        let records = holder.records().await;
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not settled: {:?}", holder.records().await);
}

#[actix_web::test]
async fn a_client_that_leaves_pays_for_what_was_made() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let stream = json!({"stream": true, "max_tokens": 100});
    let mut answer = holder.ask("een twee", stream).send().await.unwrap();
    let mut text = String::new();
    while text.matches("woord").count() < 3 {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert_eq!(holder.counters().await.0, 0);
    drop(answer);
    assert_eq!(settled(&holder, 1).await, [(2, 3, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (5, 0));
    assert_eq!(holder.upstream.tokens(), 5);
}

#[actix_web::test]
async fn a_client_that_leaves_before_the_answer_is_settled() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let request = holder
        .ask("een twee", json!({}))
        .timeout(Duration::from_millis(500));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(settled(&holder, 1).await, [(2, 0, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (2, 0));
}

#[actix_web::test]
async fn an_upstream_that_breaks_off_is_an_error_event() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Break);
    let answer = holder.ask("een", json!({"stream": true})).send().await;
    let text = answer.unwrap().text().await.unwrap();
    assert_eq!(text.matches("woord").count(), 2);
    assert!(
        text.contains("\"error\":{") && !text.contains("[DONE]"),
        "{text}"
    );
    assert_eq!(holder.records().await, [(1, 2, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (3, 0));
}

/// Leaves a reservation behind as a process that was killed would.
async fn leave_behind(holder: &Keyholder) -> RequestId {
    let request = RequestId::fresh();
    let who = Holder {
        key: holder.id.parse().unwrap(),
        institution: InstitutionId::fresh(),
        requested_by: UserId::fresh(),
        may_infer: true,
        may_fine_tune: false,
        is_commercial: false,
        allowed_networks: Vec::new(),
        limits: Limits {
            tokens_per_day: 10_000,
            requests_per_minute: 100,
        },
        models: vec![holder.model],
    };
    let new = NewReservation {
        request,
        model: holder.model,
        ask: Ask {
            prompt: 100,
            completion: Completion::Exactly(50),
        },
        upstream: &holder.upstream.url,
        is_streamed: true,
    };
    let reserved = quota::reserve(&holder.app.ports.db, &who, new)
        .await
        .unwrap();
    assert_eq!(reserved.grant.tokens, 150);
    request
}

#[actix_web::test]
async fn what_a_dead_process_left_is_settled_once_and_exactly() {
    let holder = Keyholder::start(10_000, 100).await;
    let (known, unknown) = (leave_behind(&holder).await, leave_behind(&holder).await);
    let counts = (7, 5, true);
    let made = &holder.upstream.state.counts;
    made.lock().unwrap().insert(known.to_string(), counts);
    let ports = &holder.app.ports;
    gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
    assert_eq!(holder.counters().await, (0, 300), "they are still held");
    sqlx::query("UPDATE reservations SET expires_at = now() - interval '1 second'")
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    for _ in 0..2 {
        let both = tokio::join!(
            gateway::sweep(&ports.db, &ports.gateway),
            gateway::sweep(&ports.db, &ports.gateway),
        );
        both.0.unwrap();
        both.1.unwrap();
    }
    let recovered = "recovered".to_owned();
    let expected = [(7, 5, recovered.clone()), (150, 0, recovered)];
    assert_eq!(holder.records().await, expected);
    assert_eq!(holder.counters().await, (162, 0));
    assert_eq!(
        quota::renew(&ports.db, unknown).await.unwrap(),
        Renewal::Lost
    );
}

#[actix_web::test]
async fn a_revoked_keys_reservation_is_not_renewed() {
    let holder = Keyholder::start(10_000, 100).await;
    let request = leave_behind(&holder).await;
    let db = &holder.app.ports.db;
    assert_eq!(quota::renew(db, request).await.unwrap(), Renewal::Held);
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let revoke = format!("/api/v1/keys/{}/revoke", holder.id);
    manager.api(Method::POST, &revoke, None).await.unwrap();
    assert_eq!(quota::renew(db, request).await.unwrap(), Renewal::Lost);
}

#[actix_web::test]
async fn a_stream_ends_with_the_reason_when_its_model_is_kept_from_use() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let stream = json!({"stream": true, "max_tokens": 100});
    let mut answer = holder.ask("een twee", stream).send().await.unwrap();
    let mut text = String::new();
    while text.matches("woord").count() < 3 {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    // The upstream knows nothing of it and goes on; it is asked at the next renewal, a quarter of a minute away.
    sqlx::query(
        "UPDATE models SET marked_at = now(), marked_reason = 'permission_withdrawn', quarantined_at = now(),
             quarantine = 'retrain' WHERE id = $1",
    )
    .bind(holder.model.0)
    .execute(&mut holder.database().await)
    .await
    .unwrap();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        text.contains("model_withdrawn") && !text.contains("[DONE]"),
        "{text}"
    );
    assert_eq!(settled(&holder, 1).await, [(2, 3, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (5, 0));
}

#[actix_web::test]
async fn a_reservation_for_a_model_out_of_use_is_not_renewed() {
    for (change, why) in [
        (
            "UPDATE models SET marked_at = now(), marked_reason = 'x', quarantined_at = now(), quarantine = 'retrain'",
            Renewal::ModelWithdrawn,
        ),
        (
            "UPDATE models SET status = 'retired'",
            Renewal::ModelRetired,
        ),
    ] {
        let holder = Keyholder::start(10_000, 100).await;
        let request = leave_behind(&holder).await;
        let db = &holder.app.ports.db;
        assert_eq!(quota::renew(db, request).await.unwrap(), Renewal::Held);
        sqlx::query(change)
            .execute(&mut holder.database().await)
            .await
            .unwrap();
        assert_eq!(quota::renew(db, request).await.unwrap(), why);
    }
}

/// The engine itself: what it says it made is what is booked.
#[actix_web::test]
async fn a_real_model_answers_through_the_gateway() {
    let holder = Keyholder::start(100_000, 100).await;
    let program = crate::support::TestApp::programs().join("faculty-serving");
    let address = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let file = holder.app.folder.path().join("tiny.gguf");
    let mut serving = tokio::process::Command::new(program)
        .args(["serve", "--bind", &address, "--model"])
        .arg(format!("tiny:test={}", file.display()))
        .env("FACULTY_SERVING_TOKEN", "serving-token-of-the-tests")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let url = format!("http://{address}");
    let mut is_up = false;
    for _ in 0..600 {
        is_up = holder
            .client
            .get(format!("{url}/health"))
            .send()
            .await
            .is_ok();
        if is_up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_up, "the serving program does not answer");
    holder.serve_at(&url).await;
    let answer = holder.ask("Hallo", json!({"temperature": 0})).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    let (prompt, made) = (
        body["usage"]["prompt_tokens"].as_i64().unwrap(),
        body["usage"]["completion_tokens"].as_i64().unwrap(),
    );
    assert!(prompt > 0 && (1..=20).contains(&made), "{body}");
    let stream =
        json!({"temperature": 0, "stream": true, "stream_options": {"include_usage": true}});
    let text = holder.ask("Hallo", stream).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(
        text.contains(&format!("\"completion_tokens\":{made}")),
        "{text}"
    );
    let record = (prompt, made, "completed".to_owned());
    assert_eq!(holder.records().await, [record.clone(), record]);
    serving.kill().await.unwrap();
}
