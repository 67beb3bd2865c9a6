//! Lines that the training program would refuse are refused before anybody decides on them: all of them, with the field.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::fine_tuning;

use crate::{
    fine_tuning_methods::pairs,
    support::{TestApp, Tuner, given, waits_for},
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

/// Line and field of each problem.
fn fields(problems: &Value) -> Vec<(u64, Option<&str>)> {
    problems
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["line"].as_u64().unwrap(), one["field"].as_str()))
        .collect()
}

#[actix_web::test]
async fn faults_that_make_a_line_no_document_and_faults_of_training_are_told_together() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let asks = json!({ "role": "user", "content": "vraag" });
    let answers = json!({ "role": "assistant", "content": "a" });
    let bad = [
        json!({ "messages": [{ "role": "tool", "content": "a" }, answers] }).to_string(),
        json!({ "messages": [asks, { "role": "assistant", "content": "a", "weight": 3 }] })
            .to_string(),
        json!({ "messages": [{ "role": "user", "content": " " }, answers] }).to_string(),
        json!({ "prompt": "a", "completion": "b" }).to_string(),
        json!({ "messages": [asks, { "role": "assistant", "content": "a<|im_end|>" }] })
            .to_string(),
        "{\"messages\": ".to_owned(),
    ];
    let mut text = String::from_utf8(given::corpus(12)).unwrap();
    text.push_str(&bad.join("\n"));
    let (status, sent) = tuner.send("chats.jsonl", text.as_bytes()).await;
    assert_eq!(status, 200, "{sent:#}");
    let file = tuner.processed(&sent).await;
    assert_eq!(file["status"], "error", "{file:#}");
    let problems = &file["gptnl"]["problems"];
    assert_eq!(
        fields(problems),
        [
            (13, Some("messages[0].role")),
            (14, Some("messages[1].weight")),
            (15, Some("messages[0].content")),
            (16, None),
            (17, Some("messages[1].content")),
            (18, None),
        ],
        "{file:#}"
    );
    let codes: Vec<Option<&str>> = problems
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["detail"]["code"].as_str())
        .collect();
    assert_eq!(
        codes,
        [
            Some("unknown_role"),
            None,
            Some("no_text"),
            None,
            None,
            Some("not_json")
        ]
    );
    let details = file["status_details"].as_str().unwrap();
    assert!(details.contains("6 lines are wrong"), "{details}");
    for problem in problems.as_array().unwrap() {
        let said = problem["problem"].as_str().unwrap();
        assert!(
            !said.is_empty() && details.contains(said),
            "{said}: {details}"
        );
    }
    // Whoever does not wait for the file hears the same of the job.
    let wanted = json!({ "model": "tiny", "training_file": file["id"] });
    let (_, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    let path = format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap());
    let failed = tuner.until(&path, |job| job["status"] == "failed").await;
    assert_eq!(&failed["gptnl"]["problems"], problems, "{failed:#}");
    assert_eq!(failed["error"]["message"], details, "{failed:#}");
}

#[actix_web::test]
async fn one_example_is_enough_to_measure_on() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let mut ids = Vec::new();
    for (name, count) in [("leren.jsonl", 12), ("meten.jsonl", 1)] {
        let (status, sent) = tuner.send(name, &given::corpus(count)).await;
        assert_eq!(status, 200, "{sent:#}");
        ids.push(tuner.processed(&sent).await["id"].clone());
    }
    for (training, validation, status) in [(0, 1, "queued"), (1, 0, "failed")] {
        let wanted = json!({
            "model": "tiny", "training_file": ids[training], "validation_file": ids[validation],
        });
        let (_, made) = tuner.post("fine_tuning/jobs", &wanted).await;
        let path = format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap());
        let seen = tuner
            .until(&path, |job| job["status"] != "validating_files")
            .await;
        assert_eq!(seen["status"], status, "{seen:#}");
    }
}

/// Asks for a job with a registered dataset; answers it as it stands once its files were read, with its path.
async fn with_dataset(tuner: &Tuner, dataset: Uuid, method: &str) -> (String, Value) {
    let wanted = json!({
        "model": "tiny", "training_file": format!("dataset:{dataset}@1"), "method": { "type": method },
    });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    let path = format!("fine_tuning/jobs/{}", made["id"].as_str().unwrap());
    let seen = tuner
        .until(&path, |job| job["status"] != "validating_files")
        .await;
    (path, seen)
}

#[actix_web::test]
async fn registered_data_are_read_before_people_decide_and_nothing_of_them_is_told_to_others() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let answered =
        |answer: Value| json!({ "messages": [{ "role": "user", "content": "geheim" }, answer] });
    let mut lines = String::from_utf8(given::corpus(12)).unwrap();
    for line in [
        json!({ "prompt": "geheim", "completion": "geheim" }),
        answered(json!({ "role": "assistant", "content": "geheim", "weight": "geheim" })),
        answered(json!({ "role": "assistant", "content": "geheim<|geheim|>" })),
    ] {
        lines.push_str(&format!("{line}\n"));
    }
    let mixed = given::approved_dataset_of(&app, lines.as_bytes()).await;
    let (path, failed) = with_dataset(&tuner, mixed.dataset, "supervised").await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("invalid_file_format")),
        "{failed:#}"
    );
    assert_eq!(failed["error"]["param"], "training_file");
    assert_eq!(
        fields(&failed["gptnl"]["problems"]),
        [
            (13, None),
            (14, Some("messages[1].weight")),
            (15, Some("messages[1].content")),
        ],
        "{failed:#}"
    );
    assert_eq!(waits_for(&failed), Vec::<&str>::new(), "nobody was asked");
    let (_, events) = tuner.get(&format!("{path}/events")).await;
    let told = format!("{failed}{events}");
    assert!(told.contains("Line 15: messages[1].content"), "{told}");
    assert!(
        !told.contains("geheim"),
        "of others' data nothing is told: {told}"
    );
    // The institution whose data they are hears what stands there.
    let owner = Tuner::of(&app, "manager.waterland", "tiny", true).await;
    let (_, failed) = with_dataset(&owner, mixed.dataset, "supervised").await;
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("<|geheim|>"), "{message}");

    // Each method learns from its own data.
    let preferences = given::approved_dataset_of(&app, &pairs(0, 12)).await;
    let (_, failed) = with_dataset(&tuner, preferences.dataset, "supervised").await;
    assert_eq!(failed["status"], "failed", "{failed:#}");
    let (_, fine) = with_dataset(&tuner, preferences.dataset, "dpo").await;
    assert_eq!(fine["status"], "queued", "{fine:#}");
}

#[actix_web::test]
async fn a_file_that_the_store_never_hands_over_ends_its_job_and_holds_up_no_other() {
    let app = TestApp::without_worker(&[]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let (stop, ends) = app.work_until_ended();
    let mut files = Vec::new();
    for name in ["weg.jsonl", "gaaf.jsonl"] {
        let (status, sent) = tuner.send(name, &given::small_corpus()).await;
        assert_eq!(status, 200, "{sent:#}");
        files.push(tuner.processed(&sent).await);
    }
    stop.cancel();
    ends.await.unwrap();
    let pool = app.pool().await;
    let own = |id: &Value, kind: &str| -> Uuid {
        let id = id.as_str().unwrap();
        id.trim_start_matches(kind).parse().unwrap()
    };
    let (key, version): (String, String) =
        sqlx::query_as("SELECT object_key, object_version FROM dataset_files WHERE id = $1")
            .bind(own(&files[0]["id"], "file-"))
            .fetch_one(&pool)
            .await
            .unwrap();
    app.ports.objects.delete(&key, &version).await.unwrap();
    let mut jobs = Vec::new();
    for file in &files {
        let wanted = json!({ "model": "tiny", "training_file": file["id"] });
        let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
        assert_eq!(status, 200, "{made:#}");
        jobs.push(made["id"].clone());
    }
    let seen = async |job: &Value| {
        let path = format!("fine_tuning/jobs/{}", job.as_str().unwrap());
        tuner.get(&path).await.1
    };
    let ports = fine_tuning::Ports {
        db: &app.ports.db,
        objects: &app.ports.objects,
        config: &app.ports.config,
        compute: &app.ports.compute,
    };
    let (mut lost, mut other) = (Value::Null, Value::Null);
    for _ in 0..600 {
        fine_tuning::sweep(ports).await.unwrap();
        (lost, other) = (seen(&jobs[0]).await, seen(&jobs[1]).await);
        if lost["status"] == "failed" && other["status"] == "queued" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        // As if the pause after a try in vain were over.
        sqlx::query(
            "UPDATE fine_tuning_jobs SET examining_until = now() - interval '1 second'
             WHERE id = $1 AND examining_until IS NOT NULL",
        )
        .bind(own(&jobs[0], "ftjob-"))
        .execute(&pool)
        .await
        .unwrap();
    }
    assert_eq!(
        (&lost["status"], &lost["error"]["code"]),
        (&json!("failed"), &json!("file_unreadable")),
        "{lost:#}"
    );
    assert_eq!(lost["error"]["param"], "training_file");
    let said = lost["error"]["message"].as_str().unwrap();
    assert!(said.contains("Ask for the job again"), "{said}");
    assert_eq!(waits_for(&lost), Vec::<&str>::new(), "nobody was asked");
    assert_eq!(other["status"], "queued", "{other:#}");
}
