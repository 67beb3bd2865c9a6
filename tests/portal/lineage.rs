//! A model that was really trained: its receipt, its lineage, how far it may go; and who tries to get around them.

use std::{fs, process::Command};

use oxrdf::{Dataset, Triple};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use virtual_faculty::{
    ids::ModelId,
    models,
    policy::Actor,
    signing::{self, Signer},
};

use crate::support::{
    TestApp,
    chromium::{Driver, picture, see, sign_in},
    given,
};

/// What a trained model stands on.
struct Trained {
    app: TestApp,
    base: ModelId,
    dataset: Uuid,
    version: Uuid,
    job: Uuid,
    model: Uuid,
}

async fn trained() -> Trained {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let mut conn = app.ports.db.read().await.unwrap();
    let model = sqlx::query_scalar::<_, Uuid>("SELECT id FROM models WHERE job_id = $1")
        .bind(job)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    drop(conn);
    Trained {
        app,
        base,
        dataset: data.dataset,
        version: data.version,
        job,
        model,
    }
}

/// Runs SQL as whoever owns the database; answers what it refused with.
async fn sql(app: &TestApp, statement: &str) -> Result<(), String> {
    let mut tx = app.owner_tx().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(tx.conn())
        .await
        .map_err(|error| error.to_string())?;
    tx.commit().await.map_err(|error| error.to_string())
}

/// As somebody who switched the triggers off.
async fn past_triggers(app: &TestApp, statement: &str) {
    let text = format!("SET LOCAL session_replication_role = replica; {statement}");
    sql(app, &text).await.unwrap();
}

async fn fetch(app: &TestApp, login: &str, path: &str) -> String {
    let answer = app.browser(login).await.get(path).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    answer.text
}

/// Calls a verb of the model as the operator: status and stable code.
async fn act(app: &TestApp, model: Uuid, verb: &str, body: Option<Value>) -> (StatusCode, String) {
    let answer = app
        .browser("operator")
        .await
        .call(
            Method::POST,
            &format!("/api/v1/models/{model}/{verb}"),
            body,
        )
        .await
        .unwrap();
    let problem: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    (
        answer.status,
        problem["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[actix_web::test]
async fn a_receipt_holds_with_every_input_and_names_the_one_that_was_changed() {
    let made = trained().await;
    let (app, model) = (&made.app, made.model);
    let folder = app.folder.path().join("audit");
    fs::create_dir_all(folder.join("model")).unwrap();
    fs::create_dir_all(folder.join("data")).unwrap();
    let receipt = fetch(
        app,
        "researcher.harderwijk",
        &format!("/api/v1/models/{model}/receipt"),
    )
    .await;
    fs::write(folder.join("receipt.json"), &receipt).unwrap();
    let keys = fetch(
        app,
        "researcher.harderwijk",
        "/.well-known/faculty-keys.json",
    )
    .await;
    fs::write(folder.join("keys.json"), keys).unwrap();
    fs::write(folder.join("data/notulen.jsonl"), given::small_corpus()).unwrap();
    let mut conn = app.ports.db.read().await.unwrap();
    for file in models::files_of(&mut conn, ModelId(model)).await.unwrap() {
        let url = app
            .ports
            .objects
            .presign_get(
                &file.object_key,
                &file.object_version,
                std::time::Duration::from_secs(60),
            )
            .await
            .unwrap();
        let bytes = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        fs::write(folder.join("model").join(&file.name), bytes).unwrap();
    }
    drop(conn);
    let envelope = attestation::Envelope::parse(&receipt).unwrap();
    let statement = attestation::Statement::parse(&envelope).unwrap();
    let kinds: Vec<_> = statement
        .materials()
        .into_iter()
        .map(|one| one.kind)
        .collect();
    for kind in [
        "base_model",
        "base_model_file",
        "dataset_version",
        "dataset_file",
        "permission",
        "program",
        "portal",
    ] {
        assert!(
            kinds.iter().any(|one| one == kind),
            "{kind} is not in the receipt: {kinds:?}"
        );
    }
    assert!(
        statement
            .predicate
            .pointer("/runDetails/metadata/auditLog/seq")
            .is_some(),
        "the receipt does not say how far the audit log was"
    );
    for material in statement.materials() {
        let name = match material.kind.as_str() {
            "dataset_version" => "manifest.json",
            "permission" => "terms.json",
            _ => continue,
        };
        let id = material.uri.trim_start_matches("urn:uuid:");
        let path = format!("/api/v1/models/{model}/evidence/{id}");
        fs::write(
            folder.join(name),
            fetch(app, "researcher.harderwijk", &path).await,
        )
        .unwrap();
        let foreign = app
            .browser("contributor.waterland")
            .await
            .get(&path)
            .await
            .unwrap();
        assert_eq!(
            foreign.status,
            StatusCode::NOT_FOUND,
            "another institution's model"
        );
    }
    fs::copy(given::tiny_model(app), folder.join("base.gguf")).unwrap();
    fs::copy(
        TestApp::programs().join("faculty-training"),
        folder.join("program"),
    )
    .unwrap();
    let verify = || {
        let done = Command::new(env!("CARGO_BIN_EXE_faculty"))
            .args([
                "verify-receipt",
                "receipt.json",
                "--keys",
                "keys.json",
                "--model",
                "model",
                "--manifest",
                "manifest.json",
                "--permission",
                "terms.json",
                "--data",
                "data",
                "--base",
                "base.gguf",
                "--program",
                "program",
            ])
            .current_dir(&folder)
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        (
            done.status.success(),
            said + &String::from_utf8_lossy(&done.stderr),
        )
    };
    let (holds, said) = verify();
    assert!(holds, "{said}");
    for name in [
        "model/adapter_model.safetensors",
        "model/adapter_config.json",
        "manifest.json",
        "terms.json",
        "data/notulen.jsonl",
        "base.gguf",
        "program",
        "receipt.json",
    ] {
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let (holds, said) = verify();
        assert!(!holds, "{name} was changed unseen: {said}");
        let named = if name == "receipt.json" { "the " } else { name };
        assert!(
            said.contains("NOT:") && said.contains(named),
            "{name}: {said}"
        );
        fs::write(&path, &whole).unwrap();
    }
    assert!(verify().0, "everything is back");
}

#[actix_web::test]
async fn nobody_releases_or_deploys_past_the_receipt_and_the_scope() {
    let made = trained().await;
    let (app, model) = (&made.app, made.model);
    let bad = (StatusCode::CONFLICT, "model-receipt-bad".to_owned());

    // Past the portal, but not past the database.
    for statement in [
        format!("UPDATE model_files SET sha256 = repeat('0', 64) WHERE model_id = '{model}'"),
        format!("DELETE FROM model_files WHERE model_id = '{model}'"),
        format!("INSERT INTO model_files (id, model_id, name, size_bytes, sha256, object_key, object_version)
                 VALUES (gen_random_uuid(), '{model}', 'more.bin', 1, repeat('0', 64), 'k', 'v')"),
        format!("UPDATE models SET weights_sha256 = repeat('0', 64) WHERE id = '{model}'"),
        format!("UPDATE models SET job_id = NULL, base_model_id = NULL, kind = 'base' WHERE id = '{model}'"),
        format!("UPDATE receipts SET envelope = '{{}}' WHERE model_id = '{model}'"),
        format!("DELETE FROM models WHERE id = '{model}'"),
        format!("UPDATE models SET status = 'released', release_recipients = 'public', release_commercial = false,
                 release_share_alike = false WHERE id = '{model}'"),
        format!("UPDATE models SET status = 'released', release_recipients = 'consortium', release_commercial = true,
                 release_share_alike = false WHERE id = '{model}'"),
    ] {
        let refused = sql(app, &statement).await;
        assert!(refused.is_err(), "went through: {statement}");
    }
    let bare = Uuid::now_v7();
    let unproven = format!(
        "INSERT INTO models (id, name, kind, family, license, institution_id, status, weights_sha256, created_at)
         SELECT '{bare}', 'bare', 'base', 'x', 'MIT', institution_id, 'released', repeat('0', 64), now()
         FROM models WHERE id = '{model}';
         INSERT INTO deployments (id, model_id, status, created_by, created_at)
         SELECT gen_random_uuid(), '{bare}', 'wanted', id, now() FROM users LIMIT 1"
    );
    assert!(sql(app, &unproven).await.unwrap_err().contains("receipt"));
    let forged = format!(
        "INSERT INTO models (id, name, kind, family, license, institution_id, status, weights_sha256, created_at)
         SELECT '{bare}', 'bare', 'base', 'x', 'MIT', institution_id, 'released', repeat('0', 64), now()
         FROM models WHERE id = '{model}';
         INSERT INTO receipts (model_id, envelope, statement_sha256, created_at, keyid)
         SELECT '{bare}', envelope, statement_sha256, created_at, keyid FROM receipts WHERE model_id = '{model}'"
    );
    assert!(
        sql(app, &forged).await.unwrap_err().contains("other files"),
        "a receipt of another model"
    );

    // Past the database too: the portal looks again before it releases.
    let swap = |sha256: &str| {
        format!(
            "UPDATE model_files SET sha256 = '{sha256}' WHERE model_id = '{model}' AND name = 'adapter_model.safetensors'"
        )
    };
    let mut conn = app.ports.db.read().await.unwrap();
    let files = models::files_of(&mut conn, ModelId(model)).await.unwrap();
    drop(conn);
    let weights = files
        .iter()
        .find(|file| file.name.ends_with(".safetensors"))
        .unwrap();
    past_triggers(app, &swap(&"0".repeat(64))).await;
    assert_eq!(
        act(app, model, "release", None).await,
        bad,
        "swapped weights"
    );
    past_triggers(app, &swap(&weights.sha256)).await;

    let receipt = fetch(
        app,
        "researcher.harderwijk",
        &format!("/api/v1/models/{model}/receipt"),
    )
    .await;
    let envelope = attestation::Envelope::parse(&receipt).unwrap();
    let foreign = Signer::from_hex(&"11".repeat(32)).unwrap().envelope(
        attestation::PAYLOAD_TYPE,
        &envelope.payload_bytes().unwrap(),
    );
    let put =
        |text: &str| format!("UPDATE receipts SET envelope = '{text}' WHERE model_id = '{model}'");
    past_triggers(app, &put(&foreign.to_text().unwrap())).await;
    assert_eq!(act(app, model, "release", None).await, bad, "a foreign key");
    let mut lent = foreign.clone();
    lent.signatures[0].keyid = app.ports.signer.keyid();
    past_triggers(app, &put(&lent.to_text().unwrap())).await;
    assert_eq!(
        act(app, model, "release", None).await,
        bad,
        "a foreign key under our name"
    );
    past_triggers(app, &put(&receipt)).await;
    past_triggers(
        app,
        &format!("UPDATE receipts SET created_at = created_at - interval '1 hour' WHERE model_id = '{model}'"),
    )
    .await;
    assert_eq!(act(app, model, "release", None).await, bad, "dated back");
    past_triggers(
        app,
        &format!("UPDATE receipts SET created_at = created_at + interval '1 hour' WHERE model_id = '{model}'"),
    )
    .await;

    let wide = Some(json!({ "recipients": "public" }));
    let wider = (StatusCode::CONFLICT, "model-release-wider".to_owned());
    assert_eq!(act(app, model, "release", wide).await, wider);
    let for_profit = Some(json!({ "commercial": "yes" }));
    assert_eq!(act(app, model, "release", for_profit).await, wider);
    assert_eq!(
        act(app, model, "release", None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        act(app, model, "deploy", None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        act(app, model, "stop", None).await.0,
        StatusCode::NO_CONTENT
    );
    let page = fetch(app, "researcher.harderwijk", &format!("/nl/models/{model}")).await;
    assert!(
        page.contains("Hoe ver dit model mag gaan") && page.contains("partners van GPT-NL"),
        "{page}"
    );

    // The key was told to somebody before it signed this.
    let at = app.ports.db.now() - chrono::TimeDelta::hours(2);
    let keyid = app.ports.signer.keyid();
    signing::revoke(&app.ports.db, &Actor::system(), &keyid, at, "gelekt")
        .await
        .unwrap();
    assert_eq!(act(app, model, "deploy", None).await, bad, "a revoked key");
}

#[actix_web::test]
async fn each_sees_the_lineage_as_far_as_they_may_know_and_it_leaves_as_prov() {
    let made = trained().await;
    let (app, model) = (&made.app, made.model);
    assert_eq!(
        act(app, model, "release", None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        act(app, model, "deploy", None).await.0,
        StatusCode::NO_CONTENT
    );
    let key = app
        .browser("developer.harderwijk")
        .await
        .api(
            Method::POST,
            "/api/v1/keys",
            Some(json!({
                "name": "geheime proef", "purpose": "een test", "models": [model], "tokens_per_day": 1000,
                "requests_per_minute": 10,
            })),
        )
        .await
        .unwrap();
    let key = key["id"].as_str().unwrap().to_owned();
    let (dataset, version, job) = (made.dataset, made.version, made.job);

    let graph = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let own = graph(
        &fetch(
            app,
            "researcher.harderwijk",
            &format!("/api/v1/lineage/key/{key}"),
        )
        .await,
    );
    let mut kinds: Vec<_> = own["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            "dataset_version",
            "deployment",
            "job",
            "key",
            "model",
            "model"
        ],
        "from the key back to the data: {own:#}"
    );

    // The contributor: that a job, a model and a key of another institution use it; not what the key is called.
    let path = format!("/api/v1/lineage/dataset/{dataset}");
    let theirs = graph(&fetch(app, "contributor.waterland", &path).await);
    let node = |id: &str| {
        theirs["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|n| n["id"] == id)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(node(&job.to_string())["label"], "Proef");
    assert_eq!(
        node(&model.to_string())["institution"]["name"],
        "Universiteit Harderwijk"
    );
    assert_eq!(node(&model.to_string())["status"], Value::Null);
    assert_eq!(
        (&node(&key)["kind"], &node(&key)["label"]),
        (&json!("key"), &Value::Null)
    );
    let page = fetch(
        app,
        "contributor.waterland",
        &format!("/nl/lineage/dataset/{dataset}"),
    )
    .await;
    assert!(
        page.contains("<svg")
            && page.contains("<title id=\"lineage-name\">")
            && page.contains("een sleutel")
    );
    assert!(
        !page.contains("geheime proef"),
        "the name of another institution's key"
    );
    assert!(
        !page.contains(&format!("/nl/models/{model}")),
        "a link to what they may not open"
    );
    let english = fetch(
        app,
        "researcher.harderwijk",
        &format!("/en/lineage/model/{model}"),
    )
    .await;
    assert!(english.contains("came of it") && english.contains("geheime proef"));

    // What is not theirs is not there, and of a base that all share nobody sees what others made of it.
    for (login, path) in [
        (
            "contributor.waterland",
            format!("/nl/lineage/model/{model}"),
        ),
        ("contributor.waterland", format!("/nl/lineage/job/{job}")),
        ("contributor.waterland", format!("/nl/lineage/key/{key}")),
        (
            "contributor.waterland",
            format!("/nl/lineage/deployment/{model}"),
        ),
        ("contributor.waterland", "/nl/lineage/model/x".to_owned()),
        ("researcher.harderwijk", format!("/nl/lineage/job/{model}")),
    ] {
        let answer = app.browser(login).await.get(&path).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{login} {path}");
    }
    let draft = app
        .browser("contributor.waterland")
        .await
        .api(
            Method::POST,
            "/api/v1/datasets",
            Some(json!({
                "title": "Concept", "description": "x", "language": "nl", "license": "CC0-1.0", "source": "test",
                "right_holder": "Archief Waterland", "personal_data": "no", "personal_data_basis": "",
                "confidentiality": "public",
            })),
        )
        .await
        .unwrap();
    let draft = format!("/nl/lineage/dataset/{}", draft["id"].as_str().unwrap());
    let hidden = app
        .browser("researcher.harderwijk")
        .await
        .get(&draft)
        .await
        .unwrap();
    assert_eq!(
        hidden.status,
        StatusCode::NOT_FOUND,
        "a draft of another institution"
    );
    let empty = fetch(app, "contributor.waterland", &draft).await;
    assert!(empty.contains("Hier hangt nog niets aan vast"));
    let shared = fetch(
        app,
        "manager.waterland",
        &format!("/api/v1/lineage/model/{}", made.base),
    )
    .await;
    let foreign = app
        .browser("auditor")
        .await
        .get(&format!("/api/v1/lineage/model/{}", made.base))
        .await
        .unwrap();
    assert!(foreign.text.contains(&key), "the auditor sees all");
    // Waterland's own data is in it, so they may know of it; of a base alone they would not.
    assert!(shared.contains(&model.to_string()));

    // PROV-O, read by libraries that are not ours; both forms say the same.
    let base_path = format!("/api/v1/lineage/model/{model}/prov");
    let turtle = fetch(app, "researcher.harderwijk", &format!("{base_path}.ttl")).await;
    let json_ld = fetch(app, "researcher.harderwijk", &format!("{base_path}.jsonld")).await;
    let from_turtle: Vec<Triple> = oxttl::TurtleParser::new()
        .for_slice(turtle.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let from_json: Dataset = oxjsonld::JsonLdParser::new()
        .for_slice(json_ld.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let said = |subject: Uuid, predicate: &str, object: Uuid| {
        from_turtle.iter().any(|triple| {
            triple.subject.to_string() == format!("<urn:uuid:{subject}>")
                && triple.predicate.as_str() == format!("http://www.w3.org/ns/prov#{predicate}")
                && triple.object.to_string() == format!("<urn:uuid:{object}>")
        })
    };
    assert!(said(job, "used", version) && said(job, "used", made.base.0));
    assert!(said(model, "wasGeneratedBy", job) && said(model, "wasDerivedFrom", made.base.0));
    let mut one: Vec<_> = from_turtle.iter().map(ToString::to_string).collect();
    let mut other: Vec<_> = from_json
        .iter()
        .map(|quad| Triple::from(quad.into_owned()).to_string())
        .collect();
    one.sort();
    other.sort();
    assert_eq!(one, other, "Turtle and JSON-LD say the same");
}

#[actix_web::test]
async fn the_graph_takes_no_circle_no_invention_and_no_deletion() {
    let app = TestApp::start().await;
    let first = given::approved_dataset(&app).await;
    let second = given::approved_dataset(&app).await;
    let run = |run: Uuid, output: Uuid, input: Uuid| {
        format!(
            "INSERT INTO curation_runs (id, output_version_id, kind, config, config_sha256, code_commit, statistics, created_at)
             VALUES ('{run}', '{output}', 'exclusion', '{{}}', encode(sha256('{{}}'), 'hex'), 'development', '{{}}', now());
             INSERT INTO curation_run_inputs (run_id, dataset_version_id) VALUES ('{run}', '{input}')"
        )
    };
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    sql(&app, &run(one, second.version, first.version))
        .await
        .unwrap();
    let circle = sql(&app, &run(two, first.version, second.version))
        .await
        .unwrap_err();
    assert!(circle.contains("no circles"), "{circle}");
    let itself = sql(&app, &run(two, first.version, first.version))
        .await
        .unwrap_err();
    assert!(itself.contains("circles"), "{itself}");
    let empty = format!(
        "INSERT INTO curation_runs (id, output_version_id, kind, config, config_sha256, code_commit, statistics, created_at)
         VALUES ('{two}', '{}', 'exclusion', '{{}}', encode(sha256('{{}}'), 'hex'), 'development', '{{}}', now())",
        first.version
    );
    assert!(sql(&app, &empty).await.unwrap_err().contains("no input"));
    let (a, b) = (first.version, second.version);
    for statement in [
        "UPDATE lineage_edges SET at = now()".to_owned(),
        "DELETE FROM lineage_edges".to_owned(),
        "TRUNCATE lineage_edges".to_owned(),
        format!(
            "INSERT INTO lineage_edges VALUES ('dataset_version', '{a}', 'curation_run', '{two}', now())"
        ),
        format!(
            "INSERT INTO lineage_edges VALUES ('dataset_version', '{a}', 'model', '{b}', now())"
        ),
        format!(
            "INSERT INTO lineage_edges VALUES ('dataset_version', '{b}', 'job', gen_random_uuid(), now())"
        ),
        format!("DELETE FROM curation_runs WHERE id = '{one}'"),
        format!("UPDATE curation_runs SET kind = 'curation' WHERE id = '{one}'"),
        format!("DELETE FROM dataset_versions WHERE id = '{a}'"),
    ] {
        assert!(
            sql(&app, &statement).await.is_err(),
            "went through: {statement}"
        );
    }
    let graph = fetch(
        &app,
        "contributor.waterland",
        &format!("/api/v1/lineage/dataset_version/{b}"),
    )
    .await;
    assert!(
        graph.contains(&a.to_string()) && graph.contains("exclusion"),
        "{graph}"
    );
    let page = fetch(
        &app,
        "contributor.waterland",
        &format!("/nl/lineage/dataset_version/{b}"),
    )
    .await;
    assert!(page.contains("Documenten weggelaten"));
}

#[actix_web::test]
async fn in_a_graph_of_ten_thousand_nodes_the_database_walks_as_another_hand_does() {
    let app = TestApp::without_worker(&[]).await;
    let count = 10_000_u128;
    // From each node to some of those after it, by a fixed rule: no circles.
    let edges: Vec<(Uuid, Uuid)> = (1..count)
        .flat_map(|n| [(n - 1 - (n * 7919) % n.min(50), n), ((n * 104_729) % n, n)])
        .filter(|(from, to)| from != to && (from * 31 + to) % 5 != 0)
        .map(|(from, to)| (Uuid::from_u128(from), Uuid::from_u128(to)))
        .collect();
    let (from, to): (Vec<_>, Vec<_>) = edges.iter().copied().unzip();
    let mut tx = app.owner_tx().await;
    sqlx::query("SET LOCAL session_replication_role = replica")
        .execute(tx.conn())
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO lineage_edges (from_kind, from_id, to_kind, to_id, at)
         SELECT 'model', f, 'model', t, now() FROM unnest($1::uuid[], $2::uuid[]) AS e (f, t) ON CONFLICT DO NOTHING",
    )
    .bind(&from)
    .bind(&to)
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut conn = app.ports.db.read().await.unwrap();
    for root in [0_u128, 17, 4_000, 9_990] {
        for (function, is_down) in [("lineage_descendants", true), ("lineage_ancestors", false)] {
            let begun = std::time::Instant::now();
            let found: std::collections::BTreeSet<Uuid> = sqlx::query_scalar::<_, Uuid>(
                sqlx::AssertSqlSafe(format!("SELECT id FROM {function}(ARRAY[$1::uuid])")),
            )
            .bind(Uuid::from_u128(root))
            .fetch_all(&mut *conn)
            .await
            .unwrap()
            .into_iter()
            .collect();
            println!(
                "{function} of {root}: {} nodes in {:?}",
                found.len(),
                begun.elapsed()
            );
            let mut expected = std::collections::BTreeSet::new();
            let mut front = vec![Uuid::from_u128(root)];
            let mut next: std::collections::HashMap<Uuid, Vec<Uuid>> =
                std::collections::HashMap::new();
            for (from, to) in &edges {
                let (at, then) = if is_down { (from, to) } else { (to, from) };
                next.entry(*at).or_default().push(*then);
            }
            while let Some(at) = front.pop() {
                for then in next.get(&at).into_iter().flatten() {
                    if expected.insert(*then) {
                        front.push(*then);
                    }
                }
            }
            assert_eq!(found, expected, "{function} of {root}");
        }
    }
}

#[actix_web::test]
async fn a_lineage_too_large_for_one_file_is_refused_rather_than_cut() {
    let app = TestApp::without_worker(&[]).await;
    let base = given::tiny_base(&app).await;
    let path = format!("/api/v1/lineage/model/{base}/prov.ttl");
    fetch(&app, "auditor", &path).await;
    let many = |count: usize| {
        format!(
            "INSERT INTO lineage_edges SELECT 'model', '{base}', 'model', ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, now()
             FROM generate_series(1, {count}) AS n ON CONFLICT DO NOTHING"
        )
    };
    past_triggers(&app, &many(20_000)).await;
    fetch(&app, "auditor", &path).await;
    past_triggers(&app, &many(20_001)).await;
    for form in ["ttl", "jsonld"] {
        let path = format!("/api/v1/lineage/model/{base}/prov.{form}");
        let answer = app.browser("auditor").await.get(&path).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(answer.text.contains("lineage-too-large"), "{}", answer.text);
    }
}

#[actix_web::test]
async fn the_picture_fits_a_desk_and_a_telephone_in_both_languages() {
    let made = trained().await;
    let (app, model) = (&made.app, made.model);
    let driver = Driver::start().await;
    let client = driver.window(390).await;
    sign_in(&client, app, "operator").await;
    see(&client, app, &format!("/nl/models/{model}")).await;
    picture(&client, "model-release-nl-390").await;
    client.close().await.unwrap();
    assert_eq!(
        act(app, model, "release", None).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        act(app, model, "deploy", None).await.0,
        StatusCode::NO_CONTENT
    );
    let source = given::approved_dataset(app).await;
    let run = Uuid::now_v7();
    sql(
        app,
        &format!(
            "INSERT INTO curation_runs (id, output_version_id, kind, config, config_sha256, code_commit, statistics, created_at)
             VALUES ('{run}', '{}', 'exclusion', '{{}}', encode(sha256('{{}}'), 'hex'), 'development', '{{}}', now());
             INSERT INTO curation_run_inputs (run_id, dataset_version_id) VALUES ('{run}', '{}')",
            made.version, source.version
        ),
    )
    .await
    .unwrap();
    for name in ["samenvatter", "vraagbaak", "nachtdienst"] {
        let asked = json!({
            "name": name, "purpose": "een test", "models": [model], "tokens_per_day": 1000, "requests_per_minute": 10,
        });
        app.browser("developer.harderwijk")
            .await
            .api(Method::POST, "/api/v1/keys", Some(asked))
            .await
            .unwrap();
    }
    for width in [1280, 390] {
        let client = driver.window(width).await;
        for (login, lang, path, name) in [
            (
                "researcher.harderwijk",
                "nl",
                format!("lineage/model/{model}"),
                "lineage-model",
            ),
            (
                "researcher.harderwijk",
                "en",
                format!("lineage/model/{model}"),
                "lineage-model",
            ),
            (
                "contributor.waterland",
                "nl",
                format!("lineage/dataset/{}", made.dataset),
                "lineage-dataset",
            ),
            ("operator", "nl", format!("models/{model}"), "model-scope"),
            ("operator", "en", format!("models/{model}"), "model-scope"),
        ] {
            sign_in(&client, app, login).await;
            see(&client, app, &format!("/{lang}/{path}")).await;
            picture(&client, &format!("{name}-{lang}-{width}")).await;
            let wide = client
                .execute(
                    "return document.documentElement.scrollWidth > window.innerWidth",
                    Vec::new(),
                )
                .await
                .unwrap();
            assert_eq!(
                wide,
                json!(false),
                "{name}-{lang}-{width} scrolls sideways as a whole"
            );
        }
        client.close().await.unwrap();
    }
}
