//! Who may send the public form and see a case, and who may not.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{
    TestApp,
    visitor::{Filed, Visitor, request},
};

#[actix_web::test]
async fn the_form_is_taken_from_our_own_pages_and_once() {
    let app = TestApp::without_worker(&[]).await;
    let mut visitor = Visitor::new(&app);
    let token = visitor.token().await;
    let fields = request(&[]);
    for bad in [
        "",
        "x",
        &token[1..],
        &format!("{}A", &token[..token.len() - 1]),
    ] {
        let (status, _) = visitor.file_with(bad, &fields, None).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "token {bad:?}");
    }
    let own = std::mem::replace(&mut visitor.origin, "https://elders.example".into());
    let (status, _) = visitor.file_with(&token, &fields, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "another site's page");
    let (status, _) = visitor
        .post("/nl/complaints/follow", &[("number", "1"), ("code", "2")])
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN, "another site's page");
    visitor.origin = own;
    let (status, page) = visitor.file_with(&token, &fields, None).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let (status, page) = visitor.file_with(&token, &fields, None).await;
    assert_eq!(status, StatusCode::CONFLICT, "the same form again");
    assert!(page.contains("al verstuurd"), "{page}");
}

#[actix_web::test]
async fn what_is_wrong_is_said_beside_the_field_and_nothing_is_lost() {
    let app = TestApp::without_worker(&[("FACULTY_COMPLAINTS__EVIDENCE_BYTES", "1000")]).await;
    let visitor = Visitor::new(&app);
    let token = visitor.token().await;
    let fields = request(&[
        ("email", "geen adres"),
        ("kind", "copyright"),
        ("name", "<b>Jan</b>"),
    ]);
    let (status, page) = visitor
        .file_with(&token, &fields, Some(("groot.pdf", &[b'x'; 2000])))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    for wrong in ["email-error", "works-error", "evidence-error"] {
        assert!(page.contains(wrong), "{wrong}: {page}");
    }
    assert!(
        page.contains("Haal mijn naam") && !page.contains("<b>Jan") && !page.contains('⟨'),
        "{page}"
    );
    // What was wrong counts for nothing, and the form can be sent once it is right.
    let (status, _) = visitor.file_with(&token, &request(&[]), None).await;
    assert_eq!(status, StatusCode::OK);
    let long = "x".repeat(100_000);
    let (status, _) = visitor
        .file_with(&token, &request(&[("request", &long)]), None)
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = visitor.file_with(&token, &[("admin", "yes")], None).await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a field that is not in the form"
    );
}

#[actix_web::test]
async fn one_address_sends_so_many_a_day() {
    let app = TestApp::without_worker(&[("FACULTY_COMPLAINTS__PER_ADDRESS_PER_DAY", "2")]).await;
    let visitor = Visitor::new(&app);
    for _ in 0..2 {
        visitor.file(&request(&[])).await;
    }
    let token = visitor.token().await;
    let (status, page) = visitor.file_with(&token, &request(&[]), None).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{page}");
    assert!(page.contains("morgen"), "{page}");
    let body = json!({
        "kind": "access", "capacity": "self", "name": "A", "email": "a@b.example", "request": "Wat weet u?",
    });
    let (status, _) = visitor.post_json("/api/v1/complaints", &body).await;
    assert_eq!(
        status,
        StatusCode::TOO_MANY_REQUESTS,
        "the API is another door to the same"
    );
}

#[actix_web::test]
async fn a_program_files_and_follows() {
    let app = TestApp::without_worker(&[]).await;
    let visitor = Visitor::new(&app);
    let body = json!({
        "kind": "access", "capacity": "self", "name": "A", "email": "a@b.example", "request": "Wat weet u?",
        "language": "en",
    });
    let (status, text) = visitor.post_json("/api/v1/complaints", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{text}");
    let filed: serde_json::Value = serde_json::from_str(&text).unwrap();
    let key = json!({ "number": filed["number"], "code": filed["code"] });
    let (status, text) = visitor.post_json("/api/v1/complaints/follow", &key).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let followed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(followed["status"], "received");
    assert_eq!(followed["receipt"]["receipt"], filed["receipt"]["receipt"]);
    let (status, _) = visitor
        .post_json("/api/v1/complaints", &json!({ "kind": "all" }))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn a_case_is_not_there_for_those_who_do_not_need_it() {
    let app = TestApp::without_worker(&[]).await;
    let visitor = Visitor::new(&app);
    let filed = visitor.file(&request(&[])).await;
    let mut steward = app.browser("steward").await;
    let list = steward
        .api(Method::GET, "/api/v1/complaints", None)
        .await
        .unwrap();
    let id = list["complaints"][0]["id"].as_str().unwrap().to_owned();
    for login in [
        "legal",
        "operator",
        "admin",
        "auditor",
        "manager.waterland",
        "fg.waterland",
        "contributor.waterland",
        "manager.harderwijk",
        "researcher.harderwijk",
    ] {
        let mut browser = app.browser(login).await;
        for path in ["", "/hits", "/evidence", "/letters/decision"] {
            let answer = browser
                .get(&format!("/nl/complaints/{id}{path}"))
                .await
                .unwrap();
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{login} {path}");
        }
        for act in [
            "take",
            "terms",
            "mark-all",
            "decide",
            "confirm",
            "send-back",
            "remark",
            "nonsense",
        ] {
            let body = json!({ "terms": "x", "outcome": "granted", "reason": "x", "remark": "x" });
            let answer = browser
                .call(
                    Method::POST,
                    &format!("/api/v1/complaints/{id}/{act}"),
                    Some(body),
                )
                .await
                .unwrap();
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{login} {act}: {}",
                answer.text
            );
        }
        let page = browser.get("/nl/tasks").await.unwrap().text;
        assert!(
            !page.contains(&filed.number),
            "{login} has it among their tasks"
        );
    }
    let (status, _) = visitor.get(&format!("/nl/complaints/{id}")).await;
    assert_eq!(
        status,
        StatusCode::SEE_OTHER,
        "a visitor is asked to sign in"
    );
    // Number and code both have to be right, and which is wrong is not said.
    let unknown = Filed {
        number: "2026-99999".into(),
        ..filed.clone()
    };
    let wrong = Filed {
        code: "00000-00000-00000-00000".into(),
        ..filed.clone()
    };
    let mut pages = Vec::new();
    for key in [&unknown, &wrong] {
        let (status, page) = visitor.follow(key).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        pages.push(page.replace(&key.number, ""));
    }
    assert_eq!(pages[0], pages[1]);
    let lower = Filed {
        code: filed.code.to_lowercase(),
        ..filed
    };
    assert_eq!(visitor.follow(&lower).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn the_public_pages_are_there_in_both_languages() {
    let app = TestApp::without_worker(&[]).await;
    let visitor = Visitor::new(&app);
    for lang in ["nl", "en"] {
        for path in [
            "complaints/new",
            "complaints/new?kind=copyright",
            "complaints/follow",
            "copyright",
            "privacy",
        ] {
            let (status, page) = visitor.get(&format!("/{lang}/{path}")).await;
            assert_eq!(status, StatusCode::OK, "{lang} {path}");
            assert!(!page.contains('⟨'), "{lang} {path}: {page}");
            assert!(
                page.contains(&format!("/{lang}/complaints/new")),
                "{lang} {path} leads to the form"
            );
            assert!(
                page.contains(&format!("/{lang}/copyright")),
                "{lang} {path} leads to the contact point"
            );
        }
    }
}
