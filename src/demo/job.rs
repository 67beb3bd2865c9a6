//! The job of the main job: requested, approved, watched to its end.

use std::time::Duration;

use anyhow::{bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;
use uuid::Uuid;

use super::{
    Browser, Record,
    play::{Stage, Teller, id},
};

/// The researcher of another institution requests, the operator approves, the job runs.
pub(super) async fn tune(
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
