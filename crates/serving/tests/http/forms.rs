use serde_json::{Value, json};

use crate::{
    CHAT, TEXT,
    given::{Options, chat, server, text},
};

#[tokio::test]
async fn an_answer_follows_the_schema_it_was_asked_for() {
    let server = server(Options::default());
    let schema = json!({
        "type": "object",
        "properties": {
            "kind": {"enum": ["street", "square"]},
            "numbers": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
            "known": {"type": "boolean"}
        },
        "required": ["kind", "numbers", "known"],
        "additionalProperties": false
    });
    let form = json!({"type": "json_schema", "json_schema": {"name": "place", "schema": schema}});
    for seed in 0..4 {
        // A model of noise would never write this by itself; a low temperature keeps its numbers short enough.
        let body = chat(
            "Waar?",
            json!({"response_format": form, "temperature": 1, "seed": seed, "max_tokens": 400}),
        );
        let (status, answer) = server.ask(CHAT, &body).await;
        assert_eq!(status, 200, "{answer}");
        let choice = &answer["choices"][0];
        if choice["finish_reason"] == "length" {
            continue;
        }
        assert_eq!(choice["finish_reason"], "stop");
        let place: Value = serde_json::from_str(text(&answer)).unwrap();
        assert!(place["kind"] == "street" || place["kind"] == "square");
        assert!(place["numbers"].as_array().unwrap().len() <= 2);
        assert!(place["known"].is_boolean());
        return;
    }
    panic!("no answer came to its end");
}

#[tokio::test]
async fn a_schema_that_cannot_be_held_to_is_refused() {
    let server = server(Options::default());
    let schema = json!({"type": "string", "pattern": "a"});
    let form = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let (status, answer) = server
        .ask(CHAT, &chat("x", json!({"response_format": form})))
        .await;
    assert_eq!(status, 400);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("pattern"), "{message}");
}

#[tokio::test]
async fn probabilities_are_told_alike_in_one_piece_and_in_a_stream() {
    let server = server(Options::default());
    let body = chat(
        "Hallo",
        json!({"logprobs": true, "top_logprobs": 3, "max_tokens": 6, "ignore_eos": true}),
    );
    let (status, whole) = server.ask(CHAT, &body).await;
    assert_eq!(status, 200, "{whole}");
    let content = whole["choices"][0]["logprobs"]["content"]
        .as_array()
        .unwrap();
    assert!(!content.is_empty());
    for entry in content {
        let top = entry["top_logprobs"].as_array().unwrap();
        assert_eq!(top.len(), 3);
        // Greedily, the chosen token is the likeliest.
        assert_eq!(top[0]["logprob"], entry["logprob"]);
        assert!(top[0]["logprob"].as_f64() >= top[1]["logprob"].as_f64());
        assert!(entry["logprob"].as_f64().unwrap() <= 0.0);
    }
    let mut body = body;
    body["stream"] = json!(true);
    let events = server.stream(CHAT, &body).await;
    let streamed: Vec<Value> = events
        .iter()
        .filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array())
        .flatten()
        .cloned()
        .collect();
    assert_eq!(&streamed, content);
}

#[tokio::test]
async fn text_completions_have_the_older_form_of_probabilities() {
    let server = server(Options::default());
    let body = json!({
        "model": "tiny", "prompt": "Er was", "max_tokens": 4, "temperature": 0, "logprobs": 2, "ignore_eos": true
    });
    let (status, answer) = server.ask(TEXT, &body).await;
    assert_eq!(status, 200, "{answer}");
    let found = &answer["choices"][0]["logprobs"];
    for name in ["tokens", "token_logprobs", "top_logprobs", "text_offset"] {
        assert_eq!(found[name].as_array().unwrap().len(), 4, "{name}");
    }
    assert_eq!(found["text_offset"][0], 0);
    let (status, _) = server
        .ask(CHAT, &chat("x", json!({"top_logprobs": 2})))
        .await;
    assert_eq!(status, 400, "alternatives without probabilities");
}

#[tokio::test]
async fn a_prompt_that_was_seen_before_is_not_computed_again() {
    let server = server(Options::default());
    let metric = |text: &str, name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(' ').nth(1).unwrap().parse().unwrap()
    };
    let metrics = || async {
        let url = format!("{}/metrics", server.url);
        server
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    let cached = "faculty_serving_prompt_tokens_cached_total";
    let body = chat(
        &"woord ".repeat(60),
        json!({"n": 3, "seed": 1, "temperature": 1}),
    );
    let (_, first) = server.ask(CHAT, &body).await;
    let prompt = first["usage"]["prompt_tokens"].as_u64().unwrap();
    let after_one = metric(&metrics().await, cached);
    let shared = (prompt - 1) / 16 * 16;
    assert_eq!(
        after_one,
        2 * shared,
        "two choices of three take over the prompt of the first"
    );
    let (_, second) = server.ask(CHAT, &body).await;
    assert_eq!(second["choices"], first["choices"]);
    let text = metrics().await;
    assert_eq!(metric(&text, cached), 5 * shared);
    assert_eq!(metric(&text, "faculty_serving_sequences_finished_total"), 6);
    assert!(metric(&text, "faculty_serving_cache_prefix_bytes") > 0);
}
