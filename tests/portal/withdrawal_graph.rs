//! A withdrawal on a graph of ten thousand nodes, against an independent walk, and through the real gateway.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::{Keyholder, given};

/// What the generator makes: layers of jobs and models, each on models of the layer above, and what hangs on them.
/// 1 version + 3,600 jobs + 2,900 models + 1,500 deployments + 2,000 keys hang on the data; as many again on
/// other data, which nothing may touch.
const LAYERS: [i64; 5] = [1200, 900, 500, 200, 100];
/// Jobs on the data that made no model: waiting, running, failed.
const UNFINISHED: i64 = 700;
const DEPLOYMENTS: i64 = 1500;
const KEYS: i64 = 2000;

/// The rows of one graph on `version`, by SQL; `name` tells two graphs apart.
async fn generate(conn: &mut PgConnection, version: Uuid, base: Uuid, name: &str) {
    // Rows as a portal of two years would have them; what the triggers ask for beyond lineage is made up, so
    // those of deployments are off for the insert.
    let people: (Uuid, Uuid, Uuid) = sqlx::query_as(
        "SELECT i.id, r.user_id, o.user_id FROM institutions i
         JOIN memberships r ON r.institution_id = i.id AND r.role = 'researcher'
         CROSS JOIN (SELECT user_id FROM memberships WHERE role = 'operator' LIMIT 1) o
         WHERE i.slug = 'harderwijk' LIMIT 1",
    )
    .fetch_one(&mut *conn)
    .await
    .unwrap();
    sqlx::query("CREATE TEMP TABLE IF NOT EXISTS made (name text, layer int, n bigint, job uuid, model uuid, base uuid)")
        .execute(&mut *conn)
        .await
        .unwrap();
    for (layer, count) in LAYERS.iter().enumerate() {
        // As autovacuum does where a portal runs: the triggers' plans are those of empty tables otherwise.
        sqlx::query("ANALYZE jobs, models, lineage_edges, made")
            .execute(&mut *conn)
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO made SELECT $1, $2, k, gen_random_uuid(), gen_random_uuid(), coalesce(
                 (SELECT m.model FROM made m WHERE m.name = $1 AND m.layer = $2 - 1
                  AND m.n = 1 + (k * 7) % (SELECT count(*) FROM made c WHERE c.name = $1 AND c.layer = $2 - 1)), $4)
             FROM generate_series(1, $3) AS wanted (k)",
        )
        .bind(name)
        .bind(layer as i32)
        .bind(count)
        .bind(base)
        .execute(&mut *conn)
        .await
        .unwrap();
        for statement in [
            "INSERT INTO jobs (id, institution_id, title, motivation, purpose, is_commercial, recipients, base_model_id,
                 task, seed, status, requested_by, requested_at, approved_by, approved_at, ended_at)
             SELECT job, $3, name || n, '', 'fine_tuning', false, 'consortium', base,
                 '{\"kind\": \"fine_tune_lora\", \"lora\": {\"rank\": 4, \"alpha\": 8, \"target_modules\": [\"q_proj\"]},
              \"training\": {\"epochs\": 1, \"max_steps\": null, \"batch_size\": 4, \"sequence_length\": 64,
                  \"learning_rate\": 0.001, \"warmup_steps\": 0, \"held_out_share\": 0.1, \"checkpoint_every_steps\": 10}}', n, 'succeeded', $4, now(),
                 $5, now(), now() FROM made WHERE name = $1 AND layer = $2",
            "INSERT INTO models (id, name, kind, family, license, base_model_id, job_id, institution_id, status,
                 released_by, released_at, weights_sha256, created_at)
             SELECT model, name || ':' || layer || ':' || n, 'adapter', 'smollm2', 'x', base, job, $3, 'released', $5,
                 now(), repeat('a', 64), now() FROM made WHERE name = $1 AND layer = $2 AND $4::uuid IS NOT NULL",
        ] {
            sqlx::query(statement)
                .bind(name)
                .bind(layer as i32)
                .bind(people.0)
                .bind(people.1)
                .bind(people.2)
                .execute(&mut *conn)
                .await
                .unwrap();
        }
    }
    sqlx::query(
        "INSERT INTO job_datasets SELECT job, $2 FROM made WHERE name = $1 AND layer = 0 ON CONFLICT DO NOTHING",
    )
    .bind(name)
    .bind(version)
    .execute(&mut *conn)
    .await
    .unwrap();
    // Some wait for the data itself, some for a model that was made from it.
    sqlx::query(
        "WITH waiting AS (
             INSERT INTO jobs (id, institution_id, title, motivation, purpose, is_commercial, recipients, base_model_id,
                 task, seed, status, requested_by, requested_at, approved_by, approved_at, ended_at)
             SELECT gen_random_uuid(), $3, $1 || k, '', 'fine_tuning', false, 'consortium',
                 CASE WHEN k % 3 = 0 THEN (SELECT model FROM made WHERE name = $1 AND layer = 2 AND made.n = k % 500 + 1)
                      ELSE $6 END,
                 '{\"kind\": \"fine_tune_lora\", \"lora\": {\"rank\": 4, \"alpha\": 8, \"target_modules\": [\"q_proj\"]},
              \"training\": {\"epochs\": 1, \"max_steps\": null, \"batch_size\": 4, \"sequence_length\": 64,
                  \"learning_rate\": 0.001, \"warmup_steps\": 0, \"held_out_share\": 0.1, \"checkpoint_every_steps\": 10}}',
                 k, (ARRAY['submitted', 'approved', 'running', 'failed'])[k % 4 + 1], $4, now(),
                 CASE WHEN k % 4 = 0 THEN NULL ELSE $5 END, CASE WHEN k % 4 = 0 THEN NULL ELSE now() END,
                 CASE WHEN k % 4 = 3 THEN now() END
             FROM generate_series(1, $7) AS wanted (k) RETURNING id, base_model_id)
         INSERT INTO job_datasets SELECT id, $2 FROM waiting WHERE base_model_id = $6",
    )
    .bind(name)
    .bind(version)
    .bind(people.0)
    .bind(people.1)
    .bind(people.2)
    .bind(base)
    .bind(UNFINISHED)
    .execute(&mut *conn)
    .await
    .unwrap();
    for statement in [
        "ALTER TABLE deployments DISABLE TRIGGER USER",
        "ALTER TABLE deployments ENABLE TRIGGER USER",
    ] {
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
        if statement.contains("ENABLE") {
            break;
        }
        sqlx::query(
            "INSERT INTO deployments (id, model_id, status, created_by, created_at)
             SELECT gen_random_uuid(), model, 'wanted', $2, now() FROM made WHERE name = $1
             ORDER BY layer DESC, n LIMIT $3",
        )
        .bind(name)
        .bind(people.2)
        .bind(DEPLOYMENTS)
        .execute(&mut *conn)
        .await
        .unwrap();
    }
    sqlx::query(
        "WITH asked AS (
             INSERT INTO api_keys (id, public_id, institution_id, name, purpose, is_commercial, status,
                 requested_by, requested_at, expires_at)
             SELECT gen_random_uuid(), left(md5($1 || n), 8), $2, $1 || n, 'proef', false, 'requested', $3,
                 now(), now() + interval '1 year' FROM generate_series(1, $4) n RETURNING id, public_id)
         INSERT INTO api_key_models
         SELECT a.id, m.model FROM (SELECT id, row_number() OVER (ORDER BY public_id) AS n FROM asked) a
         JOIN (SELECT model, row_number() OVER (ORDER BY layer, n) AS n FROM made WHERE name = $1) m ON m.n = a.n",
    )
    .bind(name)
    .bind(people.0)
    .bind(people.1)
    .bind(KEYS)
    .execute(&mut *conn)
    .await
    .unwrap();
}

/// Walks the other way than the portal does: from every model and job up to the data that it came from, over the
/// tables that people fill, not over edges.
async fn walk_upwards(conn: &mut PgConnection, dataset: Uuid) -> (BTreeSet<Uuid>, BTreeSet<Uuid>) {
    let models: Vec<Uuid> = sqlx::query_scalar(
        "WITH RECURSIVE up (model, at) AS (
             SELECT id, id FROM models
             UNION
             SELECT up.model, m.base_model_id FROM up JOIN models m ON m.id = up.at WHERE m.base_model_id IS NOT NULL)
         SELECT DISTINCT up.model FROM up JOIN models m ON m.id = up.at
         JOIN job_datasets d ON d.job_id = m.job_id
         JOIN dataset_versions v ON v.id = d.dataset_version_id WHERE v.dataset_id = $1",
    )
    .bind(dataset)
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    let jobs: Vec<Uuid> = sqlx::query_scalar(
        "SELECT j.id FROM jobs j WHERE j.base_model_id = ANY($2) OR EXISTS (
             SELECT 1 FROM job_datasets d JOIN dataset_versions v ON v.id = d.dataset_version_id
             WHERE d.job_id = j.id AND v.dataset_id = $1)",
    )
    .bind(dataset)
    .bind(&models)
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    (models.into_iter().collect(), jobs.into_iter().collect())
}

async fn written(conn: &mut PgConnection, table: &str, id: Uuid) -> BTreeSet<Uuid> {
    let statement = match table {
        "jobs" => "SELECT job_id FROM withdrawal_jobs WHERE withdrawal_id = $1",
        "keys" => "SELECT api_key_id FROM withdrawal_keys WHERE withdrawal_id = $1",
        _ => "SELECT model_id FROM withdrawal_models WHERE withdrawal_id = $1",
    };
    let ids: Vec<Uuid> = sqlx::query_scalar(statement)
        .bind(id)
        .fetch_all(conn)
        .await
        .unwrap();
    ids.into_iter().collect()
}

async fn count(conn: &mut PgConnection, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(conn).await.unwrap()
}

/// Asks a model by the holder's key; the status and the code of the refusal.
async fn ask(holder: &Keyholder, model: &str) -> (StatusCode, Value) {
    let answer = holder
        .ask("vraag", json!({ "model": model }))
        .send()
        .await
        .unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or(Value::Null))
}

#[actix_web::test]
async fn a_withdrawal_of_ten_thousand_nodes_touches_what_an_independent_walk_finds() {
    let holder = Keyholder::start(200_000, 600).await;
    let app = &holder.app;
    let worker = app.work_until_stopped();
    let (data, other) = (
        given::approved_dataset(app).await,
        given::approved_dataset(app).await,
    );
    // It would start the jobs that are made up below, and train.
    worker.cancel();
    let mut conn = holder.database().await;
    let base = holder.model.0;
    generate(&mut conn, data.version, base, "a").await;
    generate(&mut conn, other.version, base, "b").await;
    // The holder's own key is for some of them, and they are served.
    let asked = ["a:0:1", "a:2:5", "a:4:9", "b:4:9"];
    sqlx::query("INSERT INTO api_key_models SELECT $1, id FROM models WHERE name = ANY($2)")
        .bind(holder.id.parse::<Uuid>().unwrap())
        .bind(asked.map(str::to_owned).to_vec())
        .execute(&mut conn)
        .await
        .unwrap();
    for statement in [
        "ALTER TABLE deployments DISABLE TRIGGER USER",
        "INSERT INTO deployments (id, model_id, status, created_by, created_at)
         SELECT gen_random_uuid(), m.id, 'wanted', m.released_by, now() FROM models m WHERE m.name LIKE '_:%'
         ON CONFLICT (model_id) WHERE status <> 'stopped' DO NOTHING",
        "ALTER TABLE deployments ENABLE TRIGGER USER",
    ] {
        sqlx::query(statement).execute(&mut conn).await.unwrap();
    }
    sqlx::query(
        "INSERT INTO serving_places (deployment_id, process_id, state, is_in_use, placed_at)
         SELECT d.id, $1, 'ready', false, now() FROM deployments d JOIN models m ON m.id = d.model_id
         WHERE m.name = ANY($2)",
    )
    .bind(holder.process)
    .bind(asked.map(str::to_owned).to_vec())
    .execute(&mut conn)
    .await
    .unwrap();
    sqlx::query("ANALYZE").execute(&mut conn).await.unwrap();
    app.ports.db.note_change();
    // What is written past the portal, it hears of a little later.
    for model in asked {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let (status, body) = ask(&holder, model).await;
            if status == StatusCode::OK {
                break;
            }
            assert!(Instant::now() < until, "{model}: {status} {body}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let (models, jobs) = walk_upwards(&mut conn, data.dataset).await;
    let keys = KEYS + 1;
    let deployments = count(
        &mut conn,
        "SELECT count(*) FROM deployments d JOIN models m ON m.id = d.model_id WHERE m.name LIKE 'a:%'",
    )
    .await;
    let nodes = 1 + models.len() as i64 + jobs.len() as i64 + keys + deployments;
    assert!(nodes >= 10_000, "{nodes} nodes");

    let mut manager = app.browser("manager.waterland").await;
    let begun = Instant::now();
    let done = manager
        .api(
            reqwest::Method::POST,
            &format!("/api/v1/datasets/{}/withdraw", data.dataset),
            Some(json!({ "reason": "bezwaar van de schenker" })),
        )
        .await
        .unwrap();
    let took = begun.elapsed();
    eprintln!(
        "withdrawal of {nodes} nodes committed in {} ms",
        took.as_millis()
    );
    // As the program is built for use; without optimisation and beside other tests it says nothing.
    if std::env::var_os("FACULTY_TEST_DEEP").is_some() || !cfg!(debug_assertions) {
        assert!(took < Duration::from_secs(2), "it took {took:?}");
    }
    let id: Uuid = done["withdrawal"].as_str().unwrap().parse().unwrap();

    let requests = holder.upstream.requests();
    for model in &asked[..3] {
        let (status, body) = ask(&holder, model).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{model}: {body}");
        assert_eq!(body["error"]["code"], "model_withdrawn", "{body}");
        assert!(
            body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("withdrawn"),
            "{body}"
        );
    }
    assert_eq!(
        holder.upstream.requests(),
        requests,
        "nothing was passed on"
    );
    assert_eq!(ask(&holder, asked[3]).await.0, StatusCode::OK);

    assert_eq!(written(&mut conn, "models", id).await, models);
    assert_eq!(written(&mut conn, "jobs", id).await, jobs);
    let open: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT k.id FROM api_keys k JOIN api_key_models m ON m.api_key_id = k.id WHERE m.model_id = ANY($1)",
    )
    .bind(models.iter().copied().collect::<Vec<_>>())
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(open.len() as i64, keys);
    assert_eq!(
        written(&mut conn, "keys", id).await,
        open.into_iter().collect()
    );
    let untouched = [
        // What hangs on other data is as it was.
        "SELECT count(*) FROM models WHERE name LIKE 'b:%' AND (marked_at IS NOT NULL OR quarantined_at IS NOT NULL)",
        "SELECT count(*) FROM jobs WHERE title LIKE 'b%' AND (status = 'blocked' OR cancel_requested_at IS NOT NULL)",
        // Nothing that was touched goes on.
        "SELECT count(*) FROM models WHERE name LIKE 'a:%' AND quarantined_at IS NULL",
        "SELECT count(*) FROM deployments d JOIN models m ON m.id = d.model_id
         WHERE m.name LIKE 'a:%' AND d.status <> 'stopped'",
        "SELECT count(*) FROM jobs WHERE title LIKE 'a%' AND (status IN ('submitted', 'approved')
         OR status = 'running' AND cancel_requested_at IS NULL)",
    ];
    for statement in untouched {
        assert_eq!(count(&mut conn, statement).await, 0, "{statement}");
    }
    // These models have no receipts, which another trigger refuses before this one is asked.
    sqlx::query("ALTER TABLE deployments DISABLE TRIGGER deployments_fit")
        .execute(&mut conn)
        .await
        .unwrap();
    let kept = sqlx::query("UPDATE deployments SET status = 'wanted', stopped_at = NULL WHERE model_id IN (SELECT id FROM models WHERE name = 'a:0:1')")
        .execute(&mut conn)
        .await;
    assert!(
        kept.unwrap_err().to_string().contains("is quarantined"),
        "the database itself keeps a quarantined model from being served"
    );
}
