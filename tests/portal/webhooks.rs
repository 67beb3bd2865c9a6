//! Messages to programs: signed, in order, again until they are taken, and nowhere inside.

use std::{
    collections::VecDeque,
    net::TcpListener,
    process::Command,
    sync::{Arc, Mutex},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{TestApp, Tuner, given, sdk_pythons};

const PRIVATE: [(&str, &str); 1] = [("FACULTY_RIGHTS_CHECKS__ALLOW_PRIVATE", "true")];

/// A message as it came.
#[derive(Debug, Clone)]
struct Came {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

impl Came {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The signature that the secret gives.
    fn signed_with(&self, secret: &str) -> String {
        let key = BASE64
            .decode(secret.trim_start_matches("whsec_").as_bytes())
            .unwrap();
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let mac = Hmac::<Sha256>::new_from_slice(&key)
            .unwrap()
            .chain_update(text)
            .finalize()
            .into_bytes();
        format!("v1,{}", BASE64.encode(&mac))
    }
}

#[derive(Default)]
struct State {
    came: Mutex<Vec<Came>>,
    /// The next answers; 204 where there is none.
    answers: Mutex<VecDeque<u16>>,
}

/// A program that is told.
struct Hearer {
    url: String,
    state: Arc<State>,
    handle: ServerHandle,
}

impl Hearer {
    fn start(answers: &[u16]) -> Self {
        let state = Arc::new(State::default());
        state.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let data = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(hear))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, state, handle }
    }

    /// What came, once there are so many.
    async fn heard(&self, count: usize) -> Vec<Came> {
        for _ in 0..600 {
            let came = self.state.came.lock().unwrap().clone();
            if came.len() >= count {
                return came;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!(
            "{count} messages did not come within a minute: {:#?}",
            self.state.came.lock().unwrap()
        );
    }
}

impl Drop for Hearer {
    fn drop(&mut self) {
        actix_web::rt::spawn(self.handle.stop(false));
    }
}

async fn hear(request: HttpRequest, body: String, state: web::Data<State>) -> HttpResponse {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    state.came.lock().unwrap().push(Came {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body,
    });
    let answer = state.answers.lock().unwrap().pop_front().unwrap_or(204);
    HttpResponse::build(answer.try_into().unwrap()).finish()
}

/// An address of Universiteit Harderwijk: its id and secret.
async fn added(app: &TestApp, url: &str) -> (String, String) {
    let added = app
        .browser("developer.harderwijk")
        .await
        .api(
            Method::POST,
            "/api/v1/webhooks",
            Some(json!({ "url": url })),
        )
        .await
        .unwrap();
    let text = |name: &str| added[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

#[actix_web::test]
async fn a_job_that_ends_is_told_signed_and_the_stock_sdk_takes_it() {
    let app = TestApp::start_with(&PRIVATE).await;
    given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    // Refused twice, so that it comes three times, and the next one after it.
    let hearer = Hearer::start(&[500, 302]);
    let (id, secret) = added(&app, &hearer.url).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let wanted = json!({ "model": "tiny", "training_file": format!("dataset:{}@1", data.dataset) });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    let job = made["id"].as_str().unwrap();
    let first = hearer.heard(1).await.remove(0);
    assert_eq!(first.json()["type"], "gptnl.approval.requested");
    let (status, _) = tuner
        .post(&format!("fine_tuning/jobs/{job}/cancel"), &json!(null))
        .await;
    assert_eq!(status, 200);
    // The first try is repeated after five seconds, and again after half a minute.
    let came = hearer.heard(4).await;
    assert!(came[..3].iter().all(|one| one.id == first.id), "{came:#?}");
    let last = &came[3];
    let message = last.json();
    assert_eq!(message["type"], "fine_tuning.job.cancelled");
    assert_eq!(message["data"], json!({ "id": job }));
    assert_eq!(
        (&message["id"], &message["object"]),
        (&json!(last.id), &json!("event"))
    );
    for one in &came {
        assert_eq!(one.signature, one.signed_with(&secret));
    }
    for (n, python) in sdk_pythons().iter().enumerate() {
        let file = app.folder.path().join(format!("message-{n}.json"));
        let kept = json!({ "body": last.body, "headers": {
            "webhook-id": last.id, "webhook-timestamp": last.timestamp, "webhook-signature": last.signature,
        }});
        std::fs::write(&file, kept.to_string()).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/unwrap.py");
        let done = Command::new(python)
            .arg(script)
            .arg(&file)
            .env("OPENAI_WEBHOOK_SECRET", &secret)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        let wrong = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{}: {wrong}", python.display());
        assert_eq!(said.trim(), format!("fine_tuning.job.cancelled {job}"));
    }
    // A new secret signs beside the one of before.
    let renewed = app
        .browser("developer.harderwijk")
        .await
        .api(Method::POST, &format!("/api/v1/webhooks/{id}/rotate"), None)
        .await
        .unwrap();
    let renewed = renewed["secret"].as_str().unwrap();
    assert_ne!(renewed, secret);
    tuner.post("fine_tuning/jobs", &wanted).await;
    let came = hearer.heard(5).await;
    let both = format!(
        "{} {}",
        came[4].signed_with(renewed),
        came[4].signed_with(&secret)
    );
    assert_eq!(came[4].signature, both);
}

#[actix_web::test]
async fn a_withdrawal_is_told_to_programs_of_whom_it_touches() {
    let app = TestApp::start_with(&PRIVATE).await;
    given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let hearer = Hearer::start(&[]);
    added(&app, &hearer.url).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let wanted = json!({ "model": "tiny", "training_file": format!("dataset:{}@1", data.dataset) });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    hearer.heard(1).await;
    given::withdrawn(&app, data.dataset, "bezwaar").await;
    let came = hearer.heard(3).await;
    let told = came
        .iter()
        .map(Came::json)
        .find(|message| message["type"] == "gptnl.dataset.withdrawn")
        .unwrap_or_else(|| panic!("{came:#?}"));
    assert_eq!(told["data"]["id"], json!(data.dataset), "{told:#}");
    assert!(told["data"]["withdrawal"].is_string(), "{told:#}");
    // And what became of the job.
    assert!(
        came.iter()
            .any(|one| one.json()["type"] == "fine_tuning.job.cancelled")
    );
}

#[actix_web::test]
async fn nothing_inside_is_told_and_others_have_no_part() {
    let app = TestApp::without_worker(&[]).await;
    let mut developer = app.browser("developer.harderwijk").await;
    for url in [
        "http://127.0.0.1/hook",
        "http://2130706433/",
        "http://[::1]/",
        "http://10.0.0.8/",
        "http://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://portal.internal/",
        "https://example.com:8443/",
        "https://user:secret@example.com/",
        "ftp://example.com/",
        "hook",
        "",
    ] {
        let answer = developer
            .call(
                Method::POST,
                "/api/v1/webhooks",
                Some(json!({ "url": url })),
            )
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{url}: {}",
            answer.text
        );
    }
    let (id, secret) = added(&app, "https://example.com/hook").await;
    let listed = developer
        .api(Method::GET, "/api/v1/webhooks", None)
        .await
        .unwrap();
    assert_eq!(listed["data"][0]["url"], "https://example.com/hook");
    assert!(!listed.to_string().contains(&secret), "shown once only");
    for lang in ["nl", "en"] {
        let page = developer.get(&format!("/{lang}/webhooks")).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("https://example.com/hook"));
        assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
        assert!(!page.text.contains("whsec_"));
    }
    let page = developer
        .post_form("/nl/webhooks", &[("url", "http://127.0.0.1/")])
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("Dit adres kan niet"), "{}", page.text);
    let page = developer
        .post_form("/nl/webhooks", &[("url", "https://example.com/tweede")])
        .await
        .unwrap();
    assert!(page.text.contains("whsec_"), "{}", page.text);
    let mut foreign = app.browser("manager.waterland").await;
    let listed = foreign
        .api(Method::GET, "/api/v1/webhooks", None)
        .await
        .unwrap();
    assert_eq!(listed["data"], json!([]));
    for (method, path) in [
        (Method::POST, format!("/api/v1/webhooks/{id}/rotate")),
        (Method::DELETE, format!("/api/v1/webhooks/{id}")),
    ] {
        let answer = foreign.call(method, &path, None).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let mut contributor = app.browser("contributor.waterland").await;
    let answer = contributor
        .call(Method::GET, "/api/v1/webhooks", None)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let path = format!("/api/v1/webhooks/{id}");
    let answer = developer.call(Method::DELETE, &path, None).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let again = developer.call(Method::DELETE, &path, None).await.unwrap();
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    for n in 0..9 {
        added(&app, &format!("https://example.com/{n}")).await;
    }
    let answer = developer
        .call(
            Method::POST,
            "/api/v1/webhooks",
            Some(json!({ "url": "https://example.com/elf" })),
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}
