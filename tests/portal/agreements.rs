//! From the PDF of an agreement to permissions that jobs are decided by.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo::{Answer, Browser};

use crate::support::{
    TestApp, database, given,
    pdf::{encrypted, laughs, pdf},
};

const PAGE_ONE: &str = "OVEREENKOMST
Partijen: Archief Waterland en TNO.
Artikel 1. De data mag gebruikt worden om taalmodellen
te finetunen en te evalueren. Doorgeven van de teksten zelf is verboden.
Artikel 2. De gewichten worden verstrekt aan het consortium.
Gebruik is zonder winstoogmerk.";
const PAGE_TWO: &str = "Artikel 3. Deze overeenkomst gaat in op 1 januari 2026
en eindigt op 31 december 2031.
Artikel 4. Na intrekking worden kopie\u{eb}n gewist binnen 30 dagen;
modellen worden buiten gebruik gesteld.
Artikel 5. Gebruik wordt gerapporteerd. Vermelding van de bron: \"Archief Waterland\".
De data wordt verwerkt binnen de Europese Economische Ruimte.";

/// A term, its value, and its page and passage; none: the agreement is silent.
type Coding = (&'static str, Value, Option<(u32, &'static str)>);

/// What each term is coded as.
fn coding() -> Vec<Coding> {
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

fn facts(dataset: Uuid) -> Value {
    json!({
        "kind": "contributor", "title": "CCA Waterland", "layers": ["copyright"],
        "parties": "Archief Waterland\nTNO", "signatory": "A. de Archivaris, directeur",
        "authority": "Uittreksel KvK van 3 november 2026", "effective_on": "2026-01-01", "expires_on": "2031-12-31",
        "datasets": [dataset], "template": "",
    })
}

/// A dataset of Archief Waterland that passed both reviews, for which nobody gave permission.
async fn reviewed(app: &TestApp) -> given::Approved {
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
async fn dataset(app: &TestApp) -> Uuid {
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
struct Case {
    id: String,
    contributor: Browser,
    manager: Browser,
    legal: Browser,
}

impl Case {
    async fn registered(app: &TestApp, facts: Value) -> Self {
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
    async fn with_document(app: &TestApp, facts: Value, bytes: Vec<u8>) -> Self {
        let mut case = Self::registered(app, facts).await;
        let answer = case.send(bytes).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        app.run_tasks().await;
        case
    }

    /// With every line coded.
    async fn coded(app: &TestApp) -> Self {
        let dataset = dataset(app).await;
        let mut case = Self::with_document(app, facts(dataset), pdf(&[PAGE_ONE, PAGE_TWO])).await;
        case.code_all().await;
        case
    }

    /// Handed in too.
    async fn submitted(app: &TestApp) -> Self {
        let mut case = Self::coded(app).await;
        case.submit().await;
        case
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/agreements/{}{rest}", self.id)
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Answer {
        let path = self.path("/document?name=cca.pdf");
        self.contributor
            .post_bytes(&path, "application/pdf", bytes)
            .await
            .unwrap()
    }

    async fn show(&mut self) -> Value {
        let path = self.path("");
        self.manager.api(Method::GET, &path, None).await.unwrap()
    }

    async fn line(&mut self, term: &str) -> Value {
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
    async fn code(&mut self, term: &str, mut body: Value) -> Answer {
        let seen = self.line(term).await["version"].clone();
        body["seen"] = seen;
        let path = self.path(&format!("/lines/copyright/{term}"));
        self.contributor
            .call(Method::POST, &path, Some(body))
            .await
            .unwrap()
    }

    async fn code_all(&mut self) {
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

    async fn submit(&mut self) {
        let path = self.path("/submit");
        self.contributor
            .api(Method::POST, &path, None)
            .await
            .unwrap();
    }

    async fn line_ids(&mut self) -> Vec<String> {
        let shown = self.show().await;
        shown["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn confirm_all(&mut self) {
        let lines = self.line_ids().await;
        let path = self.path("/confirm");
        for browser in [&mut self.manager, &mut self.legal] {
            let body = json!({ "lines": lines });
            browser.api(Method::POST, &path, Some(body)).await.unwrap();
        }
    }

    async fn put_in_force(&mut self) -> Answer {
        let path = self.path("/in-force");
        self.manager.call(Method::POST, &path, None).await.unwrap()
    }
}

#[actix_web::test]
async fn a_contract_becomes_a_permission_that_jobs_are_decided_by() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = reviewed(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let wanted = given::job(base, data.version, 1);
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted.clone()))
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );

    let bytes = pdf(&[PAGE_ONE, PAGE_TWO]);
    let mut case = Case::with_document(&app, facts(data.dataset), bytes.clone()).await;
    case.code_all().await;
    case.submit().await;
    case.confirm_all().await;
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);

    // The permission proves itself by the document's hash and the pages.
    let sha256 = sha256(&bytes);
    let terms: String = sqlx::query_scalar("SELECT terms FROM permissions WHERE dataset_id = $1")
        .bind(data.dataset)
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
    let terms: Value = serde_json::from_str(&terms).unwrap();
    assert_eq!(terms["rule_set"], 2);
    assert_eq!(terms["purposes"], json!(["fine_tuning", "evaluation"]));
    assert_eq!(terms["prohibited"], json!(["redistribute_original"]));
    assert_eq!(
        terms["territories"],
        json!(["NL"]),
        "silence is read with care"
    );
    assert_eq!(terms["evidence"]["document_sha256"], json!(sha256));
    let note = terms["evidence"]["note"].as_str().unwrap();
    assert!(note.contains("p. 1: purposes"), "{note}");
    assert_eq!(terms["duties"]["attribution"], "Archief Waterland");

    // And `decide` reads it: yes for what was agreed, no for the rest.
    let accepted = researcher
        .call(Method::POST, "/api/v1/jobs", Some(wanted.clone()))
        .await
        .unwrap();
    assert_eq!(accepted.status, StatusCode::CREATED, "{}", accepted.text);
    let mut for_profit = wanted;
    for_profit["is_commercial"] = json!("yes");
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", Some(for_profit))
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );

    // The dataset's page leads to the page of the agreement, and everything is in the log.
    let page = case
        .manager
        .get(&format!("/nl/datasets/{}", data.dataset))
        .await
        .unwrap();
    let link = format!("/nl/agreements/{}#page-1", case.id);
    assert!(page.text.contains(&link), "the evidence is one click away");
    assert!(page.text.contains("uit overeenkomst CCA Waterland, blz. 1"));
    let log = case.manager.get("/nl/audit").await.unwrap();
    assert!(log.text.contains("Overeenkomst van kracht"));
    assert!(!log.text.contains('⟨'), "every event has words");
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
}

#[actix_web::test]
async fn the_pages_carry_the_whole_way_without_the_api() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await.to_string();
    let mut contributor = app.browser("contributor.waterland").await;
    let answer = contributor
        .post_form(
            "/nl/agreements/new",
            &[
                ("template", "cca"),
                ("kind", "contributor"),
                ("title", "CCA Waterland"),
                ("layers", "copyright"),
                ("datasets", &dataset),
                ("parties", "Archief Waterland\r\nTNO"),
                ("signatory", "A. de Archivaris"),
                ("authority", "mandaat"),
                ("effective_on", "2026-01-01"),
                ("expires_on", ""),
            ],
        )
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let place = answer.location.unwrap();
    let boundary = "---------------------------7d1";
    let csrf = contributor.csrf_token().await.unwrap();
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"document\"; filename=\"CCA 2026.pdf\"\r\n\
         Content-Type: application/pdf\r\n\r\n"
    )
    .into_bytes();
    let bytes = pdf(&[PAGE_ONE, PAGE_TWO]);
    body.extend_from_slice(&bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    let sent = contributor
        .post_bytes(&format!("{place}/document"), &kind, body)
        .await
        .unwrap();
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    app.run_tasks().await;

    let page = contributor.get(&place).await.unwrap().text;
    assert!(page.contains("Artikel 1. De data mag"), "the text is shown");
    assert!(
        page.contains("Nog niet gecodeerd"),
        "nothing is coded by itself"
    );
    assert!(
        page.contains("de plaats in dit document is nog niet aangewezen"),
        "what a template says still needs its place"
    );
    // A suggestion is found, explained, taken over, and saved only by the form.
    let line = format!("{place}/lines/copyright/purposes");
    let page = contributor.get(&line).await.unwrap().text;
    assert!(page.contains("Gevonden op:"), "{page}");
    let taken = contributor
        .get(&format!("{line}?use=1"))
        .await
        .unwrap()
        .text;
    assert!(taken.contains("value=\"fine_tuning\" checked"), "{taken}");
    assert!(taken.contains("om taalmodellen te finetunen"), "{taken}");
    let saved = contributor
        .post_form(
            &line,
            &[
                ("seen", "1"),
                ("basis", "passage"),
                ("value", "fine_tuning"),
                ("value", "evaluation"),
                ("page", "1"),
                (
                    "passage",
                    "De data mag gebruikt worden om taalmodellen\r\nte finetunen",
                ),
                ("reason", ""),
            ],
        )
        .await
        .unwrap();
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let page = contributor.get(&place).await.unwrap().text;
    let mark = "<mark>De data mag gebruikt worden om taalmodellen\nte finetunen</mark>";
    assert!(
        page.contains(mark),
        "the passage is marked in the text: {page}"
    );
    let english = contributor
        .get(&place.replace("/nl/", "/en/"))
        .await
        .unwrap()
        .text;
    assert!(
        english.contains("Coded terms") && !english.contains('⟨'),
        "{english}"
    );

    // What was sent comes back byte for byte.
    let back = contributor.get(&format!("{place}/document")).await.unwrap();
    assert_eq!(back.status, StatusCode::OK);
    assert_eq!(back.text, String::from_utf8_lossy(&bytes));
}

#[actix_web::test]
async fn a_passage_that_does_not_stand_on_the_page_is_refused() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await;
    let mut case = Case::with_document(&app, facts(dataset), pdf(&[PAGE_ONE, PAGE_TWO])).await;
    let quote = |page: &str, passage: &str| json!({ "basis": "passage", "value": ["no"], "page": page, "passage": passage });
    for (body, word) in [
        (
            quote("1", "ook met winstoogmerk"),
            "does not stand on page 1",
        ),
        (
            quote("2", "zonder winstoogmerk"),
            "does not stand on page 2",
        ),
        (quote("3", "zonder winstoogmerk"), "no such page"),
        (quote("1", " "), "characters"),
        (
            json!({ "basis": "page", "value": ["no"], "page": "1" }),
            "has text",
        ),
        (
            json!({ "basis": "passage", "value": ["maybe"], "page": "1", "passage": "zonder winstoogmerk" }),
            "value",
        ),
        (
            json!({ "basis": "template", "value": ["no"] }),
            "does not rest on a law",
        ),
        (
            json!({ "basis": "cannot_code", "reason": " " }),
            "cannot be coded",
        ),
        (json!({ "basis": "because" }), "basis"),
    ] {
        let answer = case.code("commercial_use", body.clone()).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}: {}",
            answer.text
        );
        assert!(answer.text.contains(word), "{body}: {}", answer.text);
    }
    let answer = case.code("purposes", json!({ "basis": "silent" })).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    // Longer than the agreement.
    let late = json!({ "basis": "passage", "value": ["2032-01-01"], "page": "2", "passage": "31 december 2031" });
    let answer = case.code("valid_until", late).await;
    assert!(
        answer.text.contains("ends on 2031-12-31"),
        "{}",
        answer.text
    );
    // Line breaks do not matter.
    let answer = case
        .code(
            "commercial_use",
            quote("1", "Gebruik is\n  zonder\twinstoogmerk"),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    // The database holds the rule too.
    let forged = sqlx::query(
        "INSERT INTO agreement_lines (id, agreement_id, layer, term, version, state, value, basis, document_id, page,
             passage, coded_by, coded_at)
         SELECT gen_random_uuid(), agreement_id, layer, term, version + 1, state, value, basis, document_id, page,
             'verzonnen tekst', coded_by, coded_at
         FROM agreement_lines WHERE basis = 'passage'",
    )
    .execute(&mut database::of(&app).await)
    .await
    .unwrap_err();
    assert!(
        forged.to_string().contains("does not stand on page"),
        "{forged}"
    );
}

#[actix_web::test]
async fn the_two_parties_are_two_people() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    // The same person becomes legal reviewer as well.
    sqlx::query(
        "INSERT INTO memberships (user_id, institution_id, role, created_at)
         SELECT user_id, institution_id, 'legal_reviewer', now() FROM memberships m JOIN users u ON u.id = m.user_id
         WHERE m.role = 'manager' AND u.subject = 'manager.waterland'",
    )
    .execute(&mut database::of(&app).await)
    .await
    .unwrap();
    let lines = case.line_ids().await;
    let page = case
        .manager
        .get(&format!("/nl/agreements/{}", case.id))
        .await
        .unwrap()
        .text;
    let boxes: Vec<_> = page.split("name=\"lines\"").skip(1).collect();
    assert_eq!(boxes.len(), 14, "each line is confirmed by its own mark");
    for one in boxes {
        let rest = one.split('>').next().unwrap();
        assert!(
            !rest.contains("checked"),
            "nothing is confirmed beforehand: {rest}"
        );
    }
    let path = case.path("/confirm");
    let of = |party: &str, line: &str| json!({ "party": party, "lines": [line] });
    let mut both = app.browser("manager.waterland").await;
    let first = both
        .call(Method::POST, &path, Some(of("institution", &lines[0])))
        .await
        .unwrap();
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    // Not of that line, and of no other line of the agreement either.
    for line in [&lines[0], &lines[1]] {
        let second = both
            .call(Method::POST, &path, Some(of("platform", line)))
            .await
            .unwrap();
        assert_eq!(second.status, StatusCode::FORBIDDEN, "{}", second.text);
    }
    let forged = sqlx::query(
        "INSERT INTO agreement_confirmations (line_id, agreement_id, party, confirmed_by, confirmed_at)
         SELECT $1, agreement_id, 'platform', confirmed_by, now() FROM agreement_confirmations LIMIT 1",
    )
    .bind(lines[1].parse::<Uuid>().unwrap())
    .execute(&mut database::of(&app).await)
    .await
    .unwrap_err();
    assert!(forged.to_string().contains("both parties"), "{forged}");
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}

#[actix_web::test]
async fn what_needs_a_human_is_never_approved_and_says_what_to_do() {
    let app = TestApp::start().await;
    let mut case = Case::coded(&app).await;
    let body =
        json!({ "basis": "cannot_code", "reason": "De opbrengst wordt per artikel verrekend." });
    let answer = case.code("compensate", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(case.line("compensate").await["state"], "needs_human");
    case.submit().await;
    let human = case.line("compensate").await["id"].clone();
    let path = case.path("/confirm");
    let body = json!({ "lines": [human] });
    let answer = case
        .legal
        .call(Method::POST, &path, Some(body))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let lines: Vec<_> = case
        .line_ids()
        .await
        .into_iter()
        .filter(|id| json!(id) != human)
        .collect();
    for browser in [&mut case.manager, &mut case.legal] {
        let body = json!({ "lines": lines });
        browser.api(Method::POST, &path, Some(body)).await.unwrap();
    }
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    // The database says no too, whoever asks.
    let forged = sqlx::query(
        "UPDATE agreements SET status = 'in_force', decided_by = submitted_by, decided_at = now()",
    )
    .execute(&mut database::of(&app).await)
    .await
    .unwrap_err();
    assert!(forged.to_string().contains("not every line"), "{forged}");
    // The legal reviewer is told, on the tasks and on the page.
    let tasks = case.legal.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("heeft regels die niet gecodeerd konden worden"),
        "{tasks}"
    );
    let page = case
        .legal
        .get(&format!("/nl/agreements/{}", case.id))
        .await
        .unwrap()
        .text;
    assert!(
        page.contains("geef de overeenkomst terug voor aanpassing, of wijs haar af met een reden"),
        "{page}"
    );
    assert!(page.contains("Teruggeven voor aanpassing"), "{page}");
    // A decision without a reason is none; with one it is, and the contributor hears of it.
    let say = case.path("/say");
    let without = json!({ "verb": "return", "text": "  " });
    let answer = case
        .legal
        .call(Method::POST, &say, Some(without))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    let body = json!({ "verb": "return", "text": "Spreek één vergoeding af." });
    let answer = case
        .contributor
        .call(Method::POST, &say, Some(body.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    case.legal
        .api(Method::POST, &say, Some(body))
        .await
        .unwrap();
    let tasks = case.contributor.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("Er is om aanpassing gevraagd van overeenkomst"),
        "{tasks}"
    );
    // Mended, handed in again: what was confirmed and not touched stays confirmed.
    let answer = case.code("compensate", json!({ "basis": "silent" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    case.submit().await;
    let progress = case.show().await["progress"].clone();
    assert_eq!(progress["confirmed_by_platform"], 13, "{progress}");
    case.confirm_all().await;
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[actix_web::test]
async fn changing_a_line_clears_its_confirmations_and_keeps_its_history() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    case.confirm_all().await;
    let before = case.line("delete_within_days").await;
    assert_eq!(before["confirmations"].as_array().unwrap().len(), 2);
    let quote = json!({
        "basis": "passage", "value": ["14"], "page": "2", "passage": "gewist binnen 30 dagen",
    });
    let answer = case.code("delete_within_days", quote.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let after = case.line("delete_within_days").await;
    assert_eq!(
        after["confirmations"],
        json!([]),
        "a changed line was confirmed by nobody"
    );
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let path = case.path("/lines/copyright/delete_within_days");
    let looked = case.legal.api(Method::GET, &path, None).await.unwrap();
    let old = looked["history"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["id"] == before["id"]);
    assert_eq!(
        old.unwrap()["confirmations"],
        before["confirmations"],
        "history stays"
    );
    // Who still had the old line before them confirms nothing, and overwrites nothing.
    let confirm = case.path("/confirm");
    let stale = json!({ "lines": [before["id"]] });
    let answer = case
        .manager
        .call(Method::POST, &confirm, Some(stale))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let mut late = quote;
    late["seen"] = before["version"].clone();
    let answer = case
        .legal
        .call(Method::POST, &path, Some(late))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    // What other lines were confirmed for has not changed.
    assert_eq!(
        case.line("purposes").await["confirmations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[actix_web::test]
async fn new_facts_and_a_new_document_open_the_lines_again() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    case.confirm_all().await;
    // While both look at it, neither can be changed.
    let answer = case.send(pdf(&["een ander document"])).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let say = case.path("/say");
    let body = json!({ "verb": "return", "text": "Verkeerde bijlage." });
    case.legal
        .api(Method::POST, &say, Some(body))
        .await
        .unwrap();
    let mut facts = case.show().await["facts"].clone();
    facts["parties"] = json!("Archief Waterland\nTNO\nNFI");
    let path = case.path("");
    case.contributor
        .api(Method::POST, &path, Some(facts))
        .await
        .unwrap();
    let progress = case.show().await["progress"].clone();
    assert_eq!(progress["confirmed_by_institution"], 0, "{progress}");
    assert_eq!(progress["needs_human"], 0, "the coding itself stands");
    let answer = case.send(pdf(&[PAGE_TWO, PAGE_ONE])).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    app.run_tasks().await;
    let line = case.line("purposes").await;
    assert_eq!(
        line["need"], "no_place",
        "the place is to be pointed out in the new document: {line}"
    );
    assert_eq!(
        line["value"],
        json!(["fine_tuning", "evaluation"]),
        "the value stays as a help"
    );
    let submit = case.path("/submit");
    let answer = case
        .contributor
        .call(Method::POST, &submit, None)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}

#[actix_web::test]
async fn others_do_not_know_of_it_and_roles_hold() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    let line = "/lines/copyright/purposes";
    let code = json!({ "seen": 2, "basis": "silent" });
    let lines = json!({ "lines": case.line_ids().await });
    let spoken = json!({ "verb": "comment", "text": "x" });
    let facts = facts(Uuid::now_v7());
    let changes = [
        ("", Some(facts.clone())),
        (line, Some(code)),
        ("/submit", None),
        ("/confirm", Some(lines)),
        ("/say", Some(spoken)),
        ("/in-force", None),
    ];
    let mut stranger = app.browser("manager.harderwijk").await;
    for (rest, body) in &changes {
        let answer = stranger
            .call(Method::POST, &case.path(rest), body.clone())
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{rest}: {}",
            answer.text
        );
    }
    for path in ["", "/document", "/edit", line] {
        let answer = stranger
            .get(&format!("/nl/agreements/{}{path}", case.id))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let sent = stranger
        .post_bytes(&case.path("/document"), "application/pdf", pdf(&["x"]))
        .await
        .unwrap();
    assert_eq!(sent.status, StatusCode::NOT_FOUND, "{}", sent.text);
    let listed = stranger
        .api(Method::GET, "/api/v1/agreements", None)
        .await
        .unwrap();
    assert_eq!(listed["agreements"], json!([]));
    // Nor does anybody cover another institution's data.
    let foreign = json!({ "datasets": [case.show().await["facts"]["datasets"][0]] });
    let mut own = facts;
    own["datasets"] = foreign["datasets"].clone();
    let answer = stranger
        .call(Method::POST, "/api/v1/agreements", Some(own))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    // An auditor reads and writes nothing; a contributor confirms nothing and puts nothing into force.
    let mut auditor = app.browser("auditor").await;
    auditor
        .api(Method::GET, &case.path(""), None)
        .await
        .unwrap();
    for (rest, body) in &changes {
        let answer = auditor
            .call(Method::POST, &case.path(rest), body.clone())
            .await
            .unwrap();
        let refused = [StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY];
        assert!(
            refused.contains(&answer.status),
            "{rest}: {} {}",
            answer.status,
            answer.text
        );
    }
    for (rest, body) in &changes[3..] {
        if *rest == "/say" {
            continue;
        }
        let path = case.path(rest);
        let answer = case
            .contributor
            .call(Method::POST, &path, body.clone())
            .await
            .unwrap();
        assert_eq!(
            answer.status,
            StatusCode::FORBIDDEN,
            "{rest}: {}",
            answer.text
        );
    }
    // Without the token of the session nothing is changed.
    let path = format!("/nl/agreements/{}/say", case.id);
    let forged = case
        .manager
        .post_bytes(
            &path,
            "application/x-www-form-urlencoded",
            b"verb=withdraw&text=x&csrf=0".to_vec(),
        )
        .await
        .unwrap();
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text);
    assert_eq!(case.show().await["status"], "in_review");
}

#[actix_web::test]
async fn what_is_no_readable_pdf_is_refused_with_a_clear_message() {
    let app = TestApp::without_worker(&[("FACULTY_LIMITS__DOCUMENT_BYTES", "60000")]).await;
    let dataset = dataset(&app).await;
    let mut case = Case::registered(&app, facts(dataset)).await;
    // By its content, at once.
    let answer = case
        .send(b"PK\x03\x04 a document of another kind".to_vec())
        .await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    assert!(answer.text.contains("no PDF"), "{}", answer.text);
    let mut huge = pdf(&["x"]);
    huge.resize(60_001, b' ');
    let answer = case.send(huge).await;
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        answer.text
    );
    // By reading it.
    let many = vec!["x"; 301];
    for (bytes, problem, word) in [
        (b"%PDF-1.7\nand nothing else".to_vec(), "broken", "damaged"),
        (encrypted(), "encrypted", "without password"),
        (laughs(), "too_heavy", "too much memory or time"),
        (pdf(&many), "too_many_pages", "at most 300"),
    ] {
        if bytes.len() > 60_000 {
            continue;
        }
        let answer = case.send(bytes).await;
        assert_eq!(
            answer.status,
            StatusCode::ACCEPTED,
            "{problem}: {}",
            answer.text
        );
        let again = case.send(pdf(&["x"])).await;
        assert_eq!(
            again.status,
            StatusCode::CONFLICT,
            "one at a time: {}",
            again.text
        );
        app.run_tasks().await;
        let document = case.show().await["document"].clone();
        assert_eq!(document["problem"], problem, "{document}");
        assert!(
            document["message"].as_str().unwrap().contains(word),
            "{document}"
        );
        let page = case
            .contributor
            .get(&format!("/nl/agreements/{}", case.id))
            .await
            .unwrap();
        assert!(page.text.contains("Niet aangenomen"), "{}", page.text);
        // Its bytes are gone from the store.
        let (key, version): (String, String) = sqlx::query_as(
            "SELECT object_key, object_version FROM agreement_documents ORDER BY number DESC LIMIT 1",
        )
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
        assert!(
            app.ports.objects.read(&key, &version).await.is_err(),
            "{problem}"
        );
    }
    // And then one that can be read, all the same.
    case.send(pdf(&[PAGE_ONE])).await;
    app.run_tasks().await;
    assert_eq!(case.show().await["document"]["state"], "ready");
}

#[actix_web::test]
async fn a_document_with_too_many_pages_is_refused() {
    let app = TestApp::without_worker(&[]).await;
    let dataset = dataset(&app).await;
    let mut case = Case::registered(&app, facts(dataset)).await;
    case.send(pdf(&vec!["x"; 301])).await;
    app.run_tasks().await;
    assert_eq!(case.show().await["document"]["problem"], "too_many_pages");
}

#[actix_web::test]
async fn a_scan_says_so_and_is_coded_by_the_page_only() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await;
    let mut case = Case::with_document(&app, facts(dataset), pdf(&["", ""])).await;
    let page = case
        .contributor
        .get(&format!("/en/agreements/{}", case.id))
        .await
        .unwrap();
    assert!(page.text.contains("it is a scan"), "{}", page.text);
    let by_page = |page: &str| json!({ "basis": "page", "value": ["no"], "page": page });
    let answer = case.code("commercial_use", by_page("3")).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    let answer = case.code("commercial_use", by_page("2")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let line = case.line("commercial_use").await;
    assert_eq!(
        (&line["page"], &line["passage"]),
        (&json!(2), &Value::Null),
        "{line}"
    );
}

#[actix_web::test]
async fn a_rule_of_law_needs_no_document_and_points_to_its_text() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await;
    let mut wanted = facts(dataset);
    wanted["kind"] = json!("statutory");
    wanted["template"] = json!("auteurswet-11");
    wanted["signatory"] = json!("");
    wanted["authority"] = json!("");
    wanted["expires_on"] = json!("");
    let mut case = Case::registered(&app, wanted).await;
    let line = case.line("recipients").await;
    assert_eq!(
        (&line["state"], &line["basis"]),
        (&json!("coded"), &json!("template")),
        "{line}"
    );
    // What the template leaves to a person still waits for one.
    let submit = case.path("/submit");
    let answer = case
        .contributor
        .call(Method::POST, &submit, None)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let other = json!({ "basis": "template", "value": ["consortium"] });
    let answer = case.code("recipients", other).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    for (term, value) in [
        ("territories", "NL"),
        ("valid_from", "2026-01-01"),
        ("valid_until", "2027-12-31"),
    ] {
        let answer = case
            .code(term, json!({ "basis": "template", "value": [value] }))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{term}: {}", answer.text);
    }
    case.submit().await;
    case.confirm_all().await;
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let terms: String = sqlx::query_scalar("SELECT terms FROM permissions")
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
    let terms: Value = serde_json::from_str(&terms).unwrap();
    assert_eq!(terms["evidence"]["document_sha256"], Value::Null);
    assert!(
        terms["evidence"]["note"]
            .as_str()
            .unwrap()
            .contains("wetten.overheid.nl"),
        "{terms}"
    );
}

#[actix_web::test]
async fn it_comes_into_force_once_however_often_it_is_asked() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    case.confirm_all().await;
    let tasks = case.manager.get("/nl/tasks").await.unwrap().text;
    assert!(tasks.contains("door beide partijen bevestigd"), "{tasks}");
    let path = case.path("/in-force");
    let mut second = app.browser("manager.waterland").await;
    let (one, two) = tokio::join!(
        case.manager.call(Method::POST, &path, None),
        second.call(Method::POST, &path, None)
    );
    let mut statuses = [one.unwrap().status, two.unwrap().status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    let given: i64 = sqlx::query_scalar("SELECT count(*) FROM permissions")
        .fetch_one(&mut database::of(&app).await)
        .await
        .unwrap();
    assert_eq!(given, 1);
    // It is closed: nobody codes, confirms or takes it back.
    let answer = case
        .code(
            "purposes",
            json!({ "basis": "cannot_code", "reason": "toch niet" }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let say = case.path("/say");
    let body = json!({ "verb": "withdraw", "text": "toch niet" });
    let answer = case
        .manager
        .call(Method::POST, &say, Some(body))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}
