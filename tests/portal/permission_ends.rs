//! What is left when a permission ends: which copies go, and what becomes of models.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, given};

fn permission(layer: &str, purposes: &[&str], valid_until: &str) -> Value {
    json!({
        "layers": [layer], "purposes": purposes, "recipients": "consortium", "commercial": "no",
        "territories": "world", "processing_locations": "world", "model_families": "all",
        "valid_from": "2026-01-01", "valid_until": valid_until, "evidence": "besluit", "delete_within_days": "30",
        "on_withdrawal": "keep",
    })
}

async fn give(app: &TestApp, dataset: Uuid, permission: Value) -> String {
    let path = format!("/api/v1/datasets/{dataset}/permissions");
    let given = app
        .browser("manager.waterland")
        .await
        .api(Method::POST, &path, Some(permission))
        .await
        .unwrap();
    given["permissions"][0].as_str().unwrap().to_owned()
}

async fn reach(app: &TestApp, dataset: Uuid, extent: &str) -> Value {
    let path = format!("/api/v1/datasets/{dataset}/reach?extent={extent}");
    app.browser("manager.waterland")
        .await
        .api(Method::GET, &path, None)
        .await
        .unwrap()
}

/// The permission that an approved dataset was given.
async fn first(app: &TestApp, dataset: Uuid) -> String {
    let path = format!("/api/v1/datasets/{dataset}/permissions");
    let found = app
        .browser("manager.waterland")
        .await
        .api(Method::GET, &path, None)
        .await
        .unwrap();
    found["permissions"][0]["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn terms_of_the_first_rules_do_what_their_words_say() {
    let app = TestApp::start().await;
    let data = given::permitted_draft_of(&app, &given::small_corpus()).await;
    let terms = r#"{"rule_set":1,"purposes":["fine_tuning"],"recipients":"consortium","allows_commercial_use":false,"model_families":[],"valid_from":"2026-01-01","valid_until":"2031-12-31","evidence":"besluit","delete_within_days":14}"#;
    let pool = app.pool().await;
    let old: Uuid = sqlx::query_scalar(
        "INSERT INTO permissions (id, dataset_id, institution_id, layer, terms, terms_sha256, created_by, created_at)
         SELECT gen_random_uuid(), dataset_id, institution_id, layer, $2,
                encode(sha256(convert_to($2, 'UTF8')), 'hex'), created_by, created_at
         FROM permissions WHERE dataset_id = $1 RETURNING id",
    )
    .bind(data.dataset)
    .bind(terms)
    .fetch_one(&pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO permission_events (id, permission_id, state, decided_by, decided_at)
         SELECT gen_random_uuid(), id, 'given', created_by, created_at FROM permissions WHERE id = $1",
    )
    .bind(old)
    .execute(&pool)
    .await
    .unwrap();
    let page = app
        .browser("manager.waterland")
        .await
        .get(&format!("/nl/permissions/{old}"))
        .await
        .unwrap()
        .text;
    for words in [
        "Na intrekken gaan modellen die hiermee zijn gemaakt uit gebruik.",
        "binnen 14 dagen",
    ] {
        let page = page.replace(['\u{2068}', '\u{2069}'], "");
        assert!(page.contains(words), "{words}: {page}");
    }
    let found = reach(&app, data.dataset, &format!("permission:{old}")).await;
    assert_eq!(found["on_withdrawal"], "retire", "{found:#}");
    assert_eq!(found["delete_within_days"], 14, "{found:#}");
}

#[actix_web::test]
async fn what_has_expired_or_only_forbids_keeps_no_copies() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let real = format!("permission:{}", first(&app, data.dataset).await);
    let mut expired = permission("copyright", &["fine_tuning"], "2026-01-02");
    expired["valid_from"] = json!("2026-01-01");
    give(&app, data.dataset, expired).await;
    let mut forbids = permission("copyright", &[], "2031-12-31");
    forbids["prohibited"] = json!(["retrieval_index"]);
    give(&app, data.dataset, forbids).await;
    let found = reach(&app, data.dataset, &real).await;
    assert_eq!(found["versions"][0], json!(data.version), "{found:#}");
    give(
        &app,
        data.dataset,
        permission("copyright", &["evaluation"], "2031-12-31"),
    )
    .await;
    let found = reach(&app, data.dataset, &real).await;
    assert_eq!(found["versions"], json!([]), "{found:#}");
}

#[actix_web::test]
async fn a_layer_that_public_data_does_not_need_takes_no_copies_along() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    give(
        &app,
        data.dataset,
        permission("confidentiality", &["fine_tuning"], "2031-12-31"),
    )
    .await;
    let found = reach(&app, data.dataset, "layer:confidentiality").await;
    assert_eq!(found["versions"], json!([]), "{found:#}");
    let found = reach(&app, data.dataset, "layer:copyright").await;
    assert_eq!(found["versions"][0], json!(data.version), "{found:#}");
}
