//! The bundle for an auditor holds offline, and every change of it is found by two programs that share no code.

use std::{
    io::{Cursor, Read as _, Write as _},
    path::Path,
    process::{Command, Output},
};

use reqwest::StatusCode;
use serde_json::Value;
use virtual_faculty::{
    audit::{self, When, bundle},
    ledger,
    policy::Visibility,
    signing::PublishedKeys,
};

use crate::{
    support::{TestApp, given},
    transparency::{faculty, keys, owner},
};

fn script(folder: &Path, file: &str) -> Output {
    Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verify_log.py"))
        .args([file, "keys.json"])
        .current_dir(folder)
        .output()
        .unwrap()
}

/// The files of a bundle, in order.
fn unpack(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bundle)).unwrap();
    (0..archive.len())
        .map(|at| {
            let mut file = archive.by_index(at).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A portal where a model was made, with a bundle for the auditor and one for Archief Waterland.
async fn with_bundles() -> (TestApp, Vec<u8>, Vec<u8>) {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let job = given::approved_job(&app, base, data.version, 1).await;
    given::job_until(&app, job, given::is_over).await;
    let later = app.ports.db.now() + chrono::TimeDelta::days(33);
    let closed = ledger::close_due(&app.ports.db, &app.ports.signer, later).await;
    assert_eq!(closed.unwrap().len(), 1, "a month with a statement");
    let _ = audit::sign(&app.ports.audit_log(), When::Behind)
        .await
        .unwrap();
    let mut all = Cursor::new(Vec::new());
    bundle::make(&app.ports.audit_log(), Visibility::All, &mut all)
        .await
        .unwrap();
    let mut manager = app.browser("manager.waterland").await;
    let institution: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM institutions WHERE slug LIKE '%waterland%'")
            .fetch_one(&mut owner(&app).await)
            .await
            .unwrap();
    assert_eq!(
        manager.get("/nl/audit/bundle").await.unwrap().status,
        StatusCode::OK
    );
    let mut own = Cursor::new(Vec::new());
    let whose = Visibility::Institution(virtual_faculty::ids::InstitutionId(institution));
    bundle::make(&app.ports.audit_log(), whose, &mut own)
        .await
        .unwrap();
    (app, all.into_inner(), own.into_inner())
}

#[actix_web::test]
async fn bundles_hold_offline_and_any_changed_byte_names_its_file() {
    let (app, all, own) = with_bundles().await;
    let keys_text = keys(&app).await;
    let keys = PublishedKeys::parse(&keys_text).unwrap();
    let folder = app.folder.path();
    std::fs::write(folder.join("keys.json"), &keys_text).unwrap();
    for (name, bundle) in [("all.zip", &all), ("own.zip", &own)] {
        let report = bundle::verify(Cursor::new(bundle), &keys);
        assert_eq!(report.problems, Vec::<String>::new());
        assert!(
            report.events > 5
                && report.checkpoints > 0
                && report.documents >= 2
                && report.verdicts > 0,
            "{report:?}"
        );
        std::fs::write(folder.join(name), bundle).unwrap();
        let verified = faculty(&app, &["verify-bundle", name, "--keys", "keys.json"]).await;
        assert!(verified.status.success(), "{verified:?}");
        let verified = script(folder, name);
        assert!(verified.status.success(), "{verified:?}");
        let files = unpack(bundle);
        for (at, (name, bytes)) in files.iter().enumerate() {
            // More of each file where there is time for it.
            let step = match std::env::var_os("FACULTY_TEST_DEEP") {
                Some(_) => 1 + bytes.len() / 250,
                None => 1 + bytes.len() / 10,
            };
            for byte in (0..bytes.len()).step_by(step) {
                let mut changed = files.clone();
                changed[at].1[byte] ^= 1;
                let report = bundle::verify(Cursor::new(pack(&changed)), &keys);
                assert!(
                    report
                        .problems
                        .iter()
                        .any(|problem| problem.starts_with(name.as_str())),
                    "byte {byte} of {name}: {:?}",
                    report.problems
                );
            }
            let mut fewer = files.clone();
            fewer.remove(at);
            let report = bundle::verify(Cursor::new(pack(&fewer)), &keys);
            assert!(
                report
                    .problems
                    .iter()
                    .any(|problem| problem.starts_with(name.as_str())),
                "{name}"
            );
        }
        let mut more = files.clone();
        more.push(("receipts/added.json".into(), files[0].1.clone()));
        let report = bundle::verify(Cursor::new(pack(&more)), &keys);
        assert!(
            report
                .problems
                .iter()
                .any(|problem| problem.starts_with("receipts/added.json"))
        );
    }
}

#[actix_web::test]
async fn the_independent_script_finds_what_ours_finds() {
    let (app, all, own) = with_bundles().await;
    let whole = all.clone();
    let folder = app.folder.path();
    std::fs::write(folder.join("keys.json"), keys(&app).await).unwrap();
    for bundle in [all, own] {
        let files = unpack(&bundle);
        for (at, (name, bytes)) in files.iter().enumerate() {
            if bytes.is_empty() {
                continue;
            }
            let mut changed = files.clone();
            changed[at].1[bytes.len() / 2] ^= 1;
            std::fs::write(folder.join("changed.zip"), pack(&changed)).unwrap();
            let verified = script(folder, "changed.zip");
            let said = String::from_utf8_lossy(&verified.stdout).into_owned();
            assert!(
                !verified.status.success()
                    && said.lines().any(|line| line.starts_with(name.as_str())),
                "{name}: {said}"
            );
        }
        // With the hashes of the manifest put aside, the proofs alone find a changed line.
        let mut changed = files.clone();
        let (_, events) = changed
            .iter_mut()
            .find(|(name, _)| name == "events.jsonl")
            .unwrap();
        let text = String::from_utf8(events.clone()).unwrap();
        *events = text.replacen("\"kind\":\"", "\"kind\":\"x", 1).into_bytes();
        std::fs::write(folder.join("changed.zip"), pack(&changed)).unwrap();
        let verified = script(folder, "changed.zip");
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(said.matches("events.jsonl").count() > 1, "{said}");
    }
    // A key that was put away before it signed: neither takes what it signed afterwards.
    let mut revoked: Value = serde_json::from_str(&keys(&app).await).unwrap();
    revoked["keys"][0]["revoked_at"] = "2020-01-01T00:00:00Z".into();
    std::fs::write(folder.join("keys.json"), revoked.to_string()).unwrap();
    std::fs::write(folder.join("changed.zip"), &whole).unwrap();
    let verified = script(folder, "changed.zip");
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    let published = PublishedKeys::parse(&revoked.to_string()).unwrap();
    let report = bundle::verify(Cursor::new(&whole), &published);
    for place in ["MANIFEST: ", "receipts/", "statements/"] {
        assert!(said.lines().any(|line| line.starts_with(place)), "{said}");
        let is_named = |line: &String| line.starts_with(place);
        assert!(report.problems.iter().any(is_named), "{report:?}");
    }
    let stranger = r#"{"keys":[{"keyid":"0000000000000000","public_key":"5866666666666666666666666666666666666666666666666666666666666666"}]}"#;
    std::fs::write(folder.join("keys.json"), stranger).unwrap();
    assert!(!script(folder, "changed.zip").status.success());
}
