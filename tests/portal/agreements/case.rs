//! An agreement of Archief Waterland, and the people who work on it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo::{Answer, Browser};

use crate::support::{TestApp, given, pdf::pdf};

pub(super) const PAGE_ONE: &str = "OVEREENKOMST
Partijen: Archief Waterland en TNO.
Artikel 1. De data mag gebruikt worden om taalmodellen
te finetunen en te evalueren. Doorgeven van de teksten zelf is verboden.
Artikel 2. De gewichten worden verstrekt aan het consortium.
Gebruik is zonder winstoogmerk.";
pub(super) const PAGE_TWO: &str = "Artikel 3. Deze overeenkomst gaat in op 1 januari 2026
en eindigt op 31 december 2031.
Artikel 4. Na intrekking worden kopie\u{eb}n gewist binnen 30 dagen;
modellen worden buiten gebruik gesteld.
Artikel 5. Gebruik wordt gerapporteerd. Vermelding van de bron: \"Archief Waterland\".
De data wordt verwerkt binnen de Europese Economische Ruimte.";

/// A term, its value, and its page and passage; none: the agreement is silent.
pub(super) type Coding = (&'static str, Value, Option<(u32, &'static str)>);

/// What each term is coded as.
pub(super) fn coding() -> Vec<Coding> {
    let purposes = "De data mag gebruikt worden om taalmodellen te finetunen en te evalueren.";
    let dates = "gaat in op 1 januari 2026 en eindigt op 31 december 2031";
    let region = "verwerkt binnen de Europese Economische Ruimte";
    vec![
        (
            "purposes",
            json!(["fine_tuning", "evaluation"]),
            Some((1, purposes)),
        ),
        (
            "prohibited",
            json!(["redistribute_original"]),
            Some((1, "Doorgeven van de teksten zelf is verboden.")),
        ),
        (
            "recipients",
            json!(["consortium"]),
            Some((1, "De gewichten worden verstrekt aan het consortium.")),
        ),
        (
            "commercial_use",
            json!(["no"]),
            Some((1, "zonder winstoogmerk")),
        ),
        ("territories", json!([]), None),
        ("processing_locations", json!(["EEA"]), Some((2, region))),
        ("model_families", json!([]), None),
        ("valid_from", json!(["2026-01-01"]), Some((2, dates))),
        ("valid_until", json!(["2031-12-31"]), Some((2, dates))),
        (
            "attribution",
            json!(["Archief Waterland"]),
            Some((2, "Vermelding van de bron: \"Archief Waterland\"")),
        ),
        (
            "report_use",
            json!(["yes"]),
            Some((2, "Gebruik wordt gerapporteerd.")),
        ),
        ("compensate", json!([]), None),
        (
            "delete_within_days",
            json!(["30"]),
            Some((2, "worden kopie\u{eb}n gewist binnen 30 dagen")),
        ),
        (
            "on_withdrawal",
            json!(["retire"]),
            Some((2, "modellen worden buiten gebruik gesteld")),
        ),
    ]
}

pub(super) fn facts(dataset: Uuid) -> Value {
    json!({
        "kind": "contributor", "title": "CCA Waterland", "layers": ["copyright"],
        "parties": "Archief Waterland\nTNO", "signatory": "A. de Archivaris, directeur",
        "authority": "Uittreksel KvK van 3 november 2026", "effective_on": "2026-01-01", "expires_on": "2031-12-31",
        "datasets": [dataset], "template": "",
    })
}

/// A dataset of Archief Waterland that passed both reviews, for which nobody gave permission.
pub(super) async fn reviewed(app: &TestApp) -> given::Approved {
    let mut contributor = app.browser("contributor.waterland").await;
    let registered = contributor
        .api(
            Method::POST,
            "/api/v1/datasets",
            Some(json!({
                "title": "Notulen", "description": "Voor een test geschreven.", "language": "nl",
                "license": "LicenseRef-GPT-NL-CCA", "source": "test", "right_holder": "Archief Waterland",
                "personal_data": "no", "personal_data_basis": "", "confidentiality": "public",
            })),
        )
        .await
        .unwrap();
    let dataset: Uuid = registered["id"].as_str().unwrap().parse().unwrap();
    let version: Uuid = registered["version"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    contributor
        .upload(dataset, "notulen.jsonl", &given::small_corpus())
        .await
        .unwrap();
    let path = format!("/api/v1/datasets/{dataset}/submit");
    contributor.api(Method::POST, &path, None).await.unwrap();
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
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    given::Approved { dataset, version }
}

/// A registered dataset and no more.
pub(super) async fn dataset(app: &TestApp) -> Uuid {
    let registered = app
        .browser("contributor.waterland")
        .await
        .api(
            Method::POST,
            "/api/v1/datasets",
            Some(json!({
                "title": "Notulen", "description": "Voor een test.", "language": "nl", "license": "LicenseRef-GPT-NL-CCA",
                "source": "test", "right_holder": "Archief Waterland", "personal_data": "no",
                "personal_data_basis": "", "confidentiality": "public",
            })),
        )
        .await
        .unwrap();
    registered["id"].as_str().unwrap().parse().unwrap()
}

/// An agreement and the people who work on it.
pub(super) struct Case {
    pub(super) id: String,
    pub(super) contributor: Browser,
    pub(super) manager: Browser,
    pub(super) legal: Browser,
}

impl Case {
    pub(super) async fn registered(app: &TestApp, facts: Value) -> Self {
        let mut contributor = app.browser("contributor.waterland").await;
        let made = contributor
            .api(Method::POST, "/api/v1/agreements", Some(facts))
            .await
            .unwrap();
        Self {
            id: made["id"].as_str().unwrap().to_owned(),
            contributor,
            manager: app.browser("manager.waterland").await,
            legal: app.browser("legal").await,
        }
    }

    /// With a document that was read.
    pub(super) async fn with_document(app: &TestApp, facts: Value, bytes: Vec<u8>) -> Self {
        let mut case = Self::registered(app, facts).await;
        let answer = case.send(bytes).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        app.run_tasks().await;
        case
    }

    /// With every line coded.
    pub(super) async fn coded(app: &TestApp) -> Self {
        let dataset = dataset(app).await;
        let mut case = Self::with_document(app, facts(dataset), pdf(&[PAGE_ONE, PAGE_TWO])).await;
        case.code_all().await;
        case
    }

    /// Handed in too.
    pub(super) async fn submitted(app: &TestApp) -> Self {
        let mut case = Self::coded(app).await;
        case.submit().await;
        case
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/api/v1/agreements/{}{rest}", self.id)
    }

    pub(super) async fn send(&mut self, bytes: Vec<u8>) -> Answer {
        let path = self.path("/document?name=cca.pdf");
        self.contributor
            .post_bytes(&path, "application/pdf", bytes)
            .await
            .unwrap()
    }

    pub(super) async fn show(&mut self) -> Value {
        let path = self.path("");
        self.manager.api(Method::GET, &path, None).await.unwrap()
    }

    pub(super) async fn line(&mut self, term: &str) -> Value {
        let shown = self.show().await;
        shown["lines"]
            .as_array()
            .unwrap()
            .iter()
            .find(|line| line["term"] == term)
            .unwrap()
            .clone()
    }

    /// Codes a line as the contributor; the standing version is the one seen.
    pub(super) async fn code(&mut self, term: &str, mut body: Value) -> Answer {
        let seen = self.line(term).await["version"].clone();
        body["seen"] = seen;
        let path = self.path(&format!("/lines/copyright/{term}"));
        self.contributor
            .call(Method::POST, &path, Some(body))
            .await
            .unwrap()
    }

    pub(super) async fn code_all(&mut self) {
        for (term, value, place) in coding() {
            let body = match place {
                Some((page, passage)) => json!({
                    "basis": "passage", "value": value, "page": page.to_string(), "passage": passage,
                }),
                None => json!({ "basis": "silent" }),
            };
            let answer = self.code(term, body).await;
            assert_eq!(answer.status, StatusCode::OK, "{term}: {}", answer.text);
        }
    }

    pub(super) async fn submit(&mut self) {
        let path = self.path("/submit");
        self.contributor
            .api(Method::POST, &path, None)
            .await
            .unwrap();
    }

    pub(super) async fn line_ids(&mut self) -> Vec<String> {
        let shown = self.show().await;
        shown["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(super) async fn confirm_all(&mut self) {
        let lines = self.line_ids().await;
        let path = self.path("/confirm");
        for browser in [&mut self.manager, &mut self.legal] {
            let body = json!({ "lines": lines });
            browser.api(Method::POST, &path, Some(body)).await.unwrap();
        }
    }

    pub(super) async fn put_in_force(&mut self) -> Answer {
        let path = self.path("/in-force");
        self.manager.call(Method::POST, &path, None).await.unwrap()
    }
}
