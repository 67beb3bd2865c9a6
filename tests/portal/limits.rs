//! The page of limits and projects: who sees it, who changes what.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::Keyholder;

#[actix_web::test]
async fn a_manager_divides_what_the_institution_has() {
    let holder = Keyholder::start(10_000, 100).await;
    let answer = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let key = format!("/api/v1/quotas/{}", holder.id);
    let seen = manager.api(Method::GET, &key, None).await.unwrap();
    let institution = seen["institution"].as_str().unwrap().to_owned();
    let page = manager.get("/en/limits").await.unwrap();
    assert!(page.text.contains("23 of 10,000 used now"), "{}", page.text);
    let fields = [("institution", institution.as_str()), ("name", "vertalen")];
    let made = manager
        .post_form("/en/limits/projects/new", &fields)
        .await
        .unwrap();
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let nameless = [("institution", institution.as_str()), ("name", " ")];
    let refused = manager
        .post_form("/en/limits/projects/new", &nameless)
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = manager.get("/nl/limits").await.unwrap().text;
    let project = page
        .split("<option value=\"")
        .map(|rest| rest.split('"').next().unwrap());
    let project = project
        .into_iter()
        .find(|id| id.len() == 36)
        .unwrap()
        .to_owned();
    let path = format!("/en/limits/{}/project", holder.id);
    let moved = manager
        .post_form(&path, &[("project", &project)])
        .await
        .unwrap();
    assert_eq!(moved.status, StatusCode::SEE_OTHER);
    let path = format!("/en/limits/{project}");
    let fields = [("kind", "tokens-month"), ("cap", "30")];
    let set = manager.post_form(&path, &fields).await.unwrap();
    assert_eq!(set.status, StatusCode::SEE_OTHER);
    let refused = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let lifted = manager
        .post_form(&path, &[("kind", "tokens-month"), ("cap", "")])
        .await;
    assert_eq!(lifted.unwrap().status, StatusCode::SEE_OTHER);
    let answer = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    for (kind, cap) in [
        ("tokens-year", "1"),
        ("tokens-day", "-1"),
        ("tokens-day", "veel"),
    ] {
        let wrong = manager
            .post_form(&path, &[("kind", kind), ("cap", cap)])
            .await
            .unwrap();
        assert_eq!(
            wrong.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{kind} {cap}"
        );
    }
}

#[actix_web::test]
async fn beyond_what_a_manager_may_give_an_administrator_decides() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut admin = holder.app.browser("admin").await;
    let key = format!("/en/limits/{}", holder.id);
    let day = |cap: &'static str| [("kind", "tokens-day"), ("cap", cap)];
    let more = manager.post_form(&key, &day("20000")).await.unwrap();
    assert_eq!(more.status, StatusCode::SEE_OTHER);
    for cap in ["999999999", ""] {
        let beyond = manager.post_form(&key, &day(cap)).await.unwrap();
        assert_eq!(beyond.status, StatusCode::FORBIDDEN, "{cap}");
    }
    let by_admin = admin.post_form(&key, &day("999999999")).await.unwrap();
    assert_eq!(by_admin.status, StatusCode::SEE_OTHER);
    let seen = manager
        .api(Method::GET, &format!("/api/v1/quotas/{}", holder.id), None)
        .await
        .unwrap();
    let institution = format!("/en/limits/{}", seen["institution"].as_str().unwrap());
    let own = manager.post_form(&institution, &day("5")).await.unwrap();
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    let page = developer.get("/en/limits").await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("name=\"cap\""), "{}", page.text);
    let denied = developer.post_form(&key, &day("5")).await.unwrap();
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let mut other = holder.app.browser("manager.waterland").await;
    let theirs = format!(
        "/en/limits?institution={}",
        seen["institution"].as_str().unwrap()
    );
    assert_eq!(
        other.get(&theirs).await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        other.post_form(&key, &day("5")).await.unwrap().status,
        StatusCode::NOT_FOUND
    );
}
