//! Secrets of keys: replaced with an overlap, found by strangers, used from where and for what they may be; and the terms
//! that come before the first one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::{demo::Browser, keys::Secret};

use crate::support::{Keyholder, TestApp, given, new_key};

/// How the gateway answers a request for its models.
async fn models(holder: &Keyholder, key: &str) -> (StatusCode, Value) {
    let url = holder.app.url.join("/v1/models").unwrap();
    let answer = holder
        .client
        .get(url)
        .bearer_auth(key)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap())
}

/// Another key of the holder's developer, approved and shown.
async fn another(holder: &Keyholder, change: impl FnOnce(&mut Value)) -> String {
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let mut wanted = new_key(1000, 10);
    change(&mut wanted);
    let key = developer
        .api(Method::POST, "/api/v1/keys", Some(wanted))
        .await
        .unwrap();
    let path = |act: &str| format!("/api/v1/keys/{}/{act}", key["id"].as_str().unwrap());
    manager
        .api(Method::POST, &path("approve"), None)
        .await
        .unwrap();
    let shown = developer.api(Method::POST, &path("reveal"), None).await;
    shown.unwrap()["api_key"].as_str().unwrap().to_owned()
}

async fn rotate(browser: &mut Browser, id: &str, overlap: &str) -> (StatusCode, Value) {
    let answer = browser
        .call(
            Method::POST,
            &format!("/api/v1/keys/{id}/rotate"),
            Some(json!({ "overlap": overlap })),
        )
        .await
        .unwrap();
    let body = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    (answer.status, body)
}

#[actix_web::test]
async fn a_secret_is_replaced_while_the_one_of_before_answers_on() {
    let holder = Keyholder::start(1000, 100).await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let mut stranger = holder.app.browser("manager.waterland").await;
    let denied = rotate(&mut manager, &holder.id, "day").await;
    assert_eq!(denied.0, StatusCode::FORBIDDEN, "only who asked sees it");
    let denied = rotate(&mut stranger, &holder.id, "day").await;
    assert_eq!(denied.0, StatusCode::NOT_FOUND);
    let wrong = rotate(&mut developer, &holder.id, "year").await;
    assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);

    let (status, shown) = rotate(&mut developer, &holder.id, "day").await;
    assert_eq!(status, StatusCode::OK);
    let second = shown["api_key"].as_str().unwrap();
    assert_ne!(second, holder.key);
    for key in [holder.key.as_str(), second] {
        assert_eq!(models(&holder, key).await.0, StatusCode::OK);
    }
    let page = developer
        .get(&format!("/en/keys/{}", holder.id))
        .await
        .unwrap();
    let first_start: String = holder.key.chars().take(14).collect();
    assert!(
        page.text.contains(&format!("{first_start}_…")) && page.text.contains("works until"),
        "{}",
        page.text
    );
    assert!(!page.text.contains(second), "not shown again");

    // Without an overlap only the newest is left.
    let (_, shown) = rotate(&mut developer, &holder.id, "none").await;
    let third = shown["api_key"].as_str().unwrap();
    for (key, expected) in [
        (holder.key.as_str(), StatusCode::UNAUTHORIZED),
        (second, StatusCode::UNAUTHORIZED),
        (third, StatusCode::OK),
    ] {
        assert_eq!(models(&holder, key).await.0, expected);
    }
    let revoked = format!("/api/v1/keys/{}/revoke", holder.id);
    developer.api(Method::POST, &revoked, None).await.unwrap();
    assert_eq!(models(&holder, third).await.0, StatusCode::UNAUTHORIZED);
    let late = rotate(&mut developer, &holder.id, "day").await;
    assert_eq!(late.0, StatusCode::CONFLICT);
}

async fn report(holder: &Keyholder, key: &str) -> String {
    let answer = holder
        .client
        .post(holder.app.url.join("/api/v1/keys/leaked").unwrap())
        .json(&json!({ "api_key": key }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    body["status"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn whoever_finds_a_key_can_end_it() {
    let holder = Keyholder::start(1000, 100).await;
    // One with a right checksum that nobody was given, one with a wrong checksum, and something else.
    let made_up = Secret::generate("abcd1234");
    let damaged = &holder.key[..holder.key.len() - 1];
    for unknown in [made_up.reveal(), damaged, &"x".repeat(10_000)] {
        assert_eq!(report(&holder, unknown).await, "unknown");
    }
    assert_eq!(models(&holder, &holder.key).await.0, StatusCode::OK);
    assert_eq!(
        report(&holder, &format!(" {}\n", holder.key)).await,
        "revoked"
    );
    assert_eq!(
        models(&holder, &holder.key).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(report(&holder, &holder.key).await, "ended-before");
    for login in ["developer.harderwijk", "manager.harderwijk"] {
        let mut told = holder.app.browser(login).await;
        let page = told.get("/en/notices").await.unwrap();
        assert!(page.text.contains("was found and revoked"), "{}", page.text);
    }
    let mut other = holder.app.browser("manager.waterland").await;
    let page = other.get("/en/notices").await.unwrap();
    assert!(!page.text.contains("was found and revoked"));

    // The same on the page, without an account.
    let second = another(&holder, |_| {}).await;
    let answer = holder
        .client
        .post(holder.app.url.join("/en/keys/leaked").unwrap())
        .header("origin", holder.app.url.origin().ascii_serialization())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("api_key={second}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    assert!(text.contains("The key is revoked"), "{text}");
    assert!(!text.contains(&second), "it is not written back");
    assert_eq!(models(&holder, &second).await.0, StatusCode::UNAUTHORIZED);
}

#[actix_web::test]
async fn a_key_is_good_from_its_networks_only() {
    let holder = Keyholder::start(1000, 100).await;
    let elsewhere = another(&holder, |key| {
        key["allowed_networks"] = json!(["192.0.2.0/24", "2001:db8::/32"]);
    })
    .await;
    let (status, body) = models(&holder, &elsewhere).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body["error"]["code"], "ip_not_authorized", "{body}");
    let here = another(&holder, |key| {
        key["allowed_networks"] = json!(["192.0.2.0/24", "127.0.0.1"]);
    })
    .await;
    assert_eq!(models(&holder, &here).await.0, StatusCode::OK);
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut wrong = new_key(1000, 10);
    wrong["allowed_networks"] = json!(["example.org"]);
    let refused = developer
        .call(Method::POST, "/api/v1/keys", Some(wrong))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn a_key_for_fine_tuning_alone_asks_no_model() {
    let mut holder = Keyholder::start(1000, 100).await;
    holder.key = another(&holder, |key| {
        key["may_infer"] = json!(false);
        key["may_fine_tune"] = json!(true);
    })
    .await;
    let refused = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "key_not_for_inference", "{body}");
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut nothing = new_key(1000, 10);
    nothing["may_infer"] = json!(false);
    let refused = developer
        .call(Method::POST, "/api/v1/keys", Some(nothing))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn the_first_key_waits_for_the_terms() {
    let holder = Keyholder::start(1000, 100).await;
    // Harderwijk has accepted them with its first key; Waterland has not.
    let mut waterland = holder.app.browser("manager.waterland").await;
    let mut admin = holder.app.browser("admin").await;
    let key = waterland
        .api(Method::POST, "/api/v1/keys", Some(new_key(1000, 10)))
        .await
        .unwrap();
    let key = key["id"].as_str().unwrap();
    let approve = format!("/api/v1/keys/{key}/approve");
    let early = admin.call(Method::POST, &approve, None).await.unwrap();
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.text);
    let accepting = Some(json!({ "accept_terms": true }));
    let for_others = admin.call(Method::POST, &approve, accepting).await.unwrap();
    assert_ne!(
        for_others.status,
        StatusCode::NO_CONTENT,
        "nobody accepts for others"
    );
    let page = admin.get(&format!("/en/keys/{key}")).await.unwrap();
    assert!(
        page.text.contains("has to accept the terms"),
        "{}",
        page.text
    );
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let denied = developer
        .call(Method::POST, "/api/v1/model-terms/accept", None)
        .await
        .unwrap();
    assert_eq!(denied.status, StatusCode::FORBIDDEN, "{}", denied.text);
    given::accepted_terms(&holder.app, "manager.waterland").await;
    given::accepted_terms(&holder.app, "manager.waterland").await;
    let approved = admin.call(Method::POST, &approve, None).await.unwrap();
    assert_eq!(approved.status, StatusCode::NO_CONTENT, "{}", approved.text);
    assert_eq!(acceptances(&holder.app).await, 2, "once an institution");
}

async fn acceptances(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM events WHERE kind = 'keys.terms_accepted'")
        .fetch_one(&app.pool().await)
        .await
        .unwrap()
}
