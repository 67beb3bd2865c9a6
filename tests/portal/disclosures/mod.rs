//! What is said about a model to the public and the authorities, as the people of the demo would say it.

mod documents;
mod publication;
mod schema;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo;

use crate::{
    job_contract::{Program, portal, result},
    support::TestApp,
};

/// A portal with a model that a job made of one dataset, with the same figures each time.
pub(crate) struct Tuned {
    pub(crate) app: TestApp,
    pub(crate) dataset: Uuid,
    pub(crate) base: Uuid,
    pub(crate) model: Uuid,
}

/// What a test wants of it.
pub(crate) struct Wanted {
    /// Operations of the training.
    pub(crate) flop: f64,
    pub(crate) confidentiality: &'static str,
    /// Whether every fact is on record.
    pub(crate) is_complete: bool,
    pub(crate) is_released: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            flop: 2.5e17,
            confidentiality: "public",
            is_complete: true,
            is_released: true,
        }
    }
}

async fn dataset(app: &TestApp, wanted: &Wanted) -> (Uuid, Uuid) {
    let mut facts = json!({
        "title": "Notulen van de raad", "description": "Voor een test geschreven.", "language": "nl",
        "license": "CC0-1.0", "source": "test", "right_holder": "Archief Waterland", "personal_data": "no",
        "personal_data_basis": "", "confidentiality": wanted.confidentiality,
    });
    if wanted.is_complete {
        for (name, value) in demo::public_facts().as_object().unwrap() {
            facts[name] = value.clone();
        }
    }
    let mut contributor = app.browser("contributor.waterland").await;
    let registered = contributor
        .api(Method::POST, "/api/v1/datasets", Some(facts))
        .await
        .unwrap();
    let id = |value: &Value| value.as_str().unwrap().parse::<Uuid>().unwrap();
    let (dataset, version) = (id(&registered["id"]), id(&registered["version"]["id"]));
    contributor
        .upload(
            dataset,
            "notulen.jsonl",
            &crate::support::given::small_corpus(),
        )
        .await
        .unwrap();
    app.browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(json!({
                "layers": ["copyright", "confidentiality"], "purposes": ["fine_tuning"],
                "recipients": "consortium", "commercial": "no", "territories": "world",
                "processing_locations": "world", "model_families": "all", "valid_from": "2026-01-01",
                "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
            })),
        )
        .await
        .unwrap();
    contributor
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/submit"),
            None,
        )
        .await
        .unwrap();
    for (login, kind) in [("steward", "data"), ("legal", "legal")] {
        let answer = app
            .browser(login)
            .await
            .post_form(
                &format!("/nl/datasets/{dataset}/review"),
                &[("kind", kind), ("decision", "approved"), ("reason", "")],
            )
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }
    (dataset, version)
}

/// Makes it, with the test in the place of the training program.
pub(crate) async fn tuned(wanted: Wanted) -> Tuned {
    let app = portal().await;
    let (dataset, version) = dataset(&app, &wanted).await;
    let program = Program::dispatched(&app, version).await;
    let spec = program.spec().await;
    let files: Vec<Uuid> = spec
        .inputs
        .iter()
        .map(|input| input.file)
        .chain([spec.base_model.file.file])
        .collect();
    for file in files {
        assert_eq!(program.grant(file).await.0, StatusCode::OK);
    }
    let weights = program.put("adapter_model.safetensors", b"weights").await;
    let config = program.put("adapter_config.json", b"{}").await;
    let mut outcome = result(&spec, vec![weights, config]);
    outcome.flop = wanted.flop;
    outcome.wall_seconds = 90.0;
    let outcome = job_contract::Outcome::Succeeded(outcome);
    assert_eq!(program.finish(&outcome).await, StatusCode::NO_CONTENT);
    let mut operator = app.browser("operator").await;
    let models = operator
        .api(Method::GET, "/api/v1/models", None)
        .await
        .unwrap();
    let of_kind = |kind: &str| -> Uuid {
        let model = models["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["kind"] == kind)
            .unwrap();
        model["id"].as_str().unwrap().parse().unwrap()
    };
    let tuned = Tuned {
        base: of_kind("base"),
        model: of_kind("adapter"),
        dataset,
        app,
    };
    if wanted.is_complete {
        tuned.state_provider(demo::provider_facts()).await;
        operator
            .api(
                Method::POST,
                &format!("/api/v1/models/{}/base-facts", tuned.base),
                Some(demo::base_facts()),
            )
            .await
            .unwrap();
    }
    if wanted.is_released {
        operator
            .api(
                Method::POST,
                &format!("/api/v1/models/{}/release", tuned.model),
                None,
            )
            .await
            .unwrap();
    }
    tuned
}

impl Tuned {
    pub(crate) async fn state_provider(&self, facts: Value) {
        self.app
            .browser("admin")
            .await
            .api(Method::POST, "/api/v1/provider", Some(facts))
            .await
            .unwrap();
    }

    /// A document as it would be now.
    pub(crate) async fn draft(&self, kind: &str) -> Value {
        let path = format!("/api/v1/models/{}/disclosures/{kind}", self.model);
        self.app
            .browser("operator")
            .await
            .api(Method::GET, &path, None)
            .await
            .unwrap()
    }

    /// The operator freezes the next version.
    pub(crate) async fn prepared(&self) -> Uuid {
        let path = format!("/api/v1/models/{}/disclosures", self.model);
        let answer = self
            .app
            .browser("operator")
            .await
            .api(Method::POST, &path, None)
            .await
            .unwrap();
        answer["id"].as_str().unwrap().parse().unwrap()
    }

    /// The legal reviewer publishes it.
    pub(crate) async fn publish(&self, id: Uuid) {
        self.app
            .browser("legal")
            .await
            .api(
                Method::POST,
                &format!("/api/v1/disclosures/{id}/publish"),
                None,
            )
            .await
            .unwrap();
    }

    pub(crate) async fn withdraw(&self) {
        self.app
            .browser("manager.waterland")
            .await
            .api(
                Method::POST,
                &format!("/api/v1/datasets/{}/withdraw", self.dataset),
                Some(json!({ "reason": "bezwaar" })),
            )
            .await
            .unwrap();
    }

    pub(crate) async fn reproduced(&self, id: Uuid) -> Value {
        self.app
            .browser("auditor")
            .await
            .api(
                Method::GET,
                &format!("/api/v1/disclosures/{id}/reproduced"),
                None,
            )
            .await
            .unwrap()
    }
}
