//! A dataset's limit is held against its own documents, however small it is beside the others; and who has a receipt
//! finds what was measured.

use attestation::{Envelope, Statement};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    AUTOMATIC, evaluations, follower_of, limit, model_of, page, refused_past_the_portal, release,
    succeeded,
};
use crate::support::{TestApp, given};

const FEW: (&str, &str) = ("FACULTY_EVALUATION__MOST_ITEMS", "6");
/// A limit that nothing goes beyond.
const WIDE: (&str, &str) = ("100", "1000000");

/// An approved dataset of Archief Waterland with a title of its own.
async fn titled(app: &TestApp, title: &str, lines: &[u8]) -> given::Approved {
    let submitted = given::submitted_dataset(app, lines, &[("title", title)]).await;
    given::approve(app, submitted.dataset).await;
    submitted
}

/// Running text, a document a line.
fn texts(texts: impl Iterator<Item = String>) -> Vec<u8> {
    let lines = texts.map(|text| format!("{}\n", json!({ "text": text })));
    lines.collect::<String>().into_bytes()
}

async fn limited(app: &TestApp, data: &given::Approved, to: (&str, &str)) {
    let set = limit(app, "manager.waterland", data.dataset, to).await;
    assert_eq!(set, StatusCode::OK);
}

/// A model that learnt from these datasets, and that was measured by itself.
async fn measured(app: &TestApp, data: [&given::Approved; 2]) -> Uuid {
    let base = given::tiny_base(app).await;
    let versions = data.map(|one| one.version);
    let mut wanted = given::job(base, versions[0], 1);
    wanted["dataset_versions"] = json!(versions);
    let job = given::approved_request(app, wanted).await;
    succeeded(app, job).await;
    let follower = follower_of(app, job).await.unwrap();
    succeeded(app, follower).await;
    model_of(app, job).await
}

/// What the newest evaluation found of one dataset.
fn found_of<'a>(evaluations: &'a Value, data: &given::Approved) -> &'a Value {
    let all = evaluations["data"][0]["datasets"].as_array().unwrap();
    let of = |one: &&Value| one["dataset_version"] == json!(data.version);
    all.iter()
        .find(of)
        .unwrap_or_else(|| panic!("nothing of {} in {evaluations:#}", data.version))
}

#[actix_web::test]
async fn a_dataset_of_which_no_document_was_tried_holds_the_model_back() {
    let app = TestApp::start_with(&[AUTOMATIC, FEW]).await;
    let minutes = titled(&app, "Notulen", &given::small_corpus()).await;
    // Too short to be gone on with.
    let notes = titled(&app, "Briefjes", &texts((0..12).map(|n| format!("d{n}")))).await;
    limited(&app, &minutes, WIDE).await;
    limited(&app, &notes, WIDE).await;
    let model = measured(&app, [&minutes, &notes]).await;
    let found = evaluations(&app, model).await;
    assert_eq!(found_of(&found, &minutes)["items"], 6, "{found:#}");
    let untried = found_of(&found, &notes);
    assert_eq!(untried["items"], 0, "{found:#}");
    assert!(untried["documents"].as_u64().unwrap() > 0, "{found:#}");
    let standing = &found["memorisation"];
    assert_eq!(standing["standing"], "not_measured", "{found:#}");
    for limit in standing["limits"].as_array().unwrap() {
        let is_tried = limit["dataset"] == json!(minutes.dataset);
        assert_eq!(limit["is_tried"], is_tried, "{found:#}");
    }
    let held = release(&app, model).await;
    assert_eq!(
        held,
        (
            StatusCode::CONFLICT,
            "model-memorisation-not-measured".to_owned()
        ),
        "the documents of the other dataset say nothing of these"
    );
    refused_past_the_portal(&app, model).await;
    for (lang, words) in [
        ("en", "None of its documents has been tried."),
        ("nl", "Geen van haar documenten is geprobeerd."),
    ] {
        let path = format!("/{lang}/models/{model}");
        let shown = page(&app, "researcher.harderwijk", &path).await;
        assert_eq!(shown.matches(words).count(), 1, "{shown}");
    }
    // The limit of the dataset that was tried does not need the other one.
    limited(&app, &notes, ("", "")).await;
    let found = evaluations(&app, model).await;
    assert_eq!(found["memorisation"]["standing"], "within", "{found:#}");
    assert_eq!(release(&app, model).await.0, StatusCode::NO_CONTENT);
}

#[actix_web::test]
async fn a_small_archive_beside_a_large_one_is_tried_and_judged_by_its_own_documents() {
    let app = TestApp::start_with(&[AUTOMATIC, FEW]).await;
    let large = titled(&app, "Notulen", &given::corpus(60)).await;
    let letter = |n: usize| format!("Geachte heer {n}, uw brief is in goede orde ontvangen.");
    let small = titled(&app, "Brieven", &texts((0..8).map(letter))).await;
    limited(&app, &large, WIDE).await;
    // Not every letter may come out.
    limited(&app, &small, ("99", "1000000")).await;
    let model = measured(&app, [&large, &small]).await;
    let found = evaluations(&app, model).await;
    assert_eq!(found_of(&found, &large)["items"], 6, "{found:#}");
    let letters = found_of(&found, &small);
    let documents = letters["documents"].as_u64().unwrap();
    assert_eq!(letters["items"], documents.min(6), "{found:#}");
    assert!(documents > 0 && letters["title"] == "Brieven", "{found:#}");
    assert_eq!(found["memorisation"]["standing"], "within", "{found:#}");
    let shown = page(
        &app,
        "researcher.harderwijk",
        &format!("/en/models/{model}"),
    )
    .await;
    for words in [
        "Kept by heart, by dataset",
        "Notulen, version 1",
        "Brieven, version 1",
    ] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    the_receipt_leads_to_it(&app, model, &found["data"][0]).await;
    assert_eq!(release(&app, model).await.0, StatusCode::NO_CONTENT);
    its_own_share_counts_and_no_report_that_tells_of_none(&app, model, &small).await;
}

/// What the database makes of other figures. They are put there with its guards taken away, since no program would
/// repeat just these documents.
async fn its_own_share_counts_and_no_report_that_tells_of_none(
    app: &TestApp,
    model: Uuid,
    small: &given::Approved,
) {
    let mut tx = app.owner_tx().await;
    for (statement, expected) in [
        (
            "ALTER TABLE evaluation_datasets DISABLE TRIGGER USER",
            "within",
        ),
        // Every letter came out; of all documents together none need have.
        (
            "UPDATE evaluation_datasets SET extracted = 1 WHERE dataset_version_id IN (
                 SELECT v.id FROM dataset_versions v JOIN datasets d ON d.id = v.dataset_id WHERE d.title = 'Brieven')",
            "exceeded",
        ),
        // As after the report of a program that tells of no dataset.
        ("DELETE FROM evaluation_datasets", "not_measured"),
        (
            "ALTER TABLE evaluation_datasets ENABLE TRIGGER USER",
            "not_measured",
        ),
    ] {
        sqlx::raw_sql(statement).execute(tx.conn()).await.unwrap();
        let standing = sqlx::query_scalar::<_, String>("SELECT memorisation_standing($1)")
            .bind(model)
            .fetch_one(tx.conn())
            .await
            .unwrap();
        assert_eq!(standing, expected, "after {statement}");
    }
    let unsigned = sqlx::query(
        "INSERT INTO evaluation_datasets (evaluation_id, dataset_version_id, documents, items, extracted, longest_match)
         SELECT memorisation_newest($1), $2, 1000, 1000, 0, 0",
    )
    .bind(model)
    .bind(small.version)
    .execute(tx.conn())
    .await;
    let problem = unsigned.unwrap_err().to_string();
    assert!(problem.contains("does not state this"), "{problem}");
}

/// The receipt was signed before anything was measured; whoever comes for it is led to what was.
async fn the_receipt_leads_to_it(app: &TestApp, model: Uuid, evaluation: &Value) {
    let login = "researcher.harderwijk";
    let shown = app
        .browser(login)
        .await
        .api(Method::GET, &format!("/api/v1/models/{model}"), None)
        .await
        .unwrap();
    let newest = &shown["evaluation"];
    assert_eq!(newest["id"], evaluation["id"], "{shown:#}");
    let path = |value: &Value| value.as_str().unwrap().to_owned();
    let receipt = page(app, login, &path(&shown["receipt"])).await;
    let statement = page(app, login, &path(&newest["statement"])).await;
    let report = page(app, login, &path(&newest["report"])).await;
    let parsed = |text: &str| Statement::parse_any(&Envelope::parse(text).unwrap()).unwrap();
    let (receipt, statement) = (parsed(&receipt), parsed(&statement));
    assert!(statement.is_evaluation() && !receipt.is_evaluation());
    let files = |statement: &Statement| {
        let named = statement.subject.iter();
        let mut files: Vec<_> = named
            .map(|file| (file.name.clone(), file.digest.sha256.clone()))
            .collect();
        files.sort_unstable();
        files
    };
    assert_eq!(files(&statement), files(&receipt), "about the same files");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(statement.predicate["datasets"], report["datasets"]);
    // On the page it stands beside the receipt, with the way to check it.
    let html = page(app, login, &format!("/en/models/{model}")).await;
    let (_, beside) = html.split_once("Proof of origin").unwrap();
    let (beside, _) = beside.split_once("</section>").unwrap();
    for words in [
        newest["statement"].as_str().unwrap(),
        newest["report"].as_str().unwrap(),
        "--report evaluation.json",
    ] {
        assert!(beside.contains(words), "{words} is not in {beside}");
    }
}
