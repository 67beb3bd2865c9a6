//! Jobs at a place whose recipe is `torchrun`, with two processes of PyTorch on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use compute::Transport;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    methods::{answer, deploy, key},
    slurm_jobs::{self, Cluster},
    support::{Program, TestApp, given, pytorch},
};

/// What a job's page says of one that PyTorch computes.
const SAYS_SO: &str = "computed by PyTorch in 2 processes";

/// The recipe of a place, as its settings have it.
fn recipe(strategy: &str) -> String {
    format!(
        "resources = {{ cores = 2 }}\n\
         recipe = {{ kind = \"torchrun\", processes = 2, nodes = 1, strategy = \"{strategy}\", python = {:?} }}\n",
        pytorch(),
    )
}

/// Settings with this machine as the only place, and something more said of it.
fn settings(folder: &Path, more: &str) -> PathBuf {
    let file = folder.join("faculty.toml");
    let text = format!(
        "[[compute.places]]\nname = \"torch\"\nkind = \"local\"\nstate_dir = {:?}\nprogram = {:?}\n{more}",
        folder.join("torch"),
        TestApp::programs().join("faculty-training"),
    );
    fs::write(&file, text).unwrap();
    file
}

/// Approves the job that is asked for, and follows it to its model; whether its page says that PyTorch computed it.
async fn done(app: &TestApp, wanted: Value) -> (Value, bool) {
    let job: Uuid = given::approved_request(app, wanted).await;
    let state = given::job_within(app, job, 4, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    assert_eq!(state["attempts"].as_array().unwrap().len(), 1, "{state:#}");
    let page = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/en/jobs/{job}"))
        .await
        .unwrap();
    (state, page.text.contains(SAYS_SO))
}

fn losses(state: &Value) -> (f64, f64) {
    let loss = |name: &str| state["result"][name].as_f64().unwrap();
    (loss("held_out_loss_before"), loss("held_out_loss_after"))
}

#[actix_web::test]
async fn two_processes_give_an_adapter_that_is_registered_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &recipe("ddp"));
    let app = TestApp::start_with(&[("FACULTY_CONFIG", file.to_str().unwrap())]).await;
    let _serving = Program::serving(&app);
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut wanted = given::job(base, data.version, 8);
    wanted["learning_rate"] = json!(0.01);
    let (state, is_pytorch) = done(&app, wanted.clone()).await;
    assert!(is_pytorch);
    let place = state["attempts"][0]["backend"].as_str().unwrap();
    assert!(place.starts_with("torch@"), "{state:#}");
    let (before, after) = losses(&state);
    assert!(after < before - 0.5, "{before} and {after}");

    let model = state["model"]["id"].as_str().unwrap();
    let name = state["model"]["name"].as_str().unwrap();
    deploy(&app, model).await;
    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/models/{base}/deploy"), None)
        .await
        .unwrap();
    let key = key(&app, &["tiny", name]).await;
    let tuned = answer(&app, &key, name).await;
    let plain = answer(&app, &key, "tiny").await;
    assert_ne!(tuned, plain, "the adapter changes what the base says");

    // What PyTorch's processes do not know, the training program computes itself at the same place.
    wanted["keep_best"] = json!(true);
    wanted["epochs"] = json!(2);
    let (state, is_pytorch) = done(&app, wanted).await;
    assert!(!is_pytorch);
    assert!(state["model"]["name"].is_string(), "{state:#}");
}

#[actix_web::test]
async fn processes_on_slurm_share_a_model_and_give_an_adapter() {
    let mut cluster = Cluster::start();
    let file = slurm_jobs::settings(&mut cluster, Transport::Cli, ("normal", 1));
    let place = fs::read_to_string(&file).unwrap() + &recipe("fsdp");
    fs::write(&file, place).unwrap();
    let app = TestApp::start_with(&[("FACULTY_CONFIG", file.to_str().unwrap())]).await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let mut wanted = given::job(base, data.version, 4);
    wanted["learning_rate"] = json!(0.01);
    let (state, is_pytorch) = done(&app, wanted).await;
    assert!(is_pytorch);
    assert_eq!(state["attempts"][0]["backend"], "cluster", "{state:#}");
    let (before, after) = losses(&state);
    assert!(after < before, "{before} and {after}");
    assert!(state["model"]["name"].is_string(), "{state:#}");
}

#[actix_web::test]
async fn a_recipe_that_cannot_work_keeps_the_portal_from_starting() {
    let app = TestApp::without_worker(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let recipe = |more: &str| format!("recipe = {{ kind = \"torchrun\", {more} }}\n");
    let fine = "strategy = \"ddp\", python = \"/opt/torch/bin/python\"";
    for (place, words) in [
        (
            recipe(&format!("processes = 2, {fine}")),
            "torch: recipe.processes: is 2, and resources has cores = 1",
        ),
        (
            recipe(&format!("processes = 1, nodes = 2, {fine}")),
            "torch: recipe.nodes: is 1, since a job has one machine",
        ),
        (
            recipe("processes = 1, strategy = \"ddp\", python = \"python3\""),
            "torch: recipe.python: needs its absolute path there",
        ),
        (
            recipe(&format!("processes = 1, threads = 4, {fine}")),
            "threads",
        ),
    ] {
        let file = settings(folder.path(), &place);
        for program in ["serve", "worker"] {
            let output = Command::new(TestApp::programs().join("faculty"))
                .arg(program)
                .envs(app.environment.iter().cloned())
                .env("FACULTY_CONFIG", &file)
                .env("FACULTY_BIND", "127.0.0.1:0")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{place}: {said}");
            assert!(said.contains(words), "{place}: {said}");
        }
    }
}
