//! Requests that do not end well: every token that was made is booked, and no other.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use virtual_faculty::{
    gateway,
    ids::{InstitutionId, RequestId},
    quota::{Context, Ledger, NewRequest},
};

use crate::support::{Keyholder, Plan, Upstream};

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

/// As if a second program of ours had the model ready at `url`.
async fn also_at(holder: &Keyholder, url: &str) {
    let mut conn = holder.database().await;
    for statement in [
        "UPDATE deployments SET replicas = 2 WHERE status <> 'stopped'",
        "INSERT INTO serving_processes
         SELECT gen_random_uuid(), 'other', $1, takes, most_adapters, room_bytes, running, waiting, is_leaving, NULL, NULL,
             started_at, seen_at, expires_at, gone_at FROM serving_processes WHERE $1 <> ''",
        "INSERT INTO serving_places (deployment_id, process_id, state, is_in_use, placed_at)
         SELECT p.deployment_id, o.id, p.state, false, now() FROM serving_places p, serving_processes o
         WHERE o.address = $1",
    ] {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") { query.bind(url) } else { query };
        query.execute(&mut conn).await.unwrap();
    }
    holder.app.ports.db.note_change();
}

#[actix_web::test]
async fn a_client_that_leaves_before_the_answer_pays_wherever_it_was_made() {
    let holder = Keyholder::start(10_000, 100).await;
    let other = Upstream::start();
    also_at(&holder, &other.url).await;
    for upstream in [&holder.upstream, &other] {
        upstream.plan(Plan::Hold);
    }
    // What begins alike goes to one place: of so many beginnings some go to each.
    for beginning in 0..12 {
        let asked = format!("{beginning} twee drie");
        let request = holder
            .ask(&asked, json!({}))
            .timeout(Duration::from_millis(300));
        assert!(request.send().await.unwrap_err().is_timeout());
    }
    settled(&holder, 12).await;
    assert!(holder.upstream.requests() > 0 && other.requests() > 0);
    assert_eq!(holder.counters().await, (36, 0));
    assert_eq!(holder.upstream.tokens() + other.tokens(), 36);
}

#[actix_web::test]
async fn what_a_place_made_before_it_broke_off_is_booked_though_no_other_can_be_reached() {
    let holder = Keyholder::start(10_000, 100).await;
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    also_at(&holder, &dead).await;
    holder.upstream.plan(Plan::Collapse);
    // What begins alike goes to one place: of so many beginnings some go to each first.
    for beginning in 0..3 {
        let asked = format!("{beginning} twee");
        let answer = holder.ask(&asked, json!({"stream": true})).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::BAD_GATEWAY);
    }
    let cut = (2, 3, "cut".to_owned());
    assert_eq!(settled(&holder, 3).await, [cut.clone(), cut.clone(), cut]);
    assert_eq!(holder.counters().await, (15, 0));
}

#[actix_web::test]
async fn what_a_place_made_before_it_broke_off_is_booked_though_another_refuses() {
    let holder = Keyholder::start(10_000, 100).await;
    let busy = Upstream::start();
    also_at(&holder, &busy.url).await;
    busy.plan(Plan::Busy);
    holder.upstream.plan(Plan::Collapse);
    // What begins alike goes to one place: of so many beginnings some go to each first.
    for beginning in 0..3 {
        let asked = format!("{beginning} twee");
        let answer = holder.ask(&asked, json!({"stream": true})).send().await;
        assert!(answer.unwrap().status().is_server_error());
    }
    let cut = (2, 3, "cut".to_owned());
    assert_eq!(settled(&holder, 3).await, [cut.clone(), cut.clone(), cut]);
    assert_eq!(holder.counters().await, (15, 0));
}

#[actix_web::test]
async fn what_a_program_that_forgot_it_delivered_is_booked_all_the_same() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let stream = json!({"stream": true, "max_tokens": 100});
    let mut answer = holder.ask("een twee", stream).send().await.unwrap();
    let mut text = String::new();
    while text.matches("woord").count() < 3 {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    // As after a restart at the same address.
    holder.upstream.state.counts.lock().unwrap().clear();
    drop(answer);
    assert_eq!(settled(&holder, 1).await, [(2, 3, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (5, 0));
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
    let db = &holder.app.ports.db;
    let mut conn = holder.database().await;
    let institution: uuid::Uuid = sqlx::query_scalar("SELECT institution_id FROM api_keys")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    let new = NewRequest {
        request,
        key: holder.id.parse().unwrap(),
        least: 150,
        most: 150,
        context: Context {
            institution: InstitutionId(institution),
            model: holder.model,
            upstream: holder.upstream.url.clone(),
            price: virtual_faculty::quota::Price::default(),
            is_streamed: true,
            started_at: db.now(),
        },
    };
    let ledger = Ledger::new(true);
    let life = tokio::spawn(ledger.clone().run(db.clone(), CancellationToken::new()));
    let held = ledger.reserve(db, &new).await.unwrap();
    assert_eq!(held.tokens(), 150);
    life.abort();
    std::mem::forget(held);
    request
}

/// As if the time of every process but the portal's own had passed.
async fn the_dead_are_found(holder: &Keyholder) {
    sqlx::query(
        "UPDATE quota_replicas SET expires_at = now() - interval '1 second'
         WHERE id IN (SELECT replica_id FROM quota_holds)",
    )
    .execute(&mut holder.database().await)
    .await
    .unwrap();
}

#[actix_web::test]
async fn what_a_dead_process_left_is_settled_once_and_exactly() {
    let holder = Keyholder::start(10_000, 100).await;
    let (known, _unknown) = (leave_behind(&holder).await, leave_behind(&holder).await);
    let counts = (7, 5, true);
    let made = &holder.upstream.state.counts;
    made.lock().unwrap().insert(known.to_string(), counts);
    let ports = &holder.app.ports;
    gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
    assert_eq!(holder.counters().await, (0, 300), "they are still held");
    the_dead_are_found(&holder).await;
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
}

#[actix_web::test]
async fn a_revoked_keys_answer_is_cut_and_booked_as_far_as_it_came() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let stream = json!({"stream": true, "max_tokens": 100});
    let mut answer = holder.ask("een twee", stream).send().await.unwrap();
    let mut text = String::new();
    while text.matches("woord").count() < 3 {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let revoke = format!("/api/v1/keys/{}/revoke", holder.id);
    manager.api(Method::POST, &revoke, None).await.unwrap();
    let revoked = std::time::Instant::now();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        revoked.elapsed() < Duration::from_secs(1),
        "{:?}",
        revoked.elapsed()
    );
    assert!(
        text.contains("invalid_api_key") && !text.contains("[DONE]"),
        "{text}"
    );
    assert_eq!(settled(&holder, 1).await, [(2, 3, "cut".to_owned())]);
    assert_eq!(holder.counters().await, (5, 0));
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
    // The upstream knows nothing of it and goes on.
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
