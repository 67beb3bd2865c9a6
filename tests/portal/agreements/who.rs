//! Who may see an agreement and do what with it.

use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::case::{Case, facts};
use crate::support::{TestApp, pdf::pdf};

#[actix_web::test]
async fn others_do_not_know_of_it_and_roles_hold() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    let line = "/lines/copyright/purposes";
    let code = json!({ "seen": 2, "basis": "silent" });
    let lines = json!({ "lines": case.line_ids().await });
    let spoken = json!({ "verb": "comment", "text": "x" });
    let facts = facts(Uuid::now_v7());
    let changes = [
        ("", Some(facts.clone())),
        (line, Some(code)),
        ("/submit", None),
        ("/confirm", Some(lines)),
        ("/say", Some(spoken)),
        ("/in-force", None),
    ];
    let mut stranger = app.browser("manager.harderwijk").await;
    for (rest, body) in &changes {
        let answer = stranger
            .call(Method::POST, &case.path(rest), body.clone())
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{rest}: {}",
            answer.text
        );
    }
    for path in ["", "/document", "/edit", line] {
        let answer = stranger
            .get(&format!("/nl/agreements/{}{path}", case.id))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let sent = stranger
        .post_bytes(&case.path("/document"), "application/pdf", pdf(&["x"]))
        .await
        .unwrap();
    assert_eq!(sent.status, StatusCode::NOT_FOUND, "{}", sent.text);
    let listed = stranger
        .api(Method::GET, "/api/v1/agreements", None)
        .await
        .unwrap();
    assert_eq!(listed["agreements"], json!([]));
    // Nor does anybody cover another institution's data.
    let foreign = json!({ "datasets": [case.show().await["facts"]["datasets"][0]] });
    let mut own = facts;
    own["datasets"] = foreign["datasets"].clone();
    let answer = stranger
        .call(Method::POST, "/api/v1/agreements", Some(own))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    // An auditor reads and writes nothing; a contributor confirms nothing and puts nothing into force.
    let mut auditor = app.browser("auditor").await;
    auditor
        .api(Method::GET, &case.path(""), None)
        .await
        .unwrap();
    for (rest, body) in &changes {
        let answer = auditor
            .call(Method::POST, &case.path(rest), body.clone())
            .await
            .unwrap();
        let refused = [StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY];
        assert!(
            refused.contains(&answer.status),
            "{rest}: {} {}",
            answer.status,
            answer.text
        );
    }
    for (rest, body) in &changes[3..] {
        if *rest == "/say" {
            continue;
        }
        let path = case.path(rest);
        let answer = case
            .contributor
            .call(Method::POST, &path, body.clone())
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{rest}: {}",
            answer.text
        );
    }
    // Without the token of the session nothing is changed.
    let path = format!("/nl/agreements/{}/say", case.id);
    let forged = case
        .manager
        .post_bytes(
            &path,
            "application/x-www-form-urlencoded",
            b"verb=withdraw&text=x&csrf=0".to_vec(),
        )
        .await
        .unwrap();
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
    assert_eq!(case.show().await["status"], "in_review");
}
