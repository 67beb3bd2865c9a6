//! How an agreement comes into force, and what it gives.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::case::{Case, PAGE_ONE, PAGE_TWO, dataset, facts, reviewed};
use crate::support::{TestApp, database, given, pdf::pdf};

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

#[actix_web::test]
async fn a_contract_becomes_a_permission_that_jobs_are_decided_by() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = reviewed(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let wanted = given::job(base, data.version, 1);
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted.clone()))
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );

    let bytes = pdf(&[PAGE_ONE, PAGE_TWO]);
    let mut case = Case::with_document(&app, facts(data.dataset), bytes.clone()).await;
    case.code_all().await;
    case.submit().await;
    case.confirm_all().await;
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);

    // The permission proves itself by the document's hash and the pages.
    let sha256 = sha256(&bytes);
    let terms: String = sqlx::query_scalar("SELECT terms FROM permissions WHERE dataset_id = $1")
        .bind(data.dataset)
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
    let terms: Value = serde_json::from_str(&terms).unwrap();
    assert_eq!(terms["rule_set"], 2);
    assert_eq!(terms["purposes"], json!(["fine_tuning", "evaluation"]));
    assert_eq!(terms["prohibited"], json!(["redistribute_original"]));
    assert_eq!(
        terms["territories"],
        json!(["NL"]),
        "silence is read with care"
    );
    assert_eq!(terms["evidence"]["document_sha256"], json!(sha256));
    let note = terms["evidence"]["note"].as_str().unwrap();
    assert!(note.contains("p. 1: purposes"), "{note}");
    assert_eq!(terms["duties"]["attribution"], "Archief Waterland");

    // The same document proves another permission for this data, and none for other data.
    let other = dataset(&app).await;
    for (dataset, expected) in [
        (data.dataset, StatusCode::CREATED),
        (other, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let more = json!({
            "layers": ["copyright"], "purposes": ["safety_testing"], "recipients": "consortium", "commercial": "no",
            "territories": "NL", "processing_locations": "NL", "model_families": "all", "valid_from": "2026-01-01",
            "valid_until": "2027-01-01", "evidence": "CCA", "document_sha256": sha256, "delete_within_days": "30",
        });
        let path = format!("/api/v1/datasets/{dataset}/permissions");
        let answer = case
            .manager
            .call(Method::POST, &path, Some(more))
            .await
            .unwrap();
        assert_eq!(answer.status, expected, "{}", answer.text);
    }
    let page = case
        .manager
        .get(&format!("/nl/datasets/{}/permission", data.dataset))
        .await
        .unwrap()
        .text;
    assert!(page.contains(&format!("value=\"{sha256}\"")), "{page}");

    // And `decide` reads it: yes for what was agreed, no for the rest.
    let accepted = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted.clone()))
        .await
        .unwrap();
    assert_eq!(accepted.status, StatusCode::CREATED, "{}", accepted.text);
    let mut for_profit = wanted;
    for_profit["is_commercial"] = json!("yes");
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(for_profit))
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );

    // The dataset's page leads to the page of the agreement, and everything is in the log.
    let page = case
        .manager
        .get(&format!("/nl/datasets/{}", data.dataset))
        .await
        .unwrap();
    let link = format!("/nl/agreements/{}#page-1", case.id);
    assert!(page.text.contains(&link), "the evidence is one click away");
    assert!(page.text.contains("uit overeenkomst CCA Waterland, blz. 1"));
    let log = case.manager.get("/nl/audit").await.unwrap();
    assert!(log.text.contains("Overeenkomst van kracht"));
    assert!(!log.text.contains('⟨'), "every event has words");
}

#[actix_web::test]
async fn a_rule_of_law_needs_no_document_and_points_to_its_text() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await;
    let mut wanted = facts(dataset);
    wanted["kind"] = json!("statutory");
    wanted["template"] = json!("auteurswet-11");
    wanted["signatory"] = json!("");
    wanted["authority"] = json!("");
    wanted["expires_on"] = json!("");
    let mut case = Case::registered(&app, wanted).await;
    let line = case.line("recipients").await;
    assert_eq!(
        (&line["state"], &line["basis"]),
        (&json!("coded"), &json!("template")),
        "{line}"
    );
    // What the template leaves to a person still waits for one.
    let submit = case.path("/submit");
    let answer = case
        .contributor
        .call(Method::POST, &submit, None)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let other = json!({ "basis": "template", "value": ["consortium"] });
    let answer = case.code("recipients", other).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    for (term, value) in [
        ("territories", "NL"),
        ("valid_from", "2026-01-01"),
        ("valid_until", "2027-12-31"),
    ] {
        let answer = case
            .code(term, json!({ "basis": "template", "value": [value] }))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{term}: {}", answer.text);
    }
    case.submit().await;
    case.confirm_all().await;
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let terms: String = sqlx::query_scalar("SELECT terms FROM permissions")
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
    let terms: Value = serde_json::from_str(&terms).unwrap();
    assert_eq!(terms["evidence"]["document_sha256"], Value::Null);
    assert!(
        terms["evidence"]["note"]
            .as_str()
            .unwrap()
            .contains("wetten.overheid.nl"),
        "{terms}"
    );
}

#[actix_web::test]
async fn it_comes_into_force_once_however_often_it_is_asked() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    case.confirm_all().await;
    let tasks = case.manager.get("/nl/tasks").await.unwrap().text;
    assert!(tasks.contains("door beide partijen bevestigd"), "{tasks}");
    let path = case.path("/in-force");
    let mut second = app.browser("manager.waterland").await;
    let (one, two) = tokio::join!(
        case.manager.call(Method::POST, &path, None),
        second.call(Method::POST, &path, None)
    );
    let mut statuses = [one.unwrap().status, two.unwrap().status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    let given: i64 = sqlx::query_scalar("SELECT count(*) FROM permissions")
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
    assert_eq!(given, 1);
    // It is closed: nobody codes, confirms or takes it back.
    let answer = case
        .code(
            "purposes",
            json!({ "basis": "cannot_code", "reason": "toch niet" }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let say = case.path("/say");
    let body = json!({ "verb": "withdraw", "text": "toch niet" });
    let answer = case
        .manager
        .call(Method::POST, &say, Some(body))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}
