//! Clauses that no term has words for: they keep an agreement out of force until both parties judged them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::case::{Case, PAGE_ONE, PAGE_TWO, facts, reviewed};
use crate::support::{TestApp, database, given, pdf::pdf};

const AUDIT: &str =
    "Artikel 6. Het archief mag eens per jaar controleren hoe de data wordt bewaard.";

async fn with_audit_right(app: &TestApp) -> (given::Approved, Case) {
    let data = reviewed(app).await;
    let page_two = format!("{PAGE_TWO}\n{AUDIT}");
    let bytes = pdf(&[PAGE_ONE, &page_two]);
    let mut case = Case::with_document(app, facts(data.dataset), bytes).await;
    case.code_all().await;
    (data, case)
}

fn audit() -> Value {
    json!({ "page": "2", "passage": AUDIT, "reason": "recht op controle" })
}

async fn noted(case: &mut Case) -> String {
    let path = case.path("/clauses");
    let noted = case
        .contributor
        .api(Method::POST, &path, Some(audit()))
        .await
        .unwrap();
    noted["clause"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn an_agreement_waits_until_both_parties_judged_what_no_term_says() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let (data, mut case) = with_audit_right(&app).await;
    let clause = noted(&mut case).await;
    case.submit().await;
    case.confirm_all().await;
    let early = case.put_in_force().await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.text);
    assert!(
        early.text.contains("agreement-clauses-open"),
        "{}",
        early.text
    );
    let path = case.path(&format!("/clauses/{clause}"));
    let nothing = json!({ "word": "no_consequence" });
    for lang in ["nl", "en"] {
        let page = format!("/{lang}{}", case.path("").replace("/api/v1", ""));
        let page = case.legal.get(&page).await.unwrap().text;
        assert!(page.contains("id=\"clauses\""), "{page}");
        assert!(page.contains("value=\"no_consequence\""), "{page}");
        assert!(!page.contains("/in-force\""), "{page}");
        assert!(!page.contains('⟨'), "{page}");
    }
    case.manager
        .api(Method::POST, &path, Some(nothing.clone()))
        .await
        .unwrap();
    let again = case
        .manager
        .call(Method::POST, &path, Some(json!({ "word": "condition" })))
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    let early = case.put_in_force().await;
    assert_eq!(
        early.status,
        StatusCode::CONFLICT,
        "one of two: {}",
        early.text
    );
    // Nor past the pages.
    let by_hand = sqlx::query("UPDATE agreements SET status = 'in_force' WHERE id = $1::uuid")
        .bind(&case.id)
        .execute(&mut database::of(&app).await)
        .await;
    assert!(by_hand.unwrap_err().to_string().contains("judged by both"));
    let form = format!("/nl{}", path.replace("/api/v1", ""));
    let said = case
        .legal
        .post_form(&form, &[("word", "no_consequence")])
        .await
        .unwrap();
    assert_eq!(said.status, StatusCode::SEE_OTHER, "{}", said.text);
    let done = case.put_in_force().await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let job = given::job(base, data.version, 1);
    let asked = app
        .browser("researcher.harderwijk")
        .await
        .call(Method::POST, "/api/v1/jobs", Some(job))
        .await
        .unwrap();
    assert_eq!(asked.status, StatusCode::CREATED, "{}", asked.text);
}

#[actix_web::test]
async fn what_is_a_condition_stands_in_the_permission_and_keeps_the_answer_at_no() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let (data, mut case) = with_audit_right(&app).await;
    let clause = noted(&mut case).await;
    case.submit().await;
    case.confirm_all().await;
    let path = case.path(&format!("/clauses/{clause}"));
    for (browser, word) in [
        (&mut case.manager, "no_consequence"),
        (&mut case.legal, "condition"),
    ] {
        let body = json!({ "word": word });
        browser.api(Method::POST, &path, Some(body)).await.unwrap();
    }
    let shown = case.show().await;
    assert_eq!(shown["clauses"][0]["state"], "condition", "{shown:#}");
    let done = case.put_in_force().await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let job = given::job(base, data.version, 1);
    let refused = app
        .browser("researcher.harderwijk")
        .await
        .call(Method::POST, "/api/v1/jobs", Some(job))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("needs-human"), "{}", refused.text);
    let list = format!("/api/v1/datasets/{}/permissions", data.dataset);
    let given = case.manager.api(Method::GET, &list, None).await.unwrap();
    let terms = &given["permissions"][0]["terms"];
    assert_eq!(
        terms["needs_human"],
        json!([format!("p. 2: {AUDIT} (recht op controle)")])
    );
}

#[actix_web::test]
async fn a_clause_stands_in_the_document_and_only_its_parties_speak_of_it() {
    let app = TestApp::start().await;
    let (_, mut case) = with_audit_right(&app).await;
    let path = case.path("/clauses");
    let mut invented = audit();
    invented["passage"] = json!("Het archief mag niets.");
    let refused = case
        .contributor
        .call(Method::POST, &path, Some(invented))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("clause_passage"), "{}", refused.text);
    let page = format!("/nl{}", path.replace("/api/v1", ""));
    let fields = [
        ("clause_page", "2"),
        ("clause_passage", AUDIT),
        ("clause_reason", " "),
    ];
    let refused = case.contributor.post_form(&page, &fields).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("clause_reason-error"),
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains("mag eens per jaar"),
        "what was typed stays"
    );
    let clause = noted(&mut case).await;
    let word = json!({ "word": "no_consequence" });
    let one = case.path(&format!("/clauses/{clause}"));
    let early = case
        .manager
        .call(Method::POST, &one, Some(word.clone()))
        .await
        .unwrap();
    assert_eq!(early.status, StatusCode::CONFLICT, "before it is handed in");
    case.submit().await;
    for (login, expected) in [
        ("manager.harderwijk", StatusCode::NOT_FOUND),
        ("contributor.waterland", StatusCode::FORBIDDEN),
        ("steward", StatusCode::NOT_FOUND),
    ] {
        let mut browser = app.browser(login).await;
        let answer = browser
            .call(Method::POST, &one, Some(word.clone()))
            .await
            .unwrap();
        assert_eq!(answer.status, expected, "{login}: {}", answer.text);
    }
    let foreign = app
        .browser("manager.harderwijk")
        .await
        .call(Method::POST, &path, Some(audit()))
        .await
        .unwrap();
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    let for_other = case
        .manager
        .call(
            Method::POST,
            &one,
            Some(json!({ "word": "condition", "party": "platform" })),
        )
        .await
        .unwrap();
    assert_eq!(
        for_other.status,
        StatusCode::FORBIDDEN,
        "{}",
        for_other.text
    );
}
