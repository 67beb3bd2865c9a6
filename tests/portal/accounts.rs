//! Signing in and out.

use reqwest::{Method, StatusCode};
use virtual_faculty::demo::Browser;

use crate::support::TestApp;

#[actix_web::test]
async fn somebody_signs_in_and_sees_their_name_and_institution() {
    let app = TestApp::start().await;
    let mut browser = app.browser("manager.waterland").await;
    let page = browser.get("/nl/audit").await.unwrap();
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("Marijke Dijkstra"), "{}", page.text);
    assert!(page.text.contains("Archief Waterland"), "{}", page.text);
}

#[actix_web::test]
async fn a_wrong_password_opens_nothing() {
    let app = TestApp::start().await;
    let refused = Browser::sign_in(&app.url, "steward", "not-the-password").await;
    assert!(refused.is_err());
}

#[actix_web::test]
async fn a_page_sends_strangers_to_sign_in_and_back() {
    let app = TestApp::start().await;
    let mut stranger = Browser::new(&app.url).unwrap();
    let answer = stranger.get("/en/audit?x=1").await.unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.location.as_deref(),
        Some("/auth/login?return_to=%2Fen%2Faudit%3Fx%3D1")
    );
}

#[actix_web::test]
async fn a_state_that_was_not_begun_here_is_refused_with_a_clear_page() {
    let app = TestApp::start().await;
    let mut stranger = Browser::new(&app.url).unwrap();
    let answer = stranger
        .get("/auth/callback?code=x&state=never-begun")
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Begin opnieuw"), "{}", answer.text);
}

#[actix_web::test]
async fn signing_out_ends_the_session_at_once() {
    let app = TestApp::start().await;
    let mut browser = app.browser("auditor").await;
    assert_eq!(
        browser.get("/nl/audit").await.unwrap().status,
        StatusCode::OK
    );
    let answer = browser.post_form("/auth/logout", &[]).await.unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert_eq!(
        browser.get("/nl/audit").await.unwrap().status,
        StatusCode::SEE_OTHER
    );
}

#[actix_web::test]
async fn a_change_without_our_token_is_refused() {
    let app = TestApp::start().await;
    let mut browser = app.browser("manager.waterland").await;
    let forged = browser
        .call(Method::POST, "/auth/logout", None)
        .await
        .unwrap();
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
}

#[actix_web::test]
async fn the_providers_new_key_is_learnt() {
    let app = TestApp::start().await;
    app.browser("steward").await;
    app.provider.rotate().await.unwrap();
    // The keys were asked for less than a minute ago; a portal that starts now knows the new one.
    let mut browser = app.browser("legal").await;
    assert_eq!(
        browser.get("/nl/audit").await.unwrap().status,
        StatusCode::OK
    );
}

#[actix_web::test]
async fn whoever_is_signed_in_stays_so_on_the_page_of_an_error() {
    let app = TestApp::start().await;
    let mut manager = app.browser("manager.waterland").await;
    let unknown = format!("/en/jobs/{}", uuid::Uuid::now_v7());
    for (path, status) in [
        (unknown.as_str(), StatusCode::NOT_FOUND),
        ("/en/no-such-page", StatusCode::NOT_FOUND),
        ("/en/admin/places", StatusCode::FORBIDDEN),
    ] {
        let page = manager.get(path).await.unwrap();
        assert_eq!(page.status, status, "{path}");
        assert!(page.text.contains("Marijke Dijkstra"), "{}", page.text);
        assert!(page.text.contains("href=\"/en/datasets\""), "{}", page.text);
        assert!(page.text.contains("action=\"/auth/logout\""));
    }
    let mut stranger = Browser::new(&app.url).unwrap();
    let page = stranger.get("/en/no-such-page").await.unwrap();
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("/auth/login"), "{}", page.text);
}

#[actix_web::test]
async fn the_page_about_webhooks_stands_under_the_keys() {
    let app = TestApp::start().await;
    let page = app
        .browser("manager.waterland")
        .await
        .get("/en/webhooks")
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(
        page.text
            .contains("<a href=\"/en/keys\" aria-current=\"page\">"),
        "{}",
        page.text
    );
}
