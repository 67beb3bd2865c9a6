//! The key of the main job, and what was used with it.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{
    Browser, Record,
    play::{Stage, Teller, id},
};

/// The developer asks for a key, their manager grants it, the developer sees it once.
pub(super) async fn key(
    stage: &Stage,
    portal: &Url,
    model: Uuid,
    record: &mut Record,
    teller: &mut Teller,
) -> anyhow::Result<String> {
    let mut developer =
        Browser::sign_in(portal, "developer.harderwijk", "developer.harderwijk").await?;
    let requested = developer
        .api(
            Method::POST,
            "/api/v1/keys",
            Some(json!({
                "name": "archiefassistent",
                "purpose": "Proef met een archiefassistent in de studiezaal",
                "commercial": false,
                "models": [stage.base, model],
                "tokens_per_day": 100_000,
                "requests_per_minute": 120,
                "days": 90,
            })),
        )
        .await?;
    let key = id(&requested["id"], "key")?;
    let mut manager = Browser::sign_in(portal, "manager.harderwijk", "manager.harderwijk").await?;
    manager
        .api(
            Method::POST,
            &format!("/api/v1/keys/{key}/approve"),
            Some(json!({ "accept_terms": true })),
        )
        .await?;
    let shown = developer
        .api(Method::POST, &format!("/api/v1/keys/{key}/reveal"), None)
        .await?;
    let secret = shown["api_key"]
        .as_str()
        .context("no key was shown")?
        .to_owned();
    record.note("api_key", secret.clone())?;
    teller.tell("developer got a key with a quota, approved by the manager, shown once");
    Ok(secret)
}

/// What was metered of it is there.
pub(super) async fn usage(portal: &Url, teller: &mut Teller) -> anyhow::Result<()> {
    let mut developer =
        Browser::sign_in(portal, "developer.harderwijk", "developer.harderwijk").await?;
    let usage = developer.api(Method::GET, "/api/v1/usage", None).await?;
    let total: i64 = usage["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| {
            row["prompt_tokens"].as_i64().unwrap_or(0)
                + row["completion_tokens"].as_i64().unwrap_or(0)
        })
        .sum();
    ensure!(total > 0, "no usage was metered: {usage}");
    teller.tell(&format!("usage metered: {total} tokens today"));
    Ok(())
}
