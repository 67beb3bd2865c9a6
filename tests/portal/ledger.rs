//! What was used of whose data: counted from raw events, divided by the formula, closed for good.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use virtual_faculty::{
    ids::ModelId,
    ledger,
    policy::Actor,
    signing::{self, Signer},
};

use crate::{
    support::{Keyholder, TestApp, given},
    withdrawal_pages,
};

/// A model trained on Archief Waterland's data, served by the test's upstream, with a key for it.
async fn served_model() -> (Keyholder, given::Approved) {
    served_model_that("retrain").await
}

/// The same under a permission that says what a withdrawal does to models.
async fn served_model_that(on_withdrawal: &str) -> (Keyholder, given::Approved) {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let permission = withdrawal_pages::permission(&["fine_tuning"], on_withdrawal);
    let data = given::approved_with(&app, permission).await;
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
async fn what_a_kept_model_and_models_after_it_answer_after_a_withdrawal_is_credited_to_nobody() {
    let (holder, data) = served_model_that("keep").await;
    let ask = async || {
        let answer = holder.ask("een twee", json!({})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    };
    ask().await;
    let mut manager = holder.app.browser("manager.waterland").await;
    withdrawal_pages::withdraw(&mut manager, data.dataset, "").await;
    ask().await;
    let line = statement(&holder, "manager.waterland").await["statement"]["versions"][0].clone();
    let tokens = |line: &Value| {
        (
            line["tokens_served"].clone(),
            line["tokens_withheld"].clone(),
        )
    };
    assert_eq!(tokens(&line), (json!(22), json!(22)), "{line:#}");

    // A model that is made of the kept one after the withdrawal, and answers as well.
    let mut database = holder.database().await;
    let kept: uuid::Uuid = sqlx::query_scalar("SELECT model_id FROM usage_records LIMIT 1")
        .fetch_one(&mut database)
        .await
        .unwrap();
    let later =
        withdrawal_pages::made_model(&holder.app, ModelId(kept), data.version, "ft:later").await;
    sqlx::query(
        "INSERT INTO usage_records SELECT gen_random_uuid(), api_key_id, institution_id, $1, day, prompt_tokens,
             completion_tokens, outcome, is_streamed, now(), now() FROM usage_records LIMIT 1",
    )
    .bind(later)
    .execute(&mut database)
    .await
    .unwrap();
    let line = statement(&holder, "manager.waterland").await["statement"]["versions"][0].clone();
    assert_eq!(tokens(&line), (json!(22), json!(44)), "{line:#}");
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

/// As the database's owner could, past every trigger.
async fn tamper(database: &mut PgConnection, change: &str) {
    let text = format!("BEGIN; SET LOCAL session_replication_role = replica; {change}; COMMIT");
    sqlx::raw_sql(sqlx::AssertSqlSafe(text))
        .execute(database)
        .await
        .unwrap();
}

/// What `ledger verify` finds, a line each.
async fn found(holder: &Keyholder) -> String {
    let (_, differences) = ledger::verify(&holder.app.ports.db).await.unwrap();
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

const STATEMENT: &str = "application/vnd.virtual-faculty.statement+json";

#[actix_web::test]
async fn every_statement_is_signed_and_stands_in_the_audit_log() {
    let (holder, _) = served_model().await;
    let ports = &holder.app.ports;
    let answer = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // A process that still has the key which was put away closes no month.
    let signer = Signer::from_hex(&"08".repeat(32)).unwrap();
    signing::rotate(&ports.db, &Actor::system(), &signer)
        .await
        .unwrap();
    let later = ports.db.now() + TimeDelta::days(33);
    let refused = ledger::close_due(&ports.db, &ports.signer, later).await;
    assert!(refused.is_err(), "{refused:?}");
    let closed = ledger::close_due(&ports.db, &signer, later).await.unwrap();
    assert_eq!(closed.len(), 1);
    assert_eq!(found(&holder).await, "");

    let mut database = holder.database().await;
    let (body, envelope): (String, String) =
        sqlx::query_as("SELECT body, envelope FROM ledger_statements")
            .fetch_one(&mut database)
            .await
            .unwrap();
    let foreign = Signer::from_hex(&"09".repeat(32)).unwrap();
    let by = |signer: &Signer, kind: &str, body: &str| {
        signer.envelope(kind, body.as_bytes()).to_text().unwrap()
    };
    let raised = body.replace("\"tokens_served\":", "\"tokens_served\":9");
    for (envelope, expected) in [
        (by(&foreign, STATEMENT, &body), "does not hold"),
        (by(&ports.signer, STATEMENT, &body), "was put away"),
        (by(&signer, STATEMENT, &raised), "is about something else"),
        (by(&signer, "text/plain", &body), "is about something else"),
        (
            envelope.replace("\"sig\":\"", "\"sig\":\"AAAA"),
            "does not hold",
        ),
        (String::new(), "does not hold"),
    ] {
        let change = format!("UPDATE ledger_statements SET envelope = '{envelope}'");
        tamper(&mut database, &change).await;
        let found = found(&holder).await;
        assert!(found.contains(expected), "{expected}: {found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    let change = format!("UPDATE ledger_statements SET envelope = '{envelope}'");
    tamper(&mut database, &change).await;
    assert_eq!(found(&holder).await, "");

    tamper(&mut database, "UPDATE ledger_months SET formula = 99").await;
    let unknown = found(&holder).await;
    assert!(
        unknown.contains("version 99 of the formula, which is not known"),
        "{unknown}"
    );
    assert!(
        unknown.contains("does not tell that it was closed like this"),
        "{unknown}"
    );
    tamper(&mut database, "UPDATE ledger_months SET formula = 1").await;

    // Written anew, all of it, by whoever has the key: only the audit log tells.
    tamper(
        &mut database,
        "UPDATE ledger_statements SET id = gen_random_uuid()",
    )
    .await;
    let renewed = found(&holder).await;
    assert!(
        renewed.contains("does not tell of this statement for institution"),
        "{renewed}"
    );
    assert!(
        renewed.contains("tells of a statement for institution"),
        "{renewed}"
    );
    tamper(
        &mut database,
        "DELETE FROM ledger_statements; DELETE FROM ledger_entries; DELETE FROM ledger_transactions;
         DELETE FROM ledger_months; DELETE FROM usage_records; DELETE FROM tokens_read",
    )
    .await;
    let gone = found(&holder).await;
    assert!(
        gone.contains("the audit log tells that it was closed, and it is not there"),
        "{gone}"
    );
}

#[actix_web::test]
async fn a_month_closes_over_what_was_being_written_and_takes_nothing_later() {
    let holder = Keyholder::start(10_000, 100).await;
    let answer = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let again = "INSERT INTO usage_records SELECT gen_random_uuid(), api_key_id, institution_id, model_id, day,
                     prompt_tokens, completion_tokens, outcome, is_streamed, started_at, ended_at
                 FROM usage_records LIMIT 1";
    let (mut writer, mut watcher) = (holder.database().await, holder.database().await);
    let mut late = writer.begin().await.unwrap();
    late.execute(again).await.unwrap();
    let commit_once_waited_for = async {
        let waits =
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)";
        for _ in 0..20_000 {
            let is_waited_for: bool = sqlx::query_scalar(waits)
                .fetch_one(&mut watcher)
                .await
                .unwrap();
            if is_waited_for {
                break;
            }
        }
        late.commit().await.unwrap();
    };
    let (closed, ()) = tokio::join!(close(&holder), commit_once_waited_for);
    assert_eq!(closed.len(), 1);
    let served: i64 = sqlx::query_scalar("SELECT tokens_served FROM ledger_months")
        .fetch_one(&mut watcher)
        .await
        .unwrap();
    let (prompt, completion, _) = holder.records().await.remove(0);
    assert_eq!(
        served,
        2 * (prompt + completion),
        "the month has what was being written when it closed"
    );
    assert_eq!(found(&holder).await, "");
    let refused = watcher.execute(again).await.unwrap_err().to_string();
    assert!(refused.contains("is closed"), "{refused}");
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
