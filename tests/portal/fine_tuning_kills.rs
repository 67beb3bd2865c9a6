//! A portal that is killed while a file comes in in parts: whoever asks again ends with one file with the right bytes. And
//! what becomes of an upload that nobody ends.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::fine_tuning;

use crate::support::{
    Gate, OwnerTx, Program, Script, Stop, TestApp, Tuner, form, given, portal_is_up, sdk_pythons,
};

const MANAGER: &str = "manager.harderwijk";

/// When the portal is killed.
struct Moment {
    name: &'static str,
    /// While this request stands before the object store.
    request: &'static [&'static str],
    /// Once that went through, at this row, which somebody else holds.
    held: Option<Row>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Dataset,
    Upload,
}

const fn at(name: &'static str, request: &'static [&'static str]) -> Moment {
    Moment {
        name,
        request,
        held: None,
    }
}

const CLOSING: &[&str] = &["POST ", "uploadId="];
const MOMENTS: [Moment; 7] = [
    at("part.jsonl", &["PUT ", "/api-uploads/"]),
    at("opening.jsonl", &["POST ", "?uploads"]),
    at("reading.jsonl", &["GET ", "/api-uploads/"]),
    at("sending.jsonl", &["PUT ", "partNumber="]),
    at("closing.jsonl", CLOSING),
    // The store has the whole, and nobody knows.
    Moment {
        name: "closed.jsonl",
        request: CLOSING,
        held: Some(Row::Dataset),
    },
    // The file is there, and the upload does not say so.
    Moment {
        name: "noted.jsonl",
        request: CLOSING,
        held: Some(Row::Upload),
    },
];

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap_or_else(|| panic!("{thing:#}"))
}

fn own(thing: &str) -> Uuid {
    let (_, id) = thing.split_once(['_', '-']).unwrap();
    Uuid::try_parse(id).unwrap()
}

/// Asks until `look` finds something.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about within half a minute");
}

async fn opened(tuner: &Tuner, name: &str, bytes: usize) -> String {
    let body = json!({"bytes": bytes, "filename": name, "mime_type": "application/jsonl", "purpose": "fine-tune"});
    let (status, upload) = tuner.post("uploads", &body).await;
    assert_eq!(status, 200, "{upload:#}");
    id(&upload).to_owned()
}

fn part(tuner: &Tuner, upload: &str, bytes: &[u8]) -> reqwest::RequestBuilder {
    let ask = tuner.ask(Method::POST, &format!("uploads/{upload}/parts"));
    form(ask, &[("data", Some("upload"), bytes)])
}

async fn sent(tuner: &Tuner, upload: &str, bytes: &[u8]) -> String {
    let (status, part) = Tuner::answer(part(tuner, upload, bytes)).await;
    assert_eq!(status, 200, "{part:#}");
    id(&part).to_owned()
}

/// A portal as a program, which sees the object store at `endpoint`.
async fn portal(app: &mut TestApp, endpoint: &str) -> Program {
    for (name, value) in &mut app.environment {
        if name == "FACULTY_S3__ENDPOINT" {
            endpoint.clone_into(value);
        }
    }
    let portal = Program::start(app, "faculty", &["serve"]);
    portal_is_up(app).await;
    portal
}

/// The file that an upload is being put together as: its id, its key in the store, where it stands.
async fn receiving(app: &TestApp, upload: &str) -> Option<(Uuid, String, String)> {
    sqlx::query_as(
        "SELECT f.id, f.object_key, f.state FROM api_uploads u JOIN dataset_files f ON f.id = u.receiving_id
         WHERE u.id = $1",
    )
    .bind(own(upload))
    .fetch_optional(&app.pool().await)
    .await
    .unwrap()
}

/// Lets the request at the gate through, and comes back once the portal stands at the row.
async fn stopped_at(app: &TestApp, gate: &Gate, upload: &str, row: Row) -> OwnerTx {
    let mut held = app.owner_tx().await;
    let lock = match row {
        Row::Dataset => {
            "SELECT d.id FROM datasets d JOIN api_files f ON f.dataset_id = d.id
             JOIN api_uploads u ON u.receiving_id = f.id WHERE u.id = $1 FOR UPDATE OF d"
        }
        Row::Upload => "SELECT id FROM api_uploads WHERE id = $1 FOR UPDATE",
    };
    let locked: Uuid = sqlx::query_scalar(lock)
        .bind(own(upload))
        .fetch_one(held.conn())
        .await
        .unwrap();
    assert!(!locked.is_nil());
    gate.open();
    until("the moment", async || {
        let (_, key, state) = receiving(app, upload).await?;
        let is_there = match row {
            Row::Dataset => !app.ports.objects.versions(&key).await.unwrap().is_empty(),
            Row::Upload => state != "uploading",
        };
        is_there.then_some(())
    })
    .await;
    held
}

/// Asks for an upload's end as the SDKs do: again after a broken connection and after 503.
async fn completed(tuner: &Tuner, upload: &str, parts: &[String]) -> Value {
    until("the end of the upload", async || {
        let (status, answer) = tuner
            .post(
                &format!("uploads/{upload}/complete"),
                &json!({ "part_ids": parts }),
            )
            .await;
        assert!(status == 200 || status == 503, "{status}: {answer:#}");
        (status == 200).then_some(answer)
    })
    .await
}

/// One file with these bytes, one dataset, one object, and no part left in the store.
async fn is_one_file(app: &TestApp, tuner: &Tuner, (upload, done): (&str, &Value), whole: &[u8]) {
    assert_eq!(done["status"], "completed", "{done:#}");
    let file = tuner.processed(&done["file"]).await;
    assert_eq!(file["status"], "processed", "{file:#}");
    let answer = tuner
        .ask(Method::GET, &format!("files/{}/content", id(&file)))
        .send()
        .await
        .unwrap();
    let address = answer.headers()["location"].to_str().unwrap().to_owned();
    let bytes = reqwest::get(address).await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, whole);
    let (_, listed) = tuner.get("files?limit=100").await;
    let same: Vec<&str> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["filename"] == file["filename"])
        .map(id)
        .collect();
    assert_eq!(same, [id(&file)], "{listed:#}");
    let pool = app.pool().await;
    let files: Vec<(Uuid, String)> =
        sqlx::query_as("SELECT id, object_key FROM dataset_files WHERE path = $1")
            .bind(file["filename"].as_str().unwrap())
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(files.len(), 1, "no half of it lies about: {files:?}");
    let versions = app.ports.objects.versions(&files[0].1).await.unwrap();
    assert_eq!(versions.len(), 1, "{versions:?}");
    // A part of which nobody knows whether it came in is waited for, and then deleted too.
    sqlx::query("UPDATE api_upload_parts SET created_at = created_at - interval '2 hours'")
        .execute(&pool)
        .await
        .unwrap();
    fine_tuning::sweep_uploads(&app.ports.db, &app.ports.objects)
        .await
        .unwrap();
    let parts: Vec<String> =
        sqlx::query_scalar("SELECT object_key FROM api_upload_parts WHERE upload_id = $1")
            .bind(own(upload))
            .fetch_all(&pool)
            .await
            .unwrap();
    assert!(parts.len() >= 2, "{parts:?}");
    for part in parts {
        assert_eq!(
            app.ports.objects.versions(&part).await.unwrap(),
            [],
            "{part}"
        );
    }
}

#[actix_web::test]
async fn a_portal_killed_at_any_moment_of_an_upload_leaves_one_file_to_whoever_asks_again() {
    let mut app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, MANAGER, "tiny", true).await;
    app.stop_serving().await;
    let store = app.ports.config.s3.clone();
    let whole = given::corpus(40);
    let (left, right) = whole.split_at(1000);
    for moment in MOMENTS {
        let gate = Gate::before(&store, moment.request, Stop::Hold).await;
        let mut dying = portal(&mut app, &gate.endpoint).await;
        let upload = opened(&tuner, moment.name, whole.len()).await;
        let is_of_part =
            moment.request.contains(&"PUT ") && moment.request.contains(&"/api-uploads/");
        let mut parts = Vec::new();
        let asked = if is_of_part {
            part(&tuner, &upload, left)
        } else {
            for bytes in [left, right] {
                parts.push(sent(&tuner, &upload, bytes).await);
            }
            tuner
                .ask(Method::POST, &format!("uploads/{upload}/complete"))
                .json(&json!({ "part_ids": parts }))
        };
        let asked = tokio::spawn(asked.send());
        gate.reached().await;
        let held = match moment.held {
            Some(row) => Some(stopped_at(&app, &gate, &upload, row).await),
            None => None,
        };
        dying.kill();
        assert!(asked.await.unwrap().is_err(), "{}", moment.name);
        drop(held);
        // What was on its way may still come in after its portal died.
        gate.open();
        let mut next = portal(&mut app, &store.endpoint).await;
        for bytes in [left, right] {
            if parts.len() < 2 {
                parts.push(sent(&tuner, &upload, bytes).await);
            }
        }
        let done = completed(&tuner, &upload, &parts).await;
        is_one_file(&app, &tuner, (&upload, &done), &whole).await;
        let again = completed(&tuner, &upload, &parts).await;
        assert_eq!(id(&again["file"]), id(&done["file"]), "{}", moment.name);
        next.kill();
    }
}

#[actix_web::test]
async fn the_stock_sdk_ends_an_upload_across_killed_portals() {
    let mut app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, MANAGER, "tiny", true).await;
    app.stop_serving().await;
    let store = app.ports.config.s3.endpoint.clone();
    let mut running = portal(&mut app, &store).await;
    let pythons = sdk_pythons();
    assert!(!pythons.is_empty());
    for (n, python) in pythons.iter().enumerate() {
        let file = app.folder.path().join(format!("parts-{n}.jsonl"));
        std::fs::write(&file, given::corpus(40)).unwrap();
        let mut script = Script::start((python, "upload.py"), &app, &tuner, &file);
        let mut kills = 0;
        while let Some(line) = script.line().await {
            if ["part 1", "part 3", "completing"].contains(&line.as_str()) {
                let moment = Duration::from_millis(rand::random_range(0..60));
                tokio::time::sleep(moment).await;
                running.kill();
                kills += 1;
                running = portal(&mut app, &store).await;
            }
        }
        let said = script.succeeded().await;
        assert!(
            said.ends_with("ok\n") && kills == 3,
            "{kills} kills: {said}"
        );
    }
}

#[actix_web::test]
async fn an_upload_that_nobody_ends_expires_and_its_parts_go() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, MANAGER, "tiny", true).await;
    let whole = given::corpus(40);
    let upload = opened(&tuner, "vergeten.jsonl", whole.len()).await;
    let other = opened(&tuner, "bezig.jsonl", whole.len()).await;
    let (left, right) = whole.split_at(1000);
    let parts = [
        sent(&tuner, &upload, left).await,
        sent(&tuner, &upload, right).await,
    ];
    let kept = sent(&tuner, &other, left).await;
    let pool = app.pool().await;
    sqlx::query("UPDATE api_uploads SET expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(own(&upload))
        .execute(&pool)
        .await
        .unwrap();
    // One part as if its portal had died before it was noted.
    sqlx::query("UPDATE api_upload_parts SET object_version = NULL WHERE id = $1")
        .bind(own(&parts[1]))
        .execute(&pool)
        .await
        .unwrap();
    let refused = async || {
        let complete = json!({ "part_ids": parts });
        for (status, answer) in [
            Tuner::answer(part(&tuner, &upload, left)).await,
            tuner
                .post(&format!("uploads/{upload}/complete"), &complete)
                .await,
            tuner
                .post(&format!("uploads/{upload}/cancel"), &Value::Null)
                .await,
        ] {
            let error = &answer["error"];
            assert_eq!(
                (status, &error["code"]),
                (400, &json!("invalid_upload_state")),
                "{answer:#}"
            );
            let said = error["message"].as_str().unwrap();
            assert!(
                said.contains("expired at 20") && said.contains("Begin a new one."),
                "it says what happened and what to do: {said}"
            );
        }
    };
    let sweep = async || {
        fine_tuning::sweep_uploads(&app.ports.db, &app.ports.objects)
            .await
            .unwrap();
        sqlx::query_as::<_, (String, bool)>(
            "SELECT status, is_cleared FROM api_uploads WHERE id = $1",
        )
        .bind(own(&upload))
        .fetch_one(&pool)
        .await
        .unwrap()
    };
    let key = |upload: &str, part: &str| format!("api-uploads/{}/{}", own(upload), own(part));
    // By its own word at once, and by the row once the sweep came by.
    refused().await;
    assert_eq!(
        sweep().await,
        ("expired".to_owned(), false),
        "a part may be on its way"
    );
    sqlx::query("UPDATE api_upload_parts SET created_at = created_at - interval '2 hours'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(sweep().await, ("expired".to_owned(), true));
    for part in &parts {
        let left = app
            .ports
            .objects
            .versions(&key(&upload, part))
            .await
            .unwrap();
        assert_eq!(left, [], "its parts are gone");
    }
    refused().await;
    let others = app
        .ports
        .objects
        .versions(&key(&other, &kept))
        .await
        .unwrap();
    assert_eq!(others.len(), 1, "those of another upload stay");
    let (_, files) = tuner.get("files").await;
    assert_eq!(files["data"], json!([]), "and no file was made");
}
