//! What models cost, and what requests did.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Keyholder, Plan};

async fn costs(holder: &Keyholder) -> Vec<i64> {
    let mut conn = holder.database().await;
    sqlx::query_scalar("SELECT cost_micros FROM usage_records ORDER BY request_id")
        .fetch_all(&mut conn)
        .await
        .unwrap()
}

#[actix_web::test]
async fn a_request_costs_what_held_when_it_began() {
    let holder = Keyholder::start(10_000, 100).await;
    let free = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert!(!free.headers().contains_key("x-request-cost-micros"));
    let path = format!("/api/v1/models/{}/price", holder.model);
    let price = json!({"prompt_per_million": 50, "completion_per_million": 150});
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let denied = developer
        .call(Method::PUT, &path, Some(price.clone()))
        .await;
    assert_eq!(denied.unwrap().status, StatusCode::FORBIDDEN);
    let mut operator = holder.app.browser("operator").await;
    let set = operator
        .call(Method::PUT, &path, Some(price))
        .await
        .unwrap();
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    for wrong in [json!(-1), json!(1_000_001)] {
        let wrong = json!({"prompt_per_million": wrong, "completion_per_million": 0});
        let refused = operator
            .call(Method::PUT, &path, Some(wrong))
            .await
            .unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // Three tokens of a prompt at 50, twenty of an answer at 150 for a million.
    let answer = holder.ask("een twee drie", json!({})).send().await.unwrap();
    assert_eq!(answer.headers()["x-request-cost-micros"], "3150");
    answer.bytes().await.unwrap();
    // The price changes while an answer is made: it costs what it began with.
    holder.upstream.plan(Plan::Hold);
    let slow = tokio::spawn(
        holder
            .ask("een", json!({"stream": true, "max_tokens": 4}))
            .send(),
    );
    let mut answer = slow.await.unwrap().unwrap();
    answer.chunk().await.unwrap();
    let price = json!({"prompt_per_million": 9, "completion_per_million": 9});
    let set = operator
        .call(Method::PUT, &path, Some(price))
        .await
        .unwrap();
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    holder.upstream.state.gate.add_permits(1);
    while answer.chunk().await.unwrap().is_some() {}
    assert_eq!(costs(&holder).await, [0, 3150, 650]);
    let seen = developer
        .api(Method::GET, "/api/v1/usage", None)
        .await
        .unwrap();
    assert_eq!(
        (&seen["data"][0]["cost_micros"], &seen["cost_unit"]),
        (&json!(3800), &json!("eurocent"))
    );
    let url = holder.app.url.join("/v1/usage").unwrap();
    let own = holder
        .client
        .get(url)
        .bearer_auth(&holder.key)
        .send()
        .await
        .unwrap();
    let own: Value = own.json().await.unwrap();
    assert_eq!(own["data"][0]["cost_micros"], 3800);
    let page = developer.get("/en/usage").await.unwrap();
    assert!(
        page.text.contains("0.004") && page.text.contains("eurocent"),
        "{}",
        page.text
    );
    let file = developer.get("/en/usage.csv").await.unwrap();
    assert!(
        file.text.contains("cost_micros") && file.text.contains(",3800"),
        "{}",
        file.text
    );
    let prices = developer.get("/nl/models/prices").await.unwrap();
    assert_eq!(prices.status, StatusCode::OK);
    assert!(prices.text.contains(&holder.name) && !prices.text.contains("name=\"prompt\""));
    let path = format!("/en/models/{}/price", holder.model);
    let saved = operator
        .post_form(&path, &[("prompt", "7"), ("completion", "8")])
        .await
        .unwrap();
    assert_eq!(saved.status, StatusCode::SEE_OTHER);
    let path = format!("/api/v1/models/{}/price", holder.model);
    let now = developer.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(now["completion_per_million"], 8);
}
