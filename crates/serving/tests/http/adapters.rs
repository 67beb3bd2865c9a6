//! What comes and goes: adapters, clients, models.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    CHAT, TEXT,
    given::{CONTEXT, Options, Server, chat, server, text},
};

#[tokio::test]
async fn adapters_come_and_go_while_the_base_answers() {
    let server = server(Options::default());
    let question = chat("Hallo", json!({}));
    let (_, plain) = server.ask(CHAT, &question).await;
    let folder = server.adapter("strong", 0.4);
    let load = json!({"lora_name": "ft:tiny:x", "lora_path": folder});
    let response = server
        .post("/v1/load_lora_adapter", &load)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let (_, models) = server.get("/v1/models").await;
    let named: Vec<(&Value, &Value)> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (&model["id"], &model["parent"]))
        .collect();
    assert_eq!(
        named,
        [
            (&json!("ft:tiny:x"), &json!("tiny")),
            (&json!("tiny"), &Value::Null)
        ]
    );
    let tuned_question = chat("Hallo", json!({"model": "ft:tiny:x"}));
    let ((_, tuned), (_, plain_again)) = tokio::join!(
        server.ask(CHAT, &tuned_question),
        server.ask(CHAT, &question)
    );
    assert_ne!(text(&tuned), text(&plain), "the adapter changes the answer");
    assert_eq!(text(&plain_again), text(&plain), "and only its own");

    let taken = server.ask("/v1/load_lora_adapter", &load).await;
    assert_eq!(
        (taken.0, &taken.1["error"]["param"]),
        (400, &json!("lora_name"))
    );
    let missing = json!({"lora_name": "y", "lora_path": "/nowhere"});
    let missing = server.ask("/v1/load_lora_adapter", &missing).await;
    assert_eq!(
        (missing.0, &missing.1["error"]["param"]),
        (400, &json!("lora_path"))
    );
    let unload = json!({"lora_name": "ft:tiny:x"});
    assert_eq!(
        server
            .post("/v1/unload_lora_adapter", &unload)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(server.ask("/v1/unload_lora_adapter", &unload).await.0, 404);
    let (status, gone) = server.ask(CHAT, &tuned_question).await;
    assert_eq!(
        (status, &gone["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    assert_eq!(
        server
            .ask("/v1/unload_lora_adapter", &json!({"lora_name": "tiny"}))
            .await
            .0,
        404,
        "bases stay"
    );
}

#[tokio::test]
async fn loading_adapters_needs_permission() {
    let server = server(Options {
        may_load_adapters: false,
        ..Options::default()
    });
    let load = json!({"lora_name": "x", "lora_path": "/"});
    assert_eq!(server.ask("/v1/load_lora_adapter", &load).await.0, 404);
}

/// Asks until the request has ended, and returns its completion tokens.
async fn settled(server: &Server, request_id: &str) -> u64 {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, usage) = server
            .get(&format!("/v1/requests/{request_id}/usage"))
            .await;
        if status == 200 && usage["is_finished"] == json!(true) {
            return usage["usage"]["completion_tokens"].as_u64().unwrap();
        }
        assert!(Instant::now() < end, "{request_id} does not end");
    }
}

#[tokio::test]
async fn an_answer_stops_when_the_client_leaves() {
    let server = server(Options::default());
    let most = CONTEXT as u64 - 100;
    for (id, is_stream) in [("leaves-stream", true), ("leaves-whole", false)] {
        let mut body = json!({"model": "tiny", "prompt": "Er was eens", "max_tokens": most, "temperature": 1, "ignore_eos": true});
        body["stream"] = json!(is_stream);
        let request = server.post(TEXT, &body).header("x-request-id", id);
        if is_stream {
            let mut response = request.send().await.unwrap();
            assert!(response.chunk().await.unwrap().is_some());
            drop(response);
        } else {
            let asking = tokio::spawn(request.send());
            let end = Instant::now() + Duration::from_secs(30);
            while server.get(&format!("/v1/requests/{id}/usage")).await.1["usage"]["completion_tokens"].as_u64() < Some(1) {
                assert!(Instant::now() < end, "the answer does not start");
            }
            asking.abort();
        }
        let made = settled(&server, id).await;
        body["stream"] = json!(false);
        let (_, whole) = server.ask(TEXT, &body).await;
        let whole = whole["usage"]["completion_tokens"].as_u64().unwrap();
        assert!(
            whole == most,
            "without a client that leaves, all tokens are made"
        );
        assert!(
            made < whole,
            "{id}: all {made} tokens were made although nobody was there"
        );
    }
}

#[tokio::test]
async fn a_model_that_is_dropped_ends_its_running_answers() {
    let server = server(Options::default());
    let body = json!({"model": "tiny", "prompt": "Er was eens", "max_tokens": 3000, "temperature": 1, "ignore_eos": true, "stream": true});
    let mut response = server.post(TEXT, &body).send().await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert!(server.registry.remove("tiny"));
    let rest = response.bytes().await.unwrap();
    let rest = String::from_utf8_lossy(&rest);
    assert!(
        rest.contains("model_not_found") && !rest.contains("[DONE]"),
        "{rest}"
    );
}
