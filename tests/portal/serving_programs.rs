//! Several serving programs over one portal: models are placed, moved, drained and stopped, and nobody who asks notices.

use std::time::{Duration, Instant};

use language_model::synthetic::Synthetic;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    support::{Keyholder, MODEL, Program, TestApp, given},
    withdrawal_pages::permission,
};

/// Long enough for programs of a development build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn operator(app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Value {
    let mut operator = app.browser("operator").await;
    operator.api(method, path, body).await.unwrap()
}

/// The deployments by name, once `holds` of that of `model`.
async fn until(app: &TestApp, model: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut operator = app.browser("operator").await;
    let end = Instant::now() + PATIENCE;
    loop {
        let listed = operator
            .api(Method::GET, "/api/v1/deployments", None)
            .await
            .unwrap();
        let all = listed["data"].as_array().unwrap();
        let found = all.iter().find(|one| one["name"] == model);
        let found = found.cloned().unwrap_or(Value::Null);
        if holds(&found) {
            return found;
        }
        assert!(
            Instant::now() < end,
            "{model} does not come to that: {listed:#}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_ready(count: usize) -> impl Fn(&Value) -> bool {
    move |one| one["ready"] == count && one["wanted"] == count
}

/// The names of the programs where it stands.
fn names(deployment: &Value) -> Vec<&str> {
    let places = deployment["places"].as_array().unwrap().iter();
    let mut names: Vec<_> = places.map(|at| at["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

/// What a program tells Prometheus.
async fn metric(client: &reqwest::Client, address: &str, name: &str) -> u64 {
    let text = client
        .get(format!("{address}/metrics"))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let number = line.and_then(|line| line.rsplit(' ').next());
    number.unwrap().parse::<f64>().unwrap() as u64
}

async fn finished(client: &reqwest::Client, address: &str) -> u64 {
    metric(client, address, "faculty_serving_sequences_finished_total").await
}

/// A key for a released base that nothing serves yet.
async fn holder() -> Keyholder {
    let app = TestApp::without_worker(&[]).await;
    let file = app.folder.path().join("tiny.gguf");
    let tiny = Synthetic {
        context_length: 4096,
        ..Synthetic::default()
    };
    tiny.write_gguf(&file).unwrap();
    let model = app.base_model(MODEL, &file).await;
    Keyholder::unserved(app, (model, MODEL), (200_000, 6_000)).await
}

async fn ask_many(holder: &Keyholder, from: usize, count: usize) {
    for number in from..from + count {
        let asked = holder.ask(&format!("{number} is een vraag"), json!({"max_tokens": 4}));
        let answer = asked.send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "question {number}: {body}");
    }
}

#[actix_web::test]
async fn two_programs_share_a_model_and_either_may_end() {
    let holder = holder().await;
    let app = &holder.app;
    let none = until(app, MODEL, |one| one["state"] == "waiting").await;
    assert_eq!(none["waits_because"], "no-process");
    let early = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(early.status(), StatusCode::SERVICE_UNAVAILABLE);

    let new = json!({"model": holder.model, "replicas": 2});
    operator(app, Method::POST, "/api/v1/deployments", Some(new)).await;
    let (mut one, at_one) = Program::serving_named(app, "one", &[]);
    let alone = until(app, MODEL, |model| model["ready"] == 1).await;
    assert_eq!(
        (&alone["state"], &alone["waits_because"]),
        (&json!("partly"), &json!("too-few"))
    );
    let (mut two, at_two) = Program::serving_named(app, "two", &[]);
    until(app, MODEL, is_ready(2)).await;
    ask_many(&holder, 0, 24).await;
    let client = holder.client.clone();
    let both = (
        finished(&client, &at_one).await,
        finished(&client, &at_two).await,
    );
    assert!(
        both.0 > 0 && both.1 > 0 && both.0 + both.1 == 24,
        "{both:?}"
    );
    // The same beginning goes where it was read before.
    for _ in 0..5 {
        let same = holder.ask("altijd dezelfde vraag", json!({"max_tokens": 2}));
        assert_eq!(same.send().await.unwrap().status(), StatusCode::OK);
    }
    let then = (
        finished(&client, &at_one).await,
        finished(&client, &at_two).await,
    );
    assert!(then.0 == both.0 || then.1 == both.1, "{both:?} {then:?}");

    // One is told to end while it answers.
    let long = json!({"max_tokens": 3000, "ignore_eos": true, "stream": true});
    let mut stream = holder.ask("een lang verhaal", long).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    stream.chunk().await.unwrap().unwrap();
    let runs = "faculty_serving_sequences_running";
    let is_one = metric(&client, &at_one, runs).await == 1;
    let (ends, stays, at_stays) = match is_one {
        true => (&mut one, &mut two, &at_two),
        false => (&mut two, &mut one, &at_one),
    };
    let before = finished(&client, at_stays).await;
    ends.ask_to_end();
    ask_many(&holder, 100, 12).await;
    until(app, MODEL, |model| model["ready"] == 1).await;
    let moved = finished(&client, at_stays).await;
    ask_many(&holder, 200, 12).await;
    assert_eq!(
        finished(&client, at_stays).await,
        moved + 12,
        "from {before}"
    );
    let mut last = Vec::new();
    while let Some(piece) = stream.chunk().await.unwrap() {
        last = piece.to_vec();
    }
    assert!(last.ends_with(b"data: [DONE]\n\n"), "the stream is whole");
    assert!(ends.ended().await, "it says that all went well");

    // Another comes, and the first is killed: who asks next is answered by the other.
    let (_three, at_three) = Program::serving_named(app, "three", &[]);
    until(app, MODEL, is_ready(2)).await;
    stays.kill();
    ask_many(&holder, 300, 12).await;
    assert_eq!(finished(&client, &at_three).await, 12);
    let silent = until(app, MODEL, |model| names(model) == ["three"]).await;
    assert_eq!(silent["waits_because"], "too-few", "{silent:#}");
    let (used, reserved) = holder.counters().await;
    assert!(used > 0 && reserved == 0, "{used} {reserved}");
    let records = holder.records().await;
    assert!(
        records.iter().all(|(.., outcome)| outcome == "completed"),
        "{records:?}"
    );
}

#[actix_web::test]
async fn a_program_is_drained_and_used_again_without_a_gap() {
    let holder = holder().await;
    let app = &holder.app;
    let (_one, _) = Program::serving_named(app, "one", &[]);
    until(app, MODEL, is_ready(1)).await;
    let (_two, at_two) = Program::serving_named(app, "two", &[]);
    let listed = || operator(app, Method::GET, "/api/v1/serving-processes", None);
    let end = Instant::now() + PATIENCE;
    while listed().await["data"].as_array().unwrap().len() < 2 {
        assert!(Instant::now() < end, "the other does not report");
    }
    let processes = listed().await["data"].as_array().unwrap().clone();
    let one = processes.iter().find(|one| one["name"] == "one").unwrap();
    assert_eq!(
        (&one["state"], &one["models"]),
        (&json!("active"), &json!([MODEL]))
    );
    let act = |act: &str| {
        format!(
            "/api/v1/serving-processes/{}/{act}",
            one["id"].as_str().unwrap()
        )
    };

    operator(app, Method::POST, &act("drain"), None).await;
    // Someone asks all the while.
    let mut number = 0;
    loop {
        ask_many(&holder, number, 1).await;
        number += 1;
        let listed = operator(app, Method::GET, "/api/v1/deployments", None).await;
        if names(&listed["data"][0]) == ["two"] {
            break;
        }
        assert!(number < 2000, "{listed:#}");
    }
    let before = finished(&holder.client, &at_two).await;
    ask_many(&holder, number, 4).await;
    assert_eq!(finished(&holder.client, &at_two).await, before + 4);
    let drained = listed().await;
    let one_now = |listed: &Value| {
        let all = listed["data"].as_array().unwrap().clone();
        all.into_iter()
            .find(|each| each["id"] == one["id"])
            .unwrap()
    };
    let now = one_now(&drained);
    assert_eq!(
        (&now["state"], &now["models"]),
        (&json!("draining"), &json!([]))
    );
    operator(app, Method::POST, &act("resume"), None).await;
    assert_eq!(one_now(&listed().await)["state"], "active");
    let stays = until(app, MODEL, is_ready(1)).await;
    assert_eq!(names(&stays), ["two"], "what stands well stays");

    let mut auditor = app.browser("auditor").await;
    let log = auditor.get("/nl/audit").await.unwrap().text;
    for kind in ["serving.drained", "serving.resumed"] {
        assert!(log.contains(kind), "{kind} is not in the log");
    }
}

/// An adapter of Universiteit Harderwijk that was trained and not released, with its name and its data.
async fn trained(
    app: &TestApp,
    base: virtual_faculty::ids::ModelId,
) -> (Uuid, String, given::Approved) {
    let data = given::approved_with(app, permission(&["fine_tuning"], "retire")).await;
    let job = given::approved_job(app, base, data.version, 1).await;
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let model: Uuid = state["model"]["id"].as_str().unwrap().parse().unwrap();
    let shown = operator(app, Method::GET, &format!("/api/v1/models/{model}"), None).await;
    (model, shown["name"].as_str().unwrap().to_owned(), data)
}

/// What a program serves, by name.
async fn serves(address: &str) -> Vec<String> {
    let answer = reqwest::Client::new()
        .get(format!("{address}/v1/models"))
        .bearer_auth("serving-token-of-the-tests")
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    let models = answer["data"].as_array().unwrap().iter();
    models
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn an_adapter_is_placed_scaled_stopped_and_taken_back_while_programs_run() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let path = format!("/api/v1/models/{base}/deploy");
    operator(&app, Method::POST, &path, None).await;
    let (_one, at_one) = Program::serving_named(&app, "one", &[]);
    let (_two, at_two) = Program::serving_named(&app, "two", &[]);
    until(&app, "tiny", is_ready(1)).await;

    let (adapter, name, data) = trained(&app, base).await;
    let mut somebody = app.browser("operator").await;
    let new = json!({"model": adapter, "replicas": 2});
    let refused = somebody
        .call(Method::POST, "/api/v1/deployments", Some(new.clone()))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(
        refused.text.contains("model-not-released"),
        "{}",
        refused.text
    );
    let path = format!("/api/v1/models/{adapter}/release");
    operator(&app, Method::POST, &path, None).await;
    let unserved = Keyholder::unserved(app, (adapter_id(adapter), &name), (200_000, 6_000)).await;
    let (app, holder) = (&unserved.app, &unserved);

    // Deployed once by the fixture; the base goes where its adapter does.
    let placed = until(app, &name, is_ready(1)).await;
    let again = operator(app, Method::POST, "/api/v1/deployments", Some(new)).await;
    assert_eq!(again, Value::Null);
    let twice = until(app, &name, is_ready(2)).await;
    assert_eq!(names(&twice), ["one", "two"], "from {placed:#}");
    until(app, "tiny", is_ready(2)).await;
    ask_many(holder, 0, 16).await;
    assert!(finished(&holder.client, &at_one).await > 0);
    assert!(finished(&holder.client, &at_two).await > 0);

    let id = twice["id"].as_str().unwrap();
    let wrong = somebody
        .call(
            Method::POST,
            &format!("/api/v1/deployments/{id}/scale"),
            Some(json!({"replicas": 33})),
        )
        .await
        .unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let scale = format!("/api/v1/deployments/{id}/scale");
    operator(app, Method::POST, &scale, Some(json!({"replicas": 1}))).await;
    let once = until(app, &name, |one| {
        is_ready(1)(one) && one["places"].as_array().unwrap().len() == 1
    })
    .await;
    ask_many(holder, 100, 4).await;
    let has = |all: Vec<String>| all.contains(&name);
    let end = Instant::now() + PATIENCE;
    let both = async || (has(serves(&at_one).await), has(serves(&at_two).await));
    while both().await == (true, true) {
        assert!(Instant::now() < end, "it is still in both: {once:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // Drained: the end of what runs is waited for, and nothing new comes.
    let drain = format!("/api/v1/deployments/{id}/drain");
    operator(app, Method::POST, &drain, None).await;
    let refused = holder.ask("nog een", json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    until(app, &name, Value::is_null).await;
    let path = format!("/api/v1/models/{adapter}/deploy");
    operator(app, Method::POST, &path, None).await;
    let back = until(app, &name, is_ready(1)).await;
    assert_ne!(back["id"].as_str().unwrap(), id, "another deployment");
    ask_many(holder, 200, 2).await;

    // Withdrawn: it is refused at once, and leaves every program.
    let new = json!({"model": adapter, "replicas": 2});
    operator(app, Method::POST, "/api/v1/deployments", Some(new)).await;
    until(app, &name, is_ready(2)).await;
    given::withdrawn(app, data.dataset, "bezwaar van de schenker").await;
    let refused = holder.ask("nog een", json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let begun = Instant::now();
    while both().await != (false, false) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "a program still has it"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        serves(&at_one).await.contains(&"tiny".to_owned()),
        "its base stays"
    );
    let mut auditor = app.browser("auditor").await;
    let log = auditor.get("/nl/audit").await.unwrap().text;
    for kind in ["models.scaled", "models.drained", "models.deployed"] {
        assert!(log.contains(kind), "{kind} is not in the log");
    }
}

fn adapter_id(id: Uuid) -> virtual_faculty::ids::ModelId {
    virtual_faculty::ids::ModelId(id)
}

#[actix_web::test]
async fn the_page_shows_what_is_served_where_to_those_who_may_see_it() {
    let holder = Keyholder::start(10_000, 100).await;
    let app = &holder.app;
    for login in ["developer.harderwijk", "manager.harderwijk", "steward"] {
        let mut browser = app.browser(login).await;
        for path in [
            "/nl/admin/deployments",
            "/api/v1/deployments",
            "/api/v1/serving-processes",
        ] {
            let refused = browser.get(path).await.unwrap().status;
            assert!(
                matches!(refused.as_u16(), 403 | 404),
                "{login} {path}: {refused}"
            );
        }
    }
    let mut auditor = app.browser("auditor").await;
    let page = auditor.get("/nl/admin/deployments").await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains(MODEL) && page.text.contains("of-the-test"));
    assert!(!page.text.contains("Nu stoppen"), "auditors only look");
    let mut admin = app.browser("admin").await;
    let page = admin.get("/en/admin/deployments").await.unwrap().text;
    assert!(
        page.contains("Stop now") && page.contains("1 of 1 ready"),
        "{page}"
    );
    let listed = admin
        .api(Method::GET, "/api/v1/deployments?limit=1", None)
        .await
        .unwrap();
    let id = listed["data"][0]["id"].as_str().unwrap().to_owned();
    for (act, form) in [("scale", vec![("replicas", "2")]), ("stop", vec![])] {
        let mut foreign = app.browser("manager.harderwijk").await;
        let path = format!("/en/admin/deployments/{id}/{act}");
        let refused = foreign.post_form(&path, &form).await.unwrap().status;
        assert!(matches!(refused.as_u16(), 403 | 404), "{act}: {refused}");
        let done = admin.post_form(&path, &form).await.unwrap();
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    }
    let page = admin.get("/en/admin/deployments").await.unwrap().text;
    assert!(page.contains("No model is deployed"), "{page}");
    let again = format!("/api/v1/deployments/{id}/drain");
    let gone = admin.call(Method::POST, &again, None).await.unwrap();
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let form = [
        ("model", holder.model.to_string()),
        ("replicas", "3".into()),
    ];
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let started = admin
        .post_form("/en/admin/deployments", &form)
        .await
        .unwrap();
    assert_eq!(started.status, StatusCode::SEE_OTHER, "{}", started.text);
    let page = admin.get("/en/admin/deployments").await.unwrap().text;
    assert!(page.contains("of 3 ready"), "{page}");
}

#[actix_web::test]
async fn reports_without_the_token_or_out_of_bounds_are_refused() {
    let app = TestApp::without_worker(&[]).await;
    let client = reqwest::Client::new();
    let url = app.url.join("/internal/v1/serving/status").unwrap();
    let report = |token: &'static str, address: &str| {
        let status =
            json!({"process": Uuid::now_v7(), "name": "een", "address": address, "models": []});
        client
            .post(url.clone())
            .bearer_auth(token)
            .json(&status)
            .send()
    };
    let right = "serving-token-of-the-tests";
    let good = "http://127.0.0.1:1";
    assert_eq!(report("wrong", good).await.unwrap().status(), 401);
    assert_eq!(
        report(right, "file:///etc/passwd").await.unwrap().status(),
        422
    );
    assert_eq!(report(right, good).await.unwrap().status(), 204);
    let unknown = format!(
        "/internal/v1/serving/assignments?process={}",
        Uuid::now_v7()
    );
    let unknown = client
        .get(app.url.join(&unknown).unwrap())
        .bearer_auth(right)
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404, "who has not reported has nothing");
}
