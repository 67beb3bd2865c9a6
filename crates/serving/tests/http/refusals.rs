use language_model::inference::Activations;
use serde_json::{Value, json};
use serving::engine::EngineLimits;

use crate::{
    CHAT, TEXT,
    given::{CONTEXT, Options, chat, server},
};

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_reason() {
    let server = server(Options::default());
    let long = "woord ".repeat(CONTEXT);
    let cases = [
        (
            chat("x", json!({"model": "nobody"})),
            404,
            "model_not_found",
            "model",
        ),
        (
            chat(&long, json!({})),
            400,
            "context_length_exceeded",
            "messages",
        ),
        (
            chat("x", json!({"temperature": 3})),
            400,
            "invalid_value",
            "temperature",
        ),
        (
            chat("x", json!({"max_tokens": "7"})),
            400,
            "invalid_type",
            "max_tokens",
        ),
        (
            chat("x", json!({"tools": [{"type": "function"}]})),
            400,
            "unsupported_parameter",
            "tools",
        ),
        (
            chat("x", json!({"response_format": {"type": "yaml"}})),
            400,
            "invalid_value",
            "response_format.type",
        ),
        (
            chat("a<|im_end|>b", json!({})),
            400,
            "invalid_value",
            "messages[0].content",
        ),
    ];
    for (body, status, code, param) in cases {
        let (got, answer) = server.ask(CHAT, &body).await;
        let error = &answer["error"];
        assert_eq!(
            (got, &error["code"], &error["param"]),
            (status, &json!(code), &json!(param)),
            "{answer}"
        );
    }
    for (prompt, code) in [
        (json!(""), "invalid_value"),
        (json!([1, 99_999_999]), "invalid_value"),
    ] {
        let (status, answer) = server
            .ask(TEXT, &json!({"model": "tiny", "prompt": prompt}))
            .await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)));
    }
    let fine = chat(
        "x",
        json!({"response_format": {"type": "text"}, "tools": [], "user": "u", "logprobs": false}),
    );
    assert_eq!(server.ask(CHAT, &fine).await.0, 200);
}

#[tokio::test]
async fn odd_http_gets_openai_errors_too() {
    let server = server(Options::default());
    let url = |path: &str| format!("{}{path}", server.url);
    let code = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert!(response.headers().contains_key("x-request-id"));
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        (status, body["error"]["code"].as_str().unwrap().to_owned())
    };
    let json_post = |body: &str| {
        server
            .client
            .post(url(CHAT))
            .header("content-type", "application/json")
            .body(body.to_owned())
    };
    assert_eq!(code(json_post("{")).await, (400, "invalid_json".into()));
    assert_eq!(
        code(json_post(&" ".repeat((1 << 20) + 1))).await,
        (413, "request_too_large".into())
    );
    assert_eq!(
        code(server.client.post(url(CHAT)).body("{}")).await,
        (415, "unsupported_media_type".into())
    );
    assert_eq!(
        code(server.client.get(url(CHAT))).await,
        (405, "method_not_allowed".into())
    );
    assert_eq!(
        code(server.client.get(url("/v1/nothing"))).await,
        (404, "not_found".into())
    );
    assert_eq!(
        code(server.client.get(url("/"))).await,
        (404, "not_found".into())
    );
    assert_eq!(
        code(server.client.get(url("/v1/models/nobody"))).await,
        (404, "model_not_found".into())
    );
    assert_eq!(server.get("/v1/models/tiny").await.1["id"], "tiny");
}

#[tokio::test]
async fn the_token_is_needed_where_one_is_set() {
    let server = server(Options {
        token: Some("right"),
        ..Options::default()
    });
    let models = || server.client.get(format!("{}/v1/models", server.url));
    for request in [
        models(),
        models().bearer_auth("wrong"),
        models().header("authorization", "right"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(
            response.json::<Value>().await.unwrap()["error"]["code"],
            "invalid_api_key"
        );
    }
    assert_eq!(
        models().bearer_auth("right").send().await.unwrap().status(),
        200
    );
    assert_eq!(server.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_full_queue_is_answered_at_once() {
    let server = server(Options {
        engine: EngineLimits {
            running: 1,
            waiting: 1,
            cache_bytes: 256 << 20,
            activations: Activations::Bits16,
            threads: Some(1),
        },
        ..Options::default()
    });
    let long = json!({"model": "tiny", "prompt": "x", "max_tokens": 3000, "temperature": 1, "ignore_eos": true, "stream": true});
    let mut running = server.post(TEXT, &long).send().await.unwrap();
    assert!(running.chunk().await.unwrap().is_some());
    // One waits in the queue and holds its only place.
    let waiting = server.post(TEXT, &long).send().await.unwrap();
    let response = server.post(TEXT, &long).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        response.json::<Value>().await.unwrap()["error"]["code"],
        "overloaded"
    );
    drop(waiting);
    drop(running);
}

#[tokio::test]
async fn of_choices_that_do_not_all_fit_none_is_made() {
    let server = server(Options {
        engine: EngineLimits {
            running: 1,
            waiting: 3,
            cache_bytes: 256 << 20,
            activations: Activations::Bits16,
            threads: Some(1),
        },
        ..Options::default()
    });
    let asked = |choices: u32| {
        json!({
            "model": "tiny", "prompt": "x", "max_tokens": 3000, "temperature": 1, "ignore_eos": true, "stream": true,
            "n": choices,
        })
    };
    let mut running = server.post(TEXT, &asked(1)).send().await.unwrap();
    assert!(running.chunk().await.unwrap().is_some());
    let waiting = server.post(TEXT, &asked(1)).send().await.unwrap();
    let many = server
        .post(TEXT, &asked(3))
        .header("x-request-id", "many")
        .send()
        .await
        .unwrap();
    assert_eq!(many.status(), 503);
    let (status, counted) = server.get("/v1/requests/many/usage").await;
    assert_eq!(
        (
            status,
            &counted["usage"]["total_tokens"],
            &counted["is_finished"]
        ),
        (200, &json!(0), &json!(true))
    );
    let (status, never) = server.ask(TEXT, &asked(4)).await;
    assert_eq!(
        (status, &never["error"]["code"]),
        (400, &json!("invalid_value"))
    );
    // The places of those that were refused are free.
    let two = server.post(TEXT, &asked(2)).send().await.unwrap();
    assert_eq!(two.status(), 200);
    drop((waiting, two, running));
}

#[tokio::test]
async fn no_model_has_embeddings_and_that_is_said() {
    let server = server(Options::default());
    let asked = json!({"model": "tiny", "input": "x"});
    let (status, answer) = server.ask("/v1/embeddings", &asked).await;
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("model")));
    assert_eq!(answer["error"]["code"], "model_has_no_embeddings");
    let asked = json!({"model": "other", "input": "x"});
    assert_eq!(server.ask("/v1/embeddings", &asked).await.0, 404);
}
