//! Embeddings through the gateway: keys, budgets, counts and errors as for answers.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Keyholder, Plan};

async fn embed(holder: &Keyholder, input: Value) -> Response {
    let body = json!({"model": holder.name, "input": input, "encoding_format": "float"});
    holder.post("/v1/embeddings", &body).send().await.unwrap()
}

async fn error(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status().as_u16(), status);
    let body: Value = answer.json().await.unwrap();
    body["error"].clone()
}

#[actix_web::test]
async fn embeddings_pass_and_are_booked_to_the_token() {
    let holder = Keyholder::start(1000, 100).await;
    let answer = embed(&holder, json!(["een twee", "drie"])).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(
        answer
            .headers()
            .contains_key("x-ratelimit-remaining-tokens")
    );
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    assert_eq!(answer["data"][0]["embedding"], json!([0.5, -0.25]));
    assert_eq!(holder.records().await, [(3, 0, "completed".to_owned())]);
    assert_eq!(holder.counters().await, (3, 0));
    let sent = holder.upstream.state.bodies.lock().unwrap()[0].clone();
    assert_eq!(sent["encoding_format"], "float");
    assert!(
        sent.get("max_tokens").is_none() && sent.get("stream_options").is_none(),
        "{sent}"
    );
}

#[actix_web::test]
async fn what_cannot_be_embedded_is_said_clearly_and_costs_nothing() {
    let holder = Keyholder::start(1000, 100).await;
    for wrong in [
        json!([]),
        json!(""),
        json!(vec!["a"; 3000]),
        json!({"a": 1}),
    ] {
        let refused = error(embed(&holder, wrong).await, 400).await;
        assert_eq!(refused["param"], "input");
    }
    let refused = error(embed(&holder, json!("woord ".repeat(400))).await, 429).await;
    assert_eq!(refused["code"], "insufficient_quota");
    assert_eq!(holder.upstream.requests(), 0);
    holder.upstream.plan(Plan::Refuse);
    let refused = error(embed(&holder, json!("een")).await, 400).await;
    assert_eq!(
        (&refused["code"], &refused["param"]),
        (&json!("model_has_no_embeddings"), &json!("model"))
    );
    holder.upstream.plan(Plan::Fail);
    error(embed(&holder, json!("een")).await, 502).await;
    let body = json!({"model": "other", "input": "een"});
    let answer = holder.post("/v1/embeddings", &body).send().await.unwrap();
    assert_eq!(error(answer, 404).await["param"], "model");
    assert_eq!(holder.counters().await, (0, 0));
    let outcomes: Vec<_> = holder
        .records()
        .await
        .into_iter()
        .map(|one| (one.0, one.2))
        .collect();
    assert_eq!(
        outcomes,
        [(0, "failed".to_owned()), (0, "failed".to_owned())]
    );
}
