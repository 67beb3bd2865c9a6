//! The main job, played over the public interfaces: each step is what a person would do on a page, or a
//! program with the SDK.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;
use uuid::Uuid;

use super::{Browser, Record, disclose, public_facts};
use crate::ids::ModelId;

const CORPUS: &[u8] = include_bytes!("../../demo/archief-waterland.jsonl");

/// Where the job is played, and with what.
pub struct Stage {
    portal: String,
    base: ModelId,
    /// What is uploaded: file name and bytes.
    pub corpus: (String, Vec<u8>),
    /// Asked of base and tuned model.
    pub question: String,
    /// Passes over the data.
    pub epochs: u32,
    /// Optimiser steps at most.
    pub max_steps: Option<u32>,
    /// Name of the base model in requests.
    pub base_name: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Played {
    /// The dataset.
    pub dataset: Uuid,
    /// Its version.
    pub version: Uuid,
    /// The job.
    pub job: Uuid,
    /// The model.
    pub model: Uuid,
    /// The model's name in requests.
    pub model_name: String,
    /// The key.
    pub api_key: String,
    /// Held-out loss before and after.
    pub losses: (f64, f64),
    /// The base model's answer.
    pub base_answer: String,
    /// The tuned model's answer.
    pub tuned_answer: String,
}

impl Stage {
    /// The demonstration's own data and question.
    #[must_use]
    pub fn new(portal: &str, base: ModelId) -> Self {
        Self {
            portal: portal.to_owned(),
            base,
            corpus: ("archief-waterland.jsonl".to_owned(), CORPUS.to_vec()),
            question: "Wanneer kan ik bij Archief Waterland terecht?".to_owned(),
            epochs: 3,
            max_steps: None,
            base_name: super::BASE_MODEL.to_owned(),
        }
    }
}

/// Says each step with the time it took.
struct Teller(Instant);

impl Teller {
    #[expect(clippy::print_stdout, reason = "tells what happens")]
    fn tell(&mut self, what: &str) {
        println!("  {:>6.1} s  {what}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

/// Plays all of it; the record learns each thing as it becomes known.
///
/// # Errors
/// The first step that did not hold, in the portal's own words.
pub async fn play(stage: &Stage, record: &mut Record) -> anyhow::Result<Played> {
    let mut teller = Teller(Instant::now());
    let portal = Url::parse(&stage.portal)?;
    let (dataset, version) = contribute(stage, &portal, record, &mut teller).await?;
    review(&portal, dataset, &mut teller).await?;
    let (job, losses) = tune(stage, &portal, version, record, &mut teller).await?;
    let (model, model_name) = serve(&portal, job, record, &mut teller).await?;
    disclose::publish(&portal, stage.base, model).await?;
    teller.tell("public summary of its training content published");
    let api_key = key(stage, &portal, model, record, &mut teller).await?;
    let base_answer = ask(&portal, &api_key, &stage.base_name, &stage.question).await?;
    let tuned_answer = ask(&portal, &api_key, &model_name, &stage.question).await?;
    teller.tell("both models answered through the gateway");
    say_answers(stage, losses, &base_answer, &tuned_answer);
    usage(&portal, &mut teller).await?;
    Ok(Played {
        dataset,
        version,
        job,
        model,
        model_name,
        api_key,
        losses,
        base_answer,
        tuned_answer,
    })
}

#[expect(clippy::print_stdout, reason = "tells what happens")]
fn say_answers(stage: &Stage, losses: (f64, f64), base: &str, tuned: &str) {
    println!(
        "\n  Held-out loss: {:.3} before, {:.3} after",
        losses.0, losses.1
    );
    println!("  Question:      {}", stage.question);
    println!("  Base model:    {}", base.replace('\n', " "));
    println!("  Tuned model:   {}\n", tuned.replace('\n', " "));
}

fn id(value: &Value, what: &str) -> anyhow::Result<Uuid> {
    value
        .as_str()
        .and_then(|text| Uuid::parse_str(text).ok())
        .with_context(|| format!("the answer names no {what}"))
}

/// The contributor registers and uploads, the manager gives permission, the contributor submits.
async fn contribute(
    stage: &Stage,
    portal: &Url,
    record: &mut Record,
    teller: &mut Teller,
) -> anyhow::Result<(Uuid, Uuid)> {
    let mut contributor =
        Browser::sign_in(portal, "contributor.waterland", "contributor.waterland").await?;
    teller.tell("contributor of Archief Waterland signed in through OpenID Connect");
    let registered = contributor
        .api(
            Method::POST,
            "/api/v1/datasets",
            Some(disclose::with(public_facts(), json!({
                "title": "Vragen aan Archief Waterland",
                "description": "Vragen van bezoekers en de antwoorden van de studiezaal en de gemeente, voor dit doel geschreven.",
                "language": "nl",
                "license": "CC0-1.0",
                "source": "Publieksdienst Archief Waterland",
                "right_holder": "Archief Waterland",
                "personal_data": "no",
                "personal_data_basis": "",
                "confidentiality": "public",
            }))),
        )
        .await?;
    let dataset = id(&registered["id"], "dataset")?;
    let version = id(&registered["version"]["id"], "dataset version")?;
    record.note("dataset", json!({ "id": dataset, "version_id": version }))?;
    teller.tell("dataset registered");
    let (name, bytes) = &stage.corpus;
    let uploaded = contributor.upload(dataset, name, bytes).await?;
    teller.tell(&format!(
        "{name} uploaded in parts with checksums and verified: {uploaded}"
    ));
    let mut manager = Browser::sign_in(portal, "manager.waterland", "manager.waterland").await?;
    manager
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(json!({
                "layers": ["copyright"],
                "purposes": ["fine_tuning", "evaluation"],
                "recipients": "consortium",
                "commercial": "no",
                "territories": "world",
                "processing_locations": "world",
                "model_families": "all",
                "valid_from": "2026-01-01",
                "valid_until": "2031-12-31",
                "evidence": "Besluit van de archivaris, artikel 2",
                "delete_within_days": "30",
            })),
        )
        .await?;
    teller.tell("manager of Archief Waterland gave permission for fine-tuning");
    contributor
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/submit"),
            None,
        )
        .await?;
    teller.tell("dataset submitted, its manifest frozen");
    Ok((dataset, version))
}

/// Steward and legal reviewer approve, each on the dataset's page.
async fn review(portal: &Url, dataset: Uuid, teller: &mut Teller) -> anyhow::Result<()> {
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let mut reviewer = Browser::sign_in(portal, login, login).await?;
        let answer = reviewer
            .post_form(
                &format!("/nl/datasets/{dataset}/review"),
                &[("kind", kind), ("decision", "approved"), ("reason", "")],
            )
            .await?;
        ensure!(
            answer.status == 303,
            "{login} could not approve: {} {}",
            answer.status,
            answer.text
        );
    }
    teller.tell("data steward and legal reviewer approved");
    Ok(())
}

/// The researcher of another institution requests, the operator approves, the job runs.
async fn tune(
    stage: &Stage,
    portal: &Url,
    version: Uuid,
    record: &mut Record,
    teller: &mut Teller,
) -> anyhow::Result<(Uuid, (f64, f64))> {
    let mut researcher =
        Browser::sign_in(portal, "researcher.harderwijk", "researcher.harderwijk").await?;
    let requested = researcher
        .api(
            Method::POST,
            "/api/v1/jobs",
            Some(json!({
                "title": "Archiefassistent",
                "motivation": "Onderzoek naar hoe een klein taalmodel vragen van archiefbezoekers beantwoordt.",
                "purpose": "fine_tuning",
                "is_commercial": false,
                "recipients": "consortium",
                "base_model": stage.base,
                "dataset_versions": [version],
                "epochs": stage.epochs,
                "max_steps": stage.max_steps,
                "rank": 16,
                "learning_rate": 0.002,
                "batch_size": 4,
            })),
        )
        .await?;
    let job = id(&requested["id"], "job")?;
    record.note("job", json!({ "id": job, "status": "submitted" }))?;
    teller.tell("researcher of Universiteit Harderwijk requested a fine-tuning job");
    let mut operator = Browser::sign_in(portal, "operator", "operator").await?;
    operator
        .api(Method::POST, &format!("/api/v1/jobs/{job}/approve"), None)
        .await?;
    teller.tell("operator approved; the job is dispatched");
    let done = follow(&mut researcher, job, record).await?;
    let losses = (
        done["held_out_loss_before"].as_f64().unwrap_or(f64::NAN),
        done["held_out_loss_after"].as_f64().unwrap_or(f64::NAN),
    );
    teller.tell(&format!(
        "model trained: held-out loss {:.3} before, {:.3} after",
        losses.0, losses.1
    ));
    ensure!(
        losses.1 < losses.0,
        "training did not lower the held-out loss"
    );
    Ok((job, losses))
}

/// Watches the job to its end with a bar, or with a line now and then where there is no terminal.
async fn follow(browser: &mut Browser, job: Uuid, record: &mut Record) -> anyhow::Result<Value> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("          {bar:40} {pos}/{len} steps, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut said = String::new();
    let mut last_tenth = 0;
    loop {
        let state = browser
            .api(Method::GET, &format!("/api/v1/jobs/{job}"), None)
            .await?;
        let status = state["status"].as_str().unwrap_or_default().to_owned();
        if status != said {
            said.clone_from(&status);
            record.note("job", json!({ "id": job, "status": status }))?;
        }
        let progress = &state["progress"];
        let (step, total) = (
            progress["step"].as_u64().unwrap_or(0),
            progress["total_steps"].as_u64().unwrap_or(0),
        );
        if total > 0 {
            let left = progress["seconds_left"]
                .as_u64()
                .map_or_else(String::new, |left| {
                    format!("{}:{:02} left", left / 60, left % 60)
                });
            let loss = progress["loss"].as_f64().unwrap_or(f64::NAN);
            bar.set_length(total);
            bar.set_position(step);
            bar.set_message(format!("loss {loss:.3}, {left}"));
            let tenth = step * 10 / total;
            if bar.is_hidden() && tenth > last_tenth {
                last_tenth = tenth;
                say_progress(step, total, loss, &left);
            }
        }
        match status.as_str() {
            "succeeded" => {
                bar.finish_and_clear();
                return Ok(state["result"].clone());
            }
            "failed" | "cancelled" | "rejected" | "blocked" => {
                bail!("the job ended as {status}: {state}")
            }
            _ => sleep(Duration::from_millis(500)).await,
        }
    }
}

#[expect(clippy::print_stdout, reason = "tells what happens")]
fn say_progress(step: u64, total: u64, loss: f64, left: &str) {
    let width = usize::try_from(step * 30 / total.max(1)).unwrap_or(30);
    println!(
        "            [{:<30}] {step}/{total} steps, loss {loss:.3}, {left}",
        "#".repeat(width)
    );
}

/// The operator releases and deploys; resolves once the model answers.
async fn serve(
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

/// The developer asks for a key, their manager grants it, the developer sees it once.
async fn key(
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
        .api(Method::POST, &format!("/api/v1/keys/{key}/approve"), None)
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

/// Asks a model through the gateway, as the OpenAI SDK does.
async fn ask(portal: &Url, key: &str, model: &str, question: &str) -> anyhow::Result<String> {
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

async fn usage(portal: &Url, teller: &mut Teller) -> anyhow::Result<()> {
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
