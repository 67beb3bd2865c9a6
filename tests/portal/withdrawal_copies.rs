//! Copies of withdrawn data of every kind: words in the index, copies under way, what others curated, addresses.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{
    datasets::CarryFile,
    documents, uploads,
    withdrawals::{self, Purge},
};

use crate::{
    job_contract::{Program, portal},
    support::{Gate, Stop, TestApp, given},
    versions::until,
    withdrawal_pages::{made_model, objects_of, prepared, seen, withdraw},
};

/// Rows of the index about the files of a version: of files, documents and words.
async fn indexed(app: &TestApp, version: Uuid) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM indexed_files WHERE file_id IN (SELECT id FROM dataset_files
                 WHERE dataset_version_id = $1)),
                (SELECT count(*) FROM documents WHERE file_id IN (SELECT id FROM dataset_files
                 WHERE dataset_version_id = $1)),
                (SELECT count(*) FROM document_words WHERE file_id IN (SELECT id FROM dataset_files
                 WHERE dataset_version_id = $1))",
    )
    .bind(version)
    .fetch_one(&app.pool().await)
    .await
    .unwrap()
}

/// Empties the index, as it is before a worker looked.
async fn forget_all(app: &TestApp) {
    let pool = app.pool().await;
    for statement in [
        "DELETE FROM document_words",
        "DELETE FROM documents",
        "DELETE FROM indexed_files",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
}

async fn purge(app: &TestApp, withdrawal: Uuid) {
    let task: Purge = serde_json::from_value(json!({ "withdrawal": withdrawal })).unwrap();
    withdrawals::purge(&app.ports.db, &app.ports.objects, &task)
        .await
        .unwrap();
}

fn items<'a>(seen: &'a Value, kind: &str) -> Vec<&'a Value> {
    let items = seen["copies"]["items"].as_array().unwrap();
    items.iter().filter(|one| one["kind"] == kind).collect()
}

#[actix_web::test]
async fn no_word_of_a_withdrawn_file_is_left_in_the_index_and_that_is_proven() {
    let (app, data) = prepared().await;
    documents::catch_up(&app.ports.db, &app.ports.objects)
        .await
        .unwrap();
    let (files, found, words) = indexed(&app, data.version).await;
    assert!(files == 1 && found > 0 && words > 0, "{found} {words}");
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    assert!(
        items(&seen(&mut manager, id).await, "index")[0]["verified_absent_at"].is_null(),
        "planned, and not done"
    );
    purge(&app, id).await;
    assert_eq!(indexed(&app, data.version).await, (0, 0, 0));
    let after = seen(&mut manager, id).await;
    assert!(
        items(&after, "index")[0]["verified_absent_at"].is_string(),
        "{after:#}"
    );
    let page = manager.get(&format!("/en/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text
            .contains("Words of notulen.jsonl in the search index"),
        "{}",
        page.text
    );
    documents::catch_up(&app.ports.db, &app.ports.objects)
        .await
        .unwrap();
    assert_eq!(indexed(&app, data.version).await, (0, 0, 0));
}

#[actix_web::test]
async fn a_file_that_is_being_indexed_when_it_is_withdrawn_leaves_no_word() {
    let (app, data) = prepared().await;
    forget_all(&app).await;
    let gate = Gate::before(&app.ports.config.s3, &["GET ", "versionId="], Stop::Hold).await;
    let (db, objects) = (app.ports.db.clone(), gate.objects.clone());
    let indexing = actix_web::rt::spawn(async move { documents::catch_up(&db, &objects).await });
    gate.reached().await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let task: Purge = serde_json::from_value(json!({ "withdrawal": id })).unwrap();
    // The words go first; the object stays, so that what is held can still be read.
    let cut = Gate::before(&app.ports.config.s3, &["DELETE "], Stop::Cut).await;
    withdrawals::purge(&app.ports.db, &cut.objects, &task)
        .await
        .unwrap_err();
    let proven = seen(&mut manager, id).await;
    assert!(
        items(&proven, "index")[0]["verified_absent_at"].is_string(),
        "{proven:#}"
    );
    gate.open();
    indexing.await.unwrap().unwrap();
    assert_eq!(indexed(&app, data.version).await, (0, 0, 0));
}

#[actix_web::test]
async fn a_file_that_is_not_there_holds_up_no_other_file_of_the_index() {
    let (app, first) = prepared().await;
    let (stop, worker) = app.work_until_ended();
    let second = given::approved_dataset(&app).await;
    stop.cancel();
    // Or it would find, and index, what is still there.
    worker.await.unwrap();
    forget_all(&app).await;
    for key in objects_of(&app, first.version).await {
        for found in app.ports.objects.versions(&key).await.unwrap() {
            app.ports
                .objects
                .delete(&key, &found.version)
                .await
                .unwrap();
        }
    }
    let told = documents::catch_up(&app.ports.db, &app.ports.objects).await;
    assert!(told.is_err(), "it is said that one is missing");
    let (_, found, words) = indexed(&app, second.version).await;
    assert!(found > 0 && words > 0, "{found} {words}");
    assert_eq!(indexed(&app, first.version).await, (1, 0, 0));
}

#[actix_web::test]
async fn a_copy_that_is_being_made_cannot_come_back_after_the_proof() {
    let (app, data) = prepared().await;
    let mut contributor = app.browser("contributor.waterland").await;
    contributor
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/versions", data.dataset),
            None,
        )
        .await
        .unwrap();
    let pool = app.pool().await;
    let payload: Value =
        sqlx::query_scalar("SELECT payload FROM tasks WHERE kind = 'datasets.carry_file'")
            .fetch_one(&pool)
            .await
            .unwrap();
    let task: CarryFile = serde_json::from_value(payload).unwrap();
    let key: String = sqlx::query_scalar("SELECT object_key FROM dataset_files WHERE id = $1")
        .bind(task.file.0)
        .fetch_one(&pool)
        .await
        .unwrap();
    // All parts are sent; the last word, which makes them an object, waits.
    let gate = Gate::before(&app.ports.config.s3, &["POST ", "uploadId="], Stop::Hold).await;
    let (db, objects) = (app.ports.db.clone(), gate.objects.clone());
    let carrying = actix_web::rt::spawn(async move { uploads::carry(&db, &objects, &task).await });
    gate.reached().await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    purge(&app, id).await;
    let proven = seen(&mut manager, id).await;
    assert_eq!(
        proven["copies"]["gone"], proven["copies"]["all"],
        "{proven:#}"
    );
    gate.open();
    drop(carrying.await.unwrap());
    assert_eq!(app.ports.objects.versions(&key).await.unwrap(), []);
    app.run_tasks().await;
    assert_eq!(app.ports.objects.versions(&key).await.unwrap(), []);
}

#[actix_web::test]
async fn one_purge_that_is_stuck_holds_up_no_other() {
    let (app, first) = prepared().await;
    let worker = app.work_until_stopped();
    let second = given::approved_dataset(&app).await;
    worker.cancel();
    let mut manager = app.browser("manager.waterland").await;
    let ids = [
        withdraw(&mut manager, first.dataset, "").await,
        withdraw(&mut manager, second.dataset, "").await,
    ];
    let pool = app.pool().await;
    sqlx::query("UPDATE tasks SET parked_at = now() WHERE kind = 'withdrawals.purge'")
        .execute(&pool)
        .await
        .unwrap();
    let key: &'static str = objects_of(&app, first.version).await.remove(0).leak();
    let cut = Gate::before(&app.ports.config.s3, vec!["DELETE ", key].leak(), Stop::Cut).await;
    let told = withdrawals::purge_again(&app.ports.db, &cut.objects).await;
    assert!(told.is_err(), "it is said that one is stuck");
    let [stuck, done] = [
        seen(&mut manager, ids[0]).await,
        seen(&mut manager, ids[1]).await,
    ];
    assert_ne!(stuck["copies"]["gone"], stuck["copies"]["all"], "{stuck:#}");
    assert_eq!(done["copies"]["gone"], done["copies"]["all"], "{done:#}");
    withdrawals::purge_again(&app.ports.db, &app.ports.objects)
        .await
        .unwrap();
    let stuck = seen(&mut manager, ids[0]).await;
    assert_eq!(stuck["copies"]["gone"], stuck["copies"]["all"], "{stuck:#}");
}

/// A dataset of Harderwijk that was curated from a version of another institution.
pub(crate) async fn curated_in_harderwijk(app: &TestApp, source: Uuid) -> given::Approved {
    let worker = app.work_until_stopped();
    let curated = given::approved_dataset(app).await;
    worker.cancel();
    let pool = app.pool().await;
    let mut tx = pool.begin().await.unwrap();
    for statement in [
        "UPDATE datasets SET institution_id = (SELECT id FROM institutions WHERE slug = 'harderwijk'),
             title = 'Gezuiverde notulen' WHERE id = $1 AND $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
        "INSERT INTO curation_runs (id, output_version_id, kind, config, config_sha256, code_commit, statistics, created_at)
         SELECT gen_random_uuid(), $2, 'curation', '{}', encode(sha256('{}'), 'hex'), 'development', '{}', now()
         WHERE $1::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
        "INSERT INTO curation_run_inputs (run_id, dataset_version_id)
         SELECT id, $3 FROM curation_runs WHERE output_version_id = $2 AND $1::uuid IS NOT NULL",
    ] {
        sqlx::query(statement)
            .bind(curated.dataset)
            .bind(curated.version)
            .bind(source)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    curated
}

#[actix_web::test]
async fn what_another_institution_curated_goes_with_proof_and_its_owner_is_told_and_sees_it() {
    let (app, source) = prepared().await;
    let curated = curated_in_harderwijk(&app, source.version).await;
    let pool = app.pool().await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, source.dataset, "").await;
    app.run_tasks().await;
    let keys = objects_of(&app, curated.version).await;
    for key in &keys {
        assert_eq!(app.ports.objects.versions(key).await.unwrap(), [], "{key}");
    }
    let whole = seen(&mut manager, id).await;
    assert_eq!(items(&whole, "object").len(), 2, "{whole:#}");
    assert_eq!(whole["copies"]["gone"], whole["copies"]["all"], "{whole:#}");

    let mut owner = app.browser("manager.harderwijk").await;
    let told = owner
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    let notice = told["notices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "withdrawal-derived")
        .unwrap_or_else(|| panic!("{told:#}"));
    assert!(notice["acknowledge_by"].is_string(), "{notice:#}");
    assert_eq!(notice["link"], format!("/withdrawals/{id}"));
    let theirs = seen(&mut owner, id).await;
    let objects = items(&theirs, "object");
    assert_eq!(objects.len(), 1, "only their own: {theirs:#}");
    assert_eq!(objects[0]["name"], keys[0], "{theirs:#}");
    assert!(objects[0]["verified_absent_at"].is_string(), "{theirs:#}");
    let page = owner.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("Gezuiverde notulen") && page.text.contains("is gemaakt met de data"),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains("manager.waterland"),
        "who withdrew there is not theirs to know: {}",
        page.text
    );
    let version = owner
        .api(
            Method::GET,
            &format!("/api/v1/datasets/{}", curated.dataset),
            None,
        )
        .await
        .unwrap();
    assert_eq!(version["version"]["status"], "withdrawn", "{version:#}");
    let events: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM events e JOIN institutions i ON i.id = e.institution_id
         WHERE e.kind = 'datasets.version_withdrawn' AND i.slug = 'harderwijk' AND e.subject_id = $1",
    )
    .bind(curated.dataset)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(events, 1, "it stands in their own log");
    let mut researcher = app.browser("researcher.harderwijk").await;
    let refused = researcher
        .get(&format!("/nl/withdrawals/{id}"))
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
}

#[actix_web::test]
async fn an_address_from_before_is_counted_ends_and_is_of_no_use_and_who_asked_for_the_job_is_told()
{
    let app = portal().await;
    let data = given::approved_dataset(&app).await;
    let program = Program::dispatched(&app, data.version).await;
    let spec = program.spec().await;
    let (status, text) = program.grant(spec.inputs[0].file).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let grant: job_contract::ReadGrant = serde_json::from_str(&text).unwrap();
    let read = reqwest::get(&grant.url).await.unwrap();
    assert_eq!(read.status(), StatusCode::OK);
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let path = format!("/api/v1/withdrawals/{id}");
    let after = until(&mut manager, &path, |seen| {
        items(seen, "object")
            .iter()
            .all(|one| one["verified_absent_at"].is_string())
    })
    .await;
    let read = reqwest::get(&grant.url).await.unwrap();
    assert!(
        matches!(read.status(), StatusCode::NOT_FOUND | StatusCode::FORBIDDEN),
        "{}",
        read.status()
    );
    assert_eq!(after["addresses"]["count"], 1, "{after:#}");
    let end: chrono::DateTime<chrono::Utc> =
        serde_json::from_value(after["addresses"]["end_at"].clone()).unwrap();
    assert!(
        end <= app.ports.db.now() + chrono::TimeDelta::seconds(60),
        "{end}"
    );
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("Leesadressen van daarvoor"),
        "{}",
        page.text
    );

    let mut researcher = app.browser("researcher.harderwijk").await;
    let told = researcher
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    let notice = told["notices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "withdrawal-requester")
        .unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!(notice["link"], format!("/jobs/{}", program.job));
    assert!(
        notice["nl"]["text"].as_str().unwrap().contains("Proef"),
        "{notice:#}"
    );
}

/// A folder of an attempt that ended at `place`, with the copies of a withdrawal.
async fn add_folders(app: &TestApp, withdrawal: Uuid, place: &str, count: i64, is_failed: bool) {
    let pool = app.pool().await;
    for statement in [
        "INSERT INTO attempts (id, job_id, number, backend, status, created_at, ended_at, processing_location)
         SELECT md5($2 || n)::uuid, j.id, 10000 + abs(hashtext($2)) % 100000 * 1000 + n, $2, 'lost', now(), now(), 'NL'
         FROM generate_series(1, $3) n CROSS JOIN (SELECT id FROM jobs LIMIT 1) j
         WHERE $1::uuid IS NOT NULL AND $4 IS NOT NULL",
        "INSERT INTO purge_items (id, withdrawal_id, kind, name, place, attempt_id)
         SELECT md5($2 || n)::uuid, $1, 'work_folder', md5($2 || n), $2, md5($2 || n)::uuid
         FROM generate_series(1, $3) n WHERE $4 IS NOT NULL",
        "INSERT INTO purge_failures (item_id, failed_at, problem)
         SELECT md5($2 || n)::uuid, now(), 'x' FROM generate_series(1, $3) n WHERE $4 AND $1::uuid IS NOT NULL",
    ] {
        sqlx::query(statement)
            .bind(withdrawal)
            .bind(place)
            .bind(count)
            .bind(is_failed)
            .execute(&pool)
            .await
            .unwrap();
    }
}

#[actix_web::test]
async fn folders_that_cannot_be_removed_hide_no_others_and_a_machine_that_is_gone_is_said_to_be() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    made_model(&app, base, data.version, "ft:tiny:een").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let here = app.ports.compute.place_ids().next().unwrap().to_owned();
    add_folders(&app, id, "lost-machine", 1, false).await;
    // A hundred that failed, and one that nobody tried, which is newer than all of them.
    add_folders(&app, id, &here, 100, true).await;
    let path = app.folder.path().join("untried");
    std::fs::create_dir_all(&path).unwrap();
    sqlx::query(
        "WITH a AS (INSERT INTO attempts (id, job_id, number, backend, status, created_at, ended_at, processing_location)
             SELECT 'ffffffff-ffff-ffff-ffff-fffffffffffe', id, 5000, $2, 'lost', now(), now(), 'NL' FROM jobs LIMIT 1
             RETURNING id)
         INSERT INTO purge_items (id, withdrawal_id, kind, name, place, attempt_id)
         SELECT id, $1, 'work_folder', id::text, $2, id FROM a",
    )
    .bind(id)
    .bind(&here)
    .execute(&app.pool().await)
    .await
    .unwrap();
    withdrawals::purge_folders(&app.ports.db, &app.ports.compute)
        .await
        .unwrap();
    let after = seen(&mut manager, id).await;
    let untried = items(&after, "work_folder")
        .into_iter()
        .find(|one| one["name"] == "ffffffff-ffff-ffff-ffff-fffffffffffe")
        .unwrap();
    assert!(untried["verified_absent_at"].is_string(), "{untried:#}");
    // The rest of this machine, and the objects.
    app.run_tasks().await;
    let purge = |seen: &Value| {
        let duties = seen["duties"].as_array().unwrap().clone();
        duties
            .into_iter()
            .find(|one| one["kind"] == "purge")
            .unwrap()
    };
    let after = seen(&mut manager, id).await;
    assert!(
        purge(&after)["ended_at"].is_null(),
        "one folder is on a machine that is gone: {after:#}"
    );
    let gone = format!("/api/v1/withdrawals/{id}/machine-gone");
    let body = || Some(json!({ "place": "lost-machine", "reason": "schijven vernietigd" }));
    let theirs = manager.call(Method::POST, &gone, body()).await.unwrap();
    assert_eq!(theirs.status, StatusCode::FORBIDDEN, "{}", theirs.text);
    let mut operator = app.browser("operator").await;
    let wrong = Some(json!({ "place": "another", "reason": "x" }));
    let wrong = operator.call(Method::POST, &gone, wrong).await.unwrap();
    assert_eq!(wrong.status, StatusCode::CONFLICT, "{}", wrong.text);
    let page = operator
        .get(&format!("/nl/withdrawals/{id}"))
        .await
        .unwrap();
    assert!(page.text.contains("lost-machine"), "{}", page.text);
    operator.api(Method::POST, &gone, body()).await.unwrap();
    let after = seen(&mut manager, id).await;
    assert!(purge(&after)["ended_at"].is_string(), "{after:#}");
    let lost = items(&after, "work_folder")
        .into_iter()
        .find(|one| one["place"] == "lost-machine")
        .unwrap();
    assert!(
        lost["verified_absent_at"].is_null(),
        "said is not proven: {lost:#}"
    );
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("niet aangetoond") && page.text.contains("schijven vernietigd"),
        "{}",
        page.text
    );
}
