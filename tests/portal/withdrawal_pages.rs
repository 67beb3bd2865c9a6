//! What follows a withdrawal, as people see it: copies that are gone, models that wait, people who were told.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use fantoccini::Locator;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{
    demo::Browser,
    ids::ModelId,
    objects::ObjectStore,
    withdrawals::{self, Purge},
};

use crate::support::{
    TestApp,
    chromium::{Driver, fill, picture, pictures_of},
    connection, given,
};

/// A model that a job of Harderwijk made from the version, as if it had been trained; released, and served nowhere.
pub(crate) async fn made_model(app: &TestApp, base: ModelId, version: Uuid, name: &str) -> Uuid {
    let mut conn = connection(app).await;
    let (job, model) = (Uuid::now_v7(), Uuid::now_v7());
    for statement in [
        "INSERT INTO jobs (id, institution_id, title, motivation, purpose, is_commercial, recipients, base_model_id, task,
             seed, status, requested_by, requested_at, approved_by, approved_at, ended_at)
         SELECT $1, i.id, $5, '', 'fine_tuning', false, 'consortium', $3,
             '{\"kind\": \"fine_tune_lora\", \"lora\": {\"rank\": 4, \"alpha\": 8, \"target_modules\": [\"q_proj\"]},
              \"training\": {\"epochs\": 1, \"max_steps\": null, \"batch_size\": 4, \"sequence_length\": 64,
                  \"learning_rate\": 0.001, \"warmup_steps\": 0, \"held_out_share\": 0.1, \"checkpoint_every_steps\": 10}}', 1, 'succeeded', r.user_id, now(), o.user_id, now(), now()
         FROM institutions i JOIN memberships r ON r.institution_id = i.id AND r.role = 'researcher'
         CROSS JOIN (SELECT user_id FROM memberships WHERE role = 'operator' LIMIT 1) o
         WHERE i.slug = 'harderwijk' AND $2::uuid IS NOT NULL AND $4::uuid IS NOT NULL LIMIT 1",
        "INSERT INTO job_datasets SELECT $1, $4 WHERE $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL AND $5 <> ''",
        "INSERT INTO models (id, name, kind, family, license, base_model_id, job_id, institution_id, status, released_by,
             released_at, weights_sha256, created_at)
         SELECT $2, $5, 'adapter', 'smollm2', 'x', $3, $1, j.institution_id, 'released', j.approved_by, now(),
             repeat('a', 64), now() FROM jobs j WHERE j.id = $1 AND $4::uuid IS NOT NULL",
    ] {
        sqlx::query(statement)
            .bind(job)
            .bind(model)
            .bind(base.0)
            .bind(version)
            .bind(name)
            .execute(&mut conn)
            .await
            .unwrap();
    }
    model
}

pub(crate) async fn withdraw(browser: &mut Browser, dataset: Uuid, extent: &str) -> Uuid {
    let done = browser
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/withdraw"),
            Some(json!({ "extent": extent, "reason": "bezwaar van de schenker" })),
        )
        .await
        .unwrap();
    done["withdrawal"].as_str().unwrap().parse().unwrap()
}

pub(crate) async fn seen(browser: &mut Browser, withdrawal: Uuid) -> Value {
    browser
        .api(
            Method::GET,
            &format!("/api/v1/withdrawals/{withdrawal}"),
            None,
        )
        .await
        .unwrap()
}

/// The keys of the objects of a version.
pub(crate) async fn objects_of(app: &TestApp, version: Uuid) -> Vec<String> {
    let mut conn = connection(app).await;
    sqlx::query_scalar("SELECT object_key FROM dataset_files WHERE dataset_version_id = $1")
        .bind(version)
        .fetch_all(&mut conn)
        .await
        .unwrap()
}

async fn exec(app: &TestApp, statement: &'static str) {
    let mut conn = connection(app).await;
    sqlx::query(statement).execute(&mut conn).await.unwrap();
}

/// What the API takes to give permission for `purposes` that says what happens to models.
pub(crate) fn permission(purposes: &[&str], on_withdrawal: &str) -> Value {
    json!({
        "layers": ["copyright"], "purposes": purposes, "recipients": "consortium", "commercial": "no",
        "territories": "world", "processing_locations": "world", "model_families": "all",
        "valid_from": "2026-01-01", "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
        "on_withdrawal": on_withdrawal,
    })
}

/// Puts a permission that says `on_withdrawal` in the place of the one that was given.
pub(crate) async fn agree(app: &TestApp, dataset: Uuid, on_withdrawal: &str) {
    let mut conn = connection(app).await;
    sqlx::query(
        "INSERT INTO permission_events (id, permission_id, state, decided_by, decided_at)
         SELECT gen_random_uuid(), p.id, 'withdrawn', p.created_by, p.created_at + interval '1 microsecond'
         FROM permissions p WHERE p.dataset_id = $1",
    )
    .bind(dataset)
    .execute(&mut conn)
    .await
    .unwrap();
    app.browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(permission(&["fine_tuning"], on_withdrawal)),
        )
        .await
        .unwrap();
}

/// An app whose worker works for as long as something is prepared; the agreement wants models decided on.
pub(crate) async fn prepared() -> (TestApp, given::Approved) {
    let app = TestApp::without_worker(&[]).await;
    let worker = app.work_until_stopped();
    let data = given::approved_dataset(&app).await;
    worker.cancel();
    agree(&app, data.dataset, "retrain").await;
    (app, data)
}

#[actix_web::test]
async fn every_object_version_is_gone_and_the_proof_says_so_to_who_withdrew() {
    let (app, data) = prepared().await;
    let keys = objects_of(&app, data.version).await;
    // Another version under the same key: an overwrite behind the portal's back goes too.
    for key in &keys {
        app.ports.objects.put(key, b"later".to_vec()).await.unwrap();
        assert_eq!(app.ports.objects.versions(key).await.unwrap().len(), 2);
    }
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let before = seen(&mut manager, id).await;
    assert_eq!(before["copies"]["gone"], 0, "{before:#}");
    app.run_tasks().await;
    for key in &keys {
        assert_eq!(app.ports.objects.versions(key).await.unwrap(), [], "{key}");
    }
    let after = seen(&mut manager, id).await;
    assert_eq!(after["copies"]["gone"], after["copies"]["all"], "{after:#}");
    let items = after["copies"]["items"].as_array().unwrap();
    let item = items.iter().find(|one| one["kind"] == "object").unwrap();
    assert_eq!(item["deleted"].as_array().unwrap().len(), 2, "{item:#}");
    assert!(
        item["sha256"].is_string() && item["verified_absent_at"].is_string(),
        "{item:#}"
    );
    let purge = after["duties"]
        .as_array()
        .unwrap()
        .iter()
        .find(|duty| duty["kind"] == "purge")
        .unwrap();
    assert!(purge["ended_at"].is_string(), "{purge:#}");
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("2 van 2 kopieën aantoonbaar weg"),
        "{}",
        page.text
    );
    let log = app.browser("auditor").await.get("/en/audit").await.unwrap();
    assert!(log.text.contains("datasets.purged"), "{}", log.text);
}

#[actix_web::test]
async fn a_purge_goes_on_wherever_it_was_stopped() {
    let (app, data) = prepared().await;
    // More files than one, by rows beside the one that was uploaded.
    let mut conn = connection(&app).await;
    let key = objects_of(&app, data.version).await.pop().unwrap();
    sqlx::query("ALTER TABLE dataset_files DISABLE TRIGGER USER")
        .execute(&mut conn)
        .await
        .unwrap();
    for n in 0..12 {
        let more = format!("{key}-{n}");
        app.ports
            .objects
            .put(&more, b"tekst".to_vec())
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO dataset_files SELECT (jsonb_populate_record(f, jsonb_build_object('id', gen_random_uuid(),
                 'path', f.path || $2, 'object_key', $3::text))).* FROM dataset_files f WHERE object_key = $1",
        )
        .bind(&key)
        .bind(n.to_string())
        .bind(&more)
        .execute(&mut conn)
        .await
        .unwrap();
    }
    sqlx::query("ALTER TABLE dataset_files ENABLE TRIGGER USER")
        .execute(&mut conn)
        .await
        .unwrap();
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    // Dropped at another await each time, as a process that dies: nothing is kept in memory.
    for polls in [1, 3, 7, 12, 20, 33] {
        let (db, objects) = (app.ports.db.clone(), app.ports.objects.clone());
        let task: Purge = serde_json::from_value(json!({ "withdrawal": id })).unwrap();
        let mut work = Box::pin(async move { withdrawals::purge(&db, &objects, &task).await });
        for _ in 0..polls {
            if futures_util::poll!(&mut work).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        drop(work);
    }
    app.run_tasks().await;
    for key in objects_of(&app, data.version).await {
        assert_eq!(app.ports.objects.versions(&key).await.unwrap(), [], "{key}");
    }
    let after = seen(&mut manager, id).await;
    // Each with its words in the index.
    assert_eq!(after["copies"]["all"], 26, "{after:#}");
    assert_eq!(after["copies"]["gone"], 26, "{after:#}");
    let once: Vec<i64> =
        sqlx::query_scalar("SELECT count(*) FROM events WHERE kind = 'datasets.purged'")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(once, [1], "the end is told once");
}

#[actix_web::test]
async fn a_copy_that_cannot_be_deleted_is_shown_and_tried_again() {
    let (app, data) = prepared().await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let mut away = app.ports.config.s3.clone();
    away.endpoint = "http://127.0.0.1:9".into();
    let task: Purge = serde_json::from_value(json!({ "withdrawal": id })).unwrap();
    let error = withdrawals::purge(&app.ports.db, &ObjectStore::new(&away), &task)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("1 of 1 copies"), "{error}");
    let page = manager.get(&format!("/en/withdrawals/{id}")).await.unwrap();
    assert!(page.text.contains("it is tried again"), "{}", page.text);
    assert!(!page.text.contains("127.0.0.1:9"), "{}", page.text);
    app.run_tasks().await;
    let after = seen(&mut manager, id).await;
    assert_eq!(after["copies"]["gone"], 2, "{after:#}");
}

#[actix_web::test]
async fn a_quarantined_model_is_decided_on_by_an_operator_and_who_withdrew_is_told() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    let first = made_model(&app, base, data.version, "ft:tiny:een").await;
    let second = made_model(&app, base, data.version, "ft:tiny:twee").await;
    let mut manager = app.browser("manager.waterland").await;
    let mut operator = app.browser("operator").await;
    let id = withdraw(&mut manager, data.dataset, "").await;

    let tasks = operator.get("/en/tasks").await.unwrap();
    assert!(
        tasks.text.contains("Decide on the models"),
        "{}",
        tasks.text
    );
    let refused = operator
        .call(
            Method::POST,
            &format!("/api/v1/models/{first}/deploy"),
            None,
        )
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);

    let path = format!("/api/v1/withdrawals/{id}/decide");
    let decision = |model: Uuid, what: &str| {
        Some(json!({ "model": model, "decision": what, "reason": "zo afgesproken" }))
    };
    for (login, status) in [
        ("manager.harderwijk", StatusCode::NOT_FOUND),
        ("manager.waterland", StatusCode::NOT_FOUND),
        ("auditor", StatusCode::FORBIDDEN),
    ] {
        let answer = app
            .browser(login)
            .await
            .call(Method::POST, &path, decision(first, "lift"))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    let proposed = operator
        .call(Method::POST, &path, decision(first, "lift"))
        .await
        .unwrap();
    assert_eq!(proposed.status, StatusCode::NO_CONTENT, "{}", proposed.text);
    let lifted = app
        .browser("legal")
        .await
        .call(
            Method::POST,
            &format!("/api/v1/withdrawals/{id}/lift"),
            Some(json!({ "model": first, "reason": "zo afgesproken" })),
        )
        .await
        .unwrap();
    assert_eq!(lifted.status, StatusCode::NO_CONTENT, "{}", lifted.text);
    let again = operator
        .call(Method::POST, &path, decision(first, "retire"))
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    operator
        .post_form(
            &format!("/nl/withdrawals/{id}/decide"),
            &[
                ("model", &second.to_string()),
                ("decision", "retire"),
                ("reason", "wordt opnieuw gemaakt"),
            ],
        )
        .await
        .unwrap();
    let after = seen(&mut manager, id).await;
    let state = |model: Uuid| {
        let found = after["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["model"] == json!(model))
            .unwrap();
        (
            found["is_quarantined"].clone(),
            found["status"].clone(),
            found["decision"].clone(),
        )
    };
    assert_eq!(
        state(first),
        (json!(false), json!("released"), json!("lift"))
    );
    assert_eq!(
        state(second),
        (json!(true), json!("retired"), json!("retire"))
    );
    let told = manager
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    let decided = told["notices"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["kind"] == "model-decided")
        .count();
    assert_eq!(decided, 2, "{told:#}");
    let tasks = operator.get("/en/tasks").await.unwrap();
    assert!(
        !tasks.text.contains("Decide on the models"),
        "{}",
        tasks.text
    );
}

#[actix_web::test]
async fn what_is_late_is_told_once_however_much_was_late_before() {
    const OLDER: i64 = 201;
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    made_model(&app, base, data.version, "ft:tiny:een").await;
    let mut manager = app.browser("manager.waterland").await;
    withdraw(&mut manager, data.dataset, "").await;
    let told = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM events WHERE kind = 'withdrawals.duty_overdue'")
            .fetch_one(&mut connection(&app).await)
            .await
            .unwrap()
    };
    app.run_tasks().await;
    assert_eq!(told().await, 0, "there is time");
    let mut conn = connection(&app).await;
    sqlx::query(
        "WITH one AS (SELECT * FROM withdrawals LIMIT 1), copies AS (
             INSERT INTO withdrawals SELECT (jsonb_populate_record(NULL::withdrawals, to_jsonb(one) || jsonb_build_object('id', gen_random_uuid()))).*
             FROM one, generate_series(1, $1) RETURNING id, withdrawn_at)
         INSERT INTO withdrawal_duties (id, withdrawal_id, kind, owner_role, due_at)
         SELECT gen_random_uuid(), id, 'decide_models', 'operator', withdrawn_at - interval '1 day' FROM copies",
    )
    .bind(OLDER)
    .execute(&mut conn)
    .await
    .unwrap();
    app.run_tasks().await;
    app.run_tasks().await;
    assert_eq!(told().await, OLDER);
    app.run_tasks().await;
    assert_eq!(told().await, OLDER, "nothing is told twice");
    let mut admin = app.browser("admin").await;
    let notices = admin.get("/en/notices").await.unwrap();
    assert!(notices.text.contains("Late after the withdrawal of"));
}

#[actix_web::test]
async fn the_agreement_keeps_or_retires_models_at_any_depth() {
    for (says, status, is_quarantined) in [("keep", "released", false), ("retire", "retired", true)]
    {
        let (app, data) = prepared().await;
        agree(&app, data.dataset, says).await;
        let base = given::tiny_base(&app).await;
        let first = made_model(&app, base, data.version, "ft:tiny:een").await;
        let mut conn = connection(&app).await;
        // A model of the model, two deep, whose own jobs read nothing of the dataset.
        let mut parent = first;
        for name in ["ft:tiny:twee", "ft:tiny:drie"] {
            let child = made_model(&app, ModelId(parent), data.version, name).await;
            sqlx::query(
                "DELETE FROM job_datasets WHERE job_id = (SELECT job_id FROM models WHERE id = $1)",
            )
            .bind(child)
            .execute(&mut conn)
            .await
            .unwrap();
            parent = child;
        }
        let mut manager = app.browser("manager.waterland").await;
        let id = withdraw(&mut manager, data.dataset, "").await;
        let after = seen(&mut manager, id).await;
        let models = after["models"].as_array().unwrap();
        assert_eq!(models.len(), 3, "{says}: {after:#}");
        for model in models {
            assert_eq!(model["consequence"], says, "{model:#}");
            assert_eq!(model["status"], status, "{model:#}");
            assert_eq!(model["is_quarantined"], is_quarantined, "{model:#}");
        }
        let page = app
            .browser("operator")
            .await
            .get(&format!("/en/models/{first}"))
            .await
            .unwrap();
        let said = if is_quarantined {
            "is out of use since"
        } else {
            "this model stays in use"
        };
        assert!(page.text.contains(said), "{says}: {}", page.text);
    }
}

#[actix_web::test]
async fn one_version_is_withdrawn_and_the_other_goes_on() {
    let (app, data) = prepared().await;
    let mut conn = connection(&app).await;
    let second = Uuid::now_v7();
    sqlx::query(
        "INSERT INTO dataset_versions SELECT (jsonb_populate_record(v, jsonb_build_object('id', $2, 'number', 2))).*
         FROM dataset_versions v WHERE id = $1",
    )
    .bind(data.version)
    .bind(second)
    .execute(&mut conn)
    .await
    .unwrap();
    let base = given::tiny_base(&app).await;
    let old = made_model(&app, base, data.version, "ft:tiny:oud").await;
    made_model(&app, base, second, "ft:tiny:nieuw").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(
        &mut manager,
        data.dataset,
        &format!("version:{}", data.version),
    )
    .await;
    let after = seen(&mut manager, id).await;
    assert_eq!(after["models"][0]["model"], json!(old), "{after:#}");
    assert_eq!(after["models"].as_array().unwrap().len(), 1, "{after:#}");
    let mut researcher = app.browser("researcher.harderwijk").await;
    let ask = |version: Uuid| Some(given::job(base, version, 1));
    let refused = researcher
        .call(Method::POST, "/api/v1/jobs", ask(data.version))
        .await
        .unwrap();
    assert!(
        refused.text.contains("permission-withdrawn"),
        "{}",
        refused.text
    );
    let taken = researcher
        .call(Method::POST, "/api/v1/jobs", ask(second))
        .await
        .unwrap();
    assert!(taken.status.is_success(), "{}", taken.text);
}

#[actix_web::test]
async fn a_lift_does_not_free_a_model_that_another_withdrawal_holds() {
    let (app, data) = prepared().await;
    let worker = app.work_until_stopped();
    let other = given::approved_dataset(&app).await;
    worker.cancel();
    agree(&app, other.dataset, "retrain").await;
    let base = given::tiny_base(&app).await;
    let model = made_model(&app, base, data.version, "ft:tiny:beide").await;
    let mut conn = connection(&app).await;
    sqlx::query("INSERT INTO job_datasets SELECT job_id, $2 FROM models WHERE id = $1")
        .bind(model)
        .bind(other.version)
        .execute(&mut conn)
        .await
        .unwrap();
    let mut manager = app.browser("manager.waterland").await;
    let first = withdraw(&mut manager, data.dataset, "").await;
    let second = withdraw(&mut manager, other.dataset, "").await;
    let mut operator = app.browser("operator").await;
    let lift = || Some(json!({ "model": model, "decision": "lift", "reason": "mag" }));
    let path = |id: Uuid| format!("/api/v1/withdrawals/{id}/decide");
    let held = operator
        .call(Method::POST, &path(first), lift())
        .await
        .unwrap();
    assert_eq!(held.status, StatusCode::CONFLICT, "{}", held.text);
    let after = seen(&mut manager, second).await;
    assert_eq!(after["models"][0]["is_quarantined"], true, "{after:#}");
}

#[actix_web::test]
async fn one_permission_of_several_ends_only_what_stood_on_it() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    let model = made_model(&app, base, data.version, "ft:tiny:fijn").await;
    let mut manager = app.browser("manager.waterland").await;
    let more = manager
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/permissions", data.dataset),
            Some(permission(&["evaluation"], "retrain")),
        )
        .await
        .unwrap();
    let evaluation = more["permissions"][0].as_str().unwrap().to_owned();
    let reach = |extent: String| format!("/api/v1/datasets/{}/reach?extent={extent}", data.dataset);
    let small = manager
        .api(
            Method::GET,
            &reach(format!("permission:{evaluation}")),
            None,
        )
        .await
        .unwrap();
    assert_eq!(small["models"], json!([]), "{small:#}");
    assert_eq!(small["versions"], json!([]), "{small:#}");
    let id = withdraw(
        &mut manager,
        data.dataset,
        &format!("permission:{evaluation}"),
    )
    .await;
    let after = seen(&mut manager, id).await;
    assert_eq!(after["models"], json!([]), "{after:#}");
    assert_eq!(after["copies"]["all"], 0, "{after:#}");
    let whole = manager
        .api(Method::GET, &reach("layer:copyright".into()), None)
        .await
        .unwrap();
    assert_eq!(whole["models"][0]["id"], json!(model), "{whole:#}");
    let rest = withdraw(&mut manager, data.dataset, "layer:copyright").await;
    let after = seen(&mut manager, rest).await;
    assert_eq!(after["models"][0]["is_quarantined"], true, "{after:#}");
    let nothing = manager
        .call(
            Method::POST,
            &format!("/api/v1/datasets/{}/withdraw", data.dataset),
            Some(json!({ "reason": "nog eens" })),
        )
        .await
        .unwrap();
    assert_eq!(nothing.status, StatusCode::CONFLICT, "{}", nothing.text);
}

#[actix_web::test]
async fn a_legal_reviewer_revokes_and_the_right_holder_is_told() {
    let (app, data) = prepared().await;
    let mut legal = app.browser("legal").await;
    let page = legal
        .get(&format!("/nl/datasets/{}/withdraw", data.dataset))
        .await
        .unwrap();
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let id = withdraw(&mut legal, data.dataset, "").await;
    let mut manager = app.browser("manager.waterland").await;
    let after = seen(&mut manager, id).await;
    assert_eq!(after["is_revoked"], true, "{after:#}");
    let told = manager
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    assert!(told.to_string().contains("withdrawal-revoked"), "{told:#}");
    for login in ["manager.harderwijk", "researcher.harderwijk"] {
        let mut foreign = app.browser(login).await;
        let answer = foreign.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{login}: {}",
            answer.text
        );
    }
}

/// The mails that a worker wrote, the newest last.
pub(crate) fn mails(folder: &Path) -> Vec<String> {
    let mut paths: Vec<_> = std::fs::read_dir(folder.join("mail"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap().replace("=\r\n", ""))
        .collect()
}

#[actix_web::test]
async fn licensees_and_key_holders_are_told_and_the_page_shows_who_read_it() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    made_model(&app, base, data.version, "ft:tiny:onderzoek").await;
    exec(&app, "UPDATE jobs SET recipients = 'research_licensees'").await;
    let mut operator = app.browser("operator").await;
    let licensee = |licence: &str| {
        Some(json!({
            "model": "ft:tiny:onderzoek", "name": "Stichting Voorbeeld", "contact": "model@voorbeeld.example",
            "licence": licence,
        }))
    };
    let wide = operator
        .call(Method::POST, "/api/v1/licensees", licensee("professional"))
        .await
        .unwrap();
    assert_eq!(wide.status, StatusCode::CONFLICT, "{}", wide.text);
    operator
        .api(Method::POST, "/api/v1/licensees", licensee("research"))
        .await
        .unwrap();
    let again = operator
        .call(Method::POST, "/api/v1/licensees", licensee("research"))
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    for login in ["manager.harderwijk", "steward"] {
        let mut foreign = app.browser(login).await;
        let answer = foreign.get("/nl/admin/licensees").await.unwrap();
        assert!(
            matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN),
            "{login}: {}",
            answer.status
        );
    }
    exec(
        &app,
        "WITH asked AS (
             INSERT INTO api_keys (id, public_id, institution_id, name, purpose, is_commercial, status,
                 requested_by, requested_at, expires_at)
             SELECT gen_random_uuid(), 'abcdefgh', i.id, 'samenvatter', 'proef', false, 'requested', m.user_id,
                 now(), now() + interval '1 year' FROM institutions i
             JOIN memberships m ON m.institution_id = i.id AND m.role = 'developer' WHERE i.slug = 'harderwijk'
             RETURNING id)
         INSERT INTO api_key_models SELECT asked.id, m.id FROM asked CROSS JOIN models m WHERE m.kind = 'adapter'",
    )
    .await;
    let mut developer = app.browser("developer.harderwijk").await;
    let mut manager = app.browser("manager.waterland").await;
    let preview = manager
        .get(&format!("/nl/datasets/{}/withdraw", data.dataset))
        .await
        .unwrap();
    assert!(
        !preview.text.contains("Stichting Voorbeeld") && !preview.text.contains("samenvatter"),
        "who else holds it is not the right holder's to know: {}",
        preview.text
    );
    let preview = app
        .browser("legal")
        .await
        .get(&format!("/nl/datasets/{}/withdraw", data.dataset))
        .await
        .unwrap();
    assert!(
        preview.text.contains("Stichting Voorbeeld") && preview.text.contains("samenvatter"),
        "{}",
        preview.text
    );
    let id = withdraw(&mut manager, data.dataset, "").await;
    app.run_tasks().await;
    let mails = mails(app.folder.path());
    let letter = mails
        .iter()
        .find(|mail| mail.contains("To: model@voorbeeld.example"))
        .expect("the licensee got a mail");
    let link = letter
        .split_whitespace()
        .find(|word| word.contains("/confirm/"))
        .unwrap();
    let answer = reqwest::Client::new().post(link).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let told = developer
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    assert!(told.to_string().contains("withdrawal-holder"), "{told:#}");
    let after = seen(&mut manager, id).await;
    let notices = after["notices"].as_array().unwrap();
    let of = |kind: &str| notices.iter().filter(|one| one["kind"] == kind).count();
    assert_eq!(
        (
            of("withdrawal-licensee"),
            of("withdrawal-holder"),
            of("withdrawal-institution")
        ),
        (1, 1, 1),
        "{after:#}"
    );
    assert!(
        !after.to_string().contains("voorbeeld.example"),
        "{after:#}"
    );
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    for hidden in ["voorbeeld.example", "samenvatter"] {
        assert!(!page.text.contains(hidden), "{hidden}: {}", page.text);
    }
    assert!(page.text.contains("Een licentiehouder"), "{}", page.text);
    let licensee = notices
        .iter()
        .find(|one| one["kind"] == "withdrawal-licensee")
        .unwrap();
    assert!(licensee["acknowledged_at"].is_string(), "{licensee:#}");
}

#[actix_web::test]
async fn from_the_mail_to_the_withdrawal_it_is_two_clicks_and_a_reason() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    given::job_until(&app, job, given::is_over).await;
    let mut letter = None;
    for _ in 0..100 {
        if app.folder.path().join("mail").exists() {
            letter = mails(app.folder.path())
                .into_iter()
                .find(|mail| mail.contains("To: ") && mail.contains("/contributions/"));
        }
        if letter.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let letter = letter.expect("the right holder was told by mail that their data is used");
    let link = letter
        .split_whitespace()
        .find(|word| word.contains("/nl/contributions/"))
        .unwrap()
        .to_owned();

    let driver = Driver::start().await;
    let client = driver.window(1280).await;
    let mut clicks = 0;
    let begun = Instant::now();
    client.goto(&link).await.unwrap();
    // Nobody is signed in: the link leads to the provider, and from there back to the dataset.
    client
        .wait()
        .for_element(Locator::Css("#username"))
        .await
        .unwrap();
    fill(&client, "username", "manager.waterland").await;
    fill(&client, "password", "manager.waterland").await;
    // The provider's own button is not the portal's.
    client
        .find(Locator::Css("form.password button"))
        .await
        .unwrap()
        .click()
        .await
        .unwrap();
    click(&client, "a.button--danger", &mut clicks).await;
    client
        .wait()
        .for_element(Locator::Id("reason"))
        .await
        .unwrap();
    picture(&client, "withdraw-from-mail-nl-1280").await;
    fill(&client, "reason", "Wij willen dit niet meer.").await;
    click(&client, "button.button--danger", &mut clicks).await;
    client
        .wait()
        .for_element(Locator::Css("progress"))
        .await
        .unwrap();
    let address = client.current_url().await.unwrap();
    assert!(address.path().starts_with("/nl/withdrawals/"), "{address}");
    assert_eq!(clicks, 2, "clicks in the portal");
    let took = begun.elapsed();
    eprintln!(
        "from the mail to the withdrawal, signing in and typing included: {} ms",
        took.as_millis()
    );
    assert!(took < Duration::from_secs(60), "it took {took:?}");
    client.close().await.unwrap();
    pictures_of(
        &driver,
        &app,
        "manager.waterland",
        "withdrawal",
        address.path().trim_start_matches("/nl"),
    )
    .await;
    pictures_of(
        &driver,
        &app,
        "operator",
        "withdrawal-operator",
        address.path().trim_start_matches("/nl"),
    )
    .await;
    pictures_of(&driver, &app, "manager.waterland", "notices", "/notices").await;
    pictures_of(&driver, &app, "operator", "licensees", "/admin/licensees").await;
}

async fn click(client: &fantoccini::Client, what: &str, clicks: &mut usize) {
    let found = client.wait().for_element(Locator::Css(what)).await.unwrap();
    found.click().await.unwrap();
    *clicks += 1;
}
