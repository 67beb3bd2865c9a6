//! Limits of institutions and projects, and models that are served at several places.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::{
    app::{self, Ports},
    config::{Addresses, Upstream},
};

use crate::support::{Keyholder, chat_body};

#[actix_web::test]
async fn an_administrator_sets_limits_and_a_project_shares_one_among_its_keys() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut admin = holder.app.browser("admin").await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let key = format!("/api/v1/quotas/{}", holder.id);
    let seen = manager.api(Method::GET, &key, None).await.unwrap();
    let institution = seen["institution"].as_str().unwrap().to_owned();
    assert_eq!(seen["limits"].as_array().unwrap().len(), 2, "{seen}");
    let path = format!("/api/v1/quotas/{institution}");
    let month = json!({"measure": "tokens", "period": "month", "cap": 50_000});
    let denied = manager.call(Method::PUT, &path, Some(month.clone())).await;
    assert_eq!(denied.unwrap().status, StatusCode::FORBIDDEN);
    let set = admin.call(Method::PUT, &path, Some(month)).await.unwrap();
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    let wrong = json!({"measure": "slots", "period": "day", "cap": 1});
    let wrong = admin.call(Method::PUT, &path, Some(wrong)).await.unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let project = json!({"institution": institution, "name": "vertalen"});
    let project = admin
        .api(Method::POST, "/api/v1/projects", Some(project))
        .await
        .unwrap();
    let project = project["id"].as_str().unwrap().to_owned();
    let under = format!("/api/v1/keys/{}/project", holder.id);
    let moved = admin
        .call(Method::PUT, &under, Some(json!({"project": project})))
        .await
        .unwrap();
    assert_eq!(moved.status, StatusCode::NO_CONTENT);
    let path = format!("/api/v1/quotas/{project}");
    let day = json!({"measure": "tokens", "period": "day", "cap": 20});
    let set = admin.call(Method::PUT, &path, Some(day)).await.unwrap();
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    let refused = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let refused: Value = refused.json().await.unwrap();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("This project has 20 of its 20"),
        "{message}"
    );
    let back = admin
        .call(Method::PUT, &under, Some(json!({"project": null})))
        .await
        .unwrap();
    assert_eq!(back.status, StatusCode::NO_CONTENT);
    let log = admin.get("/nl/audit").await.unwrap();
    assert_eq!(log.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_place_that_fails_is_passed_over_and_a_request_is_charged_once() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut operator = holder.app.browser("operator").await;
    let stop = format!("/api/v1/models/{}/stop", holder.model);
    operator.api(Method::POST, &stop, None).await.unwrap();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let places = [dead.as_str(), holder.upstream.url.as_str()];
    let places = places.map(|url| Upstream::from(url.parse::<url::Url>().unwrap()));
    let mut config = (**holder.app.ports.config).clone();
    let upstreams = &mut config.serving.upstreams;
    upstreams.insert(holder.name.clone(), Addresses::Several(places.into()));
    let ports = Arc::new(Ports::new(config).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/v1/chat/completions",
        listener.local_addr().unwrap()
    );
    let server = app::serve(&ports, listener).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    for number in 0..8 {
        let body = chat_body(&format!("vraag {number}"), json!({}));
        let request = holder
            .client
            .post(&url)
            .bearer_auth(&holder.key)
            .json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "request {number}");
    }
    assert_eq!(holder.upstream.requests(), 8);
    assert_eq!(holder.records().await.len(), 8);
    assert_eq!(holder.counters().await, (8 * 22, 0));
    handle.stop(false).await;
}
