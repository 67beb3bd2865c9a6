//! `kill -9` of the portal in the middle of answers: every token that the upstream made is booked, once.

use std::time::Duration;

use serde_json::json;
use sqlx::Connection as _;
use virtual_faculty::app::Ports;

use crate::support::{Keyholder, Plan, Program, portal_is_up};

/// Rounds of two streams and one whole answer, each cut by a kill.
fn rounds() -> usize {
    if std::env::var("FACULTY_TEST_DEEP").is_ok() {
        40
    } else {
        10
    }
}

#[actix_web::test]
async fn killed_while_answers_stream_no_token_is_unaccounted() {
    let holder = Keyholder::start(200_000, 1_000).await;
    holder.app.stop_serving().await;
    // Connections of its own: those of the test's portal belong to threads that stopped with it.
    let ports = Ports::new((**holder.app.ports.config).clone()).unwrap();
    let mut portal = Program::start(&holder.app, "faculty", &["serve"]);
    portal_is_up(&holder.app).await;
    for round in 0..rounds() {
        holder.upstream.plan(Plan::Answer);
        let before = holder.upstream.requests();
        let whole = holder.ask("een twee", json!({})).send().await.unwrap();
        assert!(whole.status().is_success());
        holder.upstream.plan(Plan::Hold);
        let mut cut = Vec::new();
        for is_streamed in [true, true, false] {
            let more = json!({"stream": is_streamed, "max_tokens": 50});
            let asked = holder.ask("een twee drie", more);
            cut.push(tokio::spawn(asked.send()));
        }
        // The kill must find all three under way, at a moment of its own choosing.
        while holder.upstream.requests() < before + 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..200))).await;
        portal.kill();
        holder.upstream.state.gate.add_permits(3);
        for asked in cut {
            drop(asked.await);
        }
        if round % 2 == 0 {
            // A worker that sweeps while nothing serves must not settle what is still held.
            virtual_faculty::gateway::sweep(&ports.db, &ports.gateway)
                .await
                .unwrap();
        }
        portal = Program::start(&holder.app, "faculty", &["serve"]);
        portal_is_up(&holder.app).await;
    }
    // As if the dead had been silent for long enough.
    let mut database = holder.database().await;
    sqlx::query("UPDATE quota_replicas SET expires_at = now() - interval '1 second'")
        .execute(&mut database)
        .await
        .unwrap();
    database.close().await.unwrap();
    for _ in 0..100 {
        let both = tokio::join!(
            virtual_faculty::gateway::sweep(&ports.db, &ports.gateway),
            virtual_faculty::gateway::sweep(&ports.db, &ports.gateway),
        );
        both.0.unwrap();
        both.1.unwrap();
        if holder.counters().await.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (used, reserved) = holder.counters().await;
    let records = holder.records().await;
    assert_eq!(reserved, 0, "nothing is held for requests that are over");
    assert_eq!(
        records.len(),
        rounds() * 4,
        "one record a request: {records:?}"
    );
    let booked: i64 = records.iter().map(|(prompt, made, _)| prompt + made).sum();
    assert_eq!(booked, used, "the counter is the sum of the records");
    assert_eq!(
        u64::try_from(booked).unwrap(),
        holder.upstream.tokens(),
        "what is booked is what the upstream made: {records:?}"
    );
}
