use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    CHAT, TEXT,
    given::{Options, chat, server, text},
};

/// A drawn answer of exactly `max_tokens`.
fn long(more: Value) -> Value {
    let mut more = more;
    more["temperature"] = json!(1);
    more["ignore_eos"] = json!(true);
    if more["seed"].is_null() {
        more["seed"] = json!(5);
    }
    chat("Vertel", more)
}

#[tokio::test]
async fn a_stream_says_what_the_whole_answer_says() {
    let server = server(Options::default());
    for body in [chat("Hallo daar", json!({})), long(json!({"n": 2}))] {
        let (status, whole) = server.ask(CHAT, &body).await;
        assert_eq!(status, 200, "{whole}");
        let mut body = body;
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_usage": true});
        let events = server.stream(CHAT, &body).await;
        for choice in whole["choices"].as_array().unwrap() {
            let parts: Vec<&Value> = events
                .iter()
                .flat_map(|event| event["choices"].as_array().unwrap())
                .filter(|part| part["index"] == choice["index"])
                .collect();
            assert_eq!(
                parts[0]["delta"],
                json!({"role": "assistant", "content": ""})
            );
            let streamed: String = parts
                .iter()
                .filter_map(|part| part["delta"]["content"].as_str())
                .collect();
            assert_eq!(choice["message"]["content"], streamed);
            assert_eq!(
                parts.last().unwrap()["finish_reason"],
                choice["finish_reason"]
            );
        }
        let last = events.last().unwrap();
        assert_eq!(
            (&last["choices"], &last["usage"]),
            (&json!([]), &whole["usage"])
        );
        assert!(
            events[..events.len() - 1]
                .iter()
                .all(|event| event["usage"].is_null())
        );
    }
}

#[tokio::test]
async fn every_chunk_counts_the_tokens_so_far_when_asked() {
    let server = server(Options::default());
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    let body = long(json!({"stream": true, "stream_options": options, "max_tokens": 9}));
    let events = server.stream(CHAT, &body).await;
    let counts: Vec<u64> = events
        .iter()
        .map(|event| event["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(
        counts,
        [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9],
        "the role, nine tokens, the end, the sum"
    );
}

#[tokio::test]
async fn answers_are_the_same_alone_and_together() {
    let server = server(Options::default());
    let bodies: Vec<Value> = (0..12)
        .map(|n| {
            chat(
                &"woord ".repeat(n * 20 + 1),
                json!({"temperature": 0.9, "seed": n, "max_tokens": 40}),
            )
        })
        .collect();
    let mut alone = Vec::new();
    for body in &bodies {
        alone.push(server.ask(CHAT, body).await.1);
    }
    let together = join_all(bodies.iter().map(|body| server.ask(CHAT, body))).await;
    for (alone, (status, together)) in alone.iter().zip(&together) {
        assert_eq!(*status, 200);
        assert_eq!(text(alone), text(together));
        assert_eq!(alone["usage"], together["usage"]);
    }
}

#[tokio::test]
async fn tokens_are_counted_and_limited_exactly() {
    let server = server(Options::default());
    let request = server
        .post(CHAT, &long(json!({"max_tokens": 7, "n": 3})))
        .header("x-request-id", "r-7");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "r-7");
    let answer: Value = response.json().await.unwrap();
    for choice in answer["choices"].as_array().unwrap() {
        assert_eq!(choice["finish_reason"], "length");
    }
    let counted = answer["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(counted, 21, "three choices of seven tokens");
    let usage = &answer["usage"];
    assert_eq!(
        usage["total_tokens"],
        usage["prompt_tokens"].as_u64().unwrap() + counted
    );
    let (status, settled) = server.get("/v1/requests/r-7/usage").await;
    assert_eq!(
        (status, &settled["usage"], &settled["is_finished"]),
        (200, usage, &json!(true))
    );
    assert_eq!(server.get("/v1/requests/r-8/usage").await.0, 404);

    let (_, one) = server
        .ask(
            TEXT,
            &json!({"model": "tiny", "prompt": [5, 6, 7], "max_tokens": 1}),
        )
        .await;
    assert_eq!(
        one["usage"],
        json!({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4})
    );
}

#[tokio::test]
async fn a_stop_string_ends_the_answer_and_never_shows() {
    let server = server(Options::default());
    let (_, whole) = server.ask(CHAT, &long(json!({"max_tokens": 60}))).await;
    let whole = text(&whole).to_owned();
    let middle: Vec<char> = whole.chars().collect();
    let stop: String = middle[middle.len() / 2..middle.len() / 2 + 3]
        .iter()
        .collect();
    let expected = &whole[..whole.find(&stop).unwrap()];
    let body = long(json!({"max_tokens": 60, "stop": [stop]}));
    let (_, stopped) = server.ask(CHAT, &body).await;
    assert_eq!(text(&stopped), expected);
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    let mut body = body;
    body["stream"] = json!(true);
    let events = server.stream(CHAT, &body).await;
    let streamed: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(streamed, expected);
}

#[tokio::test]
async fn seeds_repeat_and_choices_differ() {
    let server = server(Options::default());
    let (_, first) = server.ask(CHAT, &long(json!({"n": 2}))).await;
    let (_, again) = server.ask(CHAT, &long(json!({"n": 2}))).await;
    assert_eq!(first["choices"], again["choices"]);
    assert_ne!(
        first["choices"][0]["message"],
        first["choices"][1]["message"]
    );
    let (_, other) = server.ask(CHAT, &long(json!({"seed": 6}))).await;
    assert_eq!(
        text(&other),
        text(&server.ask(CHAT, &long(json!({"seed": 6}))).await.1)
    );
}

#[tokio::test]
async fn completions_answer_each_prompt() {
    let server = server(Options::default());
    let ask = |prompt: Value| json!({"model": "tiny", "prompt": prompt, "temperature": 0, "max_tokens": 8});
    let (_, both) = server.ask(TEXT, &ask(json!(["een dag", "het huis"]))).await;
    for (index, prompt) in ["een dag", "het huis"].into_iter().enumerate() {
        let (_, one) = server.ask(TEXT, &ask(json!(prompt))).await;
        assert_eq!(one["choices"][0]["text"], both["choices"][index]["text"]);
        let mut body = ask(json!(prompt));
        body["stream"] = json!(true);
        let events = server.stream(TEXT, &body).await;
        let streamed: String = events
            .iter()
            .filter_map(|event| event["choices"][0]["text"].as_str())
            .collect();
        assert_eq!(one["choices"][0]["text"], streamed);
    }
}
