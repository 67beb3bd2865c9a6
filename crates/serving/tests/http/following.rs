//! A portal assigns, and the server follows.

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use attestation::{PublishedKeys, Signer};
use data_encoding::HEXLOWER;
use job_contract::{
    Assignment, Assignments, ModelFile, ModelKind, ModelState, ServingStage, ServingStatus,
};
use serde_json::json;
use serving::portal::{FollowError, Follower, FollowerSettings};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    CHAT,
    given::{Options, Server, adapter_files, chat, model_file, server, text},
};

/// A portal that assigns what it is told to, and remembers what it hears.
#[derive(Clone, Default)]
struct Portal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    url: String,
    assignments: Assignments,
    files: HashMap<String, Vec<u8>>,
    fetches: usize,
    status: Option<ServingStatus>,
    /// Tells the program to leave.
    leave: Option<watch::Sender<bool>>,
}

impl Portal {
    fn start() -> Self {
        let portal = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        portal.inner.lock().unwrap().url = format!("http://{}", listener.local_addr().unwrap());
        let shared = portal.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(web::Data::new(shared.clone()))
                        .route(
                            "/internal/v1/serving/assignments",
                            web::get().to(assignments),
                        )
                        .route("/internal/v1/serving/status", web::post().to(status))
                        .route("/.well-known/faculty-keys.json", web::get().to(keys))
                        .route("/files/{name}", web::get().to(file))
                };
                HttpServer::new(app)
                    .workers(1)
                    .listen(listener)
                    .unwrap()
                    .run()
                    .await
                    .unwrap();
            });
        });
        portal
    }

    fn file(&self, name: &str, bytes: Vec<u8>) -> ModelFile {
        let mut inner = self.inner.lock().unwrap();
        let file = ModelFile {
            name: name.to_owned(),
            size_bytes: bytes.len() as u64,
            sha256: HEXLOWER.encode(&Sha256::digest(&bytes)),
            url: format!("{}/files/{name}?signature=secret", inner.url),
        };
        inner.files.insert(name.to_owned(), bytes);
        file
    }

    fn assign(&self, models: Vec<Assignment>) {
        self.inner.lock().unwrap().assignments = Assignments { models };
    }

    fn follow(
        &self,
        server: &Server,
        token: &str,
    ) -> tokio::task::JoinHandle<Result<(), FollowError>> {
        let settings = FollowerSettings {
            portal: self.inner.lock().unwrap().url.parse().unwrap(),
            token: token.to_owned(),
            address: server.url.clone(),
            name: "one".to_owned(),
            takes: Vec::new(),
            most_adapters: 10,
            leave_within: Duration::from_secs(60),
            cache: server.folder.path().join("cache"),
            keys: None,
        };
        let (tell, leave) = watch::channel(false);
        self.inner.lock().unwrap().leave = Some(tell);
        let follower = Follower::new(
            settings,
            Arc::clone(&server.registry),
            server.engine.clone(),
        )
        .unwrap();
        tokio::spawn(follower.run(leave))
    }

    /// Waits until a status is reported that `is_right`.
    async fn hears(
        &self,
        is_right: impl Fn(&HashMap<String, (ModelState, Option<String>)>) -> bool,
    ) -> ServingStatus {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let status = self.inner.lock().unwrap().status.take();
            if let Some(status) = status {
                let models = status
                    .models
                    .iter()
                    .map(|model| (model.model.clone(), (model.state, model.message.clone())));
                if is_right(&models.collect()) {
                    return status;
                }
            }
            assert!(
                Instant::now() < end,
                "the status that was expected does not come"
            );
            tokio::task::yield_now().await;
        }
    }
}

fn is_known(request: &HttpRequest) -> bool {
    request
        .headers()
        .get("authorization")
        .is_some_and(|value| value == "Bearer right")
}

async fn assignments(request: HttpRequest, portal: web::Data<Portal>) -> HttpResponse {
    if !is_known(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    HttpResponse::Ok().json(&portal.inner.lock().unwrap().assignments)
}

async fn status(
    request: HttpRequest,
    portal: web::Data<Portal>,
    body: web::Json<ServingStatus>,
) -> HttpResponse {
    if !is_known(&request) {
        return HttpResponse::Unauthorized().finish();
    }
    portal.inner.lock().unwrap().status = Some(body.into_inner());
    HttpResponse::NoContent().finish()
}

async fn file(portal: web::Data<Portal>, name: web::Path<String>) -> HttpResponse {
    let mut inner = portal.inner.lock().unwrap();
    inner.fetches += 1;
    match inner.files.get(name.as_str()) {
        Some(bytes) => HttpResponse::Ok().body(bytes.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}

async fn keys() -> HttpResponse {
    HttpResponse::Ok().json(PublishedKeys::trusting(&signer("07").public_key()))
}

fn signer(byte: &str) -> Signer {
    Signer::from_hex(&byte.repeat(32)).unwrap()
}

/// A receipt about these files, signed by `signer`.
fn receipt(files: &[ModelFile], signer: &Signer) -> String {
    let subject =
        |file: &ModelFile| json!({ "name": file.name, "digest": { "sha256": file.sha256 } });
    let statement = json!({
        "_type": attestation::STATEMENT_TYPE,
        "subject": files.iter().map(subject).collect::<Vec<_>>(),
        "predicateType": attestation::PREDICATE_TYPE,
        "predicate": { "runDetails": { "metadata": { "finishedOn": "2026-11-25T00:00:00Z" } } },
    });
    signer
        .envelope(attestation::PAYLOAD_TYPE, statement.to_string().as_bytes())
        .to_text()
        .unwrap()
}

/// The assignment with a receipt that holds.
fn with_receipt(mut assignment: Assignment) -> Assignment {
    assignment.receipt = Some(receipt(&assignment.files, &signer("07")));
    assignment
}

fn empty_server() -> Server {
    server(Options {
        has_model: false,
        ..Options::default()
    })
}

fn base(portal: &Portal, server: &Server) -> Assignment {
    let bytes = std::fs::read(model_file(server.folder.path())).unwrap();
    with_receipt(Assignment {
        deployment: Uuid::now_v7(),
        model: "tiny".to_owned(),
        kind: ModelKind::Base,
        files: vec![portal.file("tiny.gguf", bytes)],
        receipt: None,
    })
}

fn adapter(portal: &Portal) -> Assignment {
    let (config, weights) = adapter_files(0.4);
    with_receipt(Assignment {
        deployment: Uuid::now_v7(),
        model: "ft:tiny:archief".to_owned(),
        kind: ModelKind::Adapter {
            base: "tiny".to_owned(),
        },
        files: vec![
            portal.file("adapter_config.json", config),
            portal.file("adapter_model.safetensors", weights),
        ],
        receipt: None,
    })
}

#[tokio::test]
async fn assigned_models_are_fetched_served_and_dropped_without_a_restart() {
    let (portal, server) = (Portal::start(), empty_server());
    let (base, adapter) = (base(&portal, &server), adapter(&portal));
    // The adapter comes first in the list, and waits for its base.
    portal.assign(vec![adapter.clone(), base.clone()]);
    let following = portal.follow(&server, "right");
    let is_ready = |state: &(ModelState, Option<String>)| state.0 == ModelState::Ready;
    let status = portal
        .hears(|models| models.len() == 2 && models.values().all(is_ready))
        .await;
    assert_eq!(status.address, server.url);
    let (_, plain) = server.ask(CHAT, &chat("Hallo", json!({}))).await;
    let (_, tuned) = server
        .ask(CHAT, &chat("Hallo", json!({"model": "ft:tiny:archief"})))
        .await;
    assert_ne!(text(&plain), text(&tuned));

    portal.assign(vec![base.clone()]);
    portal.hears(|models| models.len() == 1).await;
    assert_eq!(
        server
            .ask(CHAT, &chat("Hallo", json!({"model": "ft:tiny:archief"})))
            .await
            .0,
        404
    );
    portal.assign(vec![]);
    portal.hears(HashMap::is_empty).await;
    assert_eq!(server.ask(CHAT, &chat("Hallo", json!({}))).await.0, 404);

    let fetches = portal.inner.lock().unwrap().fetches;
    portal.assign(vec![base, adapter]);
    portal
        .hears(|models| models.len() == 2 && models.values().all(is_ready))
        .await;
    let (_, again) = server
        .ask(CHAT, &chat("Hallo", json!({"model": "ft:tiny:archief"})))
        .await;
    assert_eq!(text(&again), text(&tuned));
    assert_eq!(
        portal.inner.lock().unwrap().fetches,
        fetches,
        "files are fetched once"
    );
    following.abort();
}

#[tokio::test]
async fn altered_missing_and_ill_named_files_are_reported_and_not_served() {
    let (portal, server) = (Portal::start(), empty_server());
    let assignment = |model: &str, change: &dyn Fn(&mut ModelFile)| {
        let mut assignment = base(&portal, &server);
        assignment.model = model.to_owned();
        change(&mut assignment.files[0]);
        with_receipt(assignment)
    };
    portal.assign(vec![
        assignment("altered", &|file| file.sha256 = "0".repeat(64)),
        assignment("longer", &|file| {
            file.size_bytes -= 1;
            file.sha256 = "1".repeat(64);
        }),
        assignment("missing", &|file| {
            file.url = file.url.replace("tiny", "other");
            file.sha256 = "2".repeat(64);
        }),
        assignment("upwards", &|file| file.name = "../x".to_owned()),
        assignment("no-hash", &|file| file.sha256 = "../x".to_owned()),
    ]);
    let following = portal.follow(&server, "right");
    let has_failed = |state: &(ModelState, Option<String>)| state.0 == ModelState::Failed;
    let status = portal
        .hears(|models| models.len() == 5 && models.values().all(has_failed))
        .await;
    let messages: HashMap<&str, &str> = status
        .models
        .iter()
        .map(|model| (model.model.as_str(), model.message.as_deref().unwrap()))
        .collect();
    assert!(messages["altered"].contains("hash differs"), "{messages:?}");
    assert!(messages["longer"].contains("longer"), "{messages:?}");
    assert!(
        messages["missing"].contains("could not be fetched"),
        "{messages:?}"
    );
    assert!(
        messages["upwards"].contains("plain file name"),
        "{messages:?}"
    );
    assert!(messages["no-hash"].contains("SHA-256"), "{messages:?}");
    assert!(
        !messages.values().any(|message| message.contains("secret")),
        "addresses are signed: {messages:?}"
    );
    assert_eq!(server.get("/v1/models").await.1["data"], json!([]));
    let kept = std::fs::read_dir(server.folder.path().join("cache"))
        .unwrap()
        .count();
    assert_eq!(kept, 0, "nothing that is not as promised is kept");
    following.abort();
}

#[tokio::test]
async fn weights_without_a_receipt_that_holds_are_not_even_fetched() {
    let (portal, server) = (Portal::start(), empty_server());
    let assignment = |model: &str, change: &dyn Fn(&mut Assignment)| {
        let mut assignment = base(&portal, &server);
        assignment.model = model.to_owned();
        change(&mut assignment);
        assignment
    };
    portal.assign(vec![
        assignment("none", &|one| one.receipt = None),
        assignment("foreign-key", &|one| {
            one.receipt = Some(receipt(&one.files, &signer("08")));
        }),
        assignment("forged", &|one| {
            let held = one.receipt.take().unwrap();
            one.receipt = Some(held.replacen('A', "B", 1));
        }),
        // The portal's word for the hash was changed, the receipt was not.
        assignment("swapped", &|one| one.files[0].sha256 = "0".repeat(64)),
        assignment("added", &|one| {
            one.files.push(portal.file("more.bin", vec![1]));
        }),
    ]);
    let following = portal.follow(&server, "right");
    let has_failed = |state: &(ModelState, Option<String>)| state.0 == ModelState::Failed;
    let status = portal
        .hears(|models| models.len() == 5 && models.values().all(has_failed))
        .await;
    let messages: HashMap<&str, &str> = status
        .models
        .iter()
        .map(|model| (model.model.as_str(), model.message.as_deref().unwrap()))
        .collect();
    assert!(messages["none"].contains("no receipt"), "{messages:?}");
    assert!(
        messages["foreign-key"].contains("not among the published"),
        "{messages:?}"
    );
    assert!(messages["forged"].contains("receipt"), "{messages:?}");
    assert!(messages["swapped"].contains("tiny.gguf"), "{messages:?}");
    assert!(messages["added"].contains("more.bin"), "{messages:?}");
    assert_eq!(
        portal.inner.lock().unwrap().fetches,
        0,
        "nothing was fetched"
    );
    following.abort();
}

#[tokio::test]
async fn a_token_that_is_not_accepted_ends_the_following() {
    let (portal, server) = (Portal::start(), empty_server());
    let ended = portal.follow(&server, "wrong").await.unwrap();
    assert!(matches!(ended, Err(FollowError::NotAccepted)));
}

#[tokio::test]
async fn who_is_told_to_leave_says_so_and_finishes_what_runs_first() {
    let (portal, server) = (Portal::start(), empty_server());
    portal.assign(vec![base(&portal, &server)]);
    let following = portal.follow(&server, "right");
    let status = portal
        .hears(|models| models.values().any(|state| state.0 == ModelState::Ready))
        .await;
    assert_eq!(status.stage, ServingStage::Serving);
    assert_eq!(
        (status.name.as_str(), status.models[0].is_in_use),
        ("one", false)
    );
    let long = chat(
        "Hallo",
        json!({"max_tokens": 3000, "ignore_eos": true, "stream": true}),
    );
    let mut answer = server.post(CHAT, &long).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    let tell = portal.inner.lock().unwrap().leave.take().unwrap();
    tell.send_replace(true);
    let leaving = portal.hears(|_| true).await;
    let leaving = match leaving.stage {
        ServingStage::Serving => portal.hears(|_| true).await,
        _ => leaving,
    };
    assert_eq!(leaving.stage, ServingStage::Leaving);
    assert!(leaving.models[0].is_in_use && leaving.load.running == 1);
    let (mut rest, mut last) = (0, Vec::new());
    while let Some(piece) = answer.chunk().await.unwrap() {
        rest += piece.len();
        last = piece.to_vec();
    }
    assert!(
        rest > 0 && last.ends_with(b"data: [DONE]\n\n"),
        "the answer is whole"
    );
    following.await.unwrap().unwrap();
    let last = portal.inner.lock().unwrap().status.take().unwrap();
    assert_eq!((last.stage, last.load.running), (ServingStage::Left, 0));
}
