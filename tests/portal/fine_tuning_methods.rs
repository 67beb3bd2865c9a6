//! What the fine-tuning API can ask for beside the usual: pairs of answers, and data to measure on alone. And what is too much
//! to send.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use uuid::Uuid;

use crate::support::{TestApp, Tuner, connection, decide_data, form, given, waits_for};

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap_or_else(|| panic!("{thing:#}"))
}

/// Pairs of answers to so many questions, from a number on.
pub(crate) fn pairs(from: usize, count: usize) -> Vec<u8> {
    (from..from + count)
        .map(|n| {
            let pair = json!({
                "input": { "messages": [{ "role": "user", "content": format!("vraag {n}") }] },
                "preferred_output": [{ "role": "assistant", "content": format!("het archief is open op dag {n}") }],
                "non_preferred_output": [{ "role": "assistant", "content": "geen idee" }],
            });
            format!("{pair}\n")
        })
        .collect::<String>()
        .into_bytes()
}

/// Sends a file and waits until it was read.
async fn file(tuner: &Tuner, name: &str, bytes: &[u8]) -> Value {
    let (status, sent) = tuner.send(name, bytes).await;
    assert_eq!(status, 200, "{sent:#}");
    let file = tuner.processed(&sent).await;
    assert_eq!(file["status"], "processed", "{file:#}");
    file
}

/// Tokens that a job learnt from a dataset.
async fn learnt(app: &TestApp, job: Uuid, dataset: &str) -> i64 {
    sqlx::query_scalar::<_, i64>(
        "SELECT coalesce(sum(t.tokens), 0)::bigint FROM tokens_read t JOIN attempts a ON a.id = t.attempt_id
         JOIN dataset_versions v ON v.id = t.dataset_version_id WHERE a.job_id = $1 AND v.dataset_id = $2",
    )
    .bind(job)
    .bind(dataset.parse::<Uuid>().unwrap())
    .fetch_one(&mut connection(app).await)
    .await
    .unwrap()
}

#[actix_web::test]
async fn pairs_are_learnt_from_and_a_validation_file_is_measured_on_alone() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let training = file(&tuner, "pairs.jsonl", &pairs(0, 24)).await;
    let validation = file(&tuner, "kept.jsonl", &pairs(100, 12)).await;
    let (status, made) = tuner
        .post(
            "fine_tuning/jobs",
            &json!({
                "model": "tiny", "training_file": id(&training), "validation_file": id(&validation),
                "suffix": "voorkeur",
                "method": { "type": "dpo", "dpo": { "hyperparameters": { "n_epochs": 2, "beta": 0.2 } } },
                "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64 },
            }),
        )
        .await;
    assert_eq!(status, 200, "{made:#}");
    assert_eq!(made["validation_file"], validation["id"]);
    let path = format!("fine_tuning/jobs/{}", id(&made));
    let datasets = [&training, &validation].map(|file| file["gptnl"]["dataset"].as_str().unwrap());
    // One of the two alone is not enough.
    tuner.until(&path, |job| job["status"] == "queued").await;
    decide_data(&app, datasets[0]).await;
    let waiting = tuner.until(&path, |job| waits_for(job).len() == 3).await;
    let approvals = waiting["gptnl"]["approvals"].as_array().unwrap();
    for one in approvals.iter().filter(|one| one["decision"].is_null()) {
        let url = one["url"].as_str().unwrap();
        assert!(url.ends_with(datasets[1]), "{waiting:#}");
    }
    decide_data(&app, datasets[1]).await;
    let (own, _) = tuner.let_run(&app, id(&made)).await;
    let over = ["succeeded", "failed", "cancelled"];
    let done = tuner
        .until(&path, |job| over.contains(&job["status"].as_str().unwrap()))
        .await;
    assert_eq!(done["status"], "succeeded", "{done:#}");
    assert_eq!(done["method"]["type"], "dpo", "{done:#}");
    assert_eq!(
        done["method"]["dpo"]["hyperparameters"]["beta"], 0.2,
        "{done:#}"
    );
    let state = given::job_until(&app, own, given::is_over).await;
    assert_eq!(state["task"]["kind"], "dpo", "{state:#}");
    assert!(learnt(&app, own, datasets[0]).await > 0);
    assert_eq!(learnt(&app, own, datasets[1]).await, 0, "measured on alone");
    let results = done["result_files"][0].as_str().unwrap();
    let (_, csv) = tuner.get(&format!("files/{results}/content")).await;
    let measured = csv
        .as_str()
        .unwrap()
        .lines()
        .skip(1)
        .any(|line| line.split(',').nth(3).is_some_and(|loss| !loss.is_empty()));
    assert!(measured, "no loss on the validation file: {csv}");
}

/// A model of the institution of `manager.harderwijk`, made from an approved dataset.
async fn made(app: &TestApp, tuner: &Tuner, gptnl: Value) -> (Uuid, String) {
    let data = given::approved_dataset(app).await;
    let (status, made) = tuner
        .post(
            "fine_tuning/jobs",
            &json!({
                "model": "tiny", "training_file": format!("dataset:{}@1", data.dataset),
                "hyperparameters": { "n_epochs": 1 }, "gptnl": gptnl,
            }),
        )
        .await;
    assert_eq!(status, 200, "{made:#}");
    let (job, _) = tuner.let_run(app, id(&made)).await;
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let name = state["model"]["name"].as_str().unwrap().to_owned();
    (job, name)
}

async fn delete(tuner: &Tuner, model: &str) -> (u16, Value) {
    Tuner::answer(tuner.ask(Method::DELETE, &format!("models/{model}"))).await
}

#[actix_web::test]
async fn a_model_is_deleted_by_a_manager_of_its_institution_alone_and_runs_within_its_time() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let settings = json!({
        "lora": { "rank": 4 }, "sequence_length": 64, "time_limit_seconds": 600, "place": "local",
    });
    let (job, model) = made(&app, &tuner, settings).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["time_limit_seconds"], 600, "{state:#}");
    for (gptnl, param) in [
        (
            json!({ "time_limit_seconds": 59 }),
            "gptnl.time_limit_seconds",
        ),
        (
            json!({ "time_limit_seconds": 2_678_401 }),
            "gptnl.time_limit_seconds",
        ),
        (json!({ "place": "elders" }), "gptnl.place"),
    ] {
        let (status, refused) = tuner
            .post(
                "fine_tuning/jobs",
                &json!({ "model": "tiny", "training_file": "file-x", "gptnl": gptnl }),
            )
            .await;
        assert_eq!(
            (status, &refused["error"]["param"]),
            (400, &json!(param)),
            "{refused:#}"
        );
    }
    // Another institution is told that there is none, and who is no manager that they may not.
    let foreign = Tuner::of(&app, "manager.waterland", "tiny", true).await;
    let (status, refused) = delete(&foreign, &model).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (404, &json!("model_not_found"))
    );
    let researcher = Tuner::of(&app, "researcher.harderwijk", "tiny", true).await;
    let (status, refused) = delete(&researcher, &model).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("role_missing"))
    );
    let asking = Tuner::of(&app, "manager.harderwijk", "tiny", false).await;
    let (status, refused) = delete(&asking, &model).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("key_not_for_fine_tuning"))
    );
    let (status, refused) = delete(&tuner, "tiny").await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("base_model"))
    );
    let (status, shown) = tuner.get("models/tiny").await;
    assert_eq!(
        (status, id(&shown)),
        (200, "tiny"),
        "the base is still there"
    );
    let (status, deleted) = delete(&tuner, &model).await;
    assert_eq!(
        (status, deleted),
        (
            200,
            json!({ "id": model, "object": "model", "deleted": true })
        )
    );
    let retired = sqlx::query_scalar::<_, String>("SELECT status FROM models WHERE name = $1")
        .bind(&model)
        .fetch_one(&mut connection(&app).await)
        .await
        .unwrap();
    assert_eq!(retired, "retired");
    let (status, _) = delete(&tuner, &model).await;
    assert_eq!(status, 404, "once");
    // Other methods of the path are still the gateway's.
    let (status, refused) = Tuner::answer(tuner.ask(Method::PUT, "models/tiny")).await;
    assert_eq!(status, 405, "{refused}");
}

/// What is answered to a request of which the head says so many bytes, before any of them is sent.
async fn answer_to_head(app: &TestApp, tuner: &Tuner, bytes: u64, until: &str) -> String {
    let address = (app.url.host_str().unwrap(), app.url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=grens\r\ncontent-length: {bytes}\r\n\r\n",
        app.url.authority(),
        tuner.key,
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let mut seen = 0;
    while !String::from_utf8_lossy(&answer[..seen]).contains(until) {
        let read = stream.read(&mut answer[seen..]).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer[..seen]));
        seen += read;
    }
    String::from_utf8_lossy(&answer[..seen]).into_owned()
}

#[actix_web::test]
async fn a_file_that_is_too_large_for_one_request_is_sent_on_to_uploads() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let said = answer_to_head(&app, &tuner, 600 << 20, "use_uploads").await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    assert!(
        said.contains("client.uploads.upload_file_chunked"),
        "{said}"
    );
}

#[actix_web::test]
async fn a_file_that_no_way_of_sending_takes_is_not_sent_on() {
    let app = TestApp::start_with(&[("FACULTY_LIMITS__FILE_BYTES", "20000")]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let said = answer_to_head(&app, &tuner, 600 << 20, "file_too_large").await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    let upload = json!({
        "bytes": 20_001, "filename": "chats.jsonl", "mime_type": "application/jsonl", "purpose": "fine-tune",
    });
    for (param, (status, refused)) in [
        ("file", tuner.send("chats.jsonl", &given::corpus(400)).await),
        ("bytes", tuner.post("uploads", &upload).await),
    ] {
        let error = &refused["error"];
        assert_eq!(
            (status, &error["code"], &error["param"]),
            (413, &json!("file_too_large"), &json!(param)),
            "{refused:#}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("20000 bytes") && !message.contains("uploads"),
            "uploads take no more either: {message}"
        );
    }
    let (_, listed) = tuner.get("files").await;
    let ready: Vec<&Value> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|file| file["status"] == "processed")
        .collect();
    assert!(ready.is_empty(), "{listed:#}");
}

async fn opened(tuner: &Tuner) -> (u16, Value) {
    let open = json!({
        "bytes": 10, "filename": "chats.jsonl", "mime_type": "application/jsonl", "purpose": "fine-tune",
    });
    tuner.post("uploads", &open).await
}

#[actix_web::test]
async fn an_institution_has_twenty_open_uploads_and_room_again_once_one_has_ended() {
    let app = TestApp::without_worker(&[]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    // At the same time, so that none is let in because another was not counted.
    let all = futures_util::future::join_all((0..25).map(|_| opened(&tuner))).await;
    let (open, refused): (Vec<_>, Vec<_>) = all.iter().partition(|(status, _)| *status == 200);
    assert_eq!((open.len(), refused.len()), (20, 5), "{refused:#?}");
    for (status, refused) in refused {
        let error = &refused["error"];
        assert_eq!(
            (*status, &error["code"]),
            (429, &json!("too_many_uploads")),
            "{refused:#}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("cancel"), "it says what to do: {message}");
    }
    let foreign = Tuner::of(&app, "manager.waterland", "tiny", true).await;
    assert_eq!(opened(&foreign).await.0, 200, "another institution's count");
    let cancel = format!("uploads/{}/cancel", id(&open[0].1));
    let (status, cancelled) = tuner.post(&cancel, &json!(null)).await;
    assert_eq!(status, 200, "{cancelled:#}");
    assert_eq!(
        opened(&tuner).await.0,
        200,
        "in the place of a cancelled one"
    );
    assert_eq!(opened(&tuner).await.0, 429);
    let old: Uuid = id(&open[1].1)
        .trim_start_matches("upload_")
        .parse()
        .unwrap();
    sqlx::query("UPDATE api_uploads SET expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(old)
        .execute(&app.pool().await)
        .await
        .unwrap();
    assert_eq!(
        opened(&tuner).await.0,
        200,
        "in the place of an expired one"
    );
}

#[actix_web::test]
async fn silent_senders_of_parts_hold_up_no_other() {
    let app = TestApp::without_worker(&[]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let (status, upload) = opened(&tuner).await;
    assert_eq!(status, 200, "{upload:#}");
    let path = format!("uploads/{}/parts", id(&upload));
    // More than come in at the same time; the one half falls silent before its part begins, the other within it.
    let head = format!(
        "POST /v1/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
         content-type: multipart/form-data; boundary=grens\r\ncontent-length: 100000\r\n\r\n",
        app.url.authority(),
        tuner.key,
    );
    let begun =
        "--grens\r\nContent-Disposition: form-data; name=\"data\"; filename=\"upload\"\r\n\r\n";
    let address = (app.url.host_str().unwrap(), app.url.port().unwrap());
    let mut silent = Vec::new();
    for n in 0..24 {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(begun.as_bytes()).await.unwrap();
        }
        silent.push(stream);
    }
    let ask = form(
        tuner.ask(Method::POST, &path),
        &[("data", Some("upload"), b"0123456789")],
    );
    let sent = tokio::time::timeout(Duration::from_secs(20), Tuner::answer(ask)).await;
    let (status, part) = sent.expect("the part waits for those who send nothing");
    assert_eq!(status, 200, "{part:#}");
    assert_eq!(silent.len(), 24, "they are there until the end");
}
