//! Documents: what is taken, what is refused, what a later one does.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::case::{Case, PAGE_ONE, PAGE_TWO, dataset, facts};
use crate::support::{
    TestApp, database,
    pdf::{bomb, encrypted, laughs, pdf},
};

#[actix_web::test]
async fn new_facts_and_a_new_document_open_the_lines_again() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    case.confirm_all().await;
    // While both look at it, neither can be changed.
    let answer = case.send(pdf(&["een ander document"])).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let say = case.path("/say");
    let body = json!({ "verb": "return", "text": "Verkeerde bijlage." });
    case.legal
        .api(Method::POST, &say, Some(body))
        .await
        .unwrap();
    let mut facts = case.show().await["facts"].clone();
    facts["parties"] = json!("Archief Waterland\nTNO\nNFI");
    let path = case.path("");
    case.contributor
        .api(Method::POST, &path, Some(facts))
        .await
        .unwrap();
    let progress = case.show().await["progress"].clone();
    assert_eq!(progress["confirmed_by_institution"], 0, "{progress}");
    assert_eq!(progress["needs_human"], 0, "the coding itself stands");
    let answer = case.send(pdf(&[PAGE_TWO, PAGE_ONE])).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    app.run_tasks().await;
    let line = case.line("purposes").await;
    assert_eq!(
        line["need"], "no_place",
        "the place is to be pointed out in the new document: {line}"
    );
    assert_eq!(
        line["value"],
        json!(["fine_tuning", "evaluation"]),
        "the value stays as a help"
    );
    let submit = case.path("/submit");
    let answer = case
        .contributor
        .call(Method::POST, &submit, None)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}

#[actix_web::test]
async fn what_is_no_readable_pdf_is_refused_with_a_clear_message() {
    let app = TestApp::without_worker(&[("FACULTY_LIMITS__DOCUMENT_BYTES", "60000")]).await;
    let dataset = dataset(&app).await;
    let mut case = Case::registered(&app, facts(dataset)).await;
    // By its content, at once.
    let answer = case
        .send(b"PK\x03\x04 a document of another kind".to_vec())
        .await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    assert!(answer.text.contains("no PDF"), "{}", answer.text);
    let mut huge = pdf(&["x"]);
    huge.resize(60_001, b' ');
    let answer = case.send(huge).await;
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        answer.text
    );
    // By reading it.
    for (bytes, problem, word) in [
        (b"%PDF-1.7\nand nothing else".to_vec(), "broken", "damaged"),
        (encrypted(), "encrypted", "without password"),
        (laughs(), "too_heavy", "too much memory or time"),
    ] {
        let answer = case.send(bytes).await;
        assert_eq!(
            answer.status,
            StatusCode::ACCEPTED,
            "{problem}: {}",
            answer.text
        );
        let again = case.send(pdf(&["x"])).await;
        assert_eq!(
            again.status,
            StatusCode::CONFLICT,
            "one at a time: {}",
            again.text
        );
        app.run_tasks().await;
        let document = case.show().await["document"].clone();
        assert_eq!(document["problem"], problem, "{document}");
        assert!(
            document["message"].as_str().unwrap().contains(word),
            "{document}"
        );
        let page = case
            .contributor
            .get(&format!("/nl/agreements/{}", case.id))
            .await
            .unwrap();
        assert!(page.text.contains("Niet aangenomen"), "{}", page.text);
        // Its bytes are gone from the store.
        let (key, version): (String, String) = sqlx::query_as(
            "SELECT object_key, object_version FROM agreement_documents ORDER BY number DESC LIMIT 1",
        )
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
        assert!(
            app.ports.objects.read(&key, &version).await.is_err(),
            "{problem}"
        );
    }
    // And then one that can be read, all the same.
    case.send(pdf(&[PAGE_ONE])).await;
    app.run_tasks().await;
    assert_eq!(case.show().await["document"]["state"], "ready");
}

#[actix_web::test]
async fn a_document_that_unpacks_without_end_is_refused() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = dataset(&app).await;
    let mut case = Case::registered(&app, facts(dataset)).await;
    let bytes = bomb();
    assert!(bytes.len() < 8_000_000, "it is small: {}", bytes.len());
    case.send(bytes).await;
    app.run_tasks().await;
    assert_eq!(case.show().await["document"]["problem"], "too_heavy");
}

#[actix_web::test]
async fn a_document_with_too_many_pages_is_refused() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = dataset(&app).await;
    let mut case = Case::registered(&app, facts(dataset)).await;
    case.send(pdf(&vec!["x"; 301])).await;
    app.run_tasks().await;
    assert_eq!(case.show().await["document"]["problem"], "too_many_pages");
}

#[actix_web::test]
async fn a_scan_says_so_and_is_coded_by_the_page_only() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await;
    let mut case = Case::with_document(&app, facts(dataset), pdf(&["", ""])).await;
    let page = case
        .contributor
        .get(&format!("/en/agreements/{}", case.id))
        .await
        .unwrap();
    assert!(page.text.contains("it is a scan"), "{}", page.text);
    let by_page = |page: &str| json!({ "basis": "page", "value": ["no"], "page": page });
    let answer = case.code("commercial_use", by_page("3")).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    let answer = case.code("commercial_use", by_page("2")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let line = case.line("commercial_use").await;
    assert_eq!(
        (&line["page"], &line["passage"]),
        (&json!(2), &Value::Null),
        "{line}"
    );
}
