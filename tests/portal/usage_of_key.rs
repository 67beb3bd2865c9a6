//! What a program learns of its own key: limits at every level, what is left, what was used by day and model.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::Keyholder;

async fn usage(holder: &Keyholder, query: &str) -> (StatusCode, Value) {
    let url = holder.app.url.join(&format!("/v1/usage{query}")).unwrap();
    let answer = holder.client.get(url).bearer_auth(&holder.key).send().await;
    let answer = answer.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn limit(usage: &Value, scope: &str, measure: &str, period: &str) -> Value {
    let limits = usage["limits"].as_array().unwrap();
    let mut found = limits.iter().filter(|one| {
        one["scope"] == scope && one["measure"] == measure && one["period"] == period
    });
    found.next().cloned().unwrap_or_else(|| panic!("{usage}"))
}

#[actix_web::test]
async fn a_program_sees_what_is_left_of_every_limit_over_its_key() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut admin = holder.app.browser("admin").await;
    let key = format!("/api/v1/quotas/{}", holder.id);
    let seen = admin.api(Method::GET, &key, None).await.unwrap();
    let institution = seen["institution"].as_str().unwrap().to_owned();
    let project = json!({"institution": institution, "name": "vertalen"});
    let project = admin
        .api(Method::POST, "/api/v1/projects", Some(project))
        .await;
    let project = project.unwrap()["id"].as_str().unwrap().to_owned();
    let under = format!("/api/v1/keys/{}/project", holder.id);
    let moved = admin
        .call(Method::PUT, &under, Some(json!({"project": project})))
        .await;
    assert_eq!(moved.unwrap().status, StatusCode::NO_CONTENT);
    for (node, cap) in [(&institution, 50_000), (&project, 20_000)] {
        let month = json!({"measure": "tokens", "period": "month", "cap": cap});
        let path = format!("/api/v1/quotas/{node}");
        let set = admin.call(Method::PUT, &path, Some(month)).await.unwrap();
        assert_eq!(set.status, StatusCode::NO_CONTENT);
    }
    let answer = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let (status, seen) = usage(&holder, "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&seen["object"], &seen["key"]["name"]),
        (&json!("usage"), &json!("proef"))
    );
    let day = limit(&seen, "key", "tokens", "day");
    assert_eq!(
        (&day["used"], &day["remaining"]),
        (&json!(23), &json!(9977))
    );
    assert!(
        day["resets_at"].as_i64().is_some() && day["resets_in_seconds"].as_i64().unwrap() <= 90_000
    );
    let month = limit(&seen, "project", "tokens", "month");
    assert_eq!(
        (&month["name"], &month["remaining"]),
        (&json!("vertalen"), &json!(19_977))
    );
    let month = limit(&seen, "institution", "tokens", "month");
    assert_eq!(
        (&month["limit"], &month["used"]),
        (&json!(50_000), &json!(23))
    );
    let requests = limit(&seen, "key", "requests", "minute");
    assert_eq!(requests["limit"], 100);
    assert_eq!(seen["data"].as_array().unwrap().len(), 1, "{seen}");
    let line = &seen["data"][0];
    assert_eq!(
        (&line["model"], &line["total_tokens"]),
        (&json!(holder.name), &json!(23))
    );
    // Nothing of that is a request to a model.
    assert_eq!(holder.records().await.len(), 1);
}

#[actix_web::test]
async fn usage_is_asked_within_bounds_and_with_a_good_key() {
    let holder = Keyholder::start(10_000, 100).await;
    for wrong in ["?since=2020-01-01", "?since=gisteren", "?until=2026-13-01"] {
        let (status, body) = usage(&holder, wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(body["error"]["param"].is_string(), "{body}");
    }
    let (status, body) = usage(&holder, "?since=2026-01-01&until=2026-01-31").await;
    assert_eq!((status, &body["data"]), (StatusCode::OK, &json!([])));
    let url = holder.app.url.join("/v1/usage").unwrap();
    let nobody = holder.client.get(url).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}
