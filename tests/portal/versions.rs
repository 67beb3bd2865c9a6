//! The next version of a dataset, and documents that stay out of it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo::Browser;

use crate::{
    support::{TestApp, given},
    withdrawal_pages,
};

/// Asks until `holds`; the worker does its part meanwhile.
pub(crate) async fn until(
    browser: &mut Browser,
    path: &str,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = browser.api(Method::GET, path, None).await.unwrap();
        if holds(&last) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{path} did not come to that within a minute: {last:#}");
}

pub(crate) fn all_ready(dataset: &Value) -> bool {
    let files = dataset["version"]["files"].as_array().unwrap();
    !files.is_empty() && files.iter().all(|file| file["state"] == "ready")
}

/// Submits the newest version and has it approved.
pub(crate) async fn approve(app: &TestApp, dataset: Uuid) {
    let mut contributor = app.browser("contributor.waterland").await;
    let path = format!("/api/v1/datasets/{dataset}/submit");
    contributor.api(Method::POST, &path, None).await.unwrap();
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let mut reviewer = app.browser(login).await;
        let fields = [("kind", kind), ("decision", "approved"), ("reason", "")];
        let path = format!("/nl/datasets/{dataset}/review");
        let answer = reviewer.post_form(&path, &fields).await.unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }
}

#[actix_web::test]
async fn an_approved_dataset_gets_a_next_version_with_the_same_files() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let path = format!("/api/v1/datasets/{}", data.dataset);
    let mut contributor = app.browser("contributor.waterland").await;
    let before = contributor.api(Method::GET, &path, None).await.unwrap();
    let begun = contributor
        .post_form(&format!("/nl/datasets/{}/versions", data.dataset), &[])
        .await
        .unwrap();
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let after = until(&mut contributor, &path, all_ready).await;
    assert_eq!(after["version"]["number"], 2);
    assert_eq!(after["version"]["status"], "draft");
    let file = |dataset: &Value, what: &str| dataset["version"]["files"][0][what].clone();
    for what in ["path", "sha256", "documents", "characters", "size"] {
        assert_eq!(file(&after, what), file(&before, what), "{what}");
    }
    assert_ne!(file(&after, "id"), file(&before, "id"));

    let again = contributor
        .call(Method::POST, &format!("{path}/versions"), None)
        .await
        .unwrap();
    assert_eq!(
        again.status,
        StatusCode::CONFLICT,
        "one version at a time: {}",
        again.text
    );
    let mut foreign = app.browser("manager.harderwijk").await;
    let theirs = foreign
        .call(Method::POST, &format!("{path}/versions"), None)
        .await
        .unwrap();
    assert_eq!(theirs.status, StatusCode::FORBIDDEN, "{}", theirs.text);
    // Partners go on seeing what was approved.
    let seen = foreign.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(seen["version"]["id"], json!(data.version));
    let list = foreign
        .api(Method::GET, "/api/v1/datasets", None)
        .await
        .unwrap();
    assert_eq!(list["datasets"][0]["version"]["number"], 1, "{list:#}");
    let versions = foreign
        .api(Method::GET, &format!("{path}/versions"), None)
        .await
        .unwrap();
    assert_eq!(versions["versions"].as_array().unwrap().len(), 1);

    approve(&app, data.dataset).await;
    let seen = foreign.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(seen["version"]["number"], 2);
    let page = foreign
        .get(&format!("/nl/datasets/{}", data.dataset))
        .await
        .unwrap()
        .text;
    assert!(page.contains("Versies") && !page.contains('⟨'), "{page}");
    // Nothing had to go: the first version can still be used.
    let base = given::tiny_base(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let asked = Some(given::job(base, data.version, 1));
    researcher
        .api(Method::POST, "/api/v1/jobs", asked)
        .await
        .unwrap();
}

#[actix_web::test]
async fn after_everything_was_withdrawn_the_data_can_be_given_anew() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    withdrawal_pages::withdraw(&mut manager, data.dataset, "").await;
    let mut contributor = app.browser("contributor.waterland").await;
    let path = format!("/api/v1/datasets/{}", data.dataset);
    let begun = contributor
        .post_form(&format!("/nl/datasets/{}/versions", data.dataset), &[])
        .await
        .unwrap();
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    let empty = contributor.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(empty["version"]["number"], 2);
    assert_eq!(empty["version"]["status"], "draft");
    assert_eq!(empty["version"]["files"], json!([]), "the copies are gone");

    contributor
        .upload(data.dataset, "notulen.jsonl", &given::small_corpus())
        .await
        .unwrap();
    manager
        .api(
            Method::POST,
            &format!("{path}/permissions"),
            Some(withdrawal_pages::permission(&["fine_tuning"], "retrain")),
        )
        .await
        .unwrap();
    approve(&app, data.dataset).await;
    let again = contributor.api(Method::GET, &path, None).await.unwrap();
    let version: Uuid = again["version"]["id"].as_str().unwrap().parse().unwrap();
    let job = given::approved_job(&app, base, version, 1).await;
    let ended = given::job_until(&app, job, given::is_over).await;
    assert_eq!(ended["status"], "succeeded", "{ended:#}");
}

#[actix_web::test]
async fn a_next_version_cannot_change_what_the_first_was_approved_on() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let path = format!("/api/v1/datasets/{}/versions", data.dataset);
    contributor.api(Method::POST, &path, None).await.unwrap();
    let edit = format!("/nl/datasets/{}/edit", data.dataset);
    let facts = |license: &'static str, title: &'static str| {
        [
            ("title", title),
            ("description", "Voor een test geschreven."),
            ("language", "nl"),
            ("license", license),
            ("source", "test"),
            ("right_holder", "Archief Waterland"),
            ("personal_data", "no"),
            ("personal_data_basis", ""),
            ("confidentiality", "public"),
        ]
    };
    let wrong = contributor
        .post_form(&edit, &facts("CC-BY-4.0", "Notulen"))
        .await
        .unwrap();
    assert_eq!(wrong.status, StatusCode::CONFLICT, "{}", wrong.text);
    let right = contributor
        .post_form(&edit, &facts("CC0-1.0", "Notulen, herzien"))
        .await
        .unwrap();
    assert_eq!(right.status, StatusCode::SEE_OTHER, "{}", right.text);
}
