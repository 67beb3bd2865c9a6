//! What is said about a model to the public and the authorities, as the people of the demo would say it.

mod care;
mod documents;
mod later;
mod publication;
mod schema;
mod sources;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo;

use crate::{
    job_contract::{Program, portal, result},
    privacy,
    support::{TestApp, given},
    versions,
};

/// A portal with a model that a job made of one dataset, with the same figures each time.
pub(crate) struct Tuned {
    pub(crate) app: TestApp,
    pub(crate) dataset: Uuid,
    /// The dataset's version that was read.
    pub(crate) version: Uuid,
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
    pub(crate) has_personal_data: bool,
    /// Whether the model is made of the second version, that came out of the first.
    pub(crate) is_second_version: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            flop: 2.5e17,
            confidentiality: "public",
            is_complete: true,
            is_released: true,
            has_personal_data: false,
            is_second_version: false,
        }
    }
}

async fn dataset(app: &TestApp, wanted: &Wanted) -> (Uuid, Uuid) {
    let mut facts = json!({
        "title": "Notulen van de raad", "description": "Voor een test geschreven.", "language": "nl",
        "license": "CC0-1.0", "source": "test", "right_holder": "Archief Waterland", "personal_data": "no",
        "personal_data_basis": "", "confidentiality": wanted.confidentiality,
    });
    let mut layers = vec!["copyright", "confidentiality"];
    if wanted.has_personal_data {
        facts["personal_data"] = "yes".into();
        facts["personal_data_basis"] = "taak van algemeen belang".into();
        layers.push("personal_data");
    }
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
        .upload(dataset, "notulen.jsonl", &given::small_corpus())
        .await
        .unwrap();
    app.browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(json!({
                "layers": layers, "purposes": ["fine_tuning"],
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
    if wanted.has_personal_data {
        let filed = privacy::fill(&mut contributor, dataset, privacy::assessment(&[])).await;
        let mut officer = app.browser("fg.waterland").await;
        let signed = privacy::decide(&mut officer, dataset, &filed, "signed").await;
        assert_eq!(signed, StatusCode::SEE_OTHER);
    }
    given::approve(app, dataset).await;
    if wanted.is_second_version {
        return (dataset, next_version(app, dataset).await);
    }
    (dataset, version)
}

/// The next version of a dataset, approved.
pub(crate) async fn next_version(app: &TestApp, dataset: Uuid) -> Uuid {
    let mut contributor = app.browser("contributor.waterland").await;
    let path = format!("/api/v1/datasets/{dataset}");
    contributor
        .api(Method::POST, &format!("{path}/versions"), None)
        .await
        .unwrap();
    let seen = versions::until(&mut contributor, &path, versions::all_ready).await;
    versions::approve(app, dataset).await;
    seen["version"]["id"].as_str().unwrap().parse().unwrap()
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
        .chain(
            spec.base_model
                .iter()
                .flat_map(|base| base.files.iter().map(|file| file.file)),
        )
        .collect();
    for file in files {
        assert_eq!(program.grant(file).await.0, StatusCode::OK);
    }
    let weights = program.put("adapter_model.safetensors", b"weights").await;
    let config = program.put("adapter_config.json", b"{}").await;
    let mut outcome = result(&spec, vec![weights, config]);
    outcome.flop = wanted.flop;
    outcome.wall_seconds = 90.0;
    let outcome = job_contract::Outcome::Succeeded(Box::new(outcome));
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
        version,
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

    /// What a field of a document says: its `content`.
    pub(crate) async fn field(&self, kind: &str, section: &str, id: &str) -> Value {
        let document = self.draft(kind).await;
        let sections = document["sections"].as_array().unwrap();
        let section = sections.iter().find(|one| one["id"] == section).unwrap();
        let fields = section["fields"].as_array().unwrap();
        let field = fields.iter().find(|one| one["id"] == id);
        field.unwrap_or_else(|| panic!("{kind} has no {id}"))["content"].clone()
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
        self.withdraw_part("dataset").await;
    }

    /// Withdraws a part: `version:{id}`, `permission:{id}` and so on.
    pub(crate) async fn withdraw_part(&self, extent: &str) {
        self.app
            .browser("manager.waterland")
            .await
            .api(
                Method::POST,
                &format!("/api/v1/datasets/{}/withdraw", self.dataset),
                Some(json!({ "extent": extent, "reason": "bezwaar" })),
            )
            .await
            .unwrap();
    }

    /// The contributor states what public summaries say of the dataset: the demo's facts with these changes.
    pub(crate) async fn state_dataset(&self, changes: Value) {
        let mut facts = demo::public_facts();
        for (name, value) in changes.as_object().unwrap() {
            facts[name] = value.clone();
        }
        self.app
            .browser("contributor.waterland")
            .await
            .api(
                Method::POST,
                &format!("/api/v1/datasets/{}/public-facts", self.dataset),
                Some(facts),
            )
            .await
            .unwrap();
    }

    /// The legal reviewer notes what stands at the source.
    pub(crate) async fn look_at_source(&self, reservation: &str) {
        self.app
            .browser("legal")
            .await
            .api(
                Method::POST,
                &format!("/api/v1/datasets/{}/rights/checks", self.dataset),
                Some(json!({
                    "source_url": "https://data.example.nl/notulen", "looked_on": "2026-11-01", "outcome": "read",
                    "license": "CC-BY-4.0", "reservation": reservation,
                })),
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
