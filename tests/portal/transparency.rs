//! The audit log can be proven, and nothing in it can be changed unnoticed.

use std::process::Output;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use transparency_log::{
    Checkpoint, Hash, Note, VerifierKey, leaf_hash, verify_consistency, verify_inclusion,
};
use virtual_faculty::{
    audit::{self, Depth, Problem, SignError, SignatureProblem, WalkError, When, bundle},
    signing::PublishedKeys,
};

use crate::support::{TestApp, given};

pub(crate) async fn owner(app: &TestApp) -> PgConnection {
    PgConnection::connect(&app.owner_url).await.unwrap()
}

/// As an administrator of the database would, past every trigger.
async fn tamper(app: &TestApp, statement: &str) {
    let mut conn = owner(app).await;
    conn.execute("SET session_replication_role = replica")
        .await
        .unwrap();
    conn.execute(AssertSqlSafe(statement.to_owned()))
        .await
        .unwrap();
}

async fn signed(app: &TestApp) -> audit::Signed {
    audit::sign(&app.ports.audit_log(), When::Behind)
        .await
        .unwrap()
        .expect("there are lines that no checkpoint covers")
}

async fn problem(app: &TestApp, depth: Depth) -> Problem {
    match audit::walk(&app.ports.audit_log(), depth).await {
        Err(WalkError::Broken(problem)) => problem,
        other => panic!("the log should be broken: {other:?}"),
    }
}

pub(crate) async fn keys(app: &TestApp) -> String {
    let address = app.url.join("/.well-known/faculty-keys.json").unwrap();
    reqwest::get(address).await.unwrap().text().await.unwrap()
}

async fn get(app: &TestApp, path: &str) -> (StatusCode, Vec<u8>) {
    let answer = reqwest::get(app.url.join(path).unwrap()).await.unwrap();
    (answer.status(), answer.bytes().await.unwrap().to_vec())
}

fn proof(value: &Value) -> Vec<Hash> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| Hash::from_base64(hash.as_str().unwrap()).unwrap())
        .collect()
}

/// Dataset, reviews and permissions of Archief Waterland: some twenty lines.
async fn busy() -> TestApp {
    let app = TestApp::without_worker(&[]).await;
    app.work();
    given::approved_dataset(&app).await;
    app
}

#[actix_web::test]
async fn an_institution_proves_its_lines_with_the_published_key_alone() {
    let app = busy().await;
    let first = signed(&app).await;
    let mut manager = app.browser("manager.waterland").await;
    let answer = manager
        .api(Method::GET, "/api/v1/audit/events?limit=500", None)
        .await
        .unwrap();
    // What an outsider has: the key, and the checkpoint from the public address.
    let (_, key) = get(&app, "/log/key").await;
    let key = VerifierKey::parse(String::from_utf8(key).unwrap().trim()).unwrap();
    let (_, note) = get(&app, "/log/checkpoint").await;
    let note = Note::parse(std::str::from_utf8(&note).unwrap()).unwrap();
    note.verify(&[key]).unwrap();
    let checkpoint = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (first.size, first.root));
    let lines = answer["data"].as_array().unwrap();
    assert!(lines.len() > 5, "{answer:#}");
    for line in lines {
        let leaf = line["leaf"].as_str().unwrap();
        let seq = line["seq"].as_u64().unwrap();
        let place = (seq - 1, checkpoint.size);
        let hash = leaf_hash(leaf.as_bytes());
        verify_inclusion(place, &hash, &proof(&line["proof"]), &checkpoint.root).unwrap();
        let other = leaf_hash(leaf.replace("waterland", "elders").as_bytes());
        let is_same = other == hash;
        assert_eq!(
            verify_inclusion(place, &other, &proof(&line["proof"]), &checkpoint.root).is_ok(),
            is_same
        );
        let by_itself = format!(
            "/api/v1/audit/proof/inclusion?seq={seq}&size={}",
            checkpoint.size
        );
        let (_, answer) = get(&app, &by_itself).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["proof"], line["proof"]);
    }

    given::approved_dataset(&app).await;
    let second = signed(&app).await;
    assert!(second.size > first.size);
    let path = format!(
        "/api/v1/audit/proof/consistency?from={}&to={}",
        first.size, second.size
    );
    let (status, answer) = get(&app, &path).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let sizes = (first.size, second.size);
    verify_consistency(sizes, &first.root, &second.root, &proof(&answer["proof"])).unwrap();
}

#[actix_web::test]
async fn nobody_reads_another_institutions_lines() {
    let app = busy().await;
    signed(&app).await;
    let own: i64 = sqlx::query_scalar(
        "SELECT min(e.seq) FROM events e JOIN institutions i ON i.id = e.institution_id WHERE i.slug LIKE '%waterland%'",
    )
    .fetch_one(&mut owner(&app).await)
    .await
    .unwrap();
    let mut manager = app.browser("manager.waterland").await;
    let mut stranger = app.browser("manager.harderwijk").await;
    let mut researcher = app.browser("researcher.harderwijk").await;
    let path = format!("/nl/audit/lines/{own}");
    assert_eq!(manager.get(&path).await.unwrap().status, StatusCode::OK);
    assert_eq!(
        stranger.get(&path).await.unwrap().status,
        StatusCode::NOT_FOUND
    );
    let theirs = stranger
        .api(Method::GET, "/api/v1/audit/events?limit=500", None)
        .await
        .unwrap();
    assert!(!theirs.to_string().contains("Notulen"), "{theirs:#}");
    for path in [
        "/api/v1/audit/events",
        "/api/v1/audit/bundle",
        "/nl/audit/bundle",
        "/nl/audit/check",
    ] {
        assert_eq!(
            researcher.get(path).await.unwrap().status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert!(
            get(&app, path).await.0.as_u16() >= 400 || !path.starts_with("/api"),
            "{path}"
        );
    }
    // The public log holds hashes and nothing else.
    let (status, tile) = get(&app, "/log/tile/0/000.p/1").await;
    assert!(status == StatusCode::NOT_FOUND || tile.len() == 32);
    for path in [
        "/log/tile/entries/000",
        "/log/tile/0/..%2f..",
        "/log/tile/9/000",
        "/log/tile/0/999",
    ] {
        assert_eq!(get(&app, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/api/v1/audit/proof/inclusion?seq=0",
        "/api/v1/audit/proof/inclusion?seq=999999999",
        "/api/v1/audit/proof/inclusion?seq=1&size=999999999",
        "/api/v1/audit/proof/inclusion?seq=-9223372036854775808",
        "/api/v1/audit/proof/consistency?from=5&to=2",
        "/api/v1/audit/proof/consistency?from=1&to=999999999",
    ] {
        assert_eq!(get(&app, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[actix_web::test]
async fn every_change_of_a_line_is_found_and_named() {
    let app = busy().await;
    signed(&app).await;
    audit::walk(&app.ports.audit_log(), Depth::Everything)
        .await
        .unwrap();
    let columns = [
        "occurred_at = occurred_at + interval '1 microsecond'",
        "actor_id = gen_random_uuid()",
        "institution_id = gen_random_uuid()",
        "subject_kind = subject_kind || 'x'",
        "subject_id = gen_random_uuid()",
        "kind = kind || 'x'",
        "payload = '{}'::json",
        "payload = (payload::text || ' ')::json",
        "salt = set_byte(salt, 0, get_byte(salt, 0) # 1)",
        "hash = set_byte(hash, 31, get_byte(hash, 31) # 1)",
    ];
    for column in columns {
        tamper(
            &app,
            "CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM events",
        )
        .await;
        tamper(&app, &format!("UPDATE events SET {column} WHERE seq = 4")).await;
        assert_eq!(
            problem(&app, Depth::Everything).await,
            Problem::Changed { seq: 4 },
            "{column}"
        );
        tamper(
            &app,
            "DELETE FROM events; INSERT INTO events SELECT * FROM kept",
        )
        .await;
    }
    tamper(&app, "DELETE FROM events WHERE seq = 7").await;
    assert_eq!(
        problem(&app, Depth::Roots).await,
        Problem::Missing { seq: 7 }
    );
    tamper(&app, "INSERT INTO events SELECT * FROM kept WHERE seq = 7").await;
    tamper(&app, "UPDATE events SET seq = -1 WHERE seq = 3").await;
    assert_eq!(
        problem(&app, Depth::Roots).await,
        Problem::Added { seq: -1 }
    );
    tamper(&app, "UPDATE events SET seq = 3 WHERE seq = -1").await;
    audit::walk(&app.ports.audit_log(), Depth::Everything)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_line_that_was_rewritten_with_its_hash_is_named_by_the_published_tile() {
    let app = busy().await;
    let before = signed(&app).await;
    // Whoever owns the database can make line 5 fit itself again.
    tamper(
        &app,
        "UPDATE events a SET payload = b.payload, salt = b.salt, kind = b.kind FROM events b WHERE a.seq = 5 AND b.seq = 6",
    )
    .await;
    tamper(
        &app,
        r#"UPDATE events SET hash = sha256('\x00'::bytea || convert_to(
             '{"v":1,"seq":' || seq || ',"at":"' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
             || '","actor":"' || actor_id || '","institution":"' || institution_id || '","subject_kind":"' || subject_kind
             || '","subject":"' || subject_id || '","kind":"' || kind || '","salt":"' || encode(salt, 'hex')
             || '","payload":' || payload::text || '}', 'UTF8')) WHERE seq = 5"#,
    )
    .await;
    let found = problem(&app, Depth::Everything).await;
    assert!(matches!(found, Problem::Replaced { seq: 5, .. }), "{found}");
    // It is never signed again, and the page says so.
    let outcome = audit::sign(&app.ports.audit_log(), When::Due)
        .await
        .unwrap();
    assert_eq!(outcome, None, "it is not time yet");
    given::approved_dataset(&app).await;
    let refused = audit::sign(&app.ports.audit_log(), When::Behind).await;
    assert!(
        matches!(
            refused,
            Err(SignError::Broken(Problem::Replaced { seq: 5, .. }))
        ),
        "{refused:?}"
    );
    let (_, note) = get(&app, "/log/checkpoint").await;
    assert_eq!(String::from_utf8(note).unwrap(), before.note);
    let mut auditor = app.browser("auditor").await;
    let page = auditor.get("/en/audit").await.unwrap().text;
    assert!(page.contains("line 5 was changed or replaced"), "{page}");
    for _ in 0..2 {
        audit::alarm(&app.ports.db, &found).await.unwrap();
    }
    let told = auditor.get("/en/notices").await.unwrap().text;
    assert_eq!(
        told.matches("The audit log no longer holds").count(),
        1,
        "{told}"
    );
    let verified = faculty(&app, &["admin", "audit", "verify"]).await;
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(
        !verified.status.success() && said.contains("line 5"),
        "{said}"
    );
}

#[actix_web::test]
async fn a_log_that_was_cut_short_or_replaced_by_an_older_one_is_found() {
    let app = busy().await;
    let signed = signed(&app).await;
    let last = signed.size;
    tamper(&app, "CREATE TABLE kept AS SELECT * FROM events; CREATE TABLE kept_checkpoints AS SELECT * FROM audit_checkpoints").await;
    // Restored from yesterday's backup: even the checkpoints are gone, only the object store remembers.
    tamper(
        &app,
        &format!("DELETE FROM events WHERE seq = {last}; UPDATE audit_head SET seq = {}; DELETE FROM audit_checkpoints", last - 1),
    )
    .await;
    let found = problem(&app, Depth::Everything).await;
    assert!(
        matches!(found, Problem::Shortened { size, .. } if size == last),
        "{found}"
    );
    assert!(
        found
            .to_string()
            .contains(&format!("line {last} is missing")),
        "{found}"
    );
    tamper(
        &app,
        &format!("INSERT INTO events SELECT * FROM kept WHERE seq = {last}; UPDATE audit_head SET seq = {last}; INSERT INTO audit_checkpoints SELECT * FROM kept_checkpoints"),
    )
    .await;
    // A checkpoint row that says something else than what was signed.
    tamper(
        &app,
        "UPDATE audit_checkpoints SET root = set_byte(root, 0, get_byte(root, 0) # 1) WHERE signed_at = (SELECT max(signed_at) FROM audit_checkpoints)",
    )
    .await;
    let found = problem(&app, Depth::Roots).await;
    assert_eq!(found, Problem::CheckpointChanged { size: last });
    tamper(&app, "UPDATE audit_checkpoints c SET root = k.root, note = replace(k.note, 'log', 'lag') FROM kept_checkpoints k WHERE k.id = c.id").await;
    let found = problem(&app, Depth::Roots).await;
    assert!(matches!(found, Problem::Signature { .. }), "{found}");
    tamper(
        &app,
        "UPDATE audit_checkpoints c SET note = k.note FROM kept_checkpoints k WHERE k.id = c.id",
    )
    .await;
    audit::walk(&app.ports.audit_log(), Depth::Everything)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_checkpoint_that_was_taken_out_is_missed_by_the_next() {
    let app = busy().await;
    signed(&app).await;
    given::approved_dataset(&app).await;
    let second = signed(&app).await;
    audit::walk(&app.ports.audit_log(), Depth::Everything)
        .await
        .unwrap();
    tamper(
        &app,
        &format!("DELETE FROM audit_checkpoints WHERE size < {}", second.size),
    )
    .await;
    assert_eq!(
        problem(&app, Depth::Roots).await,
        Problem::Signature {
            size: second.size,
            problem: SignatureProblem::Before
        }
    );
}

/// Lines of the log that are made up for measuring, or for a short run of the same.
fn many_lines() -> i64 {
    std::env::var("FACULTY_TEST_LINES").map_or(10_000, |lines| lines.parse().unwrap())
}

#[actix_web::test]
async fn a_long_log_is_signed_and_verified_from_the_first_line_to_the_last() {
    let app = busy().await;
    let lines = many_lines();
    let statement = format!(
        r#"WITH made AS (
               SELECT head.seq + n AS seq, now() AS occurred_at, gen_random_uuid() AS actor_id, gen_random_uuid() AS institution_id,
                   'job' AS subject_kind, gen_random_uuid() AS subject_id, 'jobs.read_granted' AS kind,
                   json_build_object('file', gen_random_uuid(), 'sha256', repeat('ab', 32)) AS payload,
                   uuid_send(gen_random_uuid()) AS salt
               FROM audit_head head CROSS JOIN generate_series(1, {lines}) AS n)
           INSERT INTO events (seq, occurred_at, actor_id, institution_id, subject_kind, subject_id, kind, payload, salt, hash)
           SELECT made.*, sha256('\x00'::bytea || convert_to(
             '{{"v":1,"seq":' || seq || ',"at":"' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
             || '","actor":"' || actor_id || '","institution":"' || institution_id || '","subject_kind":"' || subject_kind
             || '","subject":"' || subject_id || '","kind":"' || kind || '","salt":"' || encode(salt, 'hex')
             || '","payload":' || payload::text || '}}', 'UTF8'))
           FROM made;
           UPDATE audit_head SET seq = seq + {lines}"#
    );
    tamper(&app, &statement).await;
    // As the database does by itself where lines come in over time.
    tamper(&app, "ANALYZE events").await;
    let signed = signed(&app).await;
    assert!(signed.size > lines.unsigned_abs());
    let verified = faculty(&app, &["admin", "audit", "verify"]).await;
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{verified:?}");
    eprintln!("{said}");
    tamper(
        &app,
        &format!(
            "UPDATE events SET kind = 'x' WHERE seq = {}",
            signed.size / 2
        ),
    )
    .await;
    let verified = faculty(&app, &["admin", "audit", "verify"]).await;
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(
        !verified.status.success() && said.contains(&format!("line {}", signed.size / 2)),
        "{said}"
    );
}

#[actix_web::test]
async fn a_changed_tile_is_found_and_named() {
    let app = busy().await;
    let signed = signed(&app).await;
    let path = format!("tile/0/000.p/{}", signed.size);
    let key = format!("log/{path}");
    let whole = app.ports.objects.get(&key).await.unwrap();
    let mut changed = whole.clone();
    changed[32 * 2] ^= 1;
    app.ports.objects.put(&key, changed).await.unwrap();
    assert_eq!(
        problem(&app, Depth::Everything).await,
        Problem::Replaced {
            seq: 3,
            path: path.clone()
        }
    );
    app.ports
        .objects
        .put(&key, whole[..40].to_vec())
        .await
        .unwrap();
    assert_eq!(
        problem(&app, Depth::Everything).await,
        Problem::TileMissing { path }
    );
    app.ports.objects.put(&key, whole).await.unwrap();
    app.ports
        .objects
        .put("log/checkpoint", b"nonsense".to_vec())
        .await
        .unwrap();
    assert!(matches!(
        problem(&app, Depth::Everything).await,
        Problem::Copy { .. }
    ));
}

#[actix_web::test]
async fn signing_is_repeated_raced_and_interrupted_without_harm() {
    let app = TestApp::without_worker(&[]).await;
    let log = app.ports.audit_log();
    let (a, b) = tokio::join!(
        audit::sign(&log, When::Behind),
        audit::sign(&log, When::Behind)
    );
    let count = [a.unwrap(), b.unwrap()].iter().flatten().count();
    assert!((1..=2).contains(&count), "at least one signs");
    assert_eq!(
        audit::sign(&log, When::Behind).await.unwrap(),
        None,
        "nothing is new"
    );
    assert_eq!(
        audit::sign(&log, When::Due).await.unwrap(),
        None,
        "an hour has not passed"
    );
    // Killed after the tiles and before the checkpoint: the same tiles are written again.
    app.work();
    given::approved_dataset(&app).await;
    audit::walk(&log, Depth::Extend).await.unwrap();
    let signed = signed(&app).await;
    let walked = audit::walk(&log, Depth::Everything).await.unwrap();
    assert!(walked.events >= signed.size && walked.tiles > 0);
    // The database refuses a checkpoint that takes lines back.
    let mut conn = owner(&app).await;
    let back = conn
        .execute(
            "INSERT INTO audit_checkpoints (id, size, root, signed_at, note)
             SELECT gen_random_uuid(), size - 1, root, signed_at + interval '1 second', note
             FROM audit_checkpoints ORDER BY signed_at DESC LIMIT 1",
        )
        .await
        .unwrap_err();
    assert!(back.to_string().contains("only grows"), "{back}");
}

/// The program itself; this thread goes on answering as its object store meanwhile.
pub(crate) async fn faculty(app: &TestApp, arguments: &[&str]) -> Output {
    // Where speed is measured it is a release build, named by whoever measures.
    let program = std::env::var("FACULTY_TEST_PROGRAM");
    let program = program.unwrap_or_else(|_| env!("CARGO_BIN_EXE_faculty").into());
    tokio::process::Command::new(program)
        .args(arguments)
        .envs(app.environment.iter().cloned())
        .current_dir(app.folder.path())
        .output()
        .await
        .unwrap()
}

#[actix_web::test]
async fn the_pages_say_how_the_log_stands_and_how_to_check_it() {
    let app = busy().await;
    let mut manager = app.browser("manager.waterland").await;
    assert_eq!(
        manager.get("/nl/audit").await.unwrap().status,
        StatusCode::OK,
        "before anything was checked"
    );
    let _ = audit::sign(&app.ports.audit_log(), When::Behind)
        .await
        .unwrap();
    for lang in ["nl", "en"] {
        let page = manager.get(&format!("/{lang}/audit")).await.unwrap().text;
        assert!(page.contains(&format!("/{lang}/audit/bundle")), "{page}");
        let line = page.split("/audit/lines/").nth(1).unwrap();
        let seq: i64 = line.split('"').next().unwrap().parse().unwrap();
        let page = manager
            .get(&format!("/{lang}/audit/lines/{seq}"))
            .await
            .unwrap()
            .text;
        assert!(page.contains("badge--granted"), "{page}");
        let page = manager
            .get(&format!("/{lang}/audit/check"))
            .await
            .unwrap()
            .text;
        assert!(
            page.contains("verify_log.py") && page.contains("/log/checkpoint"),
            "{page}"
        );
    }
    let (status, script) = get(&app, "/log/verify_log.py").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        String::from_utf8(script)
            .unwrap()
            .starts_with("#!/usr/bin/env python3")
    );
    let written = faculty(
        &app,
        &[
            "admin",
            "export-bundle",
            "--out",
            "part.zip",
            "--institution",
            "waterland",
        ],
    )
    .await;
    assert!(written.status.success(), "{written:?}");
    let part = std::fs::File::open(app.folder.path().join("part.zip")).unwrap();
    let published = PublishedKeys::parse(&keys(&app).await).unwrap();
    let report = bundle::verify(part, &published);
    assert_eq!(report.problems, Vec::<String>::new());
    let unknown = faculty(
        &app,
        &[
            "admin",
            "export-bundle",
            "--out",
            "none.zip",
            "--institution",
            "elders",
        ],
    )
    .await;
    assert!(!unknown.status.success(), "{unknown:?}");
    let verified = faculty(&app, &["admin", "audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}
