//! Bases in the model hub's layout, and bases that are too large for one piece.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use language_model::{
    ModelFile,
    export::{Export, NumberFormat},
    synthetic::Synthetic,
};
use reqwest::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    methods::{answer, deploy, key},
    support::{Program, TestApp, given},
};

/// The tiny model as a folder, its weights named by an index, beside files that do not belong to it.
fn hub_folder(app: &TestApp) -> PathBuf {
    let folder = app.folder.path().join("hub");
    let model = ModelFile::open(&given::tiny_model(app)).unwrap();
    Export::of_model(&model, None, NumberFormat::F32)
        .write(&folder)
        .unwrap();
    write_index(&folder, "model.safetensors");
    fs::write(folder.join("README.md"), "Not of the model.").unwrap();
    fs::write(folder.join("consolidated.safetensors"), "The same again.").unwrap();
    fs::create_dir(folder.join("original")).unwrap();
    folder
}

fn write_index(folder: &Path, weights: &str) {
    let index = json!({"metadata": {}, "weight_map": {"model.norm.weight": weights}});
    let path = folder.join("model.safetensors.index.json");
    fs::write(path, index.to_string()).unwrap();
}

async fn register(app: &TestApp, path: &Path) -> Output {
    let (environment, path) = (app.environment.clone(), path.to_owned());
    let command = move || register_here(environment, &path);
    // The store is served by this thread.
    actix_web::web::block(command).await.unwrap()
}

fn register_here(environment: Vec<(String, String)>, path: &Path) -> Output {
    Command::new(TestApp::programs().join("faculty"))
        .args(["admin", "register-base-model", "--family", "smollm2"])
        .args(["--license", "Apache-2.0", "--name", "hub"])
        .arg(path)
        .envs(environment)
        .output()
        .unwrap()
}

#[actix_web::test]
async fn a_folder_is_registered_tuned_and_served() {
    let app = TestApp::start().await;
    let _serving = Program::serving(&app);
    let folder = hub_folder(&app);
    for time in ["first", "again"] {
        let output = register(&app, &folder).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{time}: {said}");
    }
    let base = app.base_model("hub", &folder).await;
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM model_files WHERE model_id = $1 ORDER BY name")
            .bind(base.0)
            .fetch_all(&app.pool().await)
            .await
            .unwrap();
    let expected = [
        "config.json",
        "model.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names, expected);

    let data = given::approved_dataset(&app).await;
    let mut wanted = given::job(base, data.version, 8);
    wanted["learning_rate"] = json!(0.01);
    let job: Uuid = given::approved_request(&app, wanted).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    deploy(&app, state["model"]["id"].as_str().unwrap()).await;
    app.browser("operator")
        .await
        .api(Method::POST, &format!("/api/v1/models/{base}/deploy"), None)
        .await
        .unwrap();
    let name = state["model"]["name"].as_str().unwrap();
    let key = key(&app, &["hub", name]).await;
    let (tuned, plain) = (
        answer(&app, &key, name).await,
        answer(&app, &key, "hub").await,
    );
    assert_ne!(tuned, plain, "the adapter changes what the base says");
}

#[actix_web::test]
async fn what_is_no_model_is_refused_by_what_it_lacks() {
    let app = TestApp::without_worker(&[]).await;
    let folder = hub_folder(&app);
    let refused = async |path: &Path, words: &str| {
        let output = register(&app, path).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{words}");
        assert!(said.contains(words), "{said}");
    };
    write_index(&folder, "model-00002-of-00002.safetensors");
    refused(&folder, "has no model-00002-of-00002.safetensors").await;
    fs::write(folder.join("model.safetensors.index.json"), "{}").unwrap();
    refused(&folder, "model.safetensors.index.json cannot be understood").await;
    fs::remove_file(folder.join("model.safetensors.index.json")).unwrap();
    fs::write(folder.join("strange name.json"), "{}").unwrap();
    refused(&folder, "\"strange name.json\" is not usable").await;
    fs::remove_file(folder.join("strange name.json")).unwrap();
    fs::write(folder.join("chat_template.jinja"), "").unwrap();
    refused(&folder, "chat_template.jinja is empty").await;
    fs::write(folder.join("adapter_config.json"), "{}").unwrap();
    refused(&folder, "holds an adapter").await;
    fs::remove_file(folder.join("adapter_config.json")).unwrap();
    fs::remove_file(folder.join("config.json")).unwrap();
    refused(&folder, "has no config.json").await;
    let text = folder.join("README.md");
    refused(&text, "is no .gguf file").await;
    refused(&folder.join("away.gguf"), "No such file").await;
    let models: i64 = sqlx::query_scalar("SELECT count(*) FROM models")
        .fetch_one(&app.pool().await)
        .await
        .unwrap();
    assert_eq!(models, 0);
}

#[actix_web::test]
async fn a_large_file_goes_to_the_store_in_parts_and_is_the_same_there() {
    let app = TestApp::without_worker(&[]).await;
    let path = app.folder.path().join("large.gguf");
    let large = Synthetic {
        hidden_size: 768,
        intermediate_size: 3072,
        layers: 8,
        ..Synthetic::default()
    };
    large.write_gguf(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 64 << 20);
    let base = app.base_model("large", &path).await;
    let (sha256, key, version): (String, String, String) = sqlx::query_as(
        "SELECT sha256, object_key, object_version FROM model_files WHERE model_id = $1",
    )
    .bind(base.0)
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    let stored = app.ports.objects.read(&key, &version).await.unwrap();
    let stored = stored.collect().await.unwrap().into_bytes();
    for bytes in [stored.as_ref(), &fs::read(&path).unwrap()] {
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
        assert_eq!(hash, sha256);
    }
}
