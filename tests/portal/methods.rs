//! Every method from request to model, with the real training program; what comes out is served and answers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Program, TestApp, given};

/// Everything that trains, for the consortium.
fn permission() -> Value {
    json!({
        "layers": ["copyright"], "purposes": ["fine_tuning", "continued_pretraining", "pretraining"],
        "recipients": "consortium", "commercial": "no", "territories": "world", "processing_locations": "world",
        "model_families": "all", "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "besluit",
        "delete_within_days": "30",
    })
}

/// Asked for by a researcher, approved, and followed to its end.
async fn done(app: &TestApp, wanted: Value) -> (Uuid, Value) {
    let job = given::approved_request(app, wanted).await;
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    (job, state)
}

/// Releases and deploys a model.
pub(crate) async fn deploy(app: &TestApp, model: &str) {
    let mut operator = app.browser("operator").await;
    for act in ["release", "deploy"] {
        operator
            .api(Method::POST, &format!("/api/v1/models/{model}/{act}"), None)
            .await
            .unwrap();
    }
}

/// A key for these models, asked for, approved and shown.
pub(crate) async fn key(app: &TestApp, models: &[&str]) -> String {
    let mut developer = app.browser("developer.harderwijk").await;
    let asked = json!({
        "name": "proef", "purpose": "een proef", "is_commercial": false, "models": models,
        "tokens_per_day": 10_000, "requests_per_minute": 1000,
    });
    let key = developer
        .api(Method::POST, "/api/v1/keys", Some(asked))
        .await
        .unwrap();
    let id = key["id"].as_str().unwrap().to_owned();
    app.browser("manager.harderwijk")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/keys/{id}/approve"),
            Some(json!({"accept_terms": true})),
        )
        .await
        .unwrap();
    let shown = developer
        .api(Method::POST, &format!("/api/v1/keys/{id}/reveal"), None)
        .await
        .unwrap();
    shown["api_key"].as_str().unwrap().to_owned()
}

/// What a served model says, once it is ready.
pub(crate) async fn answer(app: &TestApp, key: &str, model: &str) -> String {
    let client = reqwest::Client::new();
    let mut last = String::new();
    for _ in 0..300 {
        let sent = client
            .post(app.url.join("/v1/chat/completions").unwrap())
            .bearer_auth(key)
            .json(&json!({
                "model": model, "max_tokens": 8, "temperature": 0,
                "messages": [{ "role": "user", "content": "vraag 3" }],
            }))
            .send()
            .await
            .unwrap();
        let status = sent.status();
        last = sent.text().await.unwrap();
        if status == StatusCode::OK {
            let body: Value = serde_json::from_str(&last).unwrap();
            assert!(body["usage"]["completion_tokens"].as_u64().unwrap() > 0);
            return body["choices"][0]["message"]["content"]
                .as_str()
                .unwrap()
                .to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{model} does not answer: {last}");
}

fn files_of(page: &str) -> Vec<&'static str> {
    [
        "adapter_config.json",
        "adapter_model.safetensors",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    .into_iter()
    .filter(|name| page.contains(&format!(">{name}</td>")))
    .collect()
}

const WHOLE: [&str; 4] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

#[actix_web::test]
async fn all_weights_of_a_base_become_a_whole_model_that_answers() {
    let app = TestApp::start().await;
    let _serving = Program::serving(&app);
    let base = given::tiny_base(&app).await;
    let data = given::approved_with(&app, permission()).await;
    let mut names = Vec::new();
    for (method, purpose) in [
        ("full", "fine_tuning"),
        ("continued", "continued_pretraining"),
    ] {
        let (job, state) = done(
            &app,
            json!({
                "title": method, "motivation": "een test", "recipients": "consortium", "method": method,
                "base_model": base, "dataset_versions": [data.version], "epochs": 3, "sequence_length": 64,
                "learning_rate": 0.001, "keep_best": true, "seed": 7,
            }),
        )
        .await;
        assert_eq!(state["purpose"], purpose);
        assert_eq!(state["method"], method);
        assert_eq!(state["seed"], 7);
        let (before, after) = (
            state["result"]["held_out_loss_before"].as_f64().unwrap(),
            state["result"]["held_out_loss_after"].as_f64().unwrap(),
        );
        assert!(after < before, "{method}: {before} then {after}");
        let model = state["model"]["id"].as_str().unwrap();
        let mut researcher = app.browser("researcher.harderwijk").await;
        let said = researcher
            .api(Method::GET, &format!("/api/v1/models/{model}"), None)
            .await
            .unwrap();
        assert_eq!(said["kind"], "whole", "{said}");
        assert_eq!(said["base_model"], json!(base), "{said}");
        assert_eq!(said["job"], json!(job), "{said}");
        let page = researcher
            .get(&format!("/nl/models/{model}"))
            .await
            .unwrap();
        assert_eq!(files_of(&page.text), WHOLE, "{}", page.text);
        deploy(&app, model).await;
        names.push(state["model"]["name"].as_str().unwrap().to_owned());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let key = key(&app, &names).await;
    for name in names {
        assert!(name.starts_with("ft:tiny:"), "{name}");
        answer(&app, &key, name).await;
    }
}

#[actix_web::test]
async fn a_model_is_trained_from_nothing_and_answers() {
    let app = TestApp::start().await;
    let _serving = Program::serving(&app);
    let data = given::approved_with_of(&app, &given::texts(), permission()).await;
    let wanted = json!({
        "title": "Vanaf niets", "motivation": "een test", "recipients": "consortium", "purpose": "pretraining",
        "shape": "tiny", "dataset_versions": [data.version], "epochs": 4, "sequence_length": 64,
    });
    let (job, state) = done(&app, wanted.clone()).await;
    assert_eq!(
        (&state["method"], &state["base_model"]),
        (&json!("pretrain"), &Value::Null)
    );
    assert!(
        state["result"]["held_out_loss_after"].as_f64().unwrap()
            < state["result"]["held_out_loss_before"].as_f64().unwrap()
    );
    let model = state["model"]["id"].as_str().unwrap();
    let name = state["model"]["name"].as_str().unwrap();
    assert!(name.starts_with("new:harderwijk:vanaf-niets:"), "{name}");
    let mut researcher = app.browser("researcher.harderwijk").await;
    for lang in ["nl", "en"] {
        for path in [
            format!("/{lang}/jobs/{job}"),
            format!("/{lang}/jobs"),
            format!("/{lang}/models/{model}"),
            format!("/{lang}/models"),
            format!("/{lang}/lineage/model/{model}"),
        ] {
            let page = researcher.get(&path).await.unwrap();
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
            assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
        }
    }
    // Its receipt names the data and no model that it came from.
    let receipt = researcher
        .get(&format!("/api/v1/models/{model}/receipt"))
        .await
        .unwrap();
    let envelope: Value = serde_json::from_str(&receipt.text).unwrap();
    let payload = data_encoding::BASE64
        .decode(envelope["payload"].as_str().unwrap().as_bytes())
        .unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let definition = &statement["predicate"]["buildDefinition"];
    assert_eq!(
        definition["buildType"],
        "urn:gptnl:virtual-faculty:pretraining:1"
    );
    let kinds: Vec<&str> = definition["resolvedDependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["annotations"]["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"dataset_version"), "{kinds:?}");
    assert!(!kinds.contains(&"base_model"), "{kinds:?}");
    // It has no licence of its own: its data alone say how far it may go, and they are not for everybody.
    for wider in [
        json!({ "recipients": "public" }),
        json!({ "commercial": "yes" }),
    ] {
        let refused = app
            .browser("operator")
            .await
            .call(
                Method::POST,
                &format!("/api/v1/models/{model}/release"),
                Some(wider),
            )
            .await
            .unwrap();
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
        assert!(
            refused.text.contains("model-release-wider"),
            "{}",
            refused.text
        );
    }
    deploy(&app, model).await;
    let key = key(&app, &[name]).await;
    answer(&app, &key, name).await;
    // What its data may not be used for ends its use.
    given::withdrawn(&app, data.dataset, "De schenker wil het niet meer.").await;
    let said = researcher
        .api(Method::GET, &format!("/api/v1/models/{model}"), None)
        .await
        .unwrap();
    assert_eq!(said["marked_reason"], "permission_withdrawn", "{said}");
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn adapters_learn_from_preferences() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let mut lines = String::new();
    for n in 0..24 {
        let line = json!({
            "input": { "messages": [{ "role": "user", "content": format!("vraag {n}") }] },
            "preferred_output": [{ "role": "assistant", "content": format!("het archief is open op dag {n}") }],
            "non_preferred_output": [{ "role": "assistant", "content": "geen idee" }],
        });
        lines.push_str(&format!("{line}\n"));
    }
    let data = given::approved_dataset_of(&app, lines.as_bytes()).await;
    let (_, state) = done(
        &app,
        json!({
            "title": "Voorkeuren", "motivation": "een test", "recipients": "consortium", "method": "dpo",
            "beta": 0.2, "base_model": base, "dataset_versions": [data.version], "epochs": 3, "rank": 4,
            "alpha": 16, "dropout": 0.05, "target_modules": ["q_proj", "v_proj"], "sequence_length": 64,
            "learning_rate": 0.001, "schedule": "cosine", "warmup_steps": 2, "weight_decay": 0.01,
        }),
    )
    .await;
    assert_eq!(state["task"]["kind"], "dpo");
    assert_eq!(
        state["task"]["lora"]["target_modules"],
        json!(["q_proj", "v_proj"])
    );
    assert_eq!(state["task"]["training"]["schedule"], "cosine");
    assert!(
        state["result"]["held_out_loss_after"].as_f64().unwrap()
            < state["result"]["held_out_loss_before"].as_f64().unwrap(),
        "{state:#}"
    );
    let model = state["model"]["id"].as_str().unwrap();
    let mut researcher = app.browser("researcher.harderwijk").await;
    let page = researcher
        .get(&format!("/nl/models/{model}"))
        .await
        .unwrap();
    assert_eq!(
        files_of(&page.text),
        ["adapter_config.json", "adapter_model.safetensors"],
        "{}",
        page.text
    );
}

#[actix_web::test]
async fn a_permission_for_one_method_is_none_for_another_and_settings_are_bounded() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let base = given::tiny_base(&app).await;
    // Fine-tuning alone.
    let data = given::approved_dataset(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let of = |method: &str| {
        let mut wanted = json!({
            "title": "Proef", "motivation": "een test", "recipients": "consortium", "method": method,
            "dataset_versions": [data.version],
        });
        if method != "pretrain" {
            wanted["base_model"] = json!(base);
        }
        wanted
    };
    for method in ["continued", "pretrain"] {
        let refused = researcher
            .call(Method::POST, "/api/v1/jobs", Some(of(method)))
            .await
            .unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            refused.text.contains("jobs-not-permitted"),
            "{}",
            refused.text
        );
        let page = researcher
            .get(&format!(
                "/en/jobs/new?method={method}&dataset_versions={}",
                data.version
            ))
            .await
            .unwrap();
        assert!(page.text.contains("class=\"is-no\""), "{}", page.text);
    }
    let cases = [
        ("lora", json!({ "purpose": "pretraining" }), "purpose"),
        ("pretrain", json!({ "base_model": base }), "base_model"),
        ("lora", json!({ "base_model": null }), "base_model"),
        ("magic", json!({}), "method"),
        ("dpo", json!({ "beta": -1 }), "beta"),
        (
            "lora",
            json!({ "target_modules": ["lm_head"] }),
            "target_modules",
        ),
        (
            "pretrain",
            json!({ "shape": "tiny", "sequence_length": 2048 }),
            "sequence_length",
        ),
        (
            "full",
            json!({ "keep_best": true, "held_out_share": 0 }),
            "keep_best",
        ),
        ("lora", json!({ "accumulate": 5 }), "accumulate"),
        ("lora", json!({ "precision": "f64" }), "precision"),
    ];
    for (method, changes, field) in cases {
        let mut wanted = of(method);
        for (name, value) in changes.as_object().unwrap() {
            wanted[name] = value.clone();
        }
        let refused = researcher
            .call(Method::POST, "/api/v1/jobs", Some(wanted))
            .await
            .unwrap();
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            refused.text
        );
        assert!(
            refused.text.contains(&format!("The field {field} ")),
            "{field}: {}",
            refused.text
        );
    }
    let page = researcher
        .post_form(
            "/nl/jobs/new",
            &[
                ("method", "dpo"),
                ("beta", "x"),
                ("dropout", "2"),
                ("action", "send"),
            ],
        )
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for error in ["beta-error", "dropout-error", "title-error"] {
        assert!(page.text.contains(error), "{error}: {}", page.text);
    }
    assert!(
        page.text.contains("<details class=\"advanced\" open>"),
        "{}",
        page.text
    );
    assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
}
