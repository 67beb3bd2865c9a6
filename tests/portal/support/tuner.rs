//! A program with a key that may send files and ask for jobs.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{TestApp, given};

/// A key of a person, as a program has it.
pub(crate) struct Tuner {
    http: reqwest::Client,
    base: url::Url,
    pub(crate) key: String,
}

impl Tuner {
    /// With a key that `login` requests for `model` and the administrator approves; `may` says whether it is one for
    /// fine-tuning.
    pub(crate) async fn of(app: &TestApp, login: &str, model: &str, may: bool) -> Self {
        let asked = json!({
            "name": "tuner", "purpose": "een proef", "models": [model], "tokens_per_day": 1000,
            "may_fine_tune": may,
        });
        Self::asking_for(app, login, asked).await
    }

    /// With a key that `login` requests in these words and the administrator approves.
    pub(crate) async fn asking_for(app: &TestApp, login: &str, asked: Value) -> Self {
        let mut requester = app.browser(login).await;
        let key = requester
            .api(Method::POST, "/api/v1/keys", Some(asked))
            .await
            .unwrap();
        let id = key["id"].as_str().unwrap();
        given::accepted_terms(app, login).await;
        let path = format!("/api/v1/keys/{id}/approve");
        let mut admin = app.browser("admin").await;
        admin.api(Method::POST, &path, None).await.unwrap();
        let path = format!("/api/v1/keys/{id}/reveal");
        let shown = requester.api(Method::POST, &path, None).await.unwrap();
        Self {
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .timeout(std::time::Duration::from_secs(60))
                .build()
                .unwrap(),
            base: app.url.join("/v1/").unwrap(),
            key: shown["api_key"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).unwrap();
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// Status and body of an answer.
    pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, body)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        Self::answer(self.ask(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        Self::answer(self.ask(Method::POST, path).json(body)).await
    }

    /// Sends a file as the SDKs do: the purpose first.
    pub(crate) async fn send(&self, name: &str, bytes: &[u8]) -> (u16, Value) {
        let fields = [
            ("purpose", None, &b"fine-tune"[..]),
            ("file", Some(name), bytes),
        ];
        Self::answer(form(self.ask(Method::POST, "files"), &fields)).await
    }

    /// Asks until `holds`; fails with what was last seen after two minutes.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..600 {
            let (_, seen) = self.get(path).await;
            if holds(&seen) {
                return seen;
            }
            last = seen;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("{path} did not come to that within two minutes: {last:#}");
    }

    /// Waits until only the operator has to say yes to a job, and says it; answers the portal's own id of the job,
    /// and how it stood before.
    pub(crate) async fn let_run(&self, app: &TestApp, job: &str) -> (Uuid, Value) {
        let path = format!("fine_tuning/jobs/{job}");
        let waits = |job: &Value| waits_for(job) == ["compute"];
        let asked = self.until(&path, waits).await;
        let own = Uuid::try_parse(job.trim_start_matches("ftjob-")).unwrap();
        given::let_run(app, own).await;
        (own, asked)
    }

    /// The ids of a file's dataset, once the file was read.
    pub(crate) async fn processed(&self, file: &Value) -> Value {
        let path = format!("files/{}", file["id"].as_str().unwrap());
        self.until(&path, |seen| seen["status"] != "uploaded").await
    }
}

/// Whose decisions a job waits for, as it is shown.
pub(crate) fn waits_for(job: &Value) -> Vec<&str> {
    job["gptnl"]["approvals"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| one["decision"].is_null())
        .filter_map(|one| one["role"].as_str())
        .collect()
}

/// A form with files: name, name of the file where it is one, bytes.
pub(crate) fn form(ask: RequestBuilder, fields: &[(&str, Option<&str>, &[u8])]) -> RequestBuilder {
    const BOUNDARY: &str = "grens-van-de-proef";
    let mut body = Vec::new();
    for (name, file, bytes) in fields {
        let file = file.map_or_else(String::new, |file| {
            format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream")
        });
        body.extend_from_slice(
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    ask.header("content-type", kind).body(body)
}

/// Everybody says yes to a dataset of Universiteit Harderwijk: its manager permits fine-tuning, and both reviewers approve.
pub(crate) async fn decide_data(app: &TestApp, dataset: &str) {
    let permission = json!({
        "layers": ["copyright", "confidentiality"], "purposes": ["fine_tuning"], "recipients": "consortium",
        "commercial": "no", "territories": "world", "processing_locations": "world", "model_families": "all",
        "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "eigen werk",
        "delete_within_days": "30",
    });
    app.browser("manager.harderwijk")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(permission),
        )
        .await
        .unwrap();
    given::approve(app, dataset.parse::<Uuid>().unwrap()).await;
}
