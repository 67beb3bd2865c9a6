//! What a right holder allows: given, shown, taken elsewhere, decided by, and checked again later.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{demo::Browser, jobs};

use crate::support::{TestApp, given};

/// A permission by program, for fine-tuning in the Netherlands; `change` says what is otherwise.
fn terms(change: &Value) -> Value {
    let mut terms = json!({
        "layers": ["copyright"], "purposes": ["fine_tuning"], "recipients": "consortium", "commercial": "no",
        "territories": "NL, BE", "processing_locations": "EU", "valid_from": "2026-01-01", "valid_until": "2031-12-31",
        "evidence": "besluit 7", "delete_within_days": "14", "attribution": "Archief Waterland", "report_use": "yes",
        "on_withdrawal": "retrain", "model_families": "all",
    });
    for (key, value) in change.as_object().unwrap() {
        terms[key] = value.clone();
    }
    terms
}

async fn give(app: &TestApp, dataset: Uuid, change: &Value) -> Uuid {
    let given = app
        .browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(terms(change)),
        )
        .await
        .unwrap();
    given["permissions"][0].as_str().unwrap().parse().unwrap()
}

/// A dataset that nobody gave permission for yet.
async fn draft(app: &TestApp) -> Uuid {
    let registered = app
        .browser("contributor.waterland")
        .await
        .api(
            Method::POST,
            "/api/v1/datasets",
            Some(json!({
                "title": "Brieven", "description": "Voor een test geschreven.", "language": "nl",
                "license": "CC0-1.0", "source": "test", "right_holder": "Archief Waterland", "personal_data": "no",
                "personal_data_basis": "", "confidentiality": "public",
            })),
        )
        .await
        .unwrap();
    registered["id"].as_str().unwrap().parse().unwrap()
}

const FORM: [(&str, &str); 14] = [
    ("layers", "copyright"),
    ("versions", "all"),
    ("purposes", "fine_tuning"),
    ("prohibited", "synthetic_derivation"),
    ("recipients", "consortium"),
    ("commercial", "no"),
    ("territories", "EU"),
    ("valid_from", "2026-01-01"),
    ("valid_until", "2030-12-31"),
    ("evidence", "besluit 12"),
    ("delete_within_days", "30"),
    ("on_withdrawal", "keep"),
    ("processing_locations", "EU"),
    ("model_families", "all"),
];

async fn permissions_of(browser: &mut Browser, dataset: Uuid) -> Vec<Value> {
    let path = format!("/api/v1/datasets/{dataset}/permissions");
    let found = browser.api(Method::GET, &path, None).await.unwrap();
    found["permissions"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn what_is_previewed_is_not_given_and_what_is_given_reads_the_same() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = draft(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let page = format!("/nl/datasets/{dataset}/permission");
    let blank = manager.get(&page).await.unwrap();
    assert_eq!(blank.status, StatusCode::OK, "{}", blank.text);
    let mut fields = FORM.to_vec();
    fields.push(("action", "preview"));
    let preview = manager.post_form(&page, &fields).await.unwrap();
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text);
    let forbidden = "Mag niet gebruikt worden om er synthetische data van af te leiden";
    assert!(preview.text.contains(forbidden), "{}", preview.text);
    assert!(permissions_of(&mut manager, dataset).await.is_empty());
    let given = manager.post_form(&page, &FORM).await.unwrap();
    assert_eq!(given.status, StatusCode::SEE_OTHER, "{}", given.text);
    let all = permissions_of(&mut manager, dataset).await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        all[0]["terms"]["prohibited"],
        json!(["synthetic_derivation"])
    );
    assert_eq!(all[0]["terms"]["on_withdrawal"], "keep");
    assert_eq!(all[0]["events"][0]["state"], "given");
    let id = all[0]["id"].as_str().unwrap();
    for (lang, words) in [
        ("nl", forbidden),
        ("en", "May not be used to derive synthetic data from it"),
    ] {
        let shown = manager
            .get(&format!("/{lang}/permissions/{id}"))
            .await
            .unwrap();
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        assert!(shown.text.contains(words), "{}", shown.text);
        for sentence in all[0]["words"][lang].as_array().unwrap() {
            let text = sentence["text"].as_str().unwrap();
            assert!(
                shown.text.contains(text),
                "{text} is missing in {}",
                shown.text
            );
        }
        assert!(!shown.text.contains('⟨'), "{}", shown.text);
    }
    let box_of = manager
        .get(&format!("/nl/datasets/{dataset}"))
        .await
        .unwrap();
    assert!(
        box_of
            .text
            .contains("Niet om er synthetische data van af te leiden."),
        "{}",
        box_of.text
    );
    assert!(
        box_of.text.contains(&format!("/nl/permissions/{id}")),
        "{}",
        box_of.text
    );
}

#[actix_web::test]
async fn each_wrong_field_is_told_beside_it_and_nothing_is_given() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = draft(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let mut wrong = FORM.to_vec();
    wrong[3] = ("prohibited", "fine_tuning");
    wrong[6] = ("territories", "NL, UK");
    wrong.push(("document_sha256", "kort"));
    let answer = manager
        .post_form(&format!("/nl/datasets/{dataset}/permission"), &wrong)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in ["prohibited", "territories", "document_sha256"] {
        assert!(
            answer.text.contains(&format!("href=\"#{field}\"")),
            "{field}: {}",
            answer.text
        );
    }
    assert!(answer.text.contains("“UK”"), "{}", answer.text);
    // A field that is misspelt would be a term that silently does not hold.
    let misspelt = terms(&json!({ "prohibitd": ["fine_tuning"] }));
    let path = format!("/api/v1/datasets/{dataset}/permissions");
    let answer = manager
        .call(Method::POST, &path, Some(misspelt))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    assert!(permissions_of(&mut manager, dataset).await.is_empty());
}

#[actix_web::test]
async fn what_is_not_said_is_not_allowed() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = draft(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let path = format!("/api/v1/datasets/{dataset}/permissions");
    for field in ["territories", "processing_locations", "model_families"] {
        let mut silent = terms(&json!({}));
        silent.as_object_mut().unwrap().remove(field);
        let answer = manager
            .call(Method::POST, &path, Some(silent))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(answer.text.contains(field), "{}", answer.text);
    }
    let said = json!({ "territories": "world", "processing_locations": "world" });
    give(&app, dataset, &said).await;
    let all = permissions_of(&mut manager, dataset).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["terms"]["territories"], json!(["world"]));
}

#[actix_web::test]
async fn a_hash_that_somebody_types_proves_nothing() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = draft(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let invented = "ab".repeat(32);
    let answer = manager
        .call(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(terms(&json!({ "document_sha256": invented }))),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("document_sha256"), "{}", answer.text);
    let mut fields = FORM.to_vec();
    fields.push(("document_sha256", &invented));
    for lang in ["nl", "en"] {
        let page = format!("/{lang}/datasets/{dataset}/permission");
        let answer = manager.post_form(&page, &fields).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            answer.text.contains("href=\"#document_sha256\""),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains('⟨'), "{}", answer.text);
    }
    assert!(permissions_of(&mut manager, dataset).await.is_empty());
}

#[actix_web::test]
async fn a_policy_that_somebody_has_fills_in_the_form() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = draft(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let begin = |lang: &str| format!("/{lang}/datasets/{dataset}/permission/begin");
    let policy = json!({
        "uid": "https://krant.example/offer.json", "assigner": "https://krant.example",
        "permission": [{
            "target": "https://krant.example/artikelen", "action": "faculty:fine_tuning",
            "constraint": [{ "leftOperand": "spatial", "operator": "isAnyOf", "rightOperand": ["NL", "BE"] }],
            "duty": [{ "action": "attribute", "faculty:text": "De Krant" }, { "action": "obtainConsent" }],
        }],
    })
    .to_string();
    for (lang, words) in [
        ("nl", "Hier zegt het beleid niets over"),
        ("en", "The policy says nothing about this"),
    ] {
        let filled = manager
            .post_form(&begin(lang), &[("format", "odrl"), ("document", &policy)])
            .await
            .unwrap();
        assert_eq!(filled.status, StatusCode::OK, "{}", filled.text);
        for part in [
            words,
            "value=\"BE, NL\"",
            "value=\"De Krant\"",
            "obtainConsent",
            "href=\"#processing_locations\"",
            "href=\"#recipients\"",
            "https://krant.example/artikelen",
            "id=\"purposes-fine_tuning\" name=\"purposes\" value=\"fine_tuning\" checked",
        ] {
            assert!(filled.text.contains(part), "{part}: {}", filled.text);
        }
        assert!(!filled.text.contains('⟨'), "{}", filled.text);
    }
    let site = json!([
        { "location": "/open/*", "tdm-reservation": 0 },
        { "location": "/artikel/*", "tdm-reservation": 1, "tdm-policy": "https://krant.example/offer.json" },
    ])
    .to_string();
    let tdmrep = |path: &'static str| {
        [
            ("format", "tdmrep"),
            ("document", site.as_str()),
            ("path", path),
            ("offer", policy.as_str()),
        ]
    };
    let filled = manager
        .post_form(&begin("nl"), &tdmrep("/artikel/7"))
        .await
        .unwrap();
    assert_eq!(filled.status, StatusCode::OK, "{}", filled.text);
    assert!(
        filled.text.contains("value=\"De Krant\""),
        "{}",
        filled.text
    );
    for (path, words) in [
        ("/open/1", "noemt geen beleid"),
        ("/elders", "gaat geen regel over dit pad"),
    ] {
        let refused = manager
            .post_form(&begin("nl"), &tdmrep(path))
            .await
            .unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains(words), "{words}: {}", refused.text);
    }
    let nonsense = [("format", "odrl"), ("document", "<xml>")];
    let refused = manager.post_form(&begin("nl"), &nonsense).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("&#60;xml&#62;"),
        "what was typed stays"
    );
    assert!(permissions_of(&mut manager, dataset).await.is_empty());
    let foreign = app
        .browser("manager.harderwijk")
        .await
        .post_form(&begin("nl"), &[("format", "odrl"), ("document", &policy)])
        .await
        .unwrap();
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn what_holds_no_more_is_exported_no_more_and_why_stays_among_who_it_is_of() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let id = give(&app, data.dataset, &json!({})).await;
    let past = give(&app, data.dataset, &json!({ "valid_until": "2026-01-02" })).await;
    let path = format!("/api/v1/permissions/{id}");
    let mut manager = app.browser("manager.waterland").await;
    let odrl = manager
        .api(Method::GET, &format!("{path}/odrl"), None)
        .await
        .unwrap();
    assert_eq!(odrl["faculty:state"]["@id"], "faculty:given", "{odrl:#}");
    let duo = manager
        .api(Method::GET, &format!("{path}/duo"), None)
        .await
        .unwrap();
    assert_eq!(
        (&duo["layer"], &duo["state"]),
        (&json!("copyright"), &json!("given"))
    );
    let body = json!({ "extent": format!("permission:{id}"), "reason": "geheim van de schenker" });
    manager
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/withdraw", data.dataset),
            Some(body),
        )
        .await
        .unwrap();
    for (id, state) in [(id, "withdrawn"), (past, "expired")] {
        for format in ["odrl", "odrl?kind=agreement", "duo"] {
            let answer = manager
                .get(&format!("/api/v1/permissions/{id}/{format}"))
                .await
                .unwrap();
            assert_eq!(answer.status, StatusCode::GONE, "{}", answer.text);
            assert!(answer.text.contains(state), "{}", answer.text);
        }
    }
    // Why and by whom is for the institution and the platform.
    for (login, hears) in [
        ("manager.waterland", true),
        ("legal", true),
        ("researcher.harderwijk", false),
    ] {
        let mut browser = app.browser(login).await;
        let list = format!("/api/v1/datasets/{}/permissions", data.dataset);
        let rights = format!("/api/v1/datasets/{}/rights", data.dataset);
        let page = format!("/nl/permissions/{id}");
        for path in [&path, &list, &page] {
            let text = browser.get(path).await.unwrap().text;
            assert!(text.to_lowercase().contains("withdrawn") || text.contains("ingetrokken"));
            for secret in ["geheim van de schenker", "Marijke"] {
                // Whoever signed in has a name on the page too.
                if secret == "Marijke" && login == "manager.waterland" {
                    continue;
                }
                assert_eq!(
                    text.contains(secret),
                    hears,
                    "{login} {path} {secret}: {text}"
                );
            }
        }
        let rights = browser.api(Method::GET, &rights, None).await.unwrap();
        let by = &rights["permissions"][0]["decided_by"];
        assert_eq!(by.is_string(), hears, "{login}: {by}");
    }
}

#[actix_web::test]
async fn another_institution_sees_no_permission_of_a_draft_and_cannot_give_one() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = draft(&app).await;
    let id = give(&app, dataset, &json!({})).await;
    let mut foreign = app.browser("manager.harderwijk").await;
    for path in [
        format!("/nl/permissions/{id}"),
        format!("/api/v1/permissions/{id}"),
        format!("/api/v1/permissions/{id}/odrl"),
        format!("/api/v1/permissions/{id}/duo"),
        format!("/api/v1/datasets/{dataset}/permissions"),
        format!("/nl/permissions/{}", Uuid::nil()),
    ] {
        let answer = foreign.get(&path).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{path}: {}",
            answer.text
        );
    }
    let path = format!("/api/v1/datasets/{dataset}/permissions");
    let answer = foreign
        .call(Method::POST, &path, Some(terms(&json!({}))))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
    let mut contributor = app.browser("contributor.waterland").await;
    let answer = contributor
        .call(Method::POST, &path, Some(terms(&json!({}))))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
}

#[actix_web::test]
async fn exports_come_back_as_the_terms_they_were_made_of() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let id = give(
        &app,
        data.dataset,
        &json!({ "needs_human": "alleen na overleg" }),
    )
    .await;
    // Published: another institution's researcher may read on what the verdict rests.
    let mut researcher = app.browser("researcher.harderwijk").await;
    let path = format!("/api/v1/permissions/{id}");
    let shown = researcher.api(Method::GET, &path, None).await.unwrap();
    let odrl = researcher
        .api(Method::GET, &format!("{path}/odrl"), None)
        .await
        .unwrap();
    assert_eq!(odrl["type"], "odrl:Offer");
    let set = researcher
        .api(Method::GET, &format!("{path}/odrl?kind=set"), None)
        .await
        .unwrap();
    assert_eq!(set["type"], "odrl:Set");
    assert!(set.get("assigner").is_none());
    let imported = researcher
        .api(
            Method::POST,
            "/api/v1/permissions/import",
            Some(json!({ "format": "odrl", "document": odrl })),
        )
        .await
        .unwrap();
    assert_eq!(imported["imported"]["terms"], shown["terms"]);
    assert_eq!(imported["terms_sha256"], shown["terms_sha256"]);
    let duo = researcher
        .api(Method::GET, &format!("{path}/duo"), None)
        .await
        .unwrap();
    assert_eq!(duo["needs_validation"], json!(["alleen na overleg"]));
}

#[actix_web::test]
async fn a_sites_reservation_is_read_with_its_offer_and_nonsense_is_refused() {
    let app = TestApp::without_worker(&[]).await;
    let mut manager = app.browser("manager.waterland").await;
    let path = "/api/v1/permissions/import";
    let address = "https://krant.example/offer.json";
    let read = manager
        .api(
            Method::POST,
            path,
            Some(json!({
                "format": "tdmrep",
                "document": [{ "location": "/artikel/*", "tdm-reservation": 1, "tdm-policy": address }],
                "policies": { address: { "permission": [{ "action": "tdm:mine", "duty": [{ "action": "obtainConsent" }] }] } },
                "path": "/artikel/7",
            })),
        )
        .await
        .unwrap();
    assert_eq!(read["about_path"]["reservation"], "reserved");
    let needs = &read["locations"][0]["offer"]["terms"]["needs_human"];
    assert!(
        needs[0].as_str().unwrap().contains("obtainConsent"),
        "{read:#}"
    );
    for document in [json!({}), json!("x"), json!({ "uid": "y" })] {
        let body = json!({ "format": "odrl", "document": document });
        let answer = manager.call(Method::POST, path, Some(body)).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            answer.text
        );
    }
}

#[actix_web::test]
async fn the_schema_and_the_profile_are_there_for_everybody() {
    let app = TestApp::without_worker(&[]).await;
    let mut nobody = Browser::new(&app.url).unwrap();
    let schema = nobody
        .get("/schemas/permission-terms-2.json")
        .await
        .unwrap();
    assert_eq!(schema.text, permission_policy::SCHEMA);
    let profile = nobody.get("/ns/permission").await.unwrap().json().unwrap();
    assert_eq!(profile["@id"], format!("{}ns/permission", app.url));
}

async fn ask(
    app: &TestApp,
    base: virtual_faculty::ids::ModelId,
    version: Uuid,
    change: &Value,
) -> (StatusCode, Value) {
    let mut job = given::job(base, version, 1);
    for (key, value) in change.as_object().unwrap() {
        job[key] = value.clone();
    }
    let answer = app
        .browser("researcher.harderwijk")
        .await
        .call(Method::POST, "/api/v1/jobs", Some(job))
        .await
        .unwrap();
    let body = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    (answer.status, body)
}

#[actix_web::test]
async fn what_one_permission_forbids_no_other_allows() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let (status, _) = ask(&app, base, data.version, &json!({})).await;
    assert_eq!(status, StatusCode::CREATED);
    let forbids = give(
        &app,
        data.dataset,
        &json!({ "purposes": [], "prohibited": ["fine_tuning"] }),
    )
    .await;
    let (status, body) = ask(&app, base, data.version, &json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:#}");
    let reason = &body["datasets"][0]["reasons"][0];
    assert_eq!(reason["rule"], "prohibited");
    assert_eq!(reason["permission"], forbids.to_string());
    // The page says it before anything is sent: the rule, its sentence, and where to read the permission.
    let page = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/nl/jobs/new?dataset_versions={}", data.version))
        .await
        .unwrap();
    for words in [
        "<code>prohibited</code>".to_owned(),
        "uitdrukkelijk verboden".to_owned(),
        format!("/nl/permissions/{forbids}"),
    ] {
        assert!(page.text.contains(&words), "{words}: {}", page.text);
    }
}

#[actix_web::test]
async fn the_place_of_use_and_the_place_of_the_machines_count() {
    let app = TestApp::without_worker(&[("FACULTY_TRAINING__LOCATION", "FI")]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    given::withdrawn(&app, data.dataset, "opnieuw, met plaatsen").await;
    let (_, body) = ask(&app, base, data.version, &json!({})).await;
    assert_eq!(body["datasets"][0]["is_allowed"], false, "{body:#}");
    let dataset = given::approved_dataset(&app).await;
    let (status, _) = ask(&app, base, dataset.version, &json!({ "territory": "US" })).await;
    assert_eq!(
        status,
        StatusCode::CREATED,
        "the usual permission says nothing of places"
    );
    let (status, body) = ask(&app, base, dataset.version, &json!({ "territory": "UK" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:#}");
}

/// Permission for two countries, on machines in one that is not among the places of processing.
#[actix_web::test]
async fn a_permission_for_some_places_is_none_for_others() {
    for (location, territory, expected) in [
        ("FI", "BE", None),
        ("FI", "FR", Some("territory-not-covered")),
        ("US", "NL", Some("processing-location-not-covered")),
    ] {
        let app = TestApp::without_worker(&[("FACULTY_TRAINING__LOCATION", location)]).await;
        app.work();
        let base = given::tiny_base(&app).await;
        let data = given::approved_with(&app, terms(&json!({}))).await;
        let (status, body) =
            ask(&app, base, data.version, &json!({ "territory": territory })).await;
        match expected {
            None => assert_eq!(status, StatusCode::CREATED, "{body:#}"),
            Some(rule) => assert_eq!(body["datasets"][0]["rules"], json!([rule]), "{body:#}"),
        }
    }
}

#[actix_web::test]
async fn every_verdict_can_be_made_again_and_one_that_was_changed_is_named() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_with(&app, terms(&json!({}))).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let duties = state["datasets"][0]["verdict"]["duties"]
        .as_array()
        .unwrap();
    assert!(
        duties.iter().any(|one| one["duty"] == "attribute"),
        "{state:#}"
    );
    let found = jobs::verify_verdicts(&app.ports.db).await.unwrap();
    assert!(
        found.same >= 2,
        "one bound at the start, one a file: {found:?}"
    );
    assert_eq!(
        (found.different.len(), found.without_text),
        (0, 0),
        "{found:?}"
    );
    // The licence changes at the source after training: what was decided stays what it was.
    app.browser("legal")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/rights/licence", data.dataset),
            Some(json!({ "license": "unknown", "reason": "de uitgever haalde de licentie weg" })),
        )
        .await
        .unwrap();
    let again = jobs::verify_verdicts(&app.ports.db).await.unwrap();
    assert_eq!(again, found);
    let (status, body) = ask(&app, base, data.version, &json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        body["datasets"][0]["rules"],
        json!(["licence-unknown"]),
        "{body:#}"
    );
    let mut conn = app.pool().await.acquire().await.unwrap();
    // Somebody with the database in their hands turns a verdict around.
    for statement in [
        "ALTER TABLE dataset_uses DISABLE TRIGGER ALL",
        "UPDATE dataset_uses SET verdict = jsonb_set(verdict, '{is_allowed}', 'false')",
    ] {
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
    }
    let changed = jobs::verify_verdicts(&app.ports.db).await.unwrap();
    assert_eq!(changed.different.len(), 1, "{changed:?}");
    assert_eq!(changed.different[0].table, "dataset_uses");
}

#[actix_web::test]
async fn a_policy_is_kept_under_the_hash_of_its_text_and_never_changes() {
    let app = TestApp::without_worker(&[]).await;
    let mut conn = app.pool().await.acquire().await.unwrap();
    let forged = sqlx::query(
        "INSERT INTO policies (sha256, rule_set, canonical, kept_at) VALUES (repeat('0', 64), 2, '{}', now())",
    )
    .execute(&mut *conn)
    .await;
    assert!(
        forged
            .unwrap_err()
            .to_string()
            .contains("named_by_its_text")
    );
    sqlx::query(
        "INSERT INTO policies (sha256, rule_set, canonical, kept_at)
         VALUES (encode(sha256('{}'), 'hex'), 2, '{}', now())",
    )
    .execute(&mut *conn)
    .await
    .unwrap();
    for statement in [
        "UPDATE policies SET rule_set = 3",
        "DELETE FROM policies",
        "TRUNCATE policies",
    ] {
        assert!(
            sqlx::query(statement).execute(&mut *conn).await.is_err(),
            "{statement}"
        );
    }
}
