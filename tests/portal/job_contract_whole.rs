//! What a program hands over of a whole model whose weights stand in several files.

use job_contract::{Outcome, StoredArtifact};
use reqwest::StatusCode;
use serde_json::json;

use crate::{
    job_contract::{Program, portal, result},
    support::given,
};

const PARTS: [&str; 2] = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
];
const BESIDE: [&str; 4] = [
    "model.safetensors.index.json",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

#[actix_web::test]
async fn weights_in_several_files_are_taken_whole_and_once() {
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let base = given::tiny_base(&app).await;
    let job = given::approved_request(
        &app,
        json!({
            "title": "Alle gewichten", "motivation": "een test", "recipients": "consortium", "method": "full",
            "base_model": base, "dataset_versions": [data.version], "sequence_length": 64,
        }),
    )
    .await;
    let state = given::job_until(&app, job, |state| state["status"] == "running").await;
    let program = Program::of(&app, job, state["attempts"][0]["id"].as_str().unwrap());
    let spec = program.spec().await;
    assert_eq!(program.grant(spec.inputs[0].file).await.0, StatusCode::OK);

    let mut whole = Vec::new();
    for name in PARTS.into_iter().chain(BESIDE) {
        whole.push(program.put(name, name.as_bytes()).await);
    }
    let said = |artifacts: Vec<StoredArtifact>| {
        let outcome = Outcome::Succeeded(Box::new(result(&spec, artifacts)));
        let program = &program;
        async move {
            program
                .call(reqwest::Method::POST, "finish", &outcome)
                .await
        }
    };
    for absent in 0..whole.len() {
        let mut some = whole.clone();
        let absent = some.remove(absent).name;
        let (status, text) = said(some).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{absent}: {text}");
        assert!(
            text.contains("safetensors") || text.contains(&absent),
            "{absent}: {text}"
        );
    }
    for second in ["model.safetensors", "model-00001-of-00003.safetensors"] {
        let mut two = whole.clone();
        two.push(program.put(second, b"another set").await);
        let (status, text) = said(two).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{second}: {text}");
        assert!(text.contains("does not belong to the weights"), "{text}");
    }
    assert_eq!(said(whole).await.0, StatusCode::NO_CONTENT);

    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let model = state["model"]["id"].as_str().unwrap();
    let page = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/nl/models/{model}"))
        .await
        .unwrap();
    for name in PARTS.into_iter().chain(BESIDE) {
        assert!(
            page.text.contains(&format!(">{name}</td>")),
            "{name}: {}",
            page.text
        );
    }
    assert!(
        !page.text.contains(">model.safetensors</td>"),
        "{}",
        page.text
    );
}
