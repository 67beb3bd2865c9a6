//! Registering, submitting and reviewing datasets, as the people of the demo would.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{
    datasets::{WaitsFor, waiting_for},
    demo::Browser,
    ids::{InstitutionId, UserId},
    policy::{Actor, Role},
};

use crate::support::TestApp;

const TEXT: &[u8] = b"De raad kwam bijeen.\n\nDe vergadering sloot om tien uur.\n";

/// A form that is right, but for the fields that a test replaces.
fn facts<'a>(changes: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    let mut fields = vec![
        ("title", "Raadsnotulen"),
        ("description", "Notulen van de raad, 1850 tot 1920"),
        ("language", "nl"),
        ("license", "CC0-1.0"),
        ("source", "Collectie gemeentebestuur"),
        ("right_holder", "Archief Waterland"),
        ("personal_data", "no"),
        ("personal_data_basis", ""),
        ("confidentiality", "internal"),
    ];
    for (name, value) in changes {
        for field in &mut fields {
            if field.0 == *name {
                field.1 = value;
            }
        }
    }
    fields
}

/// A draft of Archief Waterland, registered on the page.
pub(crate) async fn registered(contributor: &mut Browser) -> Uuid {
    let answer = contributor
        .post_form("/nl/datasets/new", &facts(&[]))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let page = answer.location.unwrap();
    page.rsplit('/').next().unwrap().parse().unwrap()
}

/// One with a verified file, submitted.
async fn submitted(contributor: &mut Browser) -> Uuid {
    let dataset = registered(contributor).await;
    contributor
        .upload(dataset, "notulen.txt", TEXT)
        .await
        .unwrap();
    let answer = contributor
        .post_form(&format!("/nl/datasets/{dataset}/submit"), &[])
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    dataset
}

async fn review(
    reviewer: &mut Browser,
    dataset: Uuid,
    (kind, decision, reason): (&str, &str, &str),
) -> StatusCode {
    let fields = [("kind", kind), ("decision", decision), ("reason", reason)];
    reviewer
        .post_form(&format!("/nl/datasets/{dataset}/review"), &fields)
        .await
        .unwrap()
        .status
}

async fn version(browser: &mut Browser, dataset: Uuid) -> Value {
    let path = format!("/api/v1/datasets/{dataset}");
    browser.api(Method::GET, &path, None).await.unwrap()["version"].clone()
}

#[actix_web::test]
async fn a_dataset_goes_from_registration_to_approval() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = submitted(&mut contributor).await;
    let frozen = version(&mut contributor, dataset).await;
    assert_eq!(frozen["status"], "submitted");
    let manifest = frozen["manifest_sha256"].as_str().unwrap();
    assert_eq!(manifest.len(), 64);
    assert_eq!(frozen["files"][0]["documents"], 2);

    let (mut steward, mut legal) = (app.browser("steward").await, app.browser("legal").await);
    let yes = |kind| (kind, "approved", "");
    assert_eq!(
        review(&mut steward, dataset, yes("data")).await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        version(&mut contributor, dataset).await["status"],
        "submitted",
        "one review is not enough"
    );
    assert_eq!(
        review(&mut legal, dataset, yes("legal")).await,
        StatusCode::SEE_OTHER
    );
    let approved = version(&mut contributor, dataset).await;
    assert_eq!(approved["status"], "approved");
    assert_eq!(approved["manifest_sha256"], manifest);

    let mut researcher = app.browser("researcher.harderwijk").await;
    let page = researcher
        .get(&format!("/nl/datasets/{dataset}"))
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Goedgekeurd"), "{}", page.text);
    assert!(page.text.contains("datasteward"), "{}", page.text);
    assert!(
        !page.text.contains("Stefan Steward"),
        "others see the role, not the person: {}",
        page.text
    );
    let mut auditor = app.browser("auditor").await;
    let log = auditor
        .get(&format!("/nl/audit?subject={dataset}"))
        .await
        .unwrap()
        .text;
    for kind in [
        "datasets.registered",
        "uploads.opened",
        "uploads.completed",
        "uploads.verified",
        "datasets.submitted",
        "datasets.data_approved",
        "datasets.rights_approved",
        "datasets.approved",
    ] {
        assert!(log.contains(kind), "{kind} is not in the log");
    }
    assert!(!log.contains('⟨'), "a text is missing");
}

#[actix_web::test]
async fn a_returned_dataset_is_changed_and_reviewed_afresh() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let (mut steward, mut legal) = (app.browser("steward").await, app.browser("legal").await);
    let dataset = submitted(&mut contributor).await;
    let path = format!("/nl/datasets/{dataset}");
    review(&mut legal, dataset, ("legal", "approved", "")).await;
    assert_eq!(
        review(&mut steward, dataset, ("data", "returned", " ")).await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a return without a reason"
    );
    let returned = ("data", "returned", "Noem de herkomst.");
    assert_eq!(
        review(&mut steward, dataset, returned).await,
        StatusCode::SEE_OTHER
    );
    let page = contributor.get(&path).await.unwrap().text;
    assert!(page.contains("Noem de herkomst."), "{page}");
    let first = version(&mut contributor, dataset).await["manifest_sha256"].clone();

    let described = contributor
        .post_form(&format!("{path}/edit"), &facts(&[("source", "Depot 3")]))
        .await
        .unwrap();
    assert_eq!(described.status, StatusCode::SEE_OTHER);
    contributor
        .upload(dataset, "meer.txt", b"Nog een tekst.")
        .await
        .unwrap();
    let again = contributor
        .post_form(&format!("{path}/submit"), &[])
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.text);
    let second = version(&mut contributor, dataset).await;
    assert_eq!(second["status"], "submitted");
    assert_ne!(second["manifest_sha256"], first);
    // The approval of the first submission counts no more.
    review(&mut steward, dataset, ("data", "approved", "")).await;
    assert_eq!(
        version(&mut contributor, dataset).await["status"],
        "submitted"
    );
    review(&mut legal, dataset, ("legal", "approved", "")).await;
    assert_eq!(
        version(&mut contributor, dataset).await["status"],
        "approved"
    );
}

#[actix_web::test]
async fn reviews_are_done_by_those_who_may_and_once() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = submitted(&mut contributor).await;
    let mut steward = app.browser("steward").await;
    let legal_yes = ("legal", "approved", "");
    let data_yes = ("data", "approved", "");
    assert_eq!(
        review(&mut steward, dataset, legal_yes).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        review(&mut contributor, dataset, data_yes).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        review(&mut steward, dataset, data_yes).await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        review(&mut steward, dataset, data_yes).await,
        StatusCode::CONFLICT
    );
    let mut legal = app.browser("legal").await;
    let no = ("legal", "rejected", "De licentie klopt niet.");
    assert_eq!(review(&mut legal, dataset, no).await, StatusCode::SEE_OTHER);
    let resubmitted = contributor
        .post_form(&format!("/nl/datasets/{dataset}/submit"), &[])
        .await
        .unwrap();
    assert_eq!(
        resubmitted.status,
        StatusCode::CONFLICT,
        "rejected is for good"
    );
}

#[actix_web::test]
async fn a_wrong_form_names_every_field_and_registers_nothing() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let long = "x".repeat(201);
    let wrong = facts(&[
        ("title", &long),
        ("language", "Nederlands"),
        ("personal_data", "yes"),
        ("confidentiality", "geheim"),
    ]);
    let answer = contributor
        .post_form("/nl/datasets/new", &wrong)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for field in [
        "title",
        "language",
        "personal_data_basis",
        "confidentiality",
    ] {
        assert!(
            answer.text.contains(&format!("href=\"#{field}\"")),
            "{field} is not named: {}",
            answer.text
        );
    }
    assert!(answer.text.contains(&long), "what was typed is kept");
    let list = contributor
        .api(Method::GET, "/api/v1/datasets", None)
        .await
        .unwrap();
    assert_eq!(list["datasets"], json!([]));
}

#[actix_web::test]
async fn nothing_is_submitted_without_files_that_were_checked() {
    let app = TestApp::without_worker(&[]).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = registered(&mut contributor).await;
    let path = format!("/api/v1/datasets/{dataset}/submit");
    let empty = contributor.call(Method::POST, &path, None).await.unwrap();
    assert_eq!(empty.status, StatusCode::CONFLICT);
    assert!(empty.text.contains("datasets-no-files"), "{}", empty.text);
    contributor
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/uploads"),
            Some(json!({ "path": "a.txt", "size": 3 })),
        )
        .await
        .unwrap();
    let unfinished = contributor.call(Method::POST, &path, None).await.unwrap();
    assert_eq!(unfinished.status, StatusCode::CONFLICT);
    assert!(unfinished.text.contains("a.txt"), "{}", unfinished.text);
}

#[actix_web::test]
async fn another_institutions_dataset_is_not_there_until_it_is_approved() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = submitted(&mut contributor).await;
    let mut stranger = app.browser("manager.harderwijk").await;
    for page in ["", "/edit"] {
        let answer = stranger
            .get(&format!("/nl/datasets/{dataset}{page}"))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page}");
    }
    let review = [("kind", "data"), ("decision", "approved"), ("reason", "")];
    for (page, fields) in [
        ("edit", facts(&[])),
        ("submit", Vec::new()),
        ("review", review.to_vec()),
    ] {
        let answer = stranger
            .post_form(&format!("/nl/datasets/{dataset}/{page}"), &fields)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page}");
    }
    for (method, rest) in [(Method::GET, ""), (Method::POST, "/submit")] {
        let answer = stranger
            .call(method, &format!("/api/v1/datasets/{dataset}{rest}"), None)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{rest}");
    }
    let list = stranger.get("/nl/datasets").await.unwrap().text;
    assert!(!list.contains(&dataset.to_string()), "{list}");

    let (mut steward, mut legal) = (app.browser("steward").await, app.browser("legal").await);
    for (reviewer, kind) in [(&mut steward, "data"), (&mut legal, "legal")] {
        let fields = [("kind", kind), ("decision", "approved"), ("reason", "")];
        let answer = reviewer
            .post_form(&format!("/nl/datasets/{dataset}/review"), &fields)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    let list = stranger.get("/nl/datasets").await.unwrap().text;
    assert!(list.contains(&dataset.to_string()), "{list}");
    let answer = stranger
        .get(&format!("/en/datasets/{dataset}"))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let refused = stranger
        .post_form(&format!("/nl/datasets/{dataset}/edit"), &facts(&[]))
        .await
        .unwrap();
    assert!(refused.status.is_client_error(), "{}", refused.status);
}

#[actix_web::test]
async fn each_is_told_what_waits_for_them() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = submitted(&mut contributor).await;
    let draft = registered(&mut contributor).await;
    let owner = virtual_faculty::datasets::find(&app.ports.db, dataset_id(dataset))
        .await
        .unwrap()
        .unwrap()
        .institution;
    let somebody = |institution: InstitutionId, role| Actor {
        user: UserId::fresh(),
        institution,
        roles: vec![role],
    };
    let platform = InstitutionId::fresh();
    let mut told = Vec::new();
    for actor in [
        somebody(owner, Role::Contributor),
        somebody(platform, Role::Steward),
        somebody(platform, Role::LegalReviewer),
        somebody(platform, Role::Contributor),
        somebody(owner, Role::Researcher),
    ] {
        let waiting = waiting_for(&app.ports.db, &actor).await.unwrap();
        told.push(
            waiting
                .iter()
                .map(|item| (item.dataset.0, item.waits_for))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(
        told,
        [
            vec![(draft, WaitsFor::Submission)],
            vec![(dataset, WaitsFor::DataReview)],
            vec![(dataset, WaitsFor::LegalReview)],
            vec![],
            vec![],
        ]
    );
}

fn dataset_id(id: Uuid) -> virtual_faculty::ids::DatasetId {
    virtual_faculty::ids::DatasetId(id)
}
