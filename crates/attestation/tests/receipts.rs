//! A receipt with all its inputs: any changed byte of any of them is found, and the place is named.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{fs, path::PathBuf};

use attestation::{
    Digest, Evidence, PAYLOAD_TYPE, PREDICATE_TYPE, PublishedKeys, STATEMENT_TYPE, Signer,
    Statement, Subject, check, verify_receipt,
};
use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn signer() -> Signer {
    Signer::from_hex(&"07".repeat(32)).unwrap()
}

/// A folder with a model, what it was made from, and the receipt of it.
struct Case {
    folder: TempDir,
    receipt: String,
    keys: PublishedKeys,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = b"{\"text\":\"het archief\"}\n".as_slice();
        let manifest = format!(
            r#"[{{"path":"map/a.jsonl","sha256":"{}","size":{}}}]"#,
            sha256(data),
            data.len()
        );
        let files: [(&str, &[u8]); 7] = [
            ("model/adapter_model.safetensors", b"weights"),
            ("model/adapter_config.json", b"{}"),
            ("data/map/a.jsonl", data),
            ("manifest.json", manifest.as_bytes()),
            ("terms.json", b"{\"recipients\":\"consortium\"}"),
            ("base.gguf", b"GGUF base"),
            ("faculty-training", b"\x7fELF program"),
        ];
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let hash = |name: &str| sha256(&fs::read(folder.path().join(name)).unwrap());
        let material = |kind: &str, name: &str, file: &str| {
            json!({ "name": name, "uri": "urn:uuid:0195f2a1-0000-7000-8000-000000000001", "digest": { "sha256": hash(file) },
                    "annotations": { "kind": kind, "dataset_version": "0195f2a1-0000-7000-8000-000000000001" } })
        };
        let subject = |name: &str| Subject {
            name: name.into(),
            digest: Digest {
                sha256: hash(&format!("model/{name}")),
            },
        };
        let statement = Statement {
            statement_type: STATEMENT_TYPE.into(),
            subject: vec![
                subject("adapter_config.json"),
                subject("adapter_model.safetensors"),
            ],
            predicate_type: PREDICATE_TYPE.into(),
            predicate: json!({
                "buildDefinition": { "resolvedDependencies": [
                    material("base_model_file", "base.gguf", "base.gguf"),
                    material("dataset_version", "Notulen", "manifest.json"),
                    material("dataset_file", "map/a.jsonl", "data/map/a.jsonl"),
                    material("permission", "", "terms.json"),
                    material("program", "faculty-training 0.1.0", "faculty-training"),
                ]},
                "runDetails": { "metadata": { "finishedOn": "2026-11-25T00:00:00Z" } },
            }),
        };
        let envelope = signer().envelope(PAYLOAD_TYPE, &serde_json::to_vec(&statement).unwrap());
        Self {
            folder,
            receipt: envelope.to_text().unwrap(),
            keys: PublishedKeys::trusting(&signer().public_key()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn evidence(&self) -> Evidence {
        Evidence {
            model: Some(self.path("model")),
            manifests: vec![self.path("manifest.json")],
            data: Some(self.path("data")),
            permissions: vec![self.path("terms.json")],
            base: vec![self.path("base.gguf")],
            program: Some(self.path("faculty-training")),
            report: None,
        }
    }

    fn findings(&self, receipt: &str) -> Vec<String> {
        let report = check(receipt, &self.keys, &self.evidence());
        report.findings.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn an_unchanged_receipt_holds_with_all_its_inputs() {
    let case = Case::new();
    assert_eq!(case.findings(&case.receipt), Vec::<String>::new());
}

#[test]
fn any_changed_byte_of_any_input_is_found_and_the_file_named() {
    let case = Case::new();
    for name in [
        "model/adapter_model.safetensors",
        "model/adapter_config.json",
        "data/map/a.jsonl",
        "manifest.json",
        "terms.json",
        "base.gguf",
        "faculty-training",
    ] {
        let path = case.path(name);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let findings = case.findings(&case.receipt);
            assert!(
                findings.iter().any(|one| one.contains(name)),
                "byte {at} of {name}: {findings:?}"
            );
        }
        fs::write(&path, &whole[1..]).unwrap();
        assert!(!case.findings(&case.receipt).is_empty(), "{name} was cut");
        fs::remove_file(&path).unwrap();
        assert!(!case.findings(&case.receipt).is_empty(), "{name} is gone");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn any_changed_byte_of_the_receipt_is_found() {
    let case = Case::new();
    for at in 0..case.receipt.len() {
        for flip in [0x01, 0x02, 0x20] {
            let mut changed = case.receipt.clone().into_bytes();
            changed[at] ^= flip;
            let Ok(changed) = String::from_utf8(changed) else {
                continue;
            };
            assert!(
                !case.findings(&changed).is_empty(),
                "byte {at} went unseen: {changed}"
            );
        }
    }
}

#[test]
fn a_changed_field_is_named_by_what_it_should_agree_with() {
    let case = Case::new();
    let mut envelope = attestation::Envelope::parse(&case.receipt).unwrap();
    let mut statement = Statement::parse(&envelope).unwrap();
    statement.subject[1].digest.sha256 = "0".repeat(64);
    envelope.payload = data_encoding::BASE64.encode(&serde_json::to_vec(&statement).unwrap());
    let findings = case.findings(&envelope.to_text().unwrap()).join("\n");
    assert!(findings.contains("the signature"), "{findings}");
    assert!(findings.contains("/subject/1/digest/sha256"), "{findings}");
}

#[test]
fn a_file_that_was_read_and_is_not_in_the_manifest_is_named() {
    let case = Case::new();
    let envelope = attestation::Envelope::parse(&case.receipt).unwrap();
    let mut statement = Statement::parse(&envelope).unwrap();
    statement.predicate["buildDefinition"]["resolvedDependencies"][2]["name"] =
        "map/b.jsonl".into();
    let signed = signer().envelope(PAYLOAD_TYPE, &serde_json::to_vec(&statement).unwrap());
    let findings = case.findings(&signed.to_text().unwrap()).join("\n");
    assert!(findings.contains("resolvedDependencies/2"), "{findings}");
}

#[test]
fn a_name_that_leaves_the_folder_is_not_followed() {
    let case = Case::new();
    let envelope = attestation::Envelope::parse(&case.receipt).unwrap();
    let mut statement = Statement::parse(&envelope).unwrap();
    statement.subject[0].name = "../base.gguf".into();
    let signed = signer().envelope(PAYLOAD_TYPE, &serde_json::to_vec(&statement).unwrap());
    let findings = case.findings(&signed.to_text().unwrap()).join("\n");
    assert!(findings.contains("/subject/0/name"), "{findings}");
}

#[test]
fn a_file_that_lies_beside_the_models_own_is_named_unless_it_is_the_receipt() {
    let case = Case::new();
    fs::write(case.path("model/receipt.json"), &case.receipt).unwrap();
    assert_eq!(case.findings(&case.receipt), Vec::<String>::new());
    fs::create_dir_all(case.path("model/more/empty")).unwrap();
    assert_eq!(case.findings(&case.receipt), Vec::<String>::new());
    for name in ["adapter_model.bin", "more/adapter_model.safetensors"] {
        let path = case.path("model").join(name);
        fs::write(&path, b"other weights").unwrap();
        let findings = case.findings(&case.receipt);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].contains(name) && findings[0].contains("not in the receipt"),
            "{findings:?}"
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_receipt_is_about_exactly_the_files_of_the_model() {
    let case = Case::new();
    let files = [
        ("adapter_config.json", sha256(b"{}")),
        ("adapter_model.safetensors", sha256(b"weights")),
    ];
    let names = |files: &[(&'static str, String)]| {
        let pairs: Vec<_> = files.iter().map(|(n, s)| (*n, s.as_str())).collect();
        verify_receipt(&case.receipt, &case.keys, &pairs).map_err(|e| e.to_string())
    };
    assert!(names(&files).is_ok());
    assert!(names(&files[..1]).unwrap_err().contains("missing"));
    let swapped = [
        files[0].clone(),
        ("adapter_model.safetensors", sha256(b"other")),
    ];
    assert!(names(&swapped).unwrap_err().contains("/subject/1"));
    let mut more = files.to_vec();
    more.push(("extra.bin", sha256(b"x")));
    assert!(names(&more).unwrap_err().contains("extra.bin"));
}
