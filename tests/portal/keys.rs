//! Keys: asked for, decided on by another, shown once, revoked.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::demo::Browser;

use crate::support::{Keyholder, new_key};

async fn ask(browser: &mut Browser, key: Value) -> String {
    let key = browser.api(Method::POST, "/api/v1/keys", Some(key)).await;
    key.unwrap()["id"].as_str().unwrap().to_owned()
}

async fn act(browser: &mut Browser, id: &str, act: &str) -> StatusCode {
    let path = format!("/api/v1/keys/{id}/{act}");
    let body = (act == "reject").then(|| json!({"reason": "te veel"}));
    browser
        .call(Method::POST, &path, body)
        .await
        .unwrap()
        .status
}

#[actix_web::test]
async fn nobody_approves_their_own_and_a_manager_not_beyond_their_quota() {
    let holder = Keyholder::start(1000, 10).await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut admin = holder.app.browser("admin").await;
    let own = ask(&mut manager, new_key(1000, 10)).await;
    assert_eq!(
        act(&mut manager, &own, "approve").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        act(&mut developer, &own, "approve").await,
        StatusCode::FORBIDDEN
    );
    let large = ask(&mut developer, new_key(200_001, 10)).await;
    assert_eq!(
        act(&mut manager, &large, "approve").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        act(&mut admin, &large, "approve").await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        act(&mut admin, &large, "approve").await,
        StatusCode::CONFLICT
    );
    let rejected = ask(&mut developer, new_key(1000, 10)).await;
    assert_eq!(
        act(&mut manager, &rejected, "reject").await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        act(&mut developer, &rejected, "reveal").await,
        StatusCode::CONFLICT
    );
    let path = format!("/nl/keys/{rejected}");
    let page = developer.get(&path).await.unwrap();
    assert!(page.text.contains("te veel"), "{}", page.text);
}

#[actix_web::test]
async fn a_key_is_shown_once_to_who_asked() {
    let holder = Keyholder::start(1000, 10).await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let id = ask(&mut developer, new_key(1000, 10)).await;
    assert_eq!(
        act(&mut developer, &id, "reveal").await,
        StatusCode::CONFLICT
    );
    assert_eq!(
        act(&mut manager, &id, "approve").await,
        StatusCode::NO_CONTENT
    );
    let waiting = developer.get("/nl/tasks").await.unwrap();
    assert!(
        waiting.text.contains(&format!("/nl/keys/{id}")),
        "{}",
        waiting.text
    );
    assert_eq!(
        act(&mut manager, &id, "reveal").await,
        StatusCode::FORBIDDEN
    );
    let path = format!("/nl/keys/{id}/reveal");
    let shown = developer.post_form(&path, &[]).await.unwrap();
    assert_eq!(shown.status, StatusCode::OK);
    let key: String = shown
        .text
        .split("id=\"new-key\">gptnl_")
        .nth(1)
        .unwrap()
        .chars()
        .take(58)
        .collect();
    let models = holder
        .client
        .get(holder.app.url.join("/v1/models").unwrap());
    let answer = models
        .bearer_auth(format!("gptnl_{key}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let again = developer.post_form(&path, &[]).await.unwrap();
    assert_eq!(again.status, StatusCode::CONFLICT);
    let secret = key.split_once('_').unwrap().1;
    let page = developer.get(&format!("/nl/keys/{id}")).await.unwrap();
    assert!(!page.text.contains(secret) && !again.text.contains(secret));
}

#[actix_web::test]
async fn another_institutions_key_is_not_there() {
    let holder = Keyholder::start(1000, 10).await;
    let mut stranger = holder.app.browser("manager.waterland").await;
    for path in ["/nl/keys", "/api/v1/keys"] {
        let answer = stranger
            .get(&format!("{path}/{}", holder.id))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for word in ["approve", "reject", "reveal", "revoke"] {
        let status = act(&mut stranger, &holder.id, word).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{word}");
    }
    let list = stranger
        .api(Method::GET, "/api/v1/keys", None)
        .await
        .unwrap();
    assert_eq!(list["data"], json!([]));
}

#[actix_web::test]
async fn a_model_that_is_not_usable_cannot_be_asked_for() {
    let holder = Keyholder::start(1000, 10).await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for model in ["other", unknown.as_str()] {
        let mut key = new_key(1000, 10);
        key["models"] = json!([model]);
        let answer = developer
            .call(Method::POST, "/api/v1/keys", Some(key))
            .await;
        assert_eq!(answer.unwrap().status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let empty = developer
        .post_form("/nl/keys", &[("name", "x")])
        .await
        .unwrap();
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(empty.text.contains("field-error"), "{}", empty.text);
}

#[actix_web::test]
async fn every_page_is_drawn_in_both_languages() {
    let holder = Keyholder::start(1000, 10).await;
    holder.ask("een", json!({})).send().await.unwrap();
    let id = &holder.id;
    for login in ["developer.harderwijk", "manager.harderwijk", "admin"] {
        let mut browser = holder.app.browser(login).await;
        for lang in ["nl", "en"] {
            let mut paths = vec![
                "/keys".to_owned(),
                "/keys/leaked".into(),
                "/keys/playground".into(),
                "/keys/terms".into(),
                "/usage".into(),
                format!("/keys/{id}"),
            ];
            if login != "admin" {
                paths.push("/keys/new".into());
            }
            for path in paths {
                let page = browser.get(&format!("/{lang}{path}")).await.unwrap();
                assert_eq!(page.status, StatusCode::OK, "{login} {path}");
                assert!(!page.text.contains('⟨'), "{login} {path}: {}", page.text);
            }
        }
        let csv = browser.get("/nl/usage.csv").await.unwrap();
        assert!(csv.text.contains("tiny:test,1,1,20"), "{}", csv.text);
    }
}
