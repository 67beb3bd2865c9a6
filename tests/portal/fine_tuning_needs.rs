//! What the fine-tuning API tells of needs and waiting: the estimate, the line a job waits in, the energy it used.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, Tuner, given, waits_for};

/// A portal of one place for one job, of which the power is known.
async fn portal(folder: &tempfile::TempDir) -> (TestApp, Tuner) {
    let settings = folder.path().join("faculty.toml");
    let text = format!(
        "[[compute.places]]\nname = \"here\"\nkind = \"local\"\nslots = 1\nstate_dir = {:?}\nprogram = {:?}\n\
         milli_sbu_per_core_hour = 1000\nwatts_per_core = 10\n",
        folder.path().join("here"),
        TestApp::programs().join("faculty-training"),
    );
    std::fs::write(&settings, text).unwrap();
    let app = TestApp::start_with(&[("FACULTY_CONFIG", settings.to_str().unwrap())]).await;
    given::tiny_base(&app).await;
    let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
    (app, tuner)
}

/// A job that the operator allowed; answers its path and its id in the portal.
async fn allowed(app: &TestApp, tuner: &Tuner, file: &str, epochs: u32) -> (String, Uuid) {
    let wanted = json!({
        "model": "tiny", "training_file": file, "hyperparameters": { "n_epochs": epochs },
        "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64 },
    });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    let id = made["id"].as_str().unwrap();
    let path = format!("fine_tuning/jobs/{id}");
    let asked = tuner
        .until(&path, |job| waits_for(job) == ["compute"])
        .await;
    let estimate = &asked["gptnl"]["estimate"];
    for figure in ["seconds", "sbu", "energy_kwh"] {
        assert!(estimate[figure].as_f64() > Some(0.0), "{figure}: {asked:#}");
    }
    assert_eq!(
        (&estimate["place"], &estimate["basis"]),
        (&json!("here"), &json!("default"))
    );
    let own = id.trim_start_matches("ftjob-").parse().unwrap();
    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/jobs/{own}/approve"), None)
        .await
        .unwrap();
    (path, own)
}

#[actix_web::test]
async fn a_program_is_told_what_a_job_needs_where_it_waits_and_what_it_used() {
    let folder = tempfile::tempdir().unwrap();
    let (app, tuner) = portal(&folder).await;
    let data = given::approved_dataset_of(&app, &given::corpus(2000)).await;
    let file = format!("dataset:{}@1", data.dataset);
    let (first, own) = allowed(&app, &tuner, &file, 50).await;
    let runs = tuner.until(&first, |job| job["status"] == "running").await;
    assert_eq!(runs["gptnl"]["queue_position"], Value::Null, "{runs:#}");
    let (second, _) = allowed(&app, &tuner, &file, 1).await;
    let waits = tuner
        .until(&second, |job| job["gptnl"]["queue_position"] == 1)
        .await;
    assert_eq!(
        waits["gptnl"]["queue"],
        json!({ "line": "portal", "position": 1, "of": 1, "reason": null }),
        "{waits:#}"
    );
    // In a list too.
    let (_, page) = tuner.get("fine_tuning/jobs").await;
    assert_eq!(page["data"][0]["gptnl"]["queue_position"], 1, "{page:#}");
    // As a cluster tells of a job that it has not begun.
    let pool = app.pool().await;
    let report = "INSERT INTO attempt_reports (attempt_id, state, native_id, reason, queue_position, used_seconds, told_at)
         SELECT id, 'pending', '8123456', 'Resources', 14, 0, now() FROM attempts WHERE job_id = $1
         ON CONFLICT (attempt_id) DO UPDATE SET state = 'pending', native_id = '8123456', reason = 'Resources',
             queue_position = 14";
    for statement in [
        report,
        "UPDATE compute_places SET kind = 'slurm' WHERE $1::uuid IS NOT NULL",
    ] {
        sqlx::query(statement)
            .bind(own)
            .execute(&pool)
            .await
            .unwrap();
    }
    let (_, there) = tuner.get(&first).await;
    assert_eq!(
        there["gptnl"]["queue"],
        json!({ "line": "place", "position": 14, "of": null, "reason": "Resources" }),
        "{there:#}"
    );
    assert_eq!(there["gptnl"]["queue_position"], 14);
    assert_eq!(there["gptnl"]["slurm"]["job_id"], "8123456");
    assert_eq!(there["gptnl"]["slurm"]["reason"], "Resources");
    tuner.post(&format!("{first}/cancel"), &json!(null)).await;
    let done = tuner
        .until(&second, |job| job["status"] == "succeeded")
        .await;
    assert!(done["gptnl"]["energy_kwh"].as_f64() > Some(0.0), "{done:#}");
    assert_eq!(done["gptnl"]["queue"], Value::Null);
}
