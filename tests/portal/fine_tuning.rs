//! The fine-tuning API over plain HTTP: what becomes of a file and a job, and what is refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, Tuner, decide_data, form, given, waits_for};

const MANAGER: &str = "manager.harderwijk";

async fn portal() -> (TestApp, Tuner) {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, MANAGER, "tiny", true).await;
    (app, tuner)
}

fn job(file: &str) -> Value {
    json!({
        "model": "tiny", "training_file": file, "suffix": "proef",
        "hyperparameters": { "n_epochs": 1 },
        "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64 },
        "some_field_of_a_later_sdk": true,
    })
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap_or_else(|| panic!("{thing:#}"))
}

#[actix_web::test]
async fn a_file_becomes_a_dataset_and_its_job_waits_for_people_and_runs() {
    let (app, tuner) = portal().await;
    let (status, file) = tuner.send("chats.jsonl", &given::small_corpus()).await;
    assert_eq!(status, 200, "{file:#}");
    assert_eq!(file["status"], "uploaded", "{file:#}");
    let file = tuner.processed(&file).await;
    assert_eq!(file["status"], "processed", "{file:#}");
    assert_eq!(file["gptnl"]["documents"], 24);
    let (status, made) = tuner.post("fine_tuning/jobs", &job(id(&file))).await;
    assert_eq!(status, 200, "{made:#}");
    assert_eq!(made["status"], "validating_files");
    assert_eq!(made["object"], "fine_tuning.job");
    let path = format!("fine_tuning/jobs/{}", id(&made));
    let waiting = tuner.until(&path, |job| job["status"] == "queued").await;
    assert_eq!(
        waits_for(&waiting),
        ["data_review", "legal_review", "permission"]
    );
    assert_eq!(waiting["gptnl"]["permission"]["decision"], "deny");
    decide_data(&app, file["gptnl"]["dataset"].as_str().unwrap()).await;
    let (_, asked) = tuner.let_run(&app, id(&made)).await;
    assert_eq!(asked["gptnl"]["phase"], "awaiting_approval", "{asked:#}");
    let decided: Vec<(&Value, &Value)> = asked["gptnl"]["approvals"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["at"].is_i64())
        .map(|one| (&one["role"], &one["decision"]))
        .collect();
    let approved = json!("approved");
    assert_eq!(
        decided,
        [
            (&json!("data_review"), &approved),
            (&json!("legal_review"), &approved)
        ],
        "{asked:#}"
    );
    assert_eq!(asked["hyperparameters"]["batch_size"], 4, "resolved");
    let estimate = &asked["gptnl"]["estimate"];
    assert!(estimate["seconds"].as_u64() > Some(0), "{asked:#}");
    assert_eq!(estimate["place"], "local", "{asked:#}");
    assert_eq!(estimate["energy_kwh"], Value::Null, "no power is stated");
    assert_eq!(asked["gptnl"]["queue_position"], Value::Null, "not let in");
    let over = ["succeeded", "failed", "cancelled"];
    let done = tuner
        .until(&path, |job| over.contains(&job["status"].as_str().unwrap()))
        .await;
    assert_eq!(done["status"], "succeeded", "{done:#}");
    let name = done["fine_tuned_model"].as_str().unwrap();
    assert!(name.starts_with("ft:tiny:harderwijk:proef:"), "{name}");
    assert!(done["trained_tokens"].as_u64().unwrap() > 0, "{done:#}");
    assert_eq!(done["gptnl"]["permission"]["decision"], "permit");

    let told = tuner
        .until(&format!("{path}/events?limit=1000"), |page| {
            page["data"][0]["message"] == "The job has successfully completed"
        })
        .await;
    let messages: Vec<&str> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages.last().copied(),
        Some(format!("Created fine-tuning job: {}", id(&made)).as_str())
    );
    for part in ["Waiting for approval by: data", "Approved by", "Step "] {
        assert!(
            messages.iter().any(|message| message.contains(part)),
            "{part}: {messages:#?}"
        );
    }
    // Page by page it is the same list, without gap or double.
    let mut walked = Vec::new();
    let mut after = String::new();
    loop {
        let (_, page) = tuner.get(&format!("{path}/events?limit=3{after}")).await;
        let data = page["data"].as_array().unwrap();
        walked.extend(data.iter().map(|event| id(event).to_owned()));
        if page["has_more"] == false {
            break;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
    let whole: Vec<String> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| id(event).to_owned())
        .collect();
    assert_eq!(walked, whole);

    let results = done["result_files"][0].as_str().unwrap();
    let (status, csv) = tuner.get(&format!("files/{results}/content")).await;
    assert_eq!(status, 200, "{csv}");
    let csv = csv.as_str().unwrap();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy")
    );
    assert!(lines.next().unwrap().starts_with("1,"), "{csv}");
    let (status, again) = tuner.post(&format!("{path}/cancel"), &json!(null)).await;
    assert_eq!(
        (status, &again["error"]["code"]),
        (400, &json!("invalid_job_state"))
    );
    // What was handed in is not deleted by the side door.
    let path = format!("files/{}", id(&file));
    let (status, refused) = Tuner::answer(tuner.ask(Method::DELETE, &path)).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (400, &json!("file_in_use"))
    );
}

#[actix_web::test]
async fn a_registered_dataset_is_named_and_the_rules_answer_at_once() {
    let (app, tuner) = portal().await;
    let data = given::approved_dataset(&app).await;
    let named = format!("dataset:{}@1", data.dataset);
    let (status, made) = tuner.post("fine_tuning/jobs", &job(&named)).await;
    assert_eq!(status, 200, "{made:#}");
    let path = format!("fine_tuning/jobs/{}", id(&made));
    tuner
        .until(&path, |job| waits_for(job) == ["compute"])
        .await;
    let (status, cancelled) = tuner.post(&format!("{path}/cancel"), &json!(null)).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));

    let mut commercial = job(&named);
    commercial["gptnl"]["is_commercial"] = json!(true);
    let (status, refused) = tuner.post("fine_tuning/jobs", &commercial).await;
    assert_eq!(status, 403, "{refused:#}");
    let mut wide = job(&named);
    wide["gptnl"]["recipients"] = json!("public");
    let (status, refused) = tuner.post("fine_tuning/jobs", &wide).await;
    assert_eq!(
        (
            status,
            &refused["error"]["code"],
            &refused["error"]["param"]
        ),
        (
            403,
            &json!("purpose_not_permitted"),
            &json!("training_file")
        ),
        "{refused:#}"
    );
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("recipients-too-wide"),
        "{refused:#}"
    );
    for unknown in [
        format!("dataset:{}@2", data.dataset),
        format!("dataset:{}@1", uuid::Uuid::now_v7()),
    ] {
        let (status, refused) = tuner.post("fine_tuning/jobs", &job(&unknown)).await;
        assert_eq!(status, 404, "{refused:#}");
    }
}

#[actix_web::test]
async fn checkpoints_have_figures_and_leave_stays_within_the_institution() {
    let (app, tuner) = portal().await;
    let data = given::approved_dataset(&app).await;
    let named = format!("dataset:{}@1", data.dataset);
    let (_, made) = tuner.post("fine_tuning/jobs", &job(&named)).await;
    let path = format!("fine_tuning/jobs/{}", id(&made));
    let (own, _) = tuner.let_run(&app, id(&made)).await;
    let done = tuner
        .until(&path, |job| {
            job["status"] == "succeeded" || job["status"] == "failed"
        })
        .await;
    let name = done["fine_tuned_model"].as_str().unwrap();
    // Programs store checkpoints by the minute, and this one ran for seconds: what it would have told.
    let mut tx = app.owner_tx().await;
    for step in [1, 2] {
        let event = json!({
            "event": "checkpoint", "step": step, "run": "r", "files": [], "held_out_loss": null,
        });
        sqlx::query(
            "INSERT INTO job_events (attempt_id, number, job_id, occurred_at, event)
             SELECT id, $2, job_id, now(), $3 FROM attempts WHERE job_id = $1",
        )
        .bind(own)
        .bind(100_000_i64 + step)
        .bind(event)
        .execute(tx.conn())
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let (_, page) = tuner.get(&format!("{path}/checkpoints?limit=1")).await;
    let newest = &page["data"][0];
    assert_eq!(
        (&newest["step_number"], &page["has_more"]),
        (&json!(2), &json!(true))
    );
    assert!(
        newest["metrics"]["train_loss"].as_f64().unwrap() > 0.0,
        "{newest:#}"
    );
    let (_, rest) = tuner
        .get(&format!("{path}/checkpoints?limit=1&after={}", id(newest)))
        .await;
    assert_eq!(
        (&rest["data"][0]["step_number"], &rest["has_more"]),
        (&json!(1), &json!(false))
    );
    let checkpoint = newest["fine_tuned_model_checkpoint"].as_str().unwrap();
    assert_eq!(checkpoint, format!("{name}:ckpt-step-2"));

    let permissions = format!("fine_tuning/checkpoints/{checkpoint}/permissions");
    let project = made["organization_id"].as_str().unwrap();
    let wanted = json!({ "project_ids": [project] });
    let (status, given) = tuner.post(&permissions, &wanted).await;
    assert_eq!(
        (status, &given["object"]),
        (200, &json!("list")),
        "{given:#}"
    );
    let (_, again) = tuner.post(&permissions, &wanted).await;
    assert_eq!(id(&again["data"][0]), id(&given["data"][0]), "given once");
    let other = json!({ "project_ids": [format!("proj_{}", uuid::Uuid::now_v7().simple())] });
    let (status, refused) = tuner.post(&permissions, &other).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("project_not_permitted"))
    );
    let (_, listed) = tuner.get(&permissions).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let foreign = Tuner::of(&app, "manager.waterland", "tiny", true).await;
    let (status, _) = foreign.get(&permissions).await;
    assert_eq!(status, 404);
    let researcher = Tuner::of(&app, "researcher.harderwijk", "tiny", true).await;
    let (status, refused) = researcher.get(&permissions).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("role_missing"))
    );
    let one = format!("{permissions}/{}", id(&given["data"][0]));
    let (status, deleted) = Tuner::answer(tuner.ask(Method::DELETE, &one)).await;
    assert_eq!((status, &deleted["deleted"]), (200, &json!(true)));
    let (status, _) = Tuner::answer(tuner.ask(Method::DELETE, &one)).await;
    assert_eq!(status, 404);
    let (status, _) = tuner
        .get(&format!(
            "fine_tuning/checkpoints/{name}:ckpt-step-3/permissions"
        ))
        .await;
    assert_eq!(status, 404);
}

/// So many chats, with one line in the place of the fourth.
fn corpus_with(count: usize, line: &Value) -> Vec<u8> {
    let text = String::from_utf8(given::corpus(count)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[3] = line.to_string();
    lines.join("\n").into_bytes()
}

#[actix_web::test]
async fn bad_files_are_refused_with_the_line_and_the_field() {
    let (_app, tuner) = portal().await;
    for (name, bytes, code) in [
        ("empty.jsonl", &b""[..], "empty_file"),
        ("chats.txt", b"tekst", "invalid_file_format"),
        ("chats.csv", b"text\na\n", "invalid_file_format"),
        ("", b"x", "invalid_file_format"),
    ] {
        let (status, refused) = tuner.send(name, bytes).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (400, &json!(code)),
            "{name}: {refused:#}"
        );
    }
    // What no line can be is found when the file is read.
    let role = json!({"messages": [{"role": "tool", "content": "a"}, {"role": "assistant", "content": "b"}]});
    let long = json!({"messages": [{"role": "user", "content": "x".repeat(1_100_000)}, {"role": "assistant", "content": "b"}]});
    for (bytes, word) in [
        (corpus_with(12, &role), "Line 4"),
        (corpus_with(12, &long), "Line 4"),
        (b"{\"messages\": \n".repeat(3).to_vec(), "Line 3"),
    ] {
        let (status, file) = tuner.send("chats.jsonl", &bytes).await;
        assert_eq!(status, 200, "{file:#}");
        let file = tuner.processed(&file).await;
        assert_eq!(file["status"], "error", "{file:#}");
        let details = file["status_details"].as_str().unwrap();
        assert!(details.contains(word), "{details}");
        let (_, made) = tuner.post("fine_tuning/jobs", &job(id(&file))).await;
        let path = format!("fine_tuning/jobs/{}", id(&made));
        let failed = tuner.until(&path, |job| job["status"] == "failed").await;
        assert_eq!(failed["error"]["param"], "training_file", "{failed:#}");
    }
    // What a method does not learn from is found when the method is known.
    let prompt = json!({"prompt": "a", "completion": "b"});
    let weight = json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 3}]});
    for (bytes, word) in [
        (given::corpus(1), "10 is the least"),
        (
            corpus_with(12, &prompt),
            "Line 4: this line is a prompt with its completion, but line 1 is a chat",
        ),
        (corpus_with(12, &weight), "Line 4: messages[1].weight"),
    ] {
        let (_, file) = tuner.send("chats.jsonl", &bytes).await;
        let file = tuner.processed(&file).await;
        assert_eq!(file["status"], "processed", "{file:#}");
        let (_, made) = tuner.post("fine_tuning/jobs", &job(id(&file))).await;
        let path = format!("fine_tuning/jobs/{}", id(&made));
        let failed = tuner.until(&path, |job| job["status"] == "failed").await;
        assert_eq!(failed["error"]["code"], "invalid_file_format");
        let message = failed["error"]["message"].as_str().unwrap();
        assert!(message.contains(word), "{message}");
    }
}

#[actix_web::test]
async fn bad_requests_name_the_field() {
    let (_app, tuner) = portal().await;
    let (_, file) = tuner.send("chats.jsonl", &given::small_corpus()).await;
    let good = job(id(&file));
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let many: serde_json::Map<String, Value> =
        (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    let rft = json!({"type": "reinforcement", "reinforcement": {"grader": {}}});
    let table = [
        (
            with("model", json!("gpt-4o")),
            404,
            "model_not_found",
            "model",
        ),
        (with("model", json!(7)), 400, "invalid_type", "model"),
        (
            with("training_file", json!("file-x")),
            404,
            "not_found",
            "training_file",
        ),
        (
            with("training_file", Value::Null),
            400,
            "missing_required_parameter",
            "training_file",
        ),
        (
            with("validation_file", good["training_file"].clone()),
            400,
            "invalid_value",
            "validation_file",
        ),
        (
            with("suffix", json!("x".repeat(65))),
            400,
            "invalid_value",
            "suffix",
        ),
        (with("seed", json!(-1)), 400, "invalid_value", "seed"),
        (
            with("metadata", Value::Object(many)),
            400,
            "invalid_value",
            "metadata",
        ),
        (
            with("method", rft),
            400,
            "unsupported_method",
            "method.type",
        ),
        (
            with("hyperparameters", json!({"n_epochs": 0})),
            400,
            "invalid_value",
            "hyperparameters.n_epochs",
        ),
        (
            with("integrations", json!([{"type": "wandb"}])),
            400,
            "unsupported_parameter",
            "integrations",
        ),
        (
            with("gptnl", json!({"lora": {"rank": 65}})),
            400,
            "invalid_value",
            "gptnl.lora.rank",
        ),
        (
            with("gptnl", json!({"lora": {"ranc": 8}})),
            400,
            "invalid_value",
            "gptnl",
        ),
        (
            with("gptnl", json!({"purpose": "pretraining"})),
            400,
            "invalid_value",
            "gptnl.purpose",
        ),
        (
            with("gptnl", json!({"is_commercial": true})),
            403,
            "purpose_not_permitted",
            "gptnl.is_commercial",
        ),
    ];
    for (body, status, code, param) in table {
        let (is, refused) = tuner.post("fine_tuning/jobs", &body).await;
        let error = &refused["error"];
        assert_eq!(
            (is, &error["code"], &error["param"]),
            (status, &json!(code), &json!(param)),
            "{body:#} {refused:#}"
        );
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    let (_, page) = tuner.get("fine_tuning/jobs").await;
    assert_eq!(page["data"], json!([]), "nothing was made of them");
    let ask = tuner.ask(Method::POST, "files");
    let (status, refused) = Tuner::answer(form(ask, &[("purpose", None, b"assistants")])).await;
    assert_eq!(
        (status, &refused["error"]["param"]),
        (400, &json!("purpose"))
    );
}

#[actix_web::test]
async fn a_request_that_is_sent_again_makes_one_job() {
    let (_app, tuner) = portal().await;
    let (_, file) = tuner.send("chats.jsonl", &given::small_corpus()).await;
    let mut body = job(id(&file));
    body["metadata"] = json!({"run": "1"});
    let send = |retry: &str| {
        let ask = tuner.ask(Method::POST, "fine_tuning/jobs");
        Tuner::answer(ask.header("x-stainless-retry-count", retry).json(&body))
    };
    // The first try and its repetitions at the same time, as after a timeout.
    let (first, second, third) = tokio::join!(send("0"), send("1"), send("2"));
    let (_, later) = send("1").await;
    let ids: Vec<&str> = [&first.1, &second.1, &third.1, &later]
        .iter()
        .map(|job| id(job))
        .collect();
    assert!(
        ids.iter().all(|one| *one == ids[0]),
        "whichever came in first, there is one job: {ids:?}"
    );
    // Without the SDK's mark it is a second wish.
    let (_, wanted) = send("0").await;
    assert!(!ids.contains(&id(&wanted)));
    let keyed = |key: &'static str, body: Value| {
        let ask = tuner.ask(Method::POST, "fine_tuning/jobs");
        Tuner::answer(ask.header("idempotency-key", key).json(&body))
    };
    let (_, one) = keyed("sleutel", body.clone()).await;
    let (_, same) = keyed("sleutel", body.clone()).await;
    assert_eq!(id(&one), id(&same));
    let mut other = body.clone();
    other["suffix"] = json!("anders");
    let (status, refused) = keyed("sleutel", other).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (400, &json!("idempotency_key_reused"))
    );
    let (_, found) = tuner
        .get("fine_tuning/jobs?metadata%5Brun%5D=1&limit=1")
        .await;
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["has_more"], true);
    let (_, none) = tuner.get("fine_tuning/jobs?metadata%5Brun%5D=2").await;
    assert_eq!(none["data"], json!([]));
    let (_, none) = tuner.get("fine_tuning/jobs?metadata=null").await;
    assert_eq!(none["data"], json!([]));
}

#[actix_web::test]
async fn parts_come_in_any_order_and_are_put_together_as_told() {
    let (_app, tuner) = portal().await;
    let whole = given::corpus(40);
    let open = |bytes: usize| json!({"bytes": bytes, "filename": "chats.jsonl", "mime_type": "application/jsonl", "purpose": "fine-tune"});
    let (status, upload) = tuner.post("uploads", &open(whole.len())).await;
    assert_eq!(
        (status, &upload["status"]),
        (200, &json!("pending")),
        "{upload:#}"
    );
    let path = format!("uploads/{}", id(&upload));
    let (left, right) = whole.split_at(1000);
    let mut parts = Vec::new();
    for bytes in [right, left] {
        let ask = tuner.ask(Method::POST, &format!("{path}/parts"));
        let (status, part) = Tuner::answer(form(ask, &[("data", Some("upload"), bytes)])).await;
        assert_eq!(status, 200, "{part:#}");
        assert_eq!(part["object"], "upload.part");
        parts.push(id(&part).to_owned());
    }
    let complete = format!("{path}/complete");
    for wrong in [
        json!({"part_ids": [parts[1]]}),
        json!({"part_ids": [parts[1], parts[1]]}),
        json!({"part_ids": []}),
        json!({"part_ids": [parts[1], "part_x"]}),
        json!({"part_ids": [parts[1], parts[0]], "md5": "00"}),
    ] {
        let (status, refused) = tuner.post(&complete, &wrong).await;
        assert_eq!(status, 400, "{wrong} {refused:#}");
    }
    let right_order = json!({"part_ids": [parts[1], parts[0]]});
    let (status, done) = tuner.post(&complete, &right_order).await;
    assert_eq!(
        (status, &done["status"]),
        (200, &json!("completed")),
        "{done:#}"
    );
    let (_, again) = tuner.post(&complete, &right_order).await;
    assert_eq!(id(&again["file"]), id(&done["file"]));
    let file = tuner.processed(&done["file"]).await;
    assert_eq!(
        (&file["status"], &file["bytes"]),
        (&json!("processed"), &json!(whole.len()))
    );
    let answer = tuner
        .ask(Method::GET, &format!("files/{}/content", id(&file)))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 302);
    let address = answer.headers()["location"].to_str().unwrap();
    let bytes = reqwest::get(address).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, whole);

    let (_, other) = tuner.post("uploads", &open(10)).await;
    let path = format!("uploads/{}", id(&other));
    let (status, cancelled) =
        Tuner::answer(tuner.ask(Method::POST, &format!("{path}/cancel"))).await;
    assert_eq!((status, &cancelled["status"]), (200, &json!("cancelled")));
    let (status, refused) = tuner
        .post(
            &format!("{path}/complete"),
            &json!({"part_ids": ["part_x"]}),
        )
        .await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (400, &json!("invalid_upload_state"))
    );
    let (status, refused) = tuner.post("uploads", &open(9 << 30)).await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("bytes")));
}

#[actix_web::test]
async fn others_and_keys_of_before_see_nothing() {
    let (app, tuner) = portal().await;
    let (_, file) = tuner.send("chats.jsonl", &given::small_corpus()).await;
    let (_, made) = tuner.post("fine_tuning/jobs", &job(id(&file))).await;
    let foreign = Tuner::of(&app, "manager.waterland", "tiny", true).await;
    let (file, job_id) = (id(&file).to_owned(), id(&made).to_owned());
    for path in [
        format!("files/{file}"),
        format!("files/{file}/content"),
        format!("fine_tuning/jobs/{job_id}"),
        format!("fine_tuning/jobs/{job_id}/events"),
        format!("fine_tuning/jobs/{job_id}/checkpoints"),
        format!("files?after={file}"),
        format!("fine_tuning/jobs?after={job_id}"),
    ] {
        let (status, answer) = foreign.get(&path).await;
        assert_eq!(status, 404, "{path}: {answer:#}");
    }
    let (status, _) = foreign
        .post(&format!("fine_tuning/jobs/{job_id}/cancel"), &json!(null))
        .await;
    assert_eq!(status, 404);
    let (status, _) = Tuner::answer(foreign.ask(Method::DELETE, &format!("files/{file}"))).await;
    assert_eq!(status, 404);
    let (status, refused) = foreign.post("fine_tuning/jobs", &job(&file)).await;
    assert_eq!(
        (status, &refused["error"]["param"]),
        (404, &json!("training_file"))
    );
    for path in ["files", "fine_tuning/jobs"] {
        let (_, page) = foreign.get(path).await;
        assert_eq!(page["data"], json!([]), "{path}");
    }
    // A key that was not requested for it may not, whoever holds it.
    let plain = Tuner::of(&app, MANAGER, "tiny", false).await;
    for path in ["files", "fine_tuning/jobs"] {
        let (status, refused) = plain.get(path).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (403, &json!("key_not_for_fine_tuning"))
        );
    }
    // A role that may not send data is told which one may.
    let developer = Tuner::of(&app, "developer.harderwijk", "tiny", true).await;
    let (status, refused) = developer.send("chats.jsonl", &given::small_corpus()).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("role_missing"))
    );
    let (status, refused) = developer.post("fine_tuning/jobs", &job(&file)).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("role_missing"))
    );
}
