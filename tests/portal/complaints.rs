//! From the form that anybody may send to the letter, and to a dataset without the documents.

use data_encoding::HEXLOWER;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use virtual_faculty::{
    demo::Browser,
    signing::{Envelope, PublishedKeys, verify},
};

use crate::{
    support::{
        TestApp, given,
        visitor::{Filed, Visitor, request},
    },
    versions::{all_ready, approve, until},
};

/// Chats, two of which are about somebody.
fn corpus() -> Vec<u8> {
    let mut lines = String::from_utf8(given::small_corpus()).unwrap();
    for text in [
        "Burgemeester J.W. de Vriès opende de vergadering.",
        "De heer Jan-Willem de Vries nam het woord.",
    ] {
        let line = json!({ "messages": [
            { "role": "user", "content": "Wie sprak er?" },
            { "role": "assistant", "content": text },
        ]});
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    lines.into_bytes()
}

async fn database(app: &TestApp) -> PgConnection {
    PgConnection::connect(&app.owner_url).await.unwrap()
}

/// The id of the case of this number, as its handler finds it.
async fn case(browser: &mut Browser, filed: &Filed) -> String {
    let list = browser
        .api(Method::GET, "/api/v1/complaints", None)
        .await
        .unwrap();
    let cases = list["complaints"].as_array().unwrap();
    let case = cases
        .iter()
        .find(|one| one["number"] == filed.number.as_str());
    case.unwrap_or_else(|| panic!("{} in {list:#}", filed.number))["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn act(browser: &mut Browser, id: &str, act: &str, body: Value) -> StatusCode {
    let path = format!("/api/v1/complaints/{id}/{act}");
    browser
        .call(Method::POST, &path, Some(body))
        .await
        .unwrap()
        .status
}

const DONE: StatusCode = StatusCode::NO_CONTENT;

#[actix_web::test]
async fn whoever_asks_can_prove_it_and_nothing_of_them_is_in_the_log() {
    let app = TestApp::without_worker(&[]).await;
    let visitor = Visitor::new(&app);
    let token = visitor.token().await;
    let fields = request(&[("terms", "J.W. de Vries")]);
    let evidence: (&str, &[u8]) = ("../brief.pdf", b"%PDF-1.7 een brief");
    let (status, page) = visitor.file_with(&token, &fields, Some(evidence)).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(!page.contains('⟨'), "{page}");
    let filed = crate::support::visitor::filed(&page);

    let key = [
        ("number", filed.number.as_str()),
        ("code", filed.code.as_str()),
    ];
    let (status, receipt) = visitor.post("/nl/complaints/follow/receipt", &key).await;
    assert_eq!(status, StatusCode::OK, "{receipt}");
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!(receipt["request"]["name"], "Jan-Willem de Vries");
    assert_eq!(receipt["request"]["evidence"]["name"], "brief.pdf");
    // As anybody can without us: hash the request, read the statement, check the signature.
    let canonical = serde_json::to_vec(&receipt["request"]).unwrap();
    let (_, keys) = visitor.get("/.well-known/faculty-keys.json").await;
    let keys = PublishedKeys::parse(&keys).unwrap();
    let mut envelope: Envelope = serde_json::from_value(receipt["receipt"].clone()).unwrap();
    let statement: Value = serde_json::from_slice(&envelope.payload_bytes().unwrap()).unwrap();
    let received_at = &statement["predicate"]["received_at"];
    let received_at = received_at.as_str().unwrap().parse().unwrap();
    verify(&envelope, &keys, received_at).unwrap();
    let hash = HEXLOWER.encode(&Sha256::digest(canonical));
    assert_eq!(statement["subject"][0]["digest"]["sha256"], hash.as_str());
    assert_eq!(statement["predicate"]["number"], filed.number.as_str());
    envelope.payload = envelope.payload.replacen('J', "K", 1);
    assert!(verify(&envelope, &keys, received_at).is_err());

    let (status, page) = visitor.follow(&filed).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Ontvangen") && !page.contains('⟨'), "{page}");
    let mut conn = database(&app).await;
    let events: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, payload::text FROM events WHERE kind LIKE 'complaints.%'")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(events.len(), 1);
    let row: String = sqlx::query_scalar("SELECT to_jsonb(c)::text FROM complaints c")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    for secret in ["Vries", "voorbeeld.example", "notulen"] {
        assert!(!events[0].1.contains(secret), "{events:?}");
    }
    assert!(
        !row.contains(&filed.code) && !row.contains(&filed.code.replace('-', "")),
        "{row}"
    );
}

#[actix_web::test]
async fn a_request_goes_from_the_form_to_a_dataset_without_the_documents() {
    let app = TestApp::start().await;
    let data = given::approved_dataset_of(&app, &corpus()).await;
    let visitor = Visitor::new(&app);
    let filed = visitor.file(&request(&[])).await;
    let mut steward = app.browser("steward").await;
    let tasks = steward.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains(&filed.number) && !tasks.contains('⟨'),
        "{tasks}"
    );
    let id = case(&mut steward, &filed).await;
    assert_eq!(act(&mut steward, &id, "take", json!({})).await, DONE);

    // The ways in which the name is written were thought of already.
    let found = until(
        &mut steward,
        &format!("/api/v1/complaints/{id}/hits"),
        |hits| hits["unindexed_files"] == 0,
    )
    .await;
    assert_eq!(found["count"], 2, "{found:#}");
    let passages = found["hits"].to_string();
    assert!(
        passages.contains("J.W. de Vriès") && passages.contains("Jan-Willem de Vries"),
        "{found:#}"
    );
    let page = steward
        .get(&format!("/nl/complaints/{id}/hits"))
        .await
        .unwrap()
        .text;
    assert!(
        page.contains("<mark>J.W. de Vriès</mark>") && !page.contains('⟨'),
        "{page}"
    );
    let keys: Vec<&str> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["key"].as_str().unwrap())
        .collect();
    let marks = json!({ "shown": keys, "chosen": keys });
    assert_eq!(act(&mut steward, &id, "mark", marks).await, DONE);

    // The institution is asked for what it knows, and is not told who asks.
    let mut officer = app.browser("fg.waterland").await;
    assert!(
        officer
            .get("/nl/tasks")
            .await
            .unwrap()
            .text
            .contains(&filed.number)
    );
    let theirs = officer.get(&format!("/nl/complaints/{id}")).await.unwrap();
    assert_eq!(theirs.status, StatusCode::OK);
    assert!(
        !theirs.text.contains("voorbeeld.example") && !theirs.text.contains('⟨'),
        "{}",
        theirs.text
    );
    assert_eq!(
        act(&mut officer, &id, "remark", json!({"remark": "Dit klopt."})).await,
        DONE
    );
    assert!(
        !officer
            .get("/nl/tasks")
            .await
            .unwrap()
            .text
            .contains(&filed.number)
    );
    assert_eq!(
        act(
            &mut officer,
            &id,
            "decide",
            json!({"outcome": "granted", "reason": "x"})
        )
        .await,
        StatusCode::NOT_FOUND
    );

    let decision = json!({ "outcome": "granted", "reason": "U bent geen publiek persoon." });
    assert_eq!(
        act(&mut steward, &id, "decide", decision.clone()).await,
        StatusCode::CONFLICT,
        "who asks is not known"
    );
    let method = json!({ "method": "called_back", "note": "Nummer uit het bevolkingsregister." });
    assert_eq!(act(&mut steward, &id, "identity", method).await, DONE);
    assert_eq!(act(&mut steward, &id, "decide", decision).await, DONE);
    let page = steward
        .get(&format!("/nl/complaints/{id}"))
        .await
        .unwrap()
        .text;
    assert!(
        page.contains("Dit klopt.") && page.contains("Toegewezen") && !page.contains('⟨'),
        "{page}"
    );

    let path = format!("/api/v1/datasets/{}", data.dataset);
    let mut contributor = app.browser("contributor.waterland").await;
    let next = until(&mut contributor, &path, all_ready).await;
    assert_eq!(next["version"]["number"], 2);
    assert_eq!(next["version"]["files"][0]["documents"], 24);
    let mut conn = database(&app).await;
    let (kept, dropped): (i64, Vec<Vec<u8>>) =
        sqlx::query_as("SELECT documents_kept, dropped_sha256 FROM carried_files")
            .fetch_one(&mut conn)
            .await
            .unwrap();
    assert_eq!(kept, 24);
    let dropped: Vec<String> = dropped.iter().map(|hash| HEXLOWER.encode(hash)).collect();
    assert!(
        keys.iter()
            .all(|key| dropped.iter().any(|hash| key.ends_with(hash))),
        "{dropped:?}"
    );

    // The same text does not come back, in whatever file.
    let again = b"text\n\"Wie sprak er? De heer Jan-Willem  de Vries nam het woord.\"\n";
    let refused = contributor
        .upload(data.dataset, "nieuw.csv", again)
        .await
        .unwrap_err();
    assert!(
        format!("{refused:#}").contains("rejected") || format!("{refused:#}").contains("document"),
        "{refused:#}"
    );
    let page = contributor
        .get(&format!("/nl/datasets/{}", data.dataset))
        .await
        .unwrap()
        .text;
    assert!(page.contains("dit document is uitgesloten"), "{page}");

    let (_, followed) = visitor.follow(&filed).await;
    assert!(
        followed.contains("Toegewezen") && followed.contains("2 documenten"),
        "{followed}"
    );
    let key = [
        ("number", filed.number.as_str()),
        ("code", filed.code.as_str()),
        ("letter", "decision"),
    ];
    let (status, letter) = visitor.post("/nl/complaints/follow/letter", &key).await;
    assert_eq!(status, StatusCode::OK, "{letter}");
    for said in [
        "Beste Jan-Willem de Vries",
        "U bent geen publiek persoon.",
        "Notulen (Archief Waterland): 2 documenten",
    ] {
        assert!(letter.contains(said), "{said}: {letter}");
    }
    assert!(!letter.contains('⟨'), "{letter}");
    app.run_tasks().await;
    let mails: Vec<String> = std::fs::read_dir(app.folder.path().join("mail"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .filter(|mail| mail.contains("To: jan@voorbeeld.example"))
        .collect();
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert!(
        mails[0].contains(&filed.number) && !mails[0].contains(&filed.code),
        "{mails:?}"
    );

    approve(&app, data.dataset).await;
    let base = given::tiny_base(&app).await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let asked = Some(given::job(base, data.version, 1));
    let old = researcher
        .call(Method::POST, "/api/v1/jobs", asked)
        .await
        .unwrap();
    assert_eq!(old.status, StatusCode::CONFLICT, "{}", old.text);
    let log: String = sqlx::query_scalar("SELECT string_agg(payload::text, ' ') FROM events")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    for secret in [
        "de Vries",
        "voorbeeld.example",
        "publiek persoon",
        "bevolkingsregister",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// An erasure of Jan-Willem de Vries that was granted, with all that was found; answers the steward's id of it.
async fn granted_erasure(app: &TestApp, visitor: &Visitor) -> String {
    let filed = visitor.file(&request(&[])).await;
    let mut steward = app.browser("steward").await;
    let id = case(&mut steward, &filed).await;
    assert_eq!(act(&mut steward, &id, "take", json!({})).await, DONE);
    let path = format!("/api/v1/complaints/{id}/hits");
    until(&mut steward, &path, |hits| hits["unindexed_files"] == 0).await;
    assert_eq!(act(&mut steward, &id, "mark-all", json!({})).await, DONE);
    assert_eq!(
        act(&mut steward, &id, "identity", json!({ "method": "shown" })).await,
        DONE
    );
    let decision = json!({ "outcome": "granted", "reason": "Goed." });
    assert_eq!(act(&mut steward, &id, "decide", decision).await, DONE);
    id
}

#[actix_web::test]
async fn a_submission_that_holds_excluded_documents_goes_back_and_loses_them() {
    let app = TestApp::start().await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = crate::datasets::registered(&mut contributor).await;
    contributor
        .upload(dataset, "alles.jsonl", &corpus())
        .await
        .unwrap();
    // Nothing but what has to go.
    let only = b"Burgemeester J.W. de Vries sprak.\n";
    contributor.upload(dataset, "een.txt", only).await.unwrap();
    contributor
        .upload(dataset, "ander.txt", b"Een ander verhaal.\n")
        .await
        .unwrap();
    let submit = format!("/api/v1/datasets/{dataset}/submit");
    contributor.api(Method::POST, &submit, None).await.unwrap();
    let path = format!("/api/v1/datasets/{dataset}");
    let file = |dataset: &Value, name: &str| {
        let files = dataset["version"]["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == name).cloned()
    };
    let before = contributor.api(Method::GET, &path, None).await.unwrap();
    granted_erasure(&app, &Visitor::new(&app)).await;
    let after = until(&mut contributor, &path, |dataset| {
        all_ready(dataset) && file(dataset, "een.txt").is_none()
    })
    .await;
    assert_eq!(after["version"]["number"], 1);
    assert_eq!(after["version"]["status"], "changes_requested");
    assert_eq!(file(&after, "alles.jsonl").unwrap()["documents"], 24);
    assert_eq!(
        file(&after, "ander.txt"),
        file(&before, "ander.txt"),
        "what has nothing to do with it stays"
    );
    // The replaced objects are freed.
    app.run_tasks().await;
    let mut conn = database(&app).await;
    let gone: Vec<(String, String)> = sqlx::query_as(
        "SELECT object_key, object_version FROM dataset_files WHERE state = 'aborted' AND object_version IS NOT NULL",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(gone.len(), 2);
    for (key, version) in gone {
        let read = app.ports.objects.read(&key, &version).await;
        assert!(
            read.is_err_and(|error| error.is_missing),
            "{key} is still there"
        );
    }
    contributor.api(Method::POST, &submit, None).await.unwrap();
}

#[actix_web::test]
async fn an_institution_looks_into_its_own_documents_only() {
    let app = TestApp::start().await;
    given::approved_dataset_of(&app, &corpus()).await;
    // Another institution has the same text.
    let mut theirs = app.browser("manager.harderwijk").await;
    let other = crate::datasets::registered(&mut theirs).await;
    theirs
        .upload(other, "notulen.jsonl", &corpus())
        .await
        .unwrap();
    let filed = Visitor::new(&app).file(&request(&[])).await;
    let mut steward = app.browser("steward").await;
    let id = case(&mut steward, &filed).await;
    act(&mut steward, &id, "take", json!({})).await;
    let hits = format!("/api/v1/complaints/{id}/hits");
    let all = until(&mut steward, &hits, |hits| hits["unindexed_files"] == 0).await;
    assert_eq!(all["count"], 4, "{all:#}");
    let keys = |hits: &Value, of: &str| -> Vec<String> {
        let hits = hits["hits"].as_array().unwrap().iter();
        let of = hits.filter(|hit| hit["dataset"] == of || of.is_empty());
        of.map(|hit| hit["key"].as_str().unwrap().to_owned())
            .collect()
    };
    let foreign = keys(&all, &other.to_string());
    assert_eq!(foreign.len(), 2);
    let own: Vec<_> = keys(&all, "")
        .into_iter()
        .filter(|key| !foreign.contains(key))
        .collect();
    act(
        &mut steward,
        &id,
        "mark",
        json!({ "shown": own, "chosen": [own[0]] }),
    )
    .await;
    let mut manager = app.browser("manager.waterland").await;
    let seen = manager.api(Method::GET, &hits, None).await.unwrap();
    assert_eq!(seen["count"], 2, "{seen:#}");
    let marks = json!({ "shown": foreign, "chosen": foreign });
    assert_eq!(
        act(&mut manager, &id, "mark", marks).await,
        StatusCode::NOT_FOUND
    );
    let marks = json!({ "shown": own, "chosen": own });
    assert_eq!(act(&mut manager, &id, "mark", marks).await, DONE);
    assert_eq!(
        theirs
            .get(&format!("/nl/complaints/{id}"))
            .await
            .unwrap()
            .status,
        StatusCode::NOT_FOUND
    );
    for (act_on, body) in [
        ("terms", json!({ "terms": "x" })),
        ("take", json!({})),
        ("extend", json!({ "extension": "x" })),
    ] {
        assert_eq!(
            act(&mut manager, &id, act_on, body).await,
            StatusCode::NOT_FOUND,
            "{act_on}"
        );
    }
}

#[actix_web::test]
async fn a_refusal_is_decided_by_another_than_who_wrote_it() {
    let app = TestApp::without_worker(&[]).await;
    let visitor = Visitor::new(&app);
    let fields = request(&[
        ("kind", "copyright"),
        ("capacity", "right_holder"),
        ("works", "De aanslag"),
        ("request", "Dit is mijn boek."),
    ]);
    let filed = visitor.file(&fields).await;
    let (mut legal, mut steward) = (app.browser("legal").await, app.browser("steward").await);
    let id = case(&mut legal, &filed).await;
    let path = format!("/nl/complaints/{id}");
    assert_eq!(
        steward.get(&path).await.unwrap().status,
        StatusCode::NOT_FOUND,
        "not theirs to handle"
    );
    let decision = json!({ "outcome": "refused", "reason": "Het werk staat niet in onze data." });
    assert_eq!(
        act(&mut legal, &id, "decide", decision.clone()).await,
        StatusCode::CONFLICT,
        "nobody took it up"
    );
    assert_eq!(act(&mut legal, &id, "take", json!({})).await, DONE);
    assert_eq!(act(&mut legal, &id, "decide", decision.clone()).await, DONE);
    let (_, page) = visitor.follow(&filed).await;
    assert!(!page.contains("Afgewezen"), "not decided yet: {page}");
    assert_eq!(
        act(&mut legal, &id, "confirm", json!({})).await,
        StatusCode::FORBIDDEN
    );
    assert!(
        !legal
            .get("/nl/tasks")
            .await
            .unwrap()
            .text
            .contains(&filed.number)
    );
    // The second person sends it back once.
    assert!(
        steward
            .get("/nl/tasks")
            .await
            .unwrap()
            .text
            .contains(&filed.number)
    );
    assert_eq!(act(&mut steward, &id, "send-back", json!({})).await, DONE);
    assert_eq!(
        act(&mut steward, &id, "confirm", json!({})).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(act(&mut legal, &id, "decide", decision).await, DONE);
    let answer = steward
        .post_form(&format!("{path}/confirm"), &[])
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let (_, page) = visitor.follow(&filed).await;
    assert!(page.contains("Afgewezen"), "{page}");
    // What was decided stays.
    assert_eq!(
        act(&mut legal, &id, "take", json!({})).await,
        StatusCode::CONFLICT
    );
    let mut conn = database(&app).await;
    let changed = sqlx::query("UPDATE complaints SET outcome = 'granted'")
        .execute(&mut conn)
        .await;
    assert!(changed.is_err(), "the database lets a decision change");
    let alone = sqlx::query("UPDATE complaints SET decided_by = prepared_by")
        .execute(&mut conn)
        .await;
    assert!(alone.is_err(), "the database lets one person refuse");
}

#[actix_web::test]
async fn the_term_is_extended_once_with_a_reason_and_what_is_late_is_shown() {
    let app = TestApp::without_worker(&[]).await;
    let visitor = Visitor::new(&app);
    let filed = visitor.file(&request(&[("kind", "access")])).await;
    let mut steward = app.browser("steward").await;
    let id = case(&mut steward, &filed).await;
    act(&mut steward, &id, "take", json!({})).await;
    let page = steward
        .post_form(
            &format!("/nl/complaints/{id}/extend"),
            &[("extension", " ")],
        )
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("extension-error"), "{}", page.text);
    let reason = json!({ "extension": "Er zijn veel datasets." });
    assert_eq!(act(&mut steward, &id, "extend", reason.clone()).await, DONE);
    assert_eq!(
        act(&mut steward, &id, "extend", reason).await,
        StatusCode::CONFLICT
    );
    let shown = steward
        .api(Method::GET, &format!("/api/v1/complaints/{id}"), None)
        .await
        .unwrap();
    let at = |name: &str| {
        shown[name]
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    };
    let days = (at("due_at") - at("received_at")).num_days();
    assert!((88..=93).contains(&days), "{days} days");
    let key = [
        ("number", filed.number.as_str()),
        ("code", filed.code.as_str()),
        ("letter", "extension"),
    ];
    let (_, letter) = visitor.post("/en/complaints/follow/letter", &key).await;
    assert!(letter.contains("Er zijn veel datasets."), "{letter}");
    let (_, text) = visitor.post("/nl/complaints/follow/letter.txt", &key).await;
    assert!(
        text.starts_with("Beste Jan-Willem de Vries,\n\nOp "),
        "{text}"
    );

    let mut conn = database(&app).await;
    sqlx::query("UPDATE complaints SET due_at = received_at + interval '1 microsecond'")
        .execute(&mut conn)
        .await
        .unwrap();
    for path in [
        format!("/nl/complaints/{id}"),
        "/nl/complaints".into(),
        "/nl/tasks".into(),
    ] {
        let page = steward.get(&path).await.unwrap().text.to_lowercase();
        assert!(page.contains("te laat"), "{path}: {page}");
    }
}

#[actix_web::test]
async fn who_handles_a_case_hears_of_it_before_and_after_its_answer_is_due() {
    let app = TestApp::without_worker(&[]).await;
    let filed = Visitor::new(&app)
        .file(&request(&[("kind", "access")]))
        .await;
    // How often somebody was told so, in words of the page.
    let told = async |login: &str, title: &str| {
        let notices = app
            .browser(login)
            .await
            .api(Method::GET, "/api/v1/notices", None)
            .await
            .unwrap();
        let title = title.replace("{}", &filed.number);
        let text = notices.to_string().replace(['\u{2068}', '\u{2069}'], "");
        text.matches(&title).count()
    };
    assert_eq!(told("steward", "Request {} came in").await, 1);
    assert_eq!(told("legal", "Request {} came in").await, 0);
    app.run_tasks().await;
    assert_eq!(
        told("steward", "Answer to request").await,
        0,
        "there is time"
    );
    let mut conn = database(&app).await;
    for (due, title) in [
        ("3 days", "Answer to request {} within a week"),
        ("1 microsecond", "The answer to request {} is late"),
    ] {
        sqlx::query("UPDATE complaints SET due_at = received_at + $1::text::interval")
            .bind(due)
            .execute(&mut conn)
            .await
            .unwrap();
        app.run_tasks().await;
        app.run_tasks().await;
        assert_eq!(told("steward", title).await, 1, "{title}");
    }
    assert_eq!(told("admin", "The answer to request {} is late").await, 1);
    assert_eq!(told("admin", "within a week").await, 0);
    assert_eq!(told("manager.waterland", "request").await, 0);
    let logged: Vec<String> = sqlx::query_scalar(
        "SELECT kind FROM events WHERE kind IN ('complaints.reminded', 'complaints.overdue') ORDER BY kind",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(logged, ["complaints.overdue", "complaints.reminded"]);
}

#[actix_web::test]
async fn personal_details_are_deleted_a_while_after_the_decision() {
    let app =
        TestApp::without_worker(&[("FACULTY_COMPLAINTS__KEEP_PERSONAL_DETAILS_DAYS", "0")]).await;
    let visitor = Visitor::new(&app);
    let token = visitor.token().await;
    let (_, page) = visitor
        .file_with(&token, &request(&[]), Some(("brief.txt", b"een brief")))
        .await;
    let filed = crate::support::visitor::filed(&page);
    let mut steward = app.browser("steward").await;
    let id = case(&mut steward, &filed).await;
    let evidence = format!("/nl/complaints/{id}/evidence");
    assert_eq!(steward.get(&evidence).await.unwrap().text, "een brief");
    app.run_tasks().await;
    assert!(
        steward
            .get(&format!("/nl/complaints/{id}"))
            .await
            .unwrap()
            .text
            .contains("voorbeeld.example"),
        "open cases keep them"
    );
    act(&mut steward, &id, "take", json!({})).await;
    act(
        &mut steward,
        &id,
        "identity",
        json!({ "method": "known_email" }),
    )
    .await;
    assert_eq!(
        act(
            &mut steward,
            &id,
            "decide",
            json!({ "outcome": "granted", "reason": "Goed." })
        )
        .await,
        DONE
    );
    app.run_tasks().await;
    let mut conn = database(&app).await;
    let rows: String = sqlx::query_scalar(
        "SELECT concat((SELECT string_agg(c::text, '') FROM complaints c), (SELECT string_agg(l::text, '') FROM complaint_letters l))",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    for gone in ["Vries", "voorbeeld.example", "Goed.", "brief.txt"] {
        assert!(!rows.contains(gone), "{gone} is still kept: {rows}");
    }
    assert_eq!(
        steward.get(&evidence).await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    let page = steward.get(&format!("/nl/complaints/{id}")).await.unwrap();
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("gewist") && !page.text.contains('⟨'),
        "{}",
        page.text
    );
    let (status, page) = visitor.follow(&filed).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("Toegewezen") && page.contains("gewist"),
        "{page}"
    );
}
