//! The licence that changed after training: old decisions keep the facts of their time, new ones have the new.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    rights_checks::let_it_be_due,
    support::{Answer, Source, TestApp, given},
};

const PRIVATE: [(&str, &str); 1] = [("FACULTY_RIGHTS_CHECKS__ALLOW_PRIVATE", "true")];

fn page_with(licence: &str) -> Answer {
    Answer::html(&format!(
        "<head><meta name=\"dcterms.license\" content=\"{licence}\"></head>"
    ))
}

async fn api(app: &TestApp, login: &str, path: &str, body: Value) -> Value {
    app.browser(login)
        .await
        .api(Method::POST, path, Some(body))
        .await
        .unwrap()
}

async fn rights_at(app: &TestApp, dataset: Uuid, at: &str) -> Value {
    let path = format!("/api/v1/datasets/{dataset}/rights?at={at}");
    app.browser("researcher.harderwijk")
        .await
        .api(Method::GET, &path, None)
        .await
        .unwrap()
}

/// Looks at the source, and waits until the worker has written the `count`th check down.
async fn look(app: &TestApp, dataset: Uuid, count: usize) -> Value {
    let path = format!("/api/v1/datasets/{dataset}/rights");
    let mut legal = app.browser("legal").await;
    for _ in 0..200 {
        let found = legal.api(Method::GET, &path, None).await.unwrap();
        if found["checks"].as_array().unwrap().len() >= count {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the source was not looked at");
}

/// WAINUTAI/walnoot-8b-instruct, September 2026: two subsets of a corpus said `unknown` at its pinned revision;
/// the publisher made both public domain after training had begun.
#[actix_web::test]
async fn a_licence_that_changes_after_training_changes_no_decision_of_before() {
    let app = TestApp::start_with(&PRIVATE).await;
    let source = Source::start();
    let base = given::tiny_base(&app).await;
    let mut subsets = Vec::new();
    for name in ["noord-hollands", "utrechts"] {
        source.says(&format!("/{name}"), page_with("unknown"));
        let data = given::submitted_dataset(
            &app,
            &given::small_corpus(),
            &[("title", name), ("license", "unknown")],
        )
        .await;
        let plan = json!({ "source_url": format!("{}/{name}", source.url), "every_days": "7" });
        api(
            &app,
            "contributor.waterland",
            &format!("/api/v1/datasets/{}/rights/plan", data.dataset),
            plan,
        )
        .await;
        look(&app, data.dataset, 1).await;
        given::approve(&app, data.dataset).await;
        subsets.push((name, data));
    }
    let mut researcher = app.browser("researcher.harderwijk").await;
    for (_, data) in &subsets {
        let refused = researcher
            .call(
                Method::POST,
                "/api/v1/jobs",
                Some(given::job(base, data.version, 1)),
            )
            .await
            .unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.text.contains("licence-unknown"), "{}", refused.text);
    }

    // The publisher changes its mind; the next look finds it, and the manager registers it.
    for (name, data) in &subsets {
        source.says(&format!("/{name}"), page_with("Public domain"));
        let path = format!("/api/v1/datasets/{}/rights/look", data.dataset);
        let too_soon = app
            .browser("steward")
            .await
            .call(Method::POST, &path, None)
            .await
            .unwrap();
        assert_eq!(too_soon.status, StatusCode::TOO_MANY_REQUESTS);
    }
    look_again(&app).await;
    for (_, data) in &subsets {
        let found = look(&app, data.dataset, 2).await;
        assert_eq!(found["checks"][0]["license_expression"], "CC-PDDC");
        assert_eq!(
            found["licence"]["license"], "unknown",
            "the registry waits for a person"
        );
        let said = json!({ "license": "public domain", "reason": "veranderd door de uitgever op 7 september" });
        api(
            &app,
            "manager.waterland",
            &format!("/api/v1/datasets/{}/rights/licence", data.dataset),
            said,
        )
        .await;
    }

    // New decisions have the new facts.
    let first = &subsets[0].1;
    let job = given::approved_job(&app, base, first.version, 1).await;
    let done = given::job_until(&app, job, given::is_over).await;
    let used = &done["datasets"][0];
    assert_eq!(used["verdict"]["is_allowed"], true, "{done:#}");
    let then = app
        .browser("operator")
        .await
        .api(Method::GET, used["rights_then"].as_str().unwrap(), None)
        .await
        .unwrap();
    assert_eq!(then["licence"]["license"], "public domain");
    assert_eq!(then["source"]["license"], "CC-PDDC");

    // The old decisions, the reviews, keep theirs: on the page, and by the moment they were taken.
    let page = app
        .browser("manager.waterland")
        .await
        .get(&format!("/nl/datasets/{}/rights", first.dataset))
        .await
        .unwrap()
        .text;
    assert!(
        page.contains("Licentie: unknown (NOASSERTION); aan de bron NOASSERTION"),
        "{page}"
    );
    assert!(
        page.contains("Licentie: public domain (CC-PDDC); aan de bron CC-PDDC"),
        "{page}"
    );
    assert!(
        page.contains("de geregistreerde licentie ging van unknown naar public domain"),
        "{page}"
    );
    let reviewed = app
        .browser("researcher.harderwijk")
        .await
        .api(
            Method::GET,
            &format!("/api/v1/datasets/{}", first.dataset),
            None,
        )
        .await
        .unwrap()["version"]["decided_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let then = rights_at(&app, first.dataset, &reviewed).await;
    assert_eq!(then["licence"]["license"], "unknown", "{then:#}");
    assert_eq!(then["source"]["license"], "NOASSERTION");
    assert_eq!(then["status"]["status"], "approved");
    assert_eq!(then["permissions"].as_array().unwrap().len(), 1);
    let since: Vec<_> = then["changed_since"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert_eq!(since, ["found_licence", "registered_licence"]);

    // And the job that was done keeps its own when the licence changes once more.
    let said = json!({ "license": "CC-BY-4.0", "reason": "toch naamsvermelding" });
    api(
        &app,
        "legal",
        &format!("/api/v1/datasets/{}/rights/licence", first.dataset),
        said,
    )
    .await;
    let page = app
        .browser("operator")
        .await
        .get(&format!("/nl/jobs/{job}"))
        .await
        .unwrap()
        .text;
    assert!(page.contains("Licentie: public domain (CC-PDDC)"), "{page}");
    assert!(
        page.contains("de geregistreerde licentie ging van public domain naar CC-BY-4.0"),
        "{page}"
    );
}

#[actix_web::test]
async fn a_dataset_is_shown_as_it_was_at_any_moment() {
    let app = TestApp::start().await;
    let data = given::approved_dataset(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let path = format!("/nl/datasets/{}", data.dataset);
    let before = manager.get(&format!("{path}?at=2020-01-01")).await.unwrap();
    assert_eq!(before.status, StatusCode::OK);
    assert!(
        before.text.contains("Toen was deze dataset er nog niet"),
        "{}",
        before.text
    );
    let now = manager
        .get(&format!("{path}?at=2999-01-01"))
        .await
        .unwrap()
        .text;
    for words in ["CC0-1.0", "Mag gebruikt worden om", "versie 1: Goedgekeurd"] {
        assert!(now.contains(words), "{words}: {now}");
    }
    let wrong = manager.get(&format!("{path}?at=gisteren")).await.unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for path in [
        path.clone(),
        format!("{path}/rights"),
        format!("{path}?at=2999-01-01"),
    ] {
        let english = path.replace("/nl/", "/en/");
        let page = manager.get(&english).await.unwrap().text;
        assert!(!page.contains('⟨'), "a text is missing: {page}");
    }

    // What is withdrawn afterwards was given then.
    let given = rights_at(&app, data.dataset, "2999-01-01").await;
    let at = given["at"].as_str().unwrap().to_owned();
    assert_eq!(given["permissions"][0]["state"], "given");
    let done = manager
        .post_form(&format!("{path}/withdraw"), &[("reason", "niet langer")])
        .await
        .unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let path = format!("/api/v1/datasets/{}/rights", data.dataset);
    let then = manager
        .api(Method::GET, &format!("{path}?at={at}"), None)
        .await
        .unwrap();
    assert_eq!(then["permissions"][0]["state"], "given", "{then:#}");
    let now = manager.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(now["permissions"][0]["state"], "withdrawn");
}

#[actix_web::test]
async fn a_reservation_found_at_the_source_stops_what_no_document_allows() {
    let app = TestApp::start_with(&PRIVATE).await;
    let source = Source::start();
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    source.says(
        "/notulen",
        page_with("CC0-1.0").with("tdm-reservation", "1"),
    );
    let plan = json!({ "source_url": format!("{}/notulen", source.url), "every_days": "30" });
    api(
        &app,
        "legal",
        &format!("/api/v1/datasets/{}/rights/plan", data.dataset),
        plan,
    )
    .await;
    look(&app, data.dataset, 1).await;
    let refused = app
        .browser("researcher.harderwijk")
        .await
        .call(
            Method::POST,
            "/api/v1/jobs",
            Some(given::job(base, data.version, 1)),
        )
        .await
        .unwrap();
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );
    assert!(refused.text.contains("tdm-reserved"), "{}", refused.text);
}

/// An approved dataset whose source was looked at once, in a portal in which nothing works in the background.
async fn watched(
    source: &Source,
    path: &str,
) -> (TestApp, virtual_faculty::ids::ModelId, given::Approved) {
    let app = TestApp::without_worker(&PRIVATE).await;
    let base = given::tiny_base(&app).await;
    let working = app.work_until_stopped();
    let data = given::approved_dataset(&app).await;
    working.cancel();
    let plan = json!({ "source_url": format!("{}{path}", source.url), "every_days": "7" });
    api(
        &app,
        "contributor.waterland",
        &format!("/api/v1/datasets/{}/rights/plan", data.dataset),
        plan,
    )
    .await;
    app.run_tasks().await;
    (app, base, data)
}

async fn look_again(app: &TestApp) {
    let_it_be_due(app).await;
    app.run_tasks().await;
}

/// What stands in the way of training on it now; empty for nothing.
async fn in_the_way(app: &TestApp, base: virtual_faculty::ids::ModelId, version: Uuid) -> String {
    let answer = app
        .browser("researcher.harderwijk")
        .await
        .call(
            Method::POST,
            "/api/v1/jobs",
            Some(given::job(base, version, 1)),
        )
        .await
        .unwrap();
    match answer.status {
        StatusCode::UNPROCESSABLE_ENTITY => answer.text,
        status => {
            assert!(status.is_success(), "{}", answer.text);
            String::new()
        }
    }
}

/// Says for `login`'s side what is done about the newest change in `what`; with the answer.
async fn note(app: &TestApp, login: &str, dataset: Uuid, what: &str, accepts: &str) -> StatusCode {
    let mut browser = app.browser(login).await;
    let path = format!("/api/v1/datasets/{dataset}/rights");
    let found = browser.api(Method::GET, &path, None).await.unwrap();
    let change = found["changes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["what"] == what)
        .unwrap_or_else(|| panic!("{found:#}"))["id"]
        .as_str()
        .unwrap();
    browser
        .call(
            Method::POST,
            &format!("{path}/changes/{change}/note"),
            Some(json!({ "note": "gezien", "accepts": accepts })),
        )
        .await
        .unwrap()
        .status
}

#[actix_web::test]
async fn neither_a_failure_nor_silence_lifts_a_reservation_that_is_known() {
    let source = Source::start();
    let file = "/.well-known/tdmrep.json";
    let reserved = Answer::text(r#"[{"location": "/*", "tdm-reservation": 1}]"#);
    source.says(file, reserved.clone());
    source.says("/notulen", page_with("CC0-1.0"));
    let (app, base, data) = watched(&source, "/notulen").await;
    let stays = async |why: &str| {
        let text = in_the_way(&app, base, data.version).await;
        assert!(text.contains("tdm-reserved"), "{why}: {text}");
        let now = rights_at(&app, data.dataset, "2999-01-01").await;
        assert_eq!(now["counts"]["reservation"], "reserved", "{why}: {now:#}");
    };
    stays("as it was found").await;
    for (why, answer) in [
        ("away", Answer::of(503, "stuk")),
        ("no JSON", Answer::text("{")),
        ("silent", Answer::text("[]")),
    ] {
        source.says(file, answer);
        look_again(&app).await;
        stays(why).await;
    }
    // Having seen it is not yet saying that it counts.
    assert_eq!(
        note(&app, "steward", data.dataset, "reservation", "").await,
        StatusCode::OK
    );
    stays("noted").await;
    source.says(file, reserved);
    look_again(&app).await;
    source.says(file, Answer::text("[]"));
    look_again(&app).await;
    stays("silent again").await;
    assert_eq!(
        note(
            &app,
            "manager.waterland",
            data.dataset,
            "reservation",
            "yes"
        )
        .await,
        StatusCode::UNPROCESSABLE_ENTITY,
        "whose data it is does not say so"
    );
    assert_eq!(
        note(&app, "legal", data.dataset, "reservation", "yes").await,
        StatusCode::OK
    );
    assert_eq!(in_the_way(&app, base, data.version).await, "");
}

#[actix_web::test]
async fn the_source_itself_lifts_its_reservation() {
    let source = Source::start();
    source.says(
        "/notulen",
        page_with("CC0-1.0").with("tdm-reservation", "1"),
    );
    let (app, base, data) = watched(&source, "/notulen").await;
    let text = in_the_way(&app, base, data.version).await;
    assert!(text.contains("tdm-reserved"), "{text}");
    source.says(
        "/notulen",
        page_with("CC0-1.0").with("tdm-reservation", "0"),
    );
    look_again(&app).await;
    assert_eq!(in_the_way(&app, base, data.version).await, "");
}

#[actix_web::test]
async fn whoever_owns_the_data_lifts_nothing_that_the_source_says() {
    let source = Source::start();
    source.says(
        "/notulen",
        page_with("licenseref-no-training").with("tdm-reservation", "1"),
    );
    source.says("/elders", page_with("CC0-1.0").with("tdm-reservation", "0"));
    let (app, base, data) = watched(&source, "/notulen").await;
    let stays = async |why: &str| {
        let text = in_the_way(&app, base, data.version).await;
        for rule in ["tdm-reserved", "licence-no-training"] {
            assert!(text.contains(rule), "{why}: {rule}: {text}");
        }
    };
    stays("as it was found").await;
    let path = format!("/api/v1/datasets/{}/rights", data.dataset);
    let milder = json!({
        "source_url": "https://source.example.nl/", "looked_on": "2026-11-01", "outcome": "read",
        "license": "CC0-1.0", "reservation": "not_reserved", "quote": "vrij te gebruiken",
    });
    let checks = format!("{path}/checks");
    api(&app, "contributor.waterland", &checks, milder.clone()).await;
    stays("their word").await;
    let elsewhere = json!({ "source_url": format!("{}/elders", source.url), "every_days": "7" });
    api(
        &app,
        "manager.waterland",
        &format!("{path}/plan"),
        elsewhere,
    )
    .await;
    app.run_tasks().await;
    stays("another address").await;
    let licence = json!({ "license": "CC0-1.0", "reason": "zo is het" });
    let answer = app
        .browser("manager.waterland")
        .await
        .call(Method::POST, &format!("{path}/licence"), Some(licence))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "it is registered so"
    );
    // It waits for the platform, which looks for itself.
    let page = app
        .browser("legal")
        .await
        .get(&format!("/nl/datasets/{}/rights", data.dataset))
        .await
        .unwrap()
        .text;
    assert!(page.contains("name=\"accepts\""), "{page}");
    assert!(
        page.contains("licenseref-no-training; voorbehouden"),
        "{page}"
    );
    api(&app, "legal", &checks, milder).await;
    assert_eq!(in_the_way(&app, base, data.version).await, "");
}

#[actix_web::test]
async fn a_page_that_names_no_licence_any_more_is_no_relaxation() {
    let source = Source::start();
    source.says("/notulen", page_with("licenseref-no-training"));
    let (app, base, data) = watched(&source, "/notulen").await;
    let text = in_the_way(&app, base, data.version).await;
    assert!(text.contains("licence-no-training"), "{text}");
    source.says("/notulen", Answer::html("<p>Notulen</p>"));
    look_again(&app).await;
    let text = in_the_way(&app, base, data.version).await;
    assert!(text.contains("licence-no-training"), "{text}");
    assert_eq!(
        note(&app, "legal", data.dataset, "licence", "yes").await,
        StatusCode::OK
    );
    assert_eq!(in_the_way(&app, base, data.version).await, "");
}
