//! What was used of whose data: counted from raw events, divided by the formula, closed for good.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use virtual_faculty::{ids::ModelId, ledger};

use crate::support::{Keyholder, TestApp, given};

/// A model trained on Archief Waterland's data, served by the test's upstream, with a key for it.
async fn served_model() -> (Keyholder, given::Approved) {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 2).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let model: ModelId = state["model"]["id"].as_str().unwrap().parse().unwrap();
    let name = state["model"]["name"].as_str().unwrap().to_owned();
    app.browser("operator")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/models/{model}/release"),
            None,
        )
        .await
        .unwrap();
    let holder = Keyholder::of(app, (model, &name), (100_000, 1_000)).await;
    (holder, data)
}

async fn statement(holder: &Keyholder, login: &str) -> Value {
    let mut browser = holder.app.browser(login).await;
    let month = ledger::Month::holding(holder.app.ports.db.now());
    let path = format!("/api/v1/statements/waterland/{month}");
    browser.api(Method::GET, &path, None).await.unwrap()
}

/// Closes the running month as if it had ended.
async fn close(holder: &Keyholder) -> Vec<ledger::Month> {
    let ports = &holder.app.ports;
    let later = ports.db.now() + TimeDelta::days(33);
    ledger::close_due(&ports.db, &ports.signer, later)
        .await
        .unwrap()
}

#[actix_web::test]
async fn a_month_counts_what_was_read_and_served_and_never_changes_once_closed() {
    let (holder, data) = served_model().await;
    for _ in 0..2 {
        let answer = holder.ask("een twee", json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let running = statement(&holder, "manager.waterland").await;
    assert_eq!(running["is_closed"], false);
    let line = &running["statement"]["versions"][0];
    assert_eq!(line["dataset"], json!(data.dataset));
    assert!(line["tokens_read"].as_i64().unwrap() > 100, "{running:#}");
    assert_eq!(
        line["tokens_served"], 44,
        "two answers of 2 + 20 tokens: {running:#}"
    );

    // After the withdrawal the model's answers are nobody's credit.
    let mut manager = holder.app.browser("manager.waterland").await;
    let withdraw = format!("/api/v1/datasets/{}/withdraw", data.dataset);
    let in_flight = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert_eq!(in_flight.status(), StatusCode::OK);
    manager
        .api(Method::POST, &withdraw, Some(json!({"reason": "bezwaar"})))
        .await
        .unwrap();
    let before = statement(&holder, "manager.waterland").await;
    assert_eq!(before["statement"]["tokens_served"], 67);

    let closed = close(&holder).await;
    assert_eq!(closed.len(), 1);
    assert_eq!(close(&holder).await, [], "a month is closed once");
    let kept = statement(&holder, "manager.waterland").await;
    assert_eq!(kept["is_closed"], true);
    assert_eq!(
        kept["statement"], before["statement"],
        "closing changes no figure"
    );
    let envelope = kept["envelope"].as_object().unwrap();
    assert!(envelope.contains_key("signatures"), "{kept:#}");

    let (months, differences) = ledger::verify(&holder.app.ports.db).await.unwrap();
    assert_eq!((months, differences), (1, vec![]));
    let mut database = holder.database().await;
    for statement in [
        "UPDATE ledger_entries SET tokens = tokens + 1 WHERE tokens > 0",
        "DELETE FROM ledger_statements",
        "UPDATE ledger_months SET tokens_read = 0",
        "INSERT INTO ledger_transactions (id, month, kind, model_id) SELECT gen_random_uuid(), month, 'served', m.id
         FROM ledger_months, models m LIMIT 1",
        "INSERT INTO tokens_read SELECT attempt_id, dataset_version_id, 1, read_at FROM tokens_read LIMIT 1",
        "UPDATE usage_records SET prompt_tokens = 0",
    ] {
        assert!(
            database.execute(sqlx::AssertSqlSafe(statement)).await.is_err(),
            "a closed month was changed: {statement}"
        );
    }
}

#[actix_web::test]
async fn a_ledger_that_was_tampered_with_is_found_and_the_place_named() {
    let (holder, _) = served_model().await;
    let answer = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    close(&holder).await;
    let mut database = holder.database().await;
    // As the database's owner could, past every trigger.
    let mut tx = database.begin().await.unwrap();
    for statement in [
        "SET LOCAL session_replication_role = replica",
        "UPDATE ledger_entries SET tokens = tokens + 5 WHERE account = 'dataset_version'
             AND transaction_id IN (SELECT id FROM ledger_transactions WHERE kind = 'served')",
        "UPDATE ledger_statements SET body = replace(body, '\"formula\":1', '\"formula\":2')",
    ] {
        tx.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (_, differences) = ledger::verify(&holder.app.ports.db).await.unwrap();
    let places: Vec<_> = differences.iter().map(ToString::to_string).collect();
    let text = places.join("\n");
    assert!(
        text.contains("the ledger says 27, the raw events say 22"),
        "{text}"
    );
    assert!(text.contains("the hash of the journal"), "{text}");
    assert!(
        text.contains("does not follow from the raw events"),
        "{text}"
    );
}

#[actix_web::test]
async fn a_statement_is_for_its_institution_alone() {
    let (holder, _) = served_model().await;
    let month = ledger::Month::holding(holder.app.ports.db.now());
    let path = format!("/statements/waterland/{month}");
    for (login, status) in [
        ("manager.waterland", StatusCode::OK),
        ("contributor.waterland", StatusCode::OK),
        ("auditor", StatusCode::OK),
        ("manager.harderwijk", StatusCode::NOT_FOUND),
        ("researcher.harderwijk", StatusCode::NOT_FOUND),
        ("steward", StatusCode::NOT_FOUND),
    ] {
        let mut browser = holder.app.browser(login).await;
        for page in [
            format!("/nl{path}"),
            format!("/api/v1{path}"),
            format!("/api/v1{path}/csv"),
        ] {
            let answer = browser.get(&page).await.unwrap();
            assert_eq!(answer.status, status, "{login} at {page}: {}", answer.text);
        }
    }
    let mut manager = holder.app.browser("manager.waterland").await;
    for month in ["2001-01", "2999-01", "2026-13", "nu"] {
        let answer = manager
            .get(&format!("/nl/statements/waterland/{month}"))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{month}");
    }
    let list = manager.get("/nl/statements").await.unwrap();
    assert!(list.text.contains(&path), "{}", list.text);
    let formula = reqwest::get(holder.app.url.join("/nl/formula").unwrap())
        .await
        .unwrap();
    assert_eq!(
        formula.status(),
        StatusCode::OK,
        "the formula is for everybody"
    );
}

#[actix_web::test]
async fn what_a_cancelled_attempt_read_is_counted() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset_of(&app, &given::corpus(2000)).await;
    let job = given::approved_job(&app, base, data.version, 50).await;
    given::job_until(&app, job, |state| {
        state["progress"]["step"].as_u64().unwrap_or(0) > 2
    })
    .await;
    app.browser("researcher.harderwijk")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{job}/cancel"), None)
        .await
        .unwrap();
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "cancelled", "{state:#}");
    let month = ledger::Month::holding(app.ports.db.now());
    let mut manager = app.browser("manager.waterland").await;
    let path = format!("/api/v1/statements/waterland/{month}");
    let shown = manager.api(Method::GET, &path, None).await.unwrap();
    let read = shown["statement"]["tokens_read"].as_i64().unwrap();
    assert!(
        read > 0,
        "what was read counts, whatever came of it: {shown:#}"
    );
}
