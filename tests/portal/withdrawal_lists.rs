//! Lists of a withdrawal are cut off somewhere; what is counted, and what waits for somebody, is not.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    support::{TestApp, given},
    withdrawal_copies::curated_in_harderwijk,
    withdrawal_pages::{made_model, objects_of, prepared, seen, withdraw},
};

async fn exec(app: &TestApp, statement: &'static str, withdrawal: Uuid) -> u64 {
    sqlx::query(statement)
        .bind(withdrawal)
        .execute(&app.pool().await)
        .await
        .unwrap()
        .rows_affected()
}

/// 2,100 more copies of the source's file, all of them of the kind that sorts first.
const COPIES: &str = "INSERT INTO purge_items (id, withdrawal_id, kind, name, file_id)
    SELECT md5('copy' || n)::uuid, i.withdrawal_id, 'index', 'a-' || n, i.file_id
    FROM (SELECT i.* FROM purge_items i JOIN dataset_files f ON f.id = i.file_id
          JOIN dataset_versions v ON v.id = f.dataset_version_id
          JOIN withdrawals w ON w.id = i.withdrawal_id AND w.dataset_id = v.dataset_id
          WHERE i.withdrawal_id = $1 AND i.kind = 'object' LIMIT 1) i, generate_series(1, 2100) n";
const PROOFS: &str = "INSERT INTO purge_proofs (item_id, verified_absent_at)
    SELECT id, now() FROM purge_items WHERE withdrawal_id = $1 AND name LIKE 'a-%'";
/// 600 more notices to the platform, all of them read but one.
const NOTICES: &str = "INSERT INTO notices (id, kind, to_institution_id, to_role, named_values, link, subject_kind,
        subject_id, acknowledge_by, created_at)
    SELECT gen_random_uuid(), 'withdrawal-platform', w.institution_id, 'manager',
        '{\"title\": {\"text\": \"Notulen\"}}', '/notices', 'withdrawal', w.id,
        now() + interval '7 days', now() FROM withdrawals w, generate_series(1, 600) WHERE w.id = $1";
const READ: &str =
    "INSERT INTO notice_acknowledgements (notice_id, acknowledged_by, acknowledged_at)
    SELECT n.id, w.withdrawn_by, now() FROM notices n JOIN withdrawals w ON w.id = n.subject_id
    WHERE w.id = $1 AND n.link = '/notices' ORDER BY n.id LIMIT 599";
/// 250 more models of the platform, older than any other.
const MODELS: &str = "WITH made AS (
        INSERT INTO models (id, name, kind, family, license, institution_id, status, weights_sha256, created_at)
        SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'oud:' || n, 'base', family, license,
            institution_id, 'registered', weights_sha256, created_at
        FROM (SELECT * FROM models WHERE kind = 'base' LIMIT 1) m, generate_series(1, 250) n RETURNING id)
    INSERT INTO withdrawal_models SELECT $1, id, 'retrain', false FROM made";

#[actix_web::test]
async fn what_is_counted_is_everything_and_not_what_is_listed() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    made_model(&app, base, data.version, "ft:tiny:een").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let before = seen(&mut manager, id).await;
    let count = |seen: &Value, what: &str| seen[what].as_array().unwrap().len();
    let (told, models) = (count(&before, "notices"), count(&before, "models"));
    assert_eq!(before["copies"]["all"], 2, "{before:#}");
    assert_eq!(before["notices_all"], told, "{before:#}");
    assert_eq!(before["models_all"], models, "{before:#}");
    for statement in [COPIES, PROOFS, NOTICES, READ, MODELS] {
        assert!(exec(&app, statement, id).await > 0, "{statement}");
    }

    let after = seen(&mut manager, id).await;
    assert_eq!(after["copies"]["all"], 2102);
    assert_eq!(
        after["copies"]["gone"], 2100,
        "the object and its words are there yet"
    );
    let items = after["copies"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 2000);
    for item in &items[..2] {
        assert!(
            item["verified_absent_at"].is_null(),
            "unproven first: {item:#}"
        );
    }
    assert_eq!(after["notices_all"], told + 600);
    assert_eq!(after["notices_acknowledged"], 599);
    assert_eq!(count(&after, "notices"), 500);
    assert_eq!(after["models_all"], models + 250);
    assert_eq!(count(&after, "models"), 200);
    let all = |what: usize| what.to_string();
    for (lang, words) in [
        (
            "nl",
            [
                "2.100 van 2.102 kopieën aantoonbaar weg".to_owned(),
                "de eerste 2.000 van 2.102 kopieën".to_owned(),
                format!("de eerste 500 van {} berichten", all(told + 600)),
                format!("{} berichten, 599 bevestigd", all(told + 600)),
                format!("de eerste 200 van {} modellen", all(models + 250)),
            ],
        ),
        (
            "en",
            [
                "2,100 of 2,102 copies proven gone".to_owned(),
                "the first 2,000 of 2,102 copies".to_owned(),
                format!("the first 500 of {} notices", all(told + 600)),
                format!("{} notices, 599 confirmed", all(told + 600)),
                format!("the first 200 of {} models", all(models + 250)),
            ],
        ),
    ] {
        let page = manager
            .get(&format!("/{lang}/withdrawals/{id}"))
            .await
            .unwrap();
        for words in words {
            let text = page.text.replace(['\u{2068}', '\u{2069}'], "");
            assert!(text.contains(&words), "{words} is not on the page");
        }
        assert!(!page.text.contains('⟨'), "a text is missing");
    }
}

#[actix_web::test]
async fn however_much_there_is_of_others_who_curated_from_it_sees_all_of_their_own_and_nothing_else()
 {
    let (app, source) = prepared().await;
    let curated = curated_in_harderwijk(&app, source.version).await;
    let base = given::tiny_base(&app).await;
    let theirs = made_model(&app, base, source.version, "ft:tiny:een").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, source.dataset, "").await;
    for statement in [COPIES, NOTICES, MODELS] {
        assert!(exec(&app, statement, id).await > 0, "{statement}");
    }
    let mut owner = app.browser("manager.harderwijk").await;
    let own = seen(&mut owner, id).await;
    let items = own["copies"]["items"].as_array().unwrap();
    let keys = objects_of(&app, curated.version).await;
    let kinds: Vec<_> = items
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["index", "object"], "{own:#}");
    for item in items {
        assert_eq!(item["name"], json!(keys[0]), "{own:#}");
    }
    assert_eq!(own["copies"]["all"], 2, "{own:#}");
    assert_eq!(own["copies"]["gone"], 0, "{own:#}");
    let models = own["models"].as_array().unwrap();
    assert_eq!(models.len(), 1, "{own:#}");
    assert_eq!(models[0]["model"], json!(theirs), "{own:#}");
    assert_eq!(own["models_all"], 1, "{own:#}");
    let told = own["notices"].as_array().unwrap();
    assert!(!told.is_empty(), "{own:#}");
    assert_eq!(own["notices_all"], told.len(), "{own:#}");
    assert!(
        told.iter().all(|one| one["kind"] != "withdrawal-platform"),
        "{own:#}"
    );
}

/// 201 older withdrawals, each with a purge that is under way and in time.
const UNDER_WAY: &str = "WITH copies AS (
        INSERT INTO withdrawals SELECT (jsonb_populate_record(NULL::withdrawals, to_jsonb(w)
            || jsonb_build_object('id', gen_random_uuid()))).*
        FROM withdrawals w, generate_series(1, 201) WHERE w.id = $1 RETURNING id)
    INSERT INTO withdrawal_duties (id, withdrawal_id, kind, owner_role, due_at)
    SELECT gen_random_uuid(), id, 'purge', 'operator', now() + interval '1 day' FROM copies";

#[actix_web::test]
async fn purges_under_way_hide_from_nobody_what_they_have_to_decide() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    made_model(&app, base, data.version, "ft:tiny:een").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    exec(&app, UNDER_WAY, id).await;
    let mut operator = app.browser("operator").await;
    let tasks = operator.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("Besluit over de modellen met data van"),
        "{tasks}"
    );
    assert!(!tasks.contains("niet op tijd verwijderd"), "{tasks}");
}

/// 201 newer withdrawals of another dataset.
const NEWER: &str = "INSERT INTO withdrawals SELECT (jsonb_populate_record(NULL::withdrawals, to_jsonb(w)
        || jsonb_build_object('id', ('ffffffff-ffff-4fff-8fff-' || lpad(n::text, 12, '0'))::uuid, 'dataset_id', d.id))).*
    FROM withdrawals w, (SELECT id FROM datasets WHERE id <> (SELECT dataset_id FROM withdrawals WHERE id = $1)) d,
        generate_series(1, 201) n WHERE w.id = $1";

#[actix_web::test]
async fn a_dataset_leads_to_its_withdrawal_however_many_came_after() {
    let (app, data) = prepared().await;
    let worker = app.work_until_stopped();
    given::approved_dataset(&app).await;
    worker.cancel();
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    exec(&app, NEWER, id).await;
    let page = manager.get("/nl/contributions").await.unwrap().text;
    assert!(page.contains(&format!("/nl/withdrawals/{id}")), "{page}");
}
