#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use openai_api::{ChatRequest, CompletionRequest, Forward, Prompt, Role};
use serde_json::{Value, json};

fn chat(changes: &Value) -> Vec<u8> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hallo"}]});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    serde_json::to_vec(&body).unwrap()
}

#[test]
fn a_full_request_is_read() {
    let request = ChatRequest::parse(&chat(&json!({
        "messages": [
            {"role": "system", "content": "Wees kort."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null}
        ],
        "temperature": 0.5, "top_p": 1, "max_tokens": 9, "max_completion_tokens": 7, "n": 2, "seed": -3,
        "stop": "\n", "stream": true, "stream_options": {"include_usage": true}, "user": "u", "new_field": {"a": 1}
    })))
    .unwrap();
    let turns: Vec<_> = request
        .messages
        .iter()
        .map(|m| (m.role, m.content.as_str()))
        .collect();
    assert_eq!(
        turns,
        [
            (Role::System, "Wees kort."),
            (Role::User, "ab"),
            (Role::Assistant, "")
        ]
    );
    let generation = &request.generation;
    assert_eq!(
        (generation.max_tokens, generation.n, generation.seed),
        (Some(7), 2, Some(-3))
    );
    assert_eq!(
        (generation.temperature, generation.top_p),
        (Some(0.5), Some(1.0))
    );
    assert_eq!(generation.stop, ["\n"]);
    assert!(generation.stream && generation.stream_options.include_usage);
    assert!(!generation.stream_options.continuous_usage_stats);
    assert_eq!(request.completion_token_limit(), 14);
    assert_eq!(request.field("new_field"), Some(&json!({"a": 1})));
}

#[test]
fn each_field_that_does_not_fit_is_named() {
    let many = vec![json!({"role": "user", "content": "x"}); 1025];
    let cases = [
        (json!({"model": 3}), "model"),
        (json!({"model": ""}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": "x"}), "messages"),
        (json!({"messages": many}), "messages"),
        (
            json!({"messages": [{"role": "king", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            "messages[0].content",
        ),
        (json!({"n": 0}), "n"),
        (json!({"n": 9}), "n"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (
            json!({"max_completion_tokens": "9"}),
            "max_completion_tokens",
        ),
        (json!({"temperature": 2.1}), "temperature"),
        (json!({"temperature": "0"}), "temperature"),
        (json!({"top_p": -0.1}), "top_p"),
        (json!({"seed": 1.5}), "seed"),
        (json!({"stop": ["a", "b", "c", "d", "e"]}), "stop"),
        (json!({"stop": [""]}), "stop"),
        (json!({"stop": [1]}), "stop"),
        (json!({"stream": "yes"}), "stream"),
        (
            json!({"stream_options": {"include_usage": true}}),
            "stream_options",
        ),
        (
            json!({"stream": true, "stream_options": {"include_usage": 1}}),
            "stream_options.include_usage",
        ),
        (json!({"presence_penalty": 3}), "presence_penalty"),
    ];
    for (changes, param) in cases {
        let error = ChatRequest::parse(&chat(&changes)).expect_err(param);
        assert_eq!(error.status, 400);
        assert_eq!(
            error.body.param.as_deref(),
            Some(param),
            "{}",
            error.body.message
        );
    }
}

#[test]
fn a_body_that_is_no_object_is_refused_without_repeating_it() {
    for body in ["", "[]", "{\"model\": geheim", "nul"] {
        let error = ChatRequest::parse(body.as_bytes()).expect_err(body);
        assert_eq!(
            (error.status, error.body.code.as_deref()),
            (400, Some("invalid_json"))
        );
        assert!(
            !error.body.message.contains("geheim"),
            "prompts must not come back in messages"
        );
    }
}

#[test]
fn prompts_come_as_text_lists_and_tokens() {
    let parse = |prompt: Value| {
        let body = serde_json::to_vec(&json!({"model": "m", "prompt": prompt})).unwrap();
        CompletionRequest::parse(&body).map(|request| request.prompts)
    };
    let text = |text: &str| Prompt::Text(text.to_owned());
    assert_eq!(parse(json!("a")).unwrap(), [text("a")]);
    assert_eq!(parse(json!(["a", "b"])).unwrap(), [text("a"), text("b")]);
    assert_eq!(parse(json!([1, 2])).unwrap(), [Prompt::Tokens(vec![1, 2])]);
    assert_eq!(
        parse(json!([[1], [2]])).unwrap(),
        [Prompt::Tokens(vec![1]), Prompt::Tokens(vec![2])]
    );
    for wrong in [
        json!([]),
        json!(3),
        json!(null),
        json!([1, "a"]),
        json!([-1]),
        json!(["a", 1]),
        json!(vec!["a"; 9]),
    ] {
        let error = parse(wrong).expect_err("not a prompt");
        assert_eq!(error.body.param.as_deref(), Some("prompt"));
    }
}

#[test]
fn forwarding_keeps_unknown_fields_and_makes_the_changes() {
    let request = ChatRequest::parse(&chat(&json!({
        "stream": true, "max_completion_tokens": 900, "vendor": [1], "stream_options": {"include_usage": false}
    })))
    .unwrap();
    let changes = Forward {
        model: Some("upstream".into()),
        max_tokens: Some(64),
        with_usage: true,
        counts_along: true,
    };
    let sent: Value = serde_json::from_slice(&request.forward(&changes)).unwrap();
    let expected = json!({
        "model": "upstream", "messages": [{"role": "user", "content": "Hallo"}], "stream": true, "max_tokens": 64,
        "vendor": [1], "stream_options": {"include_usage": true, "continuous_usage_stats": true}
    });
    assert_eq!(sent, expected);
    let strict = Forward {
        counts_along: false,
        ..changes
    };
    let sent: Value = serde_json::from_slice(&request.forward(&strict)).unwrap();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
}

#[test]
fn text_parts_are_looked_at_as_the_one_text_that_they_are() {
    let parts = json!([
        {"type": "text", "text": "mail j.jansen@exam"},
        {"type": "text", "text": "ple.nl"},
    ]);
    let messages = json!([
        {"role": "user", "content": parts},
        {"role": "assistant", "content": null},
        {"role": "user", "content": "en nu?"},
    ]);
    let body = chat(&json!({"messages": messages}));
    let mut request = ChatRequest::parse(&body).unwrap();
    let sent: Value = serde_json::from_slice(&request.forward(&Forward::default())).unwrap();
    assert_eq!(sent["messages"], messages);
    let mut seen = Vec::new();
    request
        .look_at_texts(&mut |_, text| {
            seen.push(text.to_owned());
            text.ends_with("@example.nl").then(|| "masked".to_owned())
        })
        .unwrap();
    assert_eq!(seen, ["mail j.jansen@example.nl", "en nu?"]);
    assert_eq!(request.messages[0].content, "masked");
    let sent: Value = serde_json::from_slice(&request.forward(&Forward::default())).unwrap();
    assert_eq!(sent["messages"][0]["content"], "masked");
    assert_eq!(sent["messages"][1]["content"], Value::Null);
}
