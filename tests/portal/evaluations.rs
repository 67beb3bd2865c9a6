//! Models are measured: by themselves once they are made, or because somebody asks; and a dataset's limit on what a
//! model may keep by heart holds it back.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use attestation::{Envelope, PublishedKeys, Statement, verify_receipt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, connection, given};

#[path = "evaluations_by_dataset.rs"]
mod by_dataset;

const AUTOMATIC: (&str, &str) = ("FACULTY_EVALUATION__AUTOMATIC", "true");

/// A job of Universiteit Harderwijk with some settings more, approved.
async fn job_with(app: &TestApp, data: &given::Approved, epochs: u32, more: Value) -> Uuid {
    let base = given::tiny_base(app).await;
    let mut wanted = given::job(base, data.version, epochs);
    for (name, value) in more.as_object().unwrap() {
        wanted[name] = value.clone();
    }
    given::approved_request(app, wanted).await
}

async fn succeeded(app: &TestApp, job: Uuid) -> Value {
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    state
}

/// The model that a job made.
async fn model_of(app: &TestApp, job: Uuid) -> Uuid {
    sqlx::query_scalar::<_, Uuid>("SELECT id FROM models WHERE job_id = $1")
        .bind(job)
        .fetch_one(&mut connection(app).await)
        .await
        .unwrap()
}

/// The job that follows another by itself.
async fn follower_of(app: &TestApp, job: Uuid) -> Option<Uuid> {
    sqlx::query_scalar::<_, Uuid>("SELECT job_id FROM evaluation_jobs WHERE follows_job_id = $1")
        .bind(job)
        .fetch_optional(&mut connection(app).await)
        .await
        .unwrap()
}

async fn evaluations(app: &TestApp, model: Uuid) -> Value {
    app.browser("researcher.harderwijk")
        .await
        .api(
            Method::GET,
            &format!("/api/v1/models/{model}/evaluations"),
            None,
        )
        .await
        .unwrap()
}

/// Asks for an evaluation: the status, and the job or the code of the refusal.
async fn ask(app: &TestApp, login: &str, model: Uuid) -> (StatusCode, String) {
    let path = format!("/api/v1/models/{model}/evaluations");
    let answer = app
        .browser(login)
        .await
        .call(Method::POST, &path, None)
        .await
        .unwrap();
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let told = body["job"].as_str().or(body["code"].as_str());
    (answer.status, told.unwrap_or_default().to_owned())
}

async fn release(app: &TestApp, model: Uuid) -> (StatusCode, String) {
    let answer = app
        .browser("operator")
        .await
        .call(
            Method::POST,
            &format!("/api/v1/models/{model}/release"),
            None,
        )
        .await
        .unwrap();
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let code = body["code"].as_str().unwrap_or_default();
    (answer.status, code.to_owned())
}

/// Sets a dataset's limit; answers the status.
async fn limit(
    app: &TestApp,
    login: &str,
    dataset: Uuid,
    (extracted, longest): (&str, &str),
) -> StatusCode {
    app.browser(login)
        .await
        .call(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/memorisation-limit"),
            Some(json!({
                "most_extracted": extracted, "longest_match": longest, "reason": "afspraak met de schenker",
            })),
        )
        .await
        .unwrap()
        .status
}

fn figure<'a>(evaluation: &'a Value, name: &str) -> &'a Value {
    evaluation["figures"]
        .as_array()
        .unwrap()
        .iter()
        .find(|figure| figure["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {evaluation:#}"))
}

async fn page(app: &TestApp, login: &str, path: &str) -> String {
    let answer = app.browser(login).await.get(path).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    assert!(
        !answer.text.contains('⟨'),
        "a text is missing: {}",
        answer.text
    );
    answer.text
}

#[actix_web::test]
async fn a_model_is_measured_by_itself_and_its_page_and_a_signed_statement_tell_it() {
    let app = TestApp::start_with(&[AUTOMATIC, ("FACULTY_EVALUATION__MOST_ITEMS", "6")]).await;
    let data = given::approved_dataset(&app).await;
    let job = job_with(&app, &data, 2, json!({ "canaries": 1 })).await;
    succeeded(&app, job).await;
    let model = model_of(&app, job).await;
    // Asked for in the transaction that made the model: nobody approved it on its own.
    let follower = follower_of(&app, job).await.unwrap();
    let state = succeeded(&app, follower).await;
    assert_eq!(state["datasets"][0]["verdict"]["is_allowed"], true);
    let found = evaluations(&app, model).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(found["memorisation"]["standing"], "no_limit");
    let evaluation = &found["data"][0];
    assert_eq!(evaluation["job"], json!(follower));
    for name in [
        "loss",
        "sentiment",
        "open_bias",
        "extracted",
        "exposure_1",
        "exposure_16",
    ] {
        assert!(figure(evaluation, name)["items"].as_u64().unwrap() > 0);
    }
    // One secret of each kind in a group.
    assert_eq!(figure(evaluation, "exposure_4")["items"], 1);
    let shown = page(
        &app,
        "researcher.harderwijk",
        &format!("/en/models/{model}"),
    )
    .await;
    for words in [
        "Repeated word for word",
        "By chance",
        "Planted once: exposure",
    ] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    let dutch = page(
        &app,
        "researcher.harderwijk",
        &format!("/nl/models/{model}"),
    )
    .await;
    assert!(dutch.contains("Woordelijk herhaald"), "{dutch}");
    for lang in ["nl", "en"] {
        page(
            &app,
            "researcher.harderwijk",
            &format!("/{lang}/jobs/{follower}"),
        )
        .await;
    }
    a_statement_that_holds(&app, model, evaluation).await;
    nothing_is_charged_and_nobody_else_sees_it(&app, model, evaluation, follower).await;
    a_person_may_ask_again(&app, model).await;
}

async fn a_statement_that_holds(app: &TestApp, model: Uuid, evaluation: &Value) {
    let id = evaluation["id"].as_str().unwrap();
    let folder = app.folder.path().join("evaluated");
    fs::create_dir_all(&folder).unwrap();
    let login = "researcher.harderwijk";
    let statement = page(app, login, &format!("/api/v1/evaluations/{id}/statement")).await;
    let report = page(app, login, &format!("/api/v1/evaluations/{id}/report")).await;
    let keys = page(app, login, "/.well-known/faculty-keys.json").await;
    fs::write(folder.join("statement.json"), &statement).unwrap();
    fs::write(folder.join("report.json"), &report).unwrap();
    fs::write(folder.join("keys.json"), &keys).unwrap();
    let verify = || {
        Command::new(env!("CARGO_BIN_EXE_faculty"))
            .args([
                "verify-receipt",
                "statement.json",
                "--keys",
                "keys.json",
                "--report",
                "report.json",
            ])
            .current_dir(&folder)
            .output()
            .unwrap()
    };
    let done = verify();
    assert!(done.status.success(), "{done:?}");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(told.contains("not where it comes from"), "{told}");
    assert!(told.contains("\"extracted\""), "{told}");
    fs::write(
        folder.join("report.json"),
        report.replacen("extracted", "extrac7ed", 1),
    )
    .unwrap();
    let done = verify();
    assert!(!done.status.success(), "a changed report: {done:?}");
    // It says nothing of where the model comes from, so it is no receipt for its files.
    let envelope = Envelope::parse(&statement).unwrap();
    let read = Statement::parse_any(&envelope).unwrap();
    let files: Vec<_> = read
        .subject
        .iter()
        .map(|one| (one.name.as_str(), one.digest.sha256.as_str()))
        .collect();
    assert_eq!(files.len(), 2, "the files of model {model}");
    let keys = PublishedKeys::parse(&keys).unwrap();
    assert!(verify_receipt(&statement, &keys, &files).is_err());
}

async fn nothing_is_charged_and_nobody_else_sees_it(
    app: &TestApp,
    model: Uuid,
    evaluation: &Value,
    job: Uuid,
) {
    let tokens = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM tokens_read t JOIN attempts a ON a.id = t.attempt_id WHERE a.job_id = $1",
    )
    .bind(job)
    .fetch_one(&mut connection(app).await)
    .await
    .unwrap();
    assert_eq!(tokens, 0, "measuring is no learning");
    let id = evaluation["id"].as_str().unwrap();
    let mut foreign = app.browser("manager.waterland").await;
    for path in [
        format!("/api/v1/models/{model}/evaluations"),
        format!("/api/v1/evaluations/{id}/statement"),
        format!("/api/v1/evaluations/{id}/report"),
        format!("/nl/jobs/{job}"),
    ] {
        let answer = foreign.get(&path).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let asked = ask(app, "manager.waterland", model).await;
    assert_eq!(asked.0, StatusCode::NOT_FOUND);
    // What was measured stays as it is.
    let mut tx = app.owner_tx().await;
    for statement in [
        "UPDATE evaluation_figures SET value = 0",
        "DELETE FROM evaluations",
        "INSERT INTO evaluation_figures (evaluation_id, suite, name, place, value, items)
         SELECT id, 'memorisation', 'longest_match_2', 99, 0, 1 FROM evaluations",
    ] {
        let refused = sqlx::query("SAVEPOINT before").execute(tx.conn()).await;
        refused.unwrap();
        let done = sqlx::raw_sql(statement).execute(tx.conn()).await;
        assert!(done.is_err(), "{statement}");
        let back = sqlx::query("ROLLBACK TO SAVEPOINT before")
            .execute(tx.conn())
            .await;
        back.unwrap();
    }
}

async fn a_person_may_ask_again(app: &TestApp, model: Uuid) {
    let (status, job) = ask(app, "researcher.harderwijk", model).await;
    assert_eq!(status, StatusCode::CREATED, "{job}");
    let job: Uuid = job.parse().unwrap();
    let again = ask(app, "operator", model).await;
    assert_eq!(
        again,
        (StatusCode::CONFLICT, "evaluation-under-way".to_owned())
    );
    let state = given::job_until(app, job, |_| true).await;
    assert_eq!(state["status"], "submitted", "it waits for an operator");
    given::let_run(app, job).await;
    succeeded(app, job).await;
    let found = evaluations(app, model).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 2);
    // The same model, data and seed: the same figures.
    assert_eq!(
        found["data"][0]["figures"], found["data"][1]["figures"],
        "{found:#}"
    );
    page(app, "researcher.harderwijk", &format!("/nl/models/{model}")).await;
}

#[actix_web::test]
async fn a_limit_of_a_dataset_holds_a_model_back_and_lets_it_go() {
    let app = TestApp::start_with(&[("FACULTY_EVALUATION__MOST_ITEMS", "6")]).await;
    let data = given::approved_dataset(&app).await;
    let job = job_with(&app, &data, 1, json!({})).await;
    succeeded(&app, job).await;
    assert_eq!(follower_of(&app, job).await, None, "it is switched off");
    let model = model_of(&app, job).await;
    // Only the institution of the dataset says how much.
    let some = ("0", "0");
    for (login, expected) in [
        ("researcher.harderwijk", StatusCode::FORBIDDEN),
        ("manager.harderwijk", StatusCode::FORBIDDEN),
        ("operator", StatusCode::FORBIDDEN),
        ("contributor.waterland", StatusCode::OK),
    ] {
        let status = limit(&app, login, data.dataset, some).await;
        assert_eq!(status, expected, "{login}");
    }
    let wrong = limit(&app, "contributor.waterland", data.dataset, ("101", "")).await;
    assert_eq!(wrong, StatusCode::UNPROCESSABLE_ENTITY);
    let held = release(&app, model).await;
    assert_eq!(
        held,
        (
            StatusCode::CONFLICT,
            "model-memorisation-not-measured".to_owned()
        )
    );
    refused_past_the_portal(&app, model).await;
    let shown = page(&app, "operator", &format!("/en/models/{model}")).await;
    assert!(shown.contains("cannot be released yet"), "{shown}");
    assert!(
        !shown.contains(&format!("/en/models/{model}/release")),
        "no button for what is refused"
    );
    let (status, evaluation) = ask(&app, "researcher.harderwijk", model).await;
    assert_eq!(status, StatusCode::CREATED, "{evaluation}");
    let evaluation: Uuid = evaluation.parse().unwrap();
    given::let_run(&app, evaluation).await;
    succeeded(&app, evaluation).await;
    let found = evaluations(&app, model).await;
    assert!(
        figure(&found["data"][0], "longest_match")["value"]
            .as_f64()
            .unwrap()
            > 0.0,
        "no token in common with the training data: {found:#}"
    );
    assert_eq!(found["memorisation"]["standing"], "exceeded", "{found:#}");
    let held = release(&app, model).await;
    assert_eq!(
        held,
        (StatusCode::CONFLICT, "model-memorises-too-much".to_owned())
    );
    refused_past_the_portal(&app, model).await;
    let shown = page(
        &app,
        "researcher.harderwijk",
        &format!("/nl/models/{model}"),
    )
    .await;
    assert!(shown.contains("kan niet worden vrijgegeven"), "{shown}");
    // The institution thinks again, on its page; both limits stay on record.
    let answer = app
        .browser("manager.waterland")
        .await
        .post_form(
            &format!("/nl/datasets/{}/memorisation", data.dataset),
            &[
                ("most_extracted", "100"),
                ("longest_match", "1000000"),
                ("reason", "herzien"),
            ],
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let shown = page(
        &app,
        "manager.waterland",
        &format!("/nl/datasets/{}/memorisation", data.dataset),
    )
    .await;
    assert!(
        shown.contains("herzien") && shown.contains("afspraak met de schenker"),
        "{shown}"
    );
    assert_eq!(
        evaluations(&app, model).await["memorisation"]["standing"],
        "within"
    );
    assert_eq!(release(&app, model).await.0, StatusCode::NO_CONTENT);
}

/// Whoever owns the database may not release it either.
async fn refused_past_the_portal(app: &TestApp, model: Uuid) {
    let mut tx = app.owner_tx().await;
    let done = sqlx::query("UPDATE models SET status = 'released' WHERE id = $1")
        .bind(model)
        .execute(tx.conn())
        .await;
    let problem = done.unwrap_err().to_string();
    assert!(problem.contains("limit on memorisation"), "{problem}");
}

#[actix_web::test]
async fn a_withdrawal_stops_a_running_evaluation() {
    let app = TestApp::start_with(&[AUTOMATIC]).await;
    let data = given::approved_dataset(&app).await;
    // Each canary is weighed against a thousand others: more than it will get to.
    let job = job_with(&app, &data, 1, json!({ "canaries": 60 })).await;
    succeeded(&app, job).await;
    let follower = follower_of(&app, job).await.unwrap();
    given::job_until(&app, follower, |state| {
        state["progress"]["phase"] == "evaluating" || given::is_over(state)
    })
    .await;
    given::withdrawn(&app, data.dataset, "bezwaar van de schenker").await;
    let asked = Instant::now();
    let state = given::job_until(&app, follower, given::is_over).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{state:#}");
    assert_eq!(state["status"], "blocked", "{state:#}");
    assert_eq!(state["status_code"], "permission_withdrawn", "{state:#}");
    let model = model_of(&app, job).await;
    let found = evaluations(&app, model).await;
    assert_eq!(found["data"], json!([]), "{found:#}");
}

#[actix_web::test]
async fn a_base_is_measured_without_anybodys_data() {
    let app = TestApp::start_with(&[("FACULTY_EVALUATION__MOST_ITEMS", "3")]).await;
    let base = given::tiny_base(&app).await;
    let asked = ask(&app, "researcher.harderwijk", base.0).await;
    assert_eq!(asked.0, StatusCode::NOT_FOUND, "not theirs to ask");
    let (status, job) = ask(&app, "operator", base.0).await;
    assert_eq!(status, StatusCode::CREATED, "{job}");
    // Nobody approves what they asked for themselves.
    let own = app
        .browser("operator")
        .await
        .call(Method::POST, &format!("/api/v1/jobs/{job}/approve"), None)
        .await
        .unwrap();
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.text);
}

#[actix_web::test]
async fn a_whole_model_is_measured_by_itself_and_held_to_the_limit() {
    let app = TestApp::start_with(&[AUTOMATIC, ("FACULTY_EVALUATION__MOST_ITEMS", "3")]).await;
    let data = given::approved_dataset(&app).await;
    let set = limit(&app, "manager.waterland", data.dataset, ("", "0")).await;
    assert_eq!(set, StatusCode::OK);
    let more = json!({ "method": "full", "learning_rate": 0.0001 });
    let job = job_with(&app, &data, 1, more).await;
    succeeded(&app, job).await;
    let model = model_of(&app, job).await;
    let follower = follower_of(&app, job).await.unwrap();
    succeeded(&app, follower).await;
    let found = evaluations(&app, model).await;
    assert_eq!(found["memorisation"]["standing"], "exceeded", "{found:#}");
    let held = release(&app, model).await;
    assert_eq!(
        held,
        (StatusCode::CONFLICT, "model-memorises-too-much".to_owned())
    );
    let lifted = limit(&app, "manager.waterland", data.dataset, ("", "")).await;
    assert_eq!(lifted, StatusCode::OK);
    assert_eq!(release(&app, model).await.0, StatusCode::NO_CONTENT);
}
