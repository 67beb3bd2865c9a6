//! The files of a model leave the portal for its institution alone, once it is released and for as long as it may be used;
//! and a whole model goes no further than what it comes from.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    support::{TestApp, connection, given},
    withdrawal_pages::{permission, withdraw},
};

const FILES: [&str; 4] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// A whole model of Universiteit Harderwijk, and the dataset that it learnt from.
async fn whole_model(app: &TestApp) -> (Uuid, given::Approved) {
    let base = given::tiny_base(app).await;
    let data = given::approved_with(app, permission(&["fine_tuning"], "retire")).await;
    let mut wanted = given::job(base, data.version, 1);
    wanted["method"] = json!("full");
    let job = given::approved_request(app, wanted).await;
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let model = state["model"]["id"].as_str().unwrap().parse().unwrap();
    (model, data)
}

/// Asks for a file: the status, the code of a refusal, and where it leads.
async fn ask(app: &TestApp, login: &str, model: Uuid, file: &str) -> (StatusCode, String, String) {
    let path = format!("/api/v1/models/{model}/files/{file}");
    let answer = app.browser(login).await.get(&path).await.unwrap();
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    let code = body["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code, answer.location.unwrap_or_default())
}

async fn release(app: &TestApp, model: Uuid, to: Value) -> StatusCode {
    app.browser("operator")
        .await
        .call(
            Method::POST,
            &format!("/api/v1/models/{model}/release"),
            Some(to),
        )
        .await
        .unwrap()
        .status
}

/// Who took which file, as the audit log has it.
async fn taken(app: &TestApp) -> i64 {
    sqlx::query_scalar::<_, i64>("SELECT count(*) FROM events WHERE kind = 'models.downloaded'")
        .fetch_one(&mut connection(app).await)
        .await
        .unwrap()
}

#[actix_web::test]
async fn files_leave_for_the_institution_of_a_released_model_alone() {
    let app = TestApp::start().await;
    let (model, data) = whole_model(&app).await;
    let weights = FILES[1];
    for login in ["researcher.harderwijk", "operator"] {
        let asked = ask(&app, login, model, weights).await;
        assert_eq!(
            (asked.0, asked.1.as_str()),
            (StatusCode::CONFLICT, "model-not-released"),
            "{login}"
        );
    }
    // Its data are for the consortium and not for profit, and so is it.
    for wider in [
        json!({ "recipients": "public" }),
        json!({ "recipients": "research_licensees" }),
        json!({ "commercial": "yes" }),
    ] {
        let status = release(&app, model, wider.clone()).await;
        assert_eq!(status, StatusCode::CONFLICT, "{wider}");
    }
    assert_eq!(
        release(&app, model, json!({})).await,
        StatusCode::NO_CONTENT
    );
    for (login, expected) in [
        ("manager.waterland", StatusCode::NOT_FOUND),
        ("contributor.waterland", StatusCode::NOT_FOUND),
        ("developer.harderwijk", StatusCode::FORBIDDEN),
        ("auditor", StatusCode::NOT_FOUND),
        ("legal", StatusCode::NOT_FOUND),
    ] {
        let asked = ask(&app, login, model, weights).await;
        assert_eq!(asked.0, expected, "{login}");
        assert_eq!(asked.2, "", "{login} got an address");
    }
    assert_eq!(taken(&app).await, 0, "nobody took anything yet");
    let missing = ask(&app, "researcher.harderwijk", model, "other.bin").await;
    assert_eq!(missing.0, StatusCode::NOT_FOUND);
    let mut conn = app.ports.db.read().await.unwrap();
    let files = virtual_faculty::models::files_of(&mut conn, virtual_faculty::ids::ModelId(model))
        .await
        .unwrap();
    drop(conn);
    let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, FILES);
    for file in &files {
        let (status, _, address) = ask(&app, "researcher.harderwijk", model, &file.name).await;
        assert_eq!(status, StatusCode::SEE_OTHER);
        let bytes = reqwest::get(address).await.unwrap().bytes().await.unwrap();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&Sha256::digest(&bytes)),
            file.sha256,
            "{}",
            file.name
        );
    }
    assert_eq!(taken(&app).await, 4, "one line a file");
    let mut manager = app.browser("manager.waterland").await;
    withdraw(&mut manager, data.dataset, "").await;
    let (status, code, address) = ask(&app, "researcher.harderwijk", model, weights).await;
    assert_eq!(status, StatusCode::CONFLICT, "{code}");
    assert_eq!(address, "", "a withdrawn model leaves no more");
    assert_eq!(taken(&app).await, 4);
    let page = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/nl/models/{model}"))
        .await
        .unwrap();
    assert!(
        !page
            .text
            .contains(&format!("/api/v1/models/{model}/files/")),
        "no link to what is refused: {}",
        page.text
    );
}
