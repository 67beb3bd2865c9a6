//! The privacy assessment: filled in by the institution, signed by its privacy officer, needed for approval and use.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo::Browser;

use crate::support::{TestApp, given};

pub(crate) fn assessment(changes: &[(&str, Value)]) -> Value {
    let mut form = json!({
        "bases": ["e"], "basis_explained": "Archiefwet 1995, taak van de archivaris", "special": ["politics"],
        "special_basis": "j", "persons": "Raadsleden en insprekers", "data": "Namen, functies, standpunten",
        "dpia": "DPIA 2026-14, zaaknummer Z-881", "method": "Namen van insprekers vervangen",
        "documents": "200", "found": "481", "missed": "19", "risk": "Een inspreker kan herkenbaar zijn",
        "result": "acceptable_with_measures",
    });
    for (name, value) in changes {
        form[*name] = value.clone();
    }
    form
}

/// A submitted dataset with personal data.
pub(crate) async fn submitted(app: &TestApp) -> given::Approved {
    let changes = [
        ("personal_data", "yes"),
        ("personal_data_basis", "taak van algemeen belang"),
    ];
    given::submitted_dataset(app, &given::small_corpus(), &changes).await
}

pub(crate) async fn fill(browser: &mut Browser, dataset: Uuid, form: Value) -> Value {
    let path = format!("/api/v1/datasets/{dataset}/privacy");
    browser.api(Method::POST, &path, Some(form)).await.unwrap()
}

pub(crate) async fn decide(
    browser: &mut Browser,
    dataset: Uuid,
    filed: &Value,
    decision: &str,
) -> StatusCode {
    let path = format!(
        "/nl/datasets/{dataset}/privacy/{}/sign",
        filed["id"].as_str().unwrap()
    );
    let fields = [
        ("text_sha256", filed["text_sha256"].as_str().unwrap()),
        ("decision", decision),
        ("reason", "bekeken"),
    ];
    browser.post_form(&path, &fields).await.unwrap().status
}

async fn approval(app: &TestApp, login: &str, dataset: Uuid, kind: &str) -> (StatusCode, String) {
    let fields = [("kind", kind), ("decision", "approved"), ("reason", "")];
    let answer = app
        .browser(login)
        .await
        .post_form(&format!("/nl/datasets/{dataset}/review"), &fields)
        .await
        .unwrap();
    (answer.status, answer.text)
}

#[actix_web::test]
async fn without_a_signed_assessment_a_version_with_personal_data_is_not_approved() {
    let app = TestApp::start().await;
    let data = submitted(&app).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let tasks = contributor.get("/nl/tasks").await.unwrap().text;
    assert!(tasks.contains("Vul de privacybeoordeling in"), "{tasks}");
    let (status, text) = approval(&app, "legal", data.dataset, "legal").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("ondertekende privacybeoordeling"), "{text}");

    let filed = fill(&mut contributor, data.dataset, assessment(&[])).await;
    assert!((filed["recall"]["share"].as_f64().unwrap() - 0.962).abs() < 1e-9);
    assert!(
        (filed["recall"]["low"].as_f64().unwrap() - 0.9414).abs() < 1e-3,
        "{filed:#}"
    );
    let (status, _) = approval(&app, "legal", data.dataset, "legal").await;
    assert_eq!(status, StatusCode::CONFLICT, "filled in is not signed");

    let mut officer = app.browser("fg.waterland").await;
    let tasks = officer.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("Onderteken de privacybeoordeling"),
        "{tasks}"
    );
    assert_eq!(
        decide(&mut officer, data.dataset, &filed, "signed").await,
        StatusCode::SEE_OTHER
    );
    let tasks = officer.get("/nl/tasks").await.unwrap().text;
    assert!(
        !tasks.contains("Onderteken de privacybeoordeling"),
        "{tasks}"
    );
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let (status, text) = approval(&app, login, data.dataset, kind).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
    }
    let page = contributor
        .get(&format!("/nl/datasets/{}", data.dataset))
        .await
        .unwrap()
        .text;
    for words in [
        "Goedgekeurd",
        "Ondertekend door Fenna Bakker",
        "96,2 % gevonden (met 95 % zekerheid tussen 94,1 en 97,6 %)",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    for lang in ["nl", "en"] {
        for path in ["/privacy", "/privacy/new"] {
            let page = contributor
                .get(&format!("/{lang}/datasets/{}{path}", data.dataset))
                .await
                .unwrap();
            assert_eq!(page.status, StatusCode::OK);
            assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
            for word in ["anoniem", "anonym", "compliant"] {
                assert!(
                    !page.text.to_lowercase().contains(word),
                    "{word}: {}",
                    page.text
                );
            }
        }
    }
    let log = app
        .browser("auditor")
        .await
        .get(&format!("/nl/audit?subject={}", data.dataset))
        .await
        .unwrap()
        .text;
    for kind in ["privacy.filled", "privacy.signed"] {
        assert!(log.contains(kind), "{kind} is not in the log");
    }
    assert!(!log.contains('⟨'), "a text is missing");
}

#[actix_web::test]
async fn a_signature_is_of_another_person_over_the_text_that_was_read() {
    let app = TestApp::start().await;
    let data = submitted(&app).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let first = fill(&mut contributor, data.dataset, assessment(&[])).await;
    for (login, expected) in [
        ("contributor.waterland", StatusCode::FORBIDDEN),
        ("manager.waterland", StatusCode::FORBIDDEN),
        ("legal", StatusCode::NOT_FOUND),
        ("manager.harderwijk", StatusCode::NOT_FOUND),
    ] {
        let mut browser = app.browser(login).await;
        assert_eq!(
            decide(&mut browser, data.dataset, &first, "signed").await,
            expected,
            "{login}"
        );
    }
    let mut officer = app.browser("fg.waterland").await;
    let mut other_text = first.clone();
    other_text["text_sha256"] = json!("0".repeat(64));
    assert_eq!(
        decide(&mut officer, data.dataset, &other_text, "signed").await,
        StatusCode::CONFLICT
    );
    let second = fill(
        &mut contributor,
        data.dataset,
        assessment(&[("risk", json!("anders"))]),
    )
    .await;
    assert_ne!(second["text_sha256"], first["text_sha256"]);
    assert_eq!(
        decide(&mut officer, data.dataset, &first, "signed").await,
        StatusCode::CONFLICT,
        "a newer text has taken its place"
    );
    assert_eq!(
        decide(&mut officer, data.dataset, &second, "returned").await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        decide(&mut officer, data.dataset, &second, "signed").await,
        StatusCode::CONFLICT
    );
    let tasks = contributor.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("Vul de privacybeoordeling in"),
        "returned, it waits again: {tasks}"
    );

    // Somebody who holds both roles does not sign what they filled in; the database says so too.
    let mut tx = app.owner_tx().await;
    sqlx::query(
        "INSERT INTO memberships (user_id, institution_id, role, created_at)
         SELECT user_id, institution_id, 'contributor', created_at FROM memberships WHERE role = 'privacy_officer'",
    )
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut both = app.browser("fg.waterland").await;
    let own = fill(&mut both, data.dataset, assessment(&[])).await;
    assert_eq!(
        decide(&mut both, data.dataset, &own, "signed").await,
        StatusCode::FORBIDDEN
    );
    for statement in [
        "INSERT INTO privacy_signatures (id, assessment_id, text_sha256, filled_by, decision, signed_by, signed_at)
         SELECT id, id, text_sha256, filled_by, 'signed', filled_by, now() FROM privacy_assessments",
        "INSERT INTO privacy_signatures (id, assessment_id, text_sha256, filled_by, decision, signed_by, signed_at)
         SELECT id, id, repeat('0', 64), filled_by, 'signed', filled_by, now() FROM privacy_assessments",
        "UPDATE privacy_assessments SET result = 'acceptable'",
        "DELETE FROM privacy_signatures",
        "UPDATE dataset_versions SET status = 'approved'",
    ] {
        let mut tx = app.owner_tx().await;
        assert!(sqlx::query(statement).execute(tx.conn()).await.is_err(), "{statement}");
    }
}

#[actix_web::test]
async fn what_the_officer_says_may_not_be_used_is_not_used() {
    let app = TestApp::start().await;
    let data = submitted(&app).await;
    let (mut contributor, mut officer) = (
        app.browser("contributor.waterland").await,
        app.browser("fg.waterland").await,
    );
    let filed = fill(&mut contributor, data.dataset, assessment(&[])).await;
    decide(&mut officer, data.dataset, &filed, "signed").await;
    given::approve(&app, data.dataset).await;
    app.browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/permissions", data.dataset),
            Some(json!({
                "layers": ["personal_data"], "purposes": ["fine_tuning"], "recipients": "consortium",
                "commercial": "no", "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "besluit",
                "delete_within_days": "30", "territories": "world", "processing_locations": "world",
                "model_families": "all",
            })),
        )
        .await
        .unwrap();
    let base = given::tiny_base(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let job = given::job(base, data.version, 1);
    let asked = researcher
        .call(Method::POST, "/api/v1/jobs", Some(job.clone()))
        .await
        .unwrap();
    assert_eq!(asked.status, StatusCode::CREATED, "{}", asked.text);

    let later = fill(
        &mut contributor,
        data.dataset,
        assessment(&[("result", json!("not_acceptable"))]),
    )
    .await;
    let still = researcher
        .call(Method::POST, "/api/v1/jobs", Some(job.clone()))
        .await
        .unwrap();
    assert_eq!(
        still.status,
        StatusCode::CREATED,
        "not signed yet: {}",
        still.text
    );
    decide(&mut officer, data.dataset, &later, "signed").await;
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(job))
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains("assessment-not-signed"),
        "{}",
        refused.text
    );
}

#[actix_web::test]
async fn every_wrong_field_says_so_beside_it_and_others_see_no_form() {
    let app = TestApp::start().await;
    let data = submitted(&app).await;
    let path = format!("/nl/datasets/{}/privacy/new", data.dataset);
    let mut contributor = app.browser("contributor.waterland").await;
    let answer = contributor
        .post_form(
            &path,
            &[
                ("special", "health"),
                ("documents", "10"),
                ("found", "-1"),
                ("missed", "x"),
            ],
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in [
        "bases",
        "special_basis",
        "persons",
        "found",
        "missed",
        "result",
    ] {
        assert!(
            answer.text.contains(&format!("id=\"{field}-error\"")),
            "{field}: {}",
            answer.text
        );
    }
    for (login, expected) in [
        ("fg.waterland", StatusCode::FORBIDDEN),
        ("legal", StatusCode::NOT_FOUND),
        ("manager.harderwijk", StatusCode::NOT_FOUND),
    ] {
        let answer = app.browser(login).await.get(&path).await.unwrap();
        assert_eq!(answer.status, expected, "{login}");
    }
    let without = given::submitted_dataset(&app, &given::small_corpus(), &[]).await;
    let answer = contributor
        .get(&format!("/nl/datasets/{}/privacy/new", without.dataset))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::CONFLICT,
        "there is nothing to assess"
    );
}

#[actix_web::test]
async fn a_method_of_masking_that_nobody_measured_is_refused_beside_the_field() {
    let app = TestApp::start().await;
    let data = submitted(&app).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let fields = [
        ("bases", "e"),
        ("basis_explained", "Archiefwet 1995"),
        ("persons", "Raadsleden"),
        ("data", "Namen"),
        ("dpia", "DPIA 2026-14"),
        ("method", "Namen vervangen"),
        ("risk", "Een inspreker kan herkenbaar zijn"),
        ("result", "acceptable"),
    ];
    for (lang, words) in [
        ("nl", "Geef ook op hoe goed dat werkt"),
        ("en", "Say how well that works"),
    ] {
        let path = format!("/{lang}/datasets/{}/privacy/new", data.dataset);
        let answer = contributor.post_form(&path, &fields).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let beside = answer.text.split("id=\"found-error\"").nth(1);
        let beside = beside.unwrap_or_else(|| panic!("nothing beside the field: {}", answer.text));
        assert!(
            beside.split("</p>").next().unwrap().contains(words),
            "{beside}"
        );
        assert!(
            answer.text.contains("Namen vervangen"),
            "what was typed stays"
        );
    }
    let none = json!("");
    let unmeasured = assessment(&[
        ("documents", none.clone()),
        ("found", none.clone()),
        ("missed", none.clone()),
    ]);
    let path = format!("/api/v1/datasets/{}/privacy", data.dataset);
    let answer = contributor
        .call(Method::POST, &path, Some(unmeasured))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    let unmasked = assessment(&[
        ("method", none.clone()),
        ("documents", none.clone()),
        ("found", none.clone()),
        ("missed", none),
        ("result", json!("acceptable")),
    ]);
    fill(&mut contributor, data.dataset, unmasked).await;
}
