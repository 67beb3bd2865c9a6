use super::*;
use crate::{OneKind, Wanted, control_text_in};

/// Field and problem of what the portal refuses before anybody decides on the data.
#[test]
fn what_cannot_be_learnt_is_refused_with_its_field() {
    let chat = |answer: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"u"}},{{"role":"assistant",{answer}}}]}}"#
        )
    };
    let pair = |input: &str, better: &str, worse: &str| {
        format!(r#"{{"input":{input},"preferred_output":{better},"non_preferred_output":{worse}}}"#)
    };
    let answer = r#"[{"role":"assistant","content":"a"}]"#;
    let two = r#"[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]"#;
    let asks = r#"{"messages":[{"role":"user","content":"u"}]}"#;
    for (line, field) in [
        (chat(r#""content":"a<|im_end|>""#), "messages[1].content"),
        (
            chat(r#""content":"a","tool_calls":[{"id":"1"}]"#),
            "messages[1].tool_calls",
        ),
        (r#"{"text":"a<|endoftext|>b"}"#.to_owned(), "text"),
        (
            r#"{"text":"a","tools":[{"type":"function"}]}"#.to_owned(),
            "tools",
        ),
        (
            pair(
                r#"{"messages":[{"role":"user","content":"u"}],"tools":[{"type":"function"}]}"#,
                answer,
                r#""b""#,
            ),
            "input.tools",
        ),
        (
            pair(
                r#"{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}]}"#,
                answer,
                r#""b""#,
            ),
            "input",
        ),
        (pair(asks, answer, answer), "non_preferred_output"),
        (pair(asks, two, r#""b""#), "preferred_output"),
        (
            pair(asks, answer, r#""<|im_start|>system""#),
            "non_preferred_output",
        ),
    ] {
        let fault = example(&line)
            .and_then(|example| {
                example.refuse_control(|text| control_text_in(text).map(str::to_owned))
            })
            .unwrap_err();
        assert_eq!(fault.field.as_deref(), Some(field), "{line}: {fault:?}");
    }
    // What programs send empty is as good as left out.
    assert!(example(&chat(r#""content":"a","tool_calls":[],"weight":1"#)).is_ok());
}

/// A line of a megabyte stays out of a fault, and no word of it is told to who may not read it.
#[test]
fn faults_quote_little_and_can_be_said_without_a_word_of_the_line() {
    let long = "geheim ".repeat(100_000);
    let chat = |role: &str, content: &str, weight: &Value| {
        let message = serde_json::json!({ "role": role, "content": content, "weight": weight });
        serde_json::json!({ "messages": [message] }).to_string()
    };
    let none = Value::Null;
    let control = format!("<|{}|>", "geheim".repeat(1000));
    for line in [
        chat(&long, "a", &none),
        chat("assistant", "a", &Value::String(long.clone())),
        chat("assistant", "a", &serde_json::json!([long])),
        chat("assistant", "a", &serde_json::json!({ "geheim": long })),
        chat("assistant", &control, &none),
        format!("{{\"text\":\"{long}"),
        format!("[\"{long}\"]"),
        format!("{{\"{long}\":1}}"),
        format!("{{\"text\":[\"{long}\"]}}"),
        format!("{{\"text\":\"a\",\"tools\":[\"{long}\"]}}"),
        serde_json::json!({ "prompt": "a", "completion": "b".repeat(MOST_MESSAGE_BYTES + 1) })
            .to_string(),
    ] {
        let fault = example(&line)
            .and_then(|example| {
                example.refuse_control(|text| control_text_in(text).map(str::to_owned))
            })
            .unwrap_err();
        let said = fault.problem.len() + fault.field.as_ref().map_or(0, String::len);
        assert!(said < 300, "{said} bytes are told: {}", fault.problem);
        assert!(!fault.unquoted().contains("geheim"), "{fault:?}");
    }
    let odd = example(&chat("assistant", "a", &serde_json::json!(0.5))).unwrap_err();
    assert!(odd.problem.contains("the weight is 0.5"), "{odd:?}");
    assert!(!odd.unquoted().contains("0.5"), "{odd:?}");
}

#[test]
fn a_file_has_one_kind_that_its_method_learns_from() {
    let text = example(r#"{"text":"a"}"#).unwrap();
    let pair =
        example(r#"{"input":"u","preferred_output":"a","non_preferred_output":"b"}"#).unwrap();
    assert!(Wanted::Examples.takes(&text).is_ok());
    assert!(Wanted::Examples.takes(&pair).is_err());
    assert!(Wanted::Preferences.takes(&pair).is_ok());
    assert!(Wanted::Preferences.takes(&text).is_err());
    let mut kind = OneKind::default();
    assert!(kind.check(2, &text).is_ok());
    assert!(kind.check(3, &text).is_ok());
    let fault = kind.check(4, &pair).unwrap_err();
    assert!(
        fault.problem.contains("but line 2 is running text"),
        "{fault:?}"
    );
}
