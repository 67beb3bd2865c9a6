#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use openai_api::{
    AnswerMessage, ApiError, ChatChoice, ChatChunk, ChatChunkChoice, ChatCompletion, Completion,
    CompletionChoice, Delta, FinishReason, Model, ModelList, ReportedUsage, RequestUsage, Usage,
};
use serde_json::{Value, json};

fn wire(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_chat_answer_has_the_fields_of_openai() {
    let answer = ChatCompletion {
        id: "chatcmpl-1".into(),
        object: "chat.completion".into(),
        created: 1_795_448_810,
        model: "smollm2".into(),
        choices: vec![ChatChoice {
            index: 0,
            message: AnswerMessage::assistant("Hoi".into()),
            logprobs: None,
            finish_reason: Some(FinishReason::Stop),
        }],
        usage: Some(Usage::new(9, 2)),
        system_fingerprint: None,
    };
    let expected = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_448_810, "model": "smollm2",
        "choices": [{
            "index": 0, "message": {"role": "assistant", "content": "Hoi", "refusal": null},
            "logprobs": null, "finish_reason": "stop"
        }],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
        "system_fingerprint": null
    });
    assert_eq!(wire(&answer), expected);
    assert_eq!(
        serde_json::from_value::<ChatCompletion>(expected).unwrap(),
        answer
    );
}

#[test]
fn a_text_completion_has_the_fields_of_openai() {
    let answer = Completion {
        id: "cmpl-1".into(),
        object: "text_completion".into(),
        created: 1,
        model: "m".into(),
        choices: vec![CompletionChoice {
            index: 0,
            text: " wereld".into(),
            logprobs: None,
            finish_reason: Some(FinishReason::Length),
        }],
        usage: Some(Usage::new(1, 1)),
        system_fingerprint: None,
    };
    let expected = json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": " wereld", "logprobs": null, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "system_fingerprint": null
    });
    assert_eq!(wire(&answer), expected);
}

#[test]
fn a_chunk_leaves_usage_out_or_sends_null_or_counts() {
    let mut chunk = ChatChunk {
        id: "chatcmpl-1".into(),
        object: "chat.completion.chunk".into(),
        created: 1,
        model: "m".into(),
        choices: vec![ChatChunkChoice {
            index: 0,
            delta: Delta {
                role: None,
                content: Some("a".into()),
            },
            logprobs: None,
            finish_reason: None,
        }],
        system_fingerprint: None,
        usage: ReportedUsage::Absent,
    };
    assert_eq!(wire(&chunk).get("usage"), None);
    assert_eq!(wire(&chunk)["choices"][0]["delta"], json!({"content": "a"}));
    chunk.usage = ReportedUsage::Null;
    assert_eq!(wire(&chunk).get("usage"), Some(&Value::Null));
    chunk.usage = ReportedUsage::Counted(Usage::new(3, 1));
    assert_eq!(wire(&chunk)["usage"]["total_tokens"], 4);
    for usage in [
        json!(null),
        json!({"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}),
    ] {
        let mut form = wire(&chunk);
        form["usage"] = usage;
        let read: ChatChunk = serde_json::from_value(form.clone()).unwrap();
        assert_eq!(
            wire(&read),
            form,
            "a chunk that is read and written again stays the same"
        );
    }
}

#[test]
fn the_models_list_has_the_fields_of_openai() {
    let mut tuned = Model::new("ft:m", 7, "harderwijk");
    tuned.parent = Some("m".into());
    let expected = json!({"object": "list", "data": [
        {"id": "m", "object": "model", "created": 7, "owned_by": "tno"},
        {"id": "ft:m", "object": "model", "created": 7, "owned_by": "harderwijk", "parent": "m"}
    ]});
    assert_eq!(
        wire(&ModelList::new(vec![Model::new("m", 7, "tno"), tuned])),
        expected
    );
}

#[test]
fn every_error_class_has_its_status_code_and_headers() {
    let cases: Vec<(ApiError, u16, &str, &str)> = vec![
        (
            ApiError::invalid_param("n", "x"),
            400,
            "invalid_request_error",
            "invalid_value",
        ),
        (
            ApiError::context_length_exceeded(10, 11, "messages"),
            400,
            "invalid_request_error",
            "context_length_exceeded",
        ),
        (
            ApiError::invalid_api_key(),
            401,
            "invalid_request_error",
            "invalid_api_key",
        ),
        (
            ApiError::permission_denied("purpose_not_permitted", "x"),
            403,
            "permission_error",
            "purpose_not_permitted",
        ),
        (
            ApiError::model_not_found("m"),
            404,
            "invalid_request_error",
            "model_not_found",
        ),
        (
            ApiError::too_large(1),
            413,
            "invalid_request_error",
            "request_too_large",
        ),
        (
            ApiError::rate_limit_exceeded("x", 3),
            429,
            "requests",
            "rate_limit_exceeded",
        ),
        (
            ApiError::insufficient_quota("x"),
            429,
            "insufficient_quota",
            "insufficient_quota",
        ),
        (
            ApiError::internal("r"),
            500,
            "server_error",
            "internal_error",
        ),
        (
            ApiError::overloaded("x", 1),
            503,
            "server_error",
            "overloaded",
        ),
    ];
    for (error, status, kind, code) in cases {
        let body: Value = serde_json::from_slice(&error.to_json()).unwrap();
        assert_eq!(
            (error.status, &body["error"]["type"], &body["error"]["code"]),
            (status, &json!(kind), &json!(code))
        );
        assert!(
            body["error"].as_object().unwrap().contains_key("param"),
            "the SDKs read param, null or not"
        );
    }
    assert_eq!(
        ApiError::rate_limit_exceeded("x", 3).headers(),
        vec![("retry-after", "3".to_owned())]
    );
    assert_eq!(
        ApiError::insufficient_quota("x").headers(),
        vec![("x-should-retry", "false".to_owned())]
    );
}

#[test]
fn the_usage_of_a_request_says_whether_it_is_final() {
    let usage = RequestUsage {
        request_id: "r1".into(),
        model: "m".into(),
        usage: Usage::new(5, 6),
        is_finished: true,
    };
    let expected = json!({"request_id": "r1", "model": "m", "is_finished": true,
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}});
    assert_eq!(wire(&usage), expected);
}
