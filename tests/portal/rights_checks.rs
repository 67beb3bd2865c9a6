//! Looking at the source of a dataset: what is found, what changes, and what must not be asked.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::demo::Browser;

use crate::{
    datasets::registered,
    support::{Answer, Source, TestApp, given},
};

pub(crate) const PRIVATE: [(&str, &str); 1] = [("FACULTY_RIGHTS_CHECKS__ALLOW_PRIVATE", "true")];

pub(crate) const PAGE: &str = r#"<!doctype html><head><meta name="tdm-policy" content="https://source.example/policy.json">
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head><body>Notulen</body>"#;

/// A source that reserves nothing and names its licence.
pub(crate) fn open_source() -> Source {
    let source = Source::start();
    source.says(
        "/robots.txt",
        Answer::text("User-agent: *\nDisallow: /prive\n\nUser-agent: GPTBot\nDisallow: /\n"),
    );
    source.says(
        "/.well-known/tdmrep.json",
        Answer::text(r#"[{"location": "/notulen*", "tdm-reservation": 1}]"#),
    );
    source.says("/notulen", Answer::html(PAGE).with("tdm-reservation", "0"));
    source
}

pub(crate) async fn plan(browser: &mut Browser, dataset: Uuid, source_url: &str) -> Value {
    browser
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/rights/plan"),
            Some(json!({ "source_url": source_url, "every_days": "7" })),
        )
        .await
        .unwrap()
}

async fn rights(browser: &mut Browser, dataset: Uuid) -> Value {
    let path = format!("/api/v1/datasets/{dataset}/rights");
    browser.api(Method::GET, &path, None).await.unwrap()
}

/// The days until the next look pass.
pub(crate) async fn let_it_be_due(app: &TestApp) {
    let mut tx = app.owner_tx().await;
    sqlx::query("UPDATE rights_schedules SET next_due = next_due - interval '8 days'")
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// A dataset whose source was looked at once.
async fn looked_at(app: &TestApp, source: &Source) -> (Browser, Uuid) {
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = registered(&mut contributor).await;
    plan(
        &mut contributor,
        dataset,
        &format!("{}/notulen", source.url),
    )
    .await;
    app.run_tasks().await;
    (contributor, dataset)
}

#[actix_web::test]
async fn a_look_brings_home_what_every_place_says_with_its_evidence() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let source = open_source();
    let (mut contributor, dataset) = looked_at(&app, &source).await;
    let found = rights(&mut contributor, dataset).await;
    let check = &found["checks"][0];
    assert_eq!(check["outcome"], "read", "{check:#}");
    assert_eq!(check["http_status"], 200);
    assert_eq!(check["license_expression"], "CC-BY-4.0");
    assert_eq!(
        check["reservation"], "not_reserved",
        "the header is closer than the file"
    );
    assert_eq!(check["robots"], "allowed");
    assert!(
        check["checked_with"]
            .as_str()
            .unwrap()
            .starts_with("faculty ")
    );
    let places: Vec<_> = check["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["place"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["robots", "tdmrep", "header", "meta", "page"]);
    let robots = &check["evidence"][0];
    assert!(
        robots["says"].as_str().unwrap().contains("GPTBot"),
        "{robots:#}"
    );
    assert!(robots["excerpt"].as_str().unwrap().contains("/prive"));
    assert_eq!(robots["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(
        found["changes"][0]["what"], "differs_from_registered",
        "registered is CC0-1.0"
    );
    for lang in ["nl", "en"] {
        for path in ["", "/rights", "/rights/new"] {
            let page = contributor
                .get(&format!("/{lang}/datasets/{dataset}{path}"))
                .await
                .unwrap();
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            assert!(!page.text.contains('⟨'), "a text is missing: {}", page.text);
        }
    }
    let page = contributor
        .get(&format!("/nl/datasets/{dataset}/rights"))
        .await
        .unwrap()
        .text;
    for words in ["CC-BY-4.0", "niet voorbehouden", "5 bewijsstukken"] {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[actix_web::test]
async fn a_change_at_the_source_is_a_new_fact_and_waits_for_both_sides() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let source = open_source();
    let (mut contributor, dataset) = looked_at(&app, &source).await;
    source.says(
        "/notulen",
        Answer::html(&PAGE.replace("/by/", "/by-nc/")).with("tdm-reservation", "1"),
    );
    app.run_tasks().await;
    assert_eq!(
        rights(&mut contributor, dataset).await["checks"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "it is not due yet"
    );
    let_it_be_due(&app).await;
    app.run_tasks().await;
    let found = rights(&mut contributor, dataset).await;
    let checks = found["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 2);
    assert_eq!(checks[0]["license_expression"], "CC-BY-NC-4.0");
    assert_eq!(checks[0]["reservation"], "reserved");
    assert_eq!(
        checks[1]["license_expression"], "CC-BY-4.0",
        "the first one stands"
    );
    let changed: Vec<_> = found["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["found_at"] == checks[0]["recorded_at"])
        .map(|one| one["what"].as_str().unwrap().to_owned())
        .collect();
    for what in ["licence", "reservation", "differs_from_registered"] {
        assert!(changed.iter().any(|one| one == what), "{what}: {changed:?}");
    }
    let todo =
        "Aan de bron van &quot;Raadsnotulen&quot; is iets veranderd".replace("&quot;", "&#34;");
    for login in [
        "steward",
        "legal",
        "manager.waterland",
        "contributor.waterland",
    ] {
        let page = app
            .browser(login)
            .await
            .get("/nl/tasks")
            .await
            .unwrap()
            .text;
        assert!(page.contains(&todo), "{login}: {page}");
    }
    let page = app
        .browser("manager.harderwijk")
        .await
        .get("/nl/tasks")
        .await
        .unwrap()
        .text;
    assert!(!page.contains("Raadsnotulen"), "{page}");

    let mut legal = app.browser("legal").await;
    for one in found["changes"].as_array().unwrap() {
        let path = format!(
            "/nl/datasets/{dataset}/rights/changes/{}/note",
            one["id"].as_str().unwrap()
        );
        let empty = legal.post_form(&path, &[("note", " ")]).await.unwrap();
        assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
        for (browser, expected) in [
            (&mut legal, StatusCode::SEE_OTHER),
            (&mut contributor, StatusCode::SEE_OTHER),
        ] {
            let answer = browser
                .post_form(&path, &[("note", "gezien")])
                .await
                .unwrap();
            assert_eq!(answer.status, expected, "{}", answer.text);
        }
        let again = legal
            .post_form(&path, &[("note", "nog eens")])
            .await
            .unwrap();
        assert_eq!(again.status, StatusCode::CONFLICT);
        let mut foreign = app.browser("manager.harderwijk").await;
        let answer = foreign.post_form(&path, &[("note", "x")]).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let page = legal.get("/nl/tasks").await.unwrap().text;
    assert!(
        !page.contains("Raadsnotulen"),
        "nothing waits any more: {page}"
    );
    let log = app
        .browser("auditor")
        .await
        .get(&format!("/nl/audit?subject={dataset}"))
        .await
        .unwrap()
        .text;
    for kind in [
        "rights_checks.planned",
        "rights_checks.checked",
        "rights_checks.changed",
        "rights_checks.noted",
    ] {
        assert!(log.contains(kind), "{kind} is not in the log");
    }
    assert!(!log.contains('⟨'), "a text is missing");
}

#[actix_web::test]
async fn a_source_that_does_not_answer_is_a_fact_and_not_the_same_as_before() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let source = open_source();
    let (mut contributor, dataset) = looked_at(&app, &source).await;
    let mut outcomes = Vec::new();
    for (path, answer) in [
        ("/notulen", Answer::of(503, "")),
        ("/notulen", Answer::of(404, "")),
        ("/robots.txt", Answer::of(500, "")),
    ] {
        source.says(path, answer);
        let_it_be_due(&app).await;
        app.run_tasks().await;
        let found = rights(&mut contributor, dataset).await;
        let check = &found["checks"][0];
        assert_eq!(check["reservation"], "unknown");
        assert_eq!(check["license_label"], Value::Null);
        assert_eq!(
            found["source"]["license"], "CC-BY-4.0",
            "what was known before stays known, with its date"
        );
        outcomes.push((check["outcome"].clone(), check["problem"].clone()));
    }
    let expected = [
        ("unreachable", "status_503"),
        ("gone", "status_404"),
        ("unreachable", "robots_unreadable"),
    ]
    .map(|(outcome, problem)| (json!(outcome), json!(problem)));
    assert_eq!(outcomes, expected);
    source.says("/robots.txt", Answer::text(""));
    source.says("/notulen", Answer::html(PAGE).with("tdm-reservation", "0"));
    let_it_be_due(&app).await;
    app.run_tasks().await;
    let found = rights(&mut contributor, dataset).await;
    let whats: Vec<_> = found["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        whats,
        [
            "reachable_again",
            "not_reachable",
            "differs_from_registered"
        ]
    );
}

#[actix_web::test]
async fn where_robots_txt_shuts_us_out_the_page_is_not_asked_for() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let source = open_source();
    source.says(
        "/robots.txt",
        Answer::text("User-agent: GPT-NL-faculty\nDisallow: /\n"),
    );
    let (mut contributor, dataset) = looked_at(&app, &source).await;
    assert_eq!(source.asked(), ["/robots.txt", "/.well-known/tdmrep.json"]);
    let found = rights(&mut contributor, dataset).await;
    let check = &found["checks"][0];
    assert_eq!(check["robots"], "disallowed");
    assert_eq!(check["reservation"], "reserved");
}

#[actix_web::test]
async fn what_comes_is_bounded_and_never_unpacked() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let source = open_source();
    source.says("/notulen", Answer::html(&"x".repeat(3_000_000)));
    let (mut contributor, dataset) = looked_at(&app, &source).await;
    let found = rights(&mut contributor, dataset).await;
    let page = &found["checks"][0]["evidence"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(page["size_bytes"], 1024 * 1024);
    assert_eq!(page["is_cut"], true);
    let whole = contributor
        .get(&format!(
            "/api/v1/datasets/{dataset}/rights/evidence/{}",
            page["id"].as_str().unwrap()
        ))
        .await
        .unwrap();
    assert_eq!(whole.text.len(), 1024 * 1024, "the whole of it is kept");

    source.says(
        "/notulen",
        Answer::html("bomb").with("content-encoding", "gzip"),
    );
    let_it_be_due(&app).await;
    app.run_tasks().await;
    assert_eq!(
        rights(&mut contributor, dataset).await["checks"][0]["problem"],
        "compressed"
    );

    let here = format!("{}/notulen", source.url);
    source.says("/notulen", Answer::of(302, "").with("location", &here));
    let_it_be_due(&app).await;
    app.run_tasks().await;
    assert_eq!(
        rights(&mut contributor, dataset).await["checks"][0]["problem"],
        "redirects"
    );

    source.says(
        "/notulen",
        Answer::of(302, "").with("location", "file:///etc/passwd"),
    );
    let_it_be_due(&app).await;
    app.run_tasks().await;
    let check = rights(&mut contributor, dataset).await["checks"][0].clone();
    assert_eq!(
        (&check["outcome"], &check["problem"]),
        (&json!("refused"), &json!("scheme"))
    );
}

#[actix_web::test]
async fn a_redirect_to_another_house_brings_its_rules_along() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let (source, other) = (open_source(), Source::start());
    source.says(
        "/notulen",
        Answer::of(302, "").with("location", &format!("{}/verhuisd", other.url)),
    );
    other.says("/verhuisd", Answer::html("<p>verhuisd</p>"));
    other.says(
        "/.well-known/tdmrep.json",
        Answer::text(r#"[{"location": "/", "tdm-reservation": 0}]"#),
    );
    let (mut contributor, dataset) = looked_at(&app, &source).await;
    let found = rights(&mut contributor, dataset).await;
    assert_eq!(
        found["checks"][0]["reservation"], "not_reserved",
        "{found:#}"
    );
    assert_eq!(
        other.asked(),
        ["/verhuisd", "/robots.txt", "/.well-known/tdmrep.json"]
    );
}

#[actix_web::test]
async fn nothing_inside_is_ever_asked() {
    let app = TestApp::without_worker(&[]).await;
    let source = open_source();
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = registered(&mut contributor).await;
    let inner = source.url.trim_start_matches("http://127.0.0.1");
    let attacks = [
        source.url.clone(),
        format!("http://localhost{inner}/"),
        format!("http://2130706433{inner}/"),
        format!("http://0x7f.1{inner}/"),
        format!("http://[::1]{inner}/"),
        format!("http://[::ffff:127.0.0.1]{inner}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://metadata.google.internal/".into(),
        "http://10.0.0.1/".into(),
        "http://example.nl:5432/".into(),
        "http://a:b@example.nl/".into(),
        "file:///etc/passwd".into(),
        "x".into(),
        String::new(),
    ];
    for attack in &attacks {
        let fields = [("source_url", attack.as_str()), ("every_days", "7")];
        let answer = contributor
            .post_form(&format!("/nl/datasets/{dataset}/rights/plan"), &fields)
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{attack}");
        assert!(
            answer.text.contains("source_url-error"),
            "{attack}: the field says why"
        );
        let body = json!({ "source_url": attack, "looked_on": "2026-09-01", "outcome": "read",
            "license": "CC0", "reservation": "unset" });
        let path = format!("/api/v1/datasets/{dataset}/rights/checks");
        let answer = contributor
            .call(Method::POST, &path, Some(body))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{attack}");
    }
    // A plan that was made when other rules held, or through another door.
    plan(
        &mut contributor,
        dataset,
        "https://source.example.nl/notulen",
    )
    .await;
    let mut tx = app.owner_tx().await;
    sqlx::query("UPDATE rights_schedules SET source_url = $1")
        .bind(format!("{}/notulen", source.url))
        .execute(tx.conn())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app.run_tasks().await;
    let check = rights(&mut contributor, dataset).await["checks"][0].clone();
    assert_eq!(check["outcome"], "refused", "{check:#}");
    assert_eq!(source.asked(), Vec::<String>::new());
}

/// A form in several parts, as browsers send it.
fn parts(csrf: &str, fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in [("csrf", csrf)].iter().chain(fields) {
        let part =
            format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(
        b"--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"scherm.png\"\r\ncontent-type: image/png\r\n\r\n",
    );
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    body
}

#[actix_web::test]
async fn a_person_writes_down_what_they_found_with_a_file_as_evidence() {
    let app = TestApp::without_worker(&[]).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = registered(&mut contributor).await;
    let path = format!("/nl/datasets/{dataset}/rights/new");
    let fields = [
        ("source_url", "https://source.example.nl/notulen"),
        ("looked_on", "2026-09-07"),
        ("outcome", "read"),
        ("license", "Public Domain"),
        ("reservation", "unset"),
        ("policy", ""),
        ("quote", "Deze notulen zijn <b>publiek domein</b>."),
        ("note", "gezien op de site"),
    ];
    let file = [0x89, b'P', b'N', b'G', 0, 1, 2, 0xff].repeat(1000);
    let kind = "multipart/form-data; boundary=cut";
    let csrf = contributor.csrf_token().await.unwrap();
    let sent = contributor
        .post_bytes(&path, kind, parts(&csrf, &fields, &file))
        .await
        .unwrap();
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let check = rights(&mut contributor, dataset).await["checks"][0].clone();
    assert_eq!(check["license_expression"], "CC-PDDC");
    assert_eq!(check["checked_by"], "Coen Visser", "{check:#}");
    assert!(
        check["checked_at"]
            .as_str()
            .unwrap()
            .starts_with("2026-09-07")
    );
    let evidence = check["evidence"].as_array().unwrap();
    assert_eq!(evidence[0]["place"], "quote");
    assert_eq!(evidence[1]["size_bytes"], file.len());
    let page = contributor
        .get(&format!("/nl/datasets/{dataset}/rights"))
        .await
        .unwrap()
        .text;
    assert!(
        page.contains("&#60;b&#62;publiek domein"),
        "quoted text stays text: {page}"
    );

    // As an attacker would.
    let wrong = contributor
        .post_bytes(&path, kind, parts("wrong", &fields, &file))
        .await
        .unwrap();
    assert_eq!(wrong.status, StatusCode::FORBIDDEN, "another token");
    let large = vec![1; 5_100_000];
    let answer = contributor
        .post_bytes(&path, kind, parts(&csrf, &fields, &large))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        answer.text
    );
    let mut tomorrow = fields;
    tomorrow[1].1 = "2999-01-01";
    let answer = contributor
        .post_bytes(&path, kind, parts(&csrf, &tomorrow, b""))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("looked_on-error"), "{}", answer.text);
    let mut foreign = app.browser("manager.harderwijk").await;
    let csrf = foreign.csrf_token().await.unwrap();
    let answer = foreign
        .post_bytes(&path, kind, parts(&csrf, &fields, b""))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let id = evidence[1]["id"].as_str().unwrap();
    for path in [
        format!("/nl/datasets/{dataset}/rights"),
        format!("/nl/datasets/{dataset}?at=2026-11-01"),
        format!("/api/v1/datasets/{dataset}/rights"),
        format!("/api/v1/datasets/{dataset}/rights/evidence/{id}"),
    ] {
        let answer = foreign.get(&path).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[actix_web::test]
async fn who_may_see_a_dataset_may_not_write_about_it() {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    let data = given::approved_dataset(&app).await;
    let base = format!("/api/v1/datasets/{}/rights", data.dataset);
    let plan = json!({ "source_url": "https://a.example.nl/", "every_days": "7" });
    let licence = json!({ "license": "MIT", "reason": "x" });
    for (login, path, body, expected) in [
        (
            "researcher.harderwijk",
            "/plan",
            &plan,
            StatusCode::FORBIDDEN,
        ),
        (
            "manager.harderwijk",
            "/licence",
            &licence,
            StatusCode::FORBIDDEN,
        ),
        (
            "contributor.waterland",
            "/licence",
            &licence,
            StatusCode::FORBIDDEN,
        ),
        ("fg.waterland", "/plan", &plan, StatusCode::FORBIDDEN),
        ("auditor", "/plan", &plan, StatusCode::FORBIDDEN),
        ("steward", "/licence", &licence, StatusCode::FORBIDDEN),
        ("legal", "/licence", &licence, StatusCode::OK),
        (
            "legal",
            "/licence",
            &licence,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let answer = app
            .browser(login)
            .await
            .call(Method::POST, &format!("{base}{path}"), Some(body.clone()))
            .await
            .unwrap();
        assert_eq!(answer.status, expected, "{login} {path}: {}", answer.text);
    }
    let seen = app
        .browser("researcher.harderwijk")
        .await
        .get(&format!("/nl/datasets/{}/rights", data.dataset))
        .await
        .unwrap();
    assert_eq!(seen.status, StatusCode::OK);
    assert!(!seen.text.contains("name=\"source_url\""), "{}", seen.text);
}

#[actix_web::test]
async fn the_database_keeps_facts_as_they_are() {
    let app = TestApp::without_worker(&PRIVATE).await;
    let source = open_source();
    let (_, dataset) = looked_at(&app, &source).await;
    for statement in [
        "UPDATE rights_checks SET outcome = 'gone'",
        "DELETE FROM rights_signals",
        "DELETE FROM rights_changes",
        "UPDATE licence_facts SET license = 'x'",
        "DELETE FROM dataset_status_facts",
        // The row of a dataset cannot say another licence than the newest fact.
        "UPDATE datasets SET license = 'MIT'",
    ] {
        let mut tx = app.owner_tx().await;
        let done = sqlx::query(statement).execute(tx.conn()).await;
        let refused = match done {
            Err(error) => Err(error),
            Ok(_) => tx.commit().await,
        };
        assert!(refused.is_err(), "{statement} went through for {dataset}");
    }
}
