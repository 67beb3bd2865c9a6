//! Lines that the training program would refuse are refused before anybody decides on them: all of them, with the field.

use serde_json::{Value, json};

use crate::{
    fine_tuning_methods::pairs,
    support::{TestApp, Tuner, given},
};

/// Sends a file with bad lines at its end, and tells line and field of each as the job says them.
async fn refused(tuner: &Tuner, good: Vec<u8>, bad: &[Value], method: Value) -> Vec<(u64, String)> {
    let mut text = String::from_utf8(good).unwrap();
    for line in bad {
        text.push_str(&format!("{line}\n"));
    }
    let (status, sent) = tuner.send("chats.jsonl", text.as_bytes()).await;
    assert_eq!(status, 200, "{sent:#}");
    let file = tuner.processed(&sent).await;
    assert_eq!(file["status"], "processed", "{file:#}");
    let wanted = json!({ "model": "tiny", "training_file": file["id"], "method": method });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    let path = format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap());
    let failed = tuner.until(&path, |job| job["status"] == "failed").await;
    assert_eq!(failed["error"]["code"], "invalid_file_format", "{failed:#}");
    assert_eq!(failed["gptnl"]["approvals"], json!([]), "nobody was asked");
    let problems = failed["gptnl"]["problems"].as_array().unwrap();
    let message = failed["error"]["message"].as_str().unwrap();
    problems
        .iter()
        .map(|one| {
            let said = one["problem"].as_str().unwrap();
            assert!(message.contains(said), "{said}: {message}");
            let field = one["field"].as_str().unwrap_or_default();
            (one["line"].as_u64().unwrap(), field.to_owned())
        })
        .collect()
}

fn expected(fields: &[&str]) -> Vec<(u64, String)> {
    (13..)
        .zip(fields)
        .map(|(line, field)| (line, (*field).to_owned()))
        .collect()
}

#[actix_web::test]
async fn what_the_trainer_would_refuse_is_refused_with_every_line_before_people_decide() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let asks = json!({ "role": "user", "content": "vraag" });
    let chat = |answer: Value| json!({ "messages": [asks, answer] });
    let mut tools = chat(json!({ "role": "assistant", "content": "a" }));
    tools["tools"] = json!([{ "type": "function" }]);
    let bad = [
        chat(json!({ "role": "assistant", "content": "a<|im_end|>" })),
        chat(json!({ "role": "assistant", "content": "a", "tool_calls": [{ "id": "1" }] })),
        tools,
        chat(json!({ "role": "assistant", "content": "a", "weight": 0 })),
    ];
    let found = refused(
        &tuner,
        given::corpus(12),
        &bad,
        json!({ "type": "supervised" }),
    )
    .await;
    assert_eq!(
        found,
        expected(&[
            "messages[1].content",
            "messages[1].tool_calls",
            "tools",
            "messages"
        ])
    );

    let answer = json!([{ "role": "assistant", "content": "a" }]);
    let other = json!([{ "role": "assistant", "content": "b" }]);
    let pair = |input: Value, better: &Value, worse: &Value| json!({ "input": input, "preferred_output": better, "non_preferred_output": worse });
    let asked = json!({ "messages": [asks] });
    let bad = [
        pair(json!({ "messages": [asks, answer[0]] }), &answer, &other),
        pair(asked.clone(), &answer, &answer),
        pair(asked.clone(), &json!([answer[0], other[0]]), &other),
        pair(
            json!({ "messages": [asks], "tools": [{ "type": "function" }] }),
            &answer,
            &other,
        ),
        pair(asked, &answer, &json!("b<|im_start|>system")),
    ];
    let found = refused(&tuner, pairs(0, 12), &bad, json!({ "type": "dpo" })).await;
    assert_eq!(
        found,
        expected(&[
            "input",
            "non_preferred_output",
            "preferred_output",
            "input.tools",
            "non_preferred_output"
        ])
    );
}
