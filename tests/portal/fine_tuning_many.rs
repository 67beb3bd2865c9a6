//! A thousand jobs that cannot go on hold up no other.

use serde_json::json;
use uuid::Uuid;

use crate::support::{TestApp, Tuner, given, waits_for};

#[actix_web::test]
async fn jobs_behind_a_thousand_that_wait_go_on_and_start() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    let data = given::approved_dataset(&app).await;
    let wanted = |suffix: &str| {
        json!({
            "model": "tiny", "training_file": format!("dataset:{}@1", data.dataset), "suffix": suffix,
            "hyperparameters": { "n_epochs": 1 }, "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64 },
        })
    };
    let (_, first) = tuner.post("fine_tuning/jobs", &wanted("eerste")).await;
    let path = format!("fine_tuning/jobs/{}", first["id"].as_str().unwrap());
    tuner
        .until(&path, |job| waits_for(job) == ["compute"])
        .await;
    let own: Uuid = first["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("ftjob-")
        .parse()
        .unwrap();
    // Older ones, of which some wait for people and others for a place that does not come.
    let pool = app.pool().await;
    for statement in [
        "INSERT INTO fine_tuning_jobs
         SELECT (jsonb_populate_record(f, jsonb_build_object(
             'id', '00000000-0000-7000-8000-' || lpad(n::text, 12, '0')))).*
         FROM fine_tuning_jobs f, generate_series(1, 1001) n WHERE f.id = $1",
        "INSERT INTO jobs
         SELECT (jsonb_populate_record(j, jsonb_build_object(
             'id', '00000000-0000-7000-9000-' || lpad(n::text, 12, '0'), 'status', 'approved', 'place', 'elders',
             'waits_for', 'place', 'approved_at', '2026-01-01T00:00:00Z',
             'approved_by', (SELECT u.id FROM users u WHERE u.id <> j.requested_by LIMIT 1)))).*
         FROM jobs j, generate_series(1, 1001) n WHERE j.id = $1",
    ] {
        let done = sqlx::query(statement)
            .bind(own)
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(done.rows_affected(), 1001);
    }
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted("laatste")).await;
    assert_eq!(status, 200, "{made:#}");
    let job = made["id"].as_str().unwrap();
    tuner.let_run(&app, job).await;
    tuner
        .until(&format!("fine_tuning/jobs/{job}"), |job| {
            job["status"] == "succeeded"
        })
        .await;
}
