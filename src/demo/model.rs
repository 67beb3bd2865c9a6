//! The model of the main job: released, deployed, asked.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;
use uuid::Uuid;

use super::{
    Browser, Record,
    play::{Teller, id},
};

/// The operator releases and deploys; resolves once the model answers.
pub(super) async fn serve(
    portal: &Url,
    job: Uuid,
    record: &mut Record,
    teller: &mut Teller,
) -> anyhow::Result<(Uuid, String)> {
    let mut operator = Browser::sign_in(portal, "operator", "operator").await?;
    let models = operator.api(Method::GET, "/api/v1/models", None).await?;
    let model = models["data"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|model| model["job"] == json!(job))
        .context("the job made no model")?
        .clone();
    let model_id = id(&model["id"], "model")?;
    let name = model["name"].as_str().unwrap_or_default().to_owned();
    for act in ["release", "deploy"] {
        operator
            .api(
                Method::POST,
                &format!("/api/v1/models/{model_id}/{act}"),
                None,
            )
            .await?;
    }
    let begun = Instant::now();
    loop {
        let state = operator
            .api(Method::GET, &format!("/api/v1/models/{model_id}"), None)
            .await?;
        match state["deployment"]["status"].as_str() {
            Some("ready") => break,
            Some("failed") => bail!("the model could not be served: {state}"),
            _ if begun.elapsed() > Duration::from_secs(120) => {
                bail!("the model was not ready within two minutes: {state}")
            }
            _ => sleep(Duration::from_millis(200)).await,
        }
    }
    record.note("tuned_model", name.clone())?;
    teller.tell(&format!(
        "{name} registered with its receipt, released and deployed"
    ));
    Ok((model_id, name))
}

/// Asks a model through the gateway, as the OpenAI SDK does.
pub(super) async fn ask(
    portal: &Url,
    key: &str,
    model: &str,
    question: &str,
) -> anyhow::Result<String> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(120))
        .build()?;
    let answer = client
        .post(portal.join("/v1/chat/completions")?)
        .bearer_auth(key)
        .json(&json!({
            "model": model,
            "messages": [{ "role": "user", "content": question }],
            "max_tokens": 80,
            "temperature": 0,
        }))
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{model} answered {status}: {text}");
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(
        answer["usage"]["total_tokens"]
            .as_u64()
            .is_some_and(|n| n > 0),
        "the answer names no usage: {text}"
    );
    answer["choices"][0]["message"]["content"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("the answer holds no text: {text}"))
}
