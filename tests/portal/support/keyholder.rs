//! A portal with a model that an upstream of the test serves, and a key for it.

use language_model::synthetic::Synthetic;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use virtual_faculty::ids::ModelId;

use super::{TestApp, Upstream};

pub(crate) const MODEL: &str = "tiny:test";
const SERVING_TOKEN: &str = "serving-token-of-the-tests";

/// A program with a key.
pub(crate) struct Keyholder {
    pub(crate) app: TestApp,
    pub(crate) upstream: Upstream,
    pub(crate) client: reqwest::Client,
    pub(crate) model: ModelId,
    /// The model's name in requests.
    pub(crate) name: String,
    /// Id of the key.
    pub(crate) id: String,
    /// The whole key.
    pub(crate) key: String,
    /// The serving program that the test plays.
    pub(crate) process: uuid::Uuid,
}

/// What the API takes to ask for a key.
pub(crate) fn new_key(tokens_per_day: i64, requests_per_minute: i64) -> Value {
    json!({
        "name": "proef", "purpose": "een proef", "is_commercial": false, "models": [MODEL],
        "tokens_per_day": tokens_per_day, "requests_per_minute": requests_per_minute,
    })
}

impl Keyholder {
    /// With a key of these limits, requested by the developer and approved by the manager of Harderwijk.
    pub(crate) async fn start(tokens_per_day: i64, requests_per_minute: i64) -> Self {
        let app = TestApp::without_worker(&[]).await;
        let file = app.folder.path().join("tiny.gguf");
        Synthetic::default().write_gguf(&file).unwrap();
        let model = app.base_model(MODEL, &file).await;
        Self::of(app, (model, MODEL), (tokens_per_day, requests_per_minute)).await
    }

    /// As [`Keyholder::start`], with settings of the test's own.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::without_worker(settings).await;
        let file = app.folder.path().join("tiny.gguf");
        Synthetic::default().write_gguf(&file).unwrap();
        let model = app.base_model(MODEL, &file).await;
        Self::of(app, (model, MODEL), (100_000, 1000)).await
    }

    /// As [`Keyholder::start`], for a released model of a portal that is there already.
    pub(crate) async fn of(app: TestApp, model: (ModelId, &str), limits: (i64, i64)) -> Self {
        let holder = Self::unserved(app, model, limits).await;
        holder.serve_at(&holder.upstream.url).await;
        holder
    }

    /// As [`Keyholder::of`], without a program that serves it.
    pub(crate) async fn unserved(
        app: TestApp,
        (model, name): (ModelId, &str),
        (tokens_per_day, requests_per_minute): (i64, i64),
    ) -> Self {
        let upstream = Upstream::start();
        let mut operator = app.browser("operator").await;
        let path = format!("/api/v1/models/{model}/deploy");
        operator.api(Method::POST, &path, None).await.unwrap();
        let mut developer = app.browser("developer.harderwijk").await;
        let mut asked = new_key(tokens_per_day, requests_per_minute);
        asked["models"] = json!([name]);
        let asked = Some(asked);
        let key = developer.api(Method::POST, "/api/v1/keys", asked).await;
        let id = key.unwrap()["id"].as_str().unwrap().to_owned();
        let mut manager = app.browser("manager.harderwijk").await;
        let path = format!("/api/v1/keys/{id}/approve");
        let accepting = Some(json!({"accept_terms": true}));
        manager.api(Method::POST, &path, accepting).await.unwrap();
        let path = format!("/api/v1/keys/{id}/reveal");
        let shown = developer.api(Method::POST, &path, None).await.unwrap();
        Self {
            client: reqwest::Client::builder()
                .timeout(std::time::Duration::from_secs(60))
                .build()
                .unwrap(),
            key: shown["api_key"].as_str().unwrap().to_owned(),
            app,
            upstream,
            model,
            name: name.to_owned(),
            process: uuid::Uuid::now_v7(),
            id,
        }
    }

    /// Reports, as a serving program does, that every model is ready at `address`, and only there. It is heard of for an
    /// hour.
    pub(crate) async fn serve_at(&self, address: &str) {
        let process = self.process;
        self.report(process, address, json!([])).await;
        let url = format!("/internal/v1/serving/assignments?process={process}");
        let assigned: Value = self
            .client
            .get(self.app.url.join(&url).unwrap())
            .bearer_auth(SERVING_TOKEN)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let ready = |one: &Value| {
            json!({
                "deployment": one["deployment"], "model": one["model"], "state": "ready", "message": null,
            })
        };
        let models: Vec<Value> = assigned["models"]
            .as_array()
            .unwrap_or_else(|| panic!("{assigned}"))
            .iter()
            .map(ready)
            .collect();
        assert!(!models.is_empty(), "nothing is assigned");
        self.report(process, address, json!(models)).await;
        sqlx::query(
            "UPDATE serving_processes SET expires_at = now() + interval '1 hour' WHERE id = $1",
        )
        .bind(process)
        .execute(&mut self.database().await)
        .await
        .unwrap();
    }

    async fn report(&self, process: uuid::Uuid, address: &str, models: Value) {
        let status = json!({"process": process, "name": "of-the-test", "address": address, "models": models});
        let told = self
            .client
            .post(self.app.url.join("/internal/v1/serving/status").unwrap())
            .bearer_auth(SERVING_TOKEN)
            .json(&status)
            .send()
            .await
            .unwrap();
        assert!(told.status().is_success(), "{}", told.status());
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client
            .post(self.app.url.join(path).unwrap())
            .bearer_auth(&self.key)
            .json(body)
    }

    /// Asks the model; `more` overrides fields.
    pub(crate) fn ask(&self, question: &str, more: Value) -> RequestBuilder {
        let mut body = chat_body(question, more);
        if body["model"] == MODEL {
            body["model"] = json!(self.name);
        }
        self.post("/v1/chat/completions", &body)
    }

    /// A connection to the portal's database, to see what it really wrote.
    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.app.owner_url).await.unwrap()
    }

    /// Used tokens of the key over all days, and those set aside for requests; what replicas hold idle is neither.
    pub(crate) async fn counters(&self) -> (i64, i64) {
        let mut conn = self.database().await;
        sqlx::query_as(
            "SELECT coalesce(sum(used), 0)::bigint,
                    (coalesce(sum(leased), 0) - coalesce((
                        SELECT sum(granted - open) FROM quota_leases l
                        WHERE l.measure = 'tokens' AND orphaned_at IS NULL), 0))::bigint
             FROM quota_counters c JOIN api_keys k ON k.id = c.node_id
             WHERE c.measure = 'tokens' AND c.period = 'day'",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap()
    }

    /// Prompt tokens, completion tokens and outcome of every settled request, oldest first.
    pub(crate) async fn records(&self) -> Vec<(i64, i64, String)> {
        let mut conn = self.database().await;
        sqlx::query_as(
            "SELECT prompt_tokens, completion_tokens, outcome FROM usage_records ORDER BY request_id",
        )
        .fetch_all(&mut conn)
        .await
        .unwrap()
    }
}

pub(crate) fn chat_body(question: &str, more: Value) -> Value {
    let mut body = json!({
        "model": MODEL, "messages": [{"role": "user", "content": question}], "max_tokens": 20,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
        body.retain(|_, value| !value.is_null());
    }
    body
}
