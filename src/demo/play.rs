//! The main job, played over the public interfaces: each step is what a person would do on a page, or a
//! program with the SDK.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;
use uuid::Uuid;

use super::{
    Browser, Record, disclose,
    job::tune,
    key::{key, usage},
    model::{ask, serve},
    public_facts,
};
use crate::ids::ModelId;

const CORPUS: &[u8] = include_bytes!("../../demo/archief-waterland.jsonl");

/// Where the job is played, and with what.
pub struct Stage {
    portal: String,
    pub(super) base: ModelId,
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
pub(super) struct Teller(Instant);

impl Teller {
    #[expect(clippy::print_stdout, reason = "tells what happens")]
    pub(super) fn tell(&mut self, what: &str) {
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

pub(super) fn id(value: &Value, what: &str) -> anyhow::Result<Uuid> {
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
