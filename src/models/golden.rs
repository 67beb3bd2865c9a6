//! The golden files of receipts: what is signed about a base that came in and about a model that a job made.

use attestation::{PAYLOAD_TYPE, PublishedKeys, Signer, Statement, verify_receipt};
use chrono::{DateTime, TimeZone as _, Utc};
use job_contract::{Code, JobResult};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    model::{Kind, Model, Status},
    provenance::{AuditPosition, of_base, of_job},
    register::{FromJob, JobFile, JobInput, JobPermission, Makes},
    scope::DistributionScope,
    store::NewFile,
};
use crate::{
    ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId, PermissionId},
    permissions::Recipients,
};

fn at(hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 25, hour, 0, 0).unwrap()
}

fn position() -> AuditPosition {
    AuditPosition {
        seq: 41,
        hash: "ef".repeat(32),
    }
}

fn base() -> Model {
    Model {
        id: ModelId(Uuid::from_u128(0x51)),
        name: "smollm2-135m-instruct".into(),
        kind: Kind::Base,
        family: "smollm2".into(),
        license: "Apache-2.0".into(),
        institution: InstitutionId(Uuid::from_u128(0xa)),
        status: Status::Released,
        marked: None,
        quarantine: None,
        weights_sha256: "51".repeat(32),
        created_at: at(8),
    }
}

fn file(name: &str, sha256: &str) -> NewFile {
    NewFile {
        name: name.into(),
        size_bytes: 7,
        sha256: sha256.repeat(32),
        object_key: "models/x".into(),
        object_version: "1".into(),
    }
}

fn about_job() -> Statement {
    let model = Model {
        id: ModelId(Uuid::from_u128(0x52)),
        name: "ft:smollm2-135m-instruct:harderwijk:proef:0000000000000031".into(),
        kind: Kind::Adapter {
            base: base().id,
            job: JobId(Uuid::from_u128(0x31)),
        },
        status: Status::Registered,
        weights_sha256: "52".repeat(32),
        created_at: at(12),
        ..base()
    };
    let result = JobResult {
        artifacts: Vec::new(),
        held_out_loss_before: Some(3.5),
        held_out_loss_after: Some(2.25),
        steps: 12,
        best_step: None,
        resumed_from_step: None,
        tokens_trained: 3_000,
        tokens_by_dataset: Vec::new(),
        tokens_by_dataset_in_run: Vec::new(),
        files_read: Vec::new(),
        wall_seconds: 60.0,
        flop: 2.5e12,
        energy_joules: None,
        program: "faculty-training 9".into(),
        code: Some(Code {
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            sha256: "99".repeat(32),
        }),
    };
    let input = JobInput {
        dataset: DatasetId(Uuid::from_u128(0x11)),
        version: DatasetVersionId(Uuid::from_u128(0x21)),
        title: "Notulen \"Waterland\"".into(),
        manifest_sha256: "21".repeat(32),
        permissions: vec![JobPermission {
            id: PermissionId(Uuid::from_u128(0x61)),
            layer: "copyright".into(),
            terms_sha256: "61".repeat(32),
        }],
        verdict_sha256: "71".repeat(32),
        decided_at: Some(at(9)),
        files: vec![JobFile {
            id: Uuid::from_u128(0x22),
            path: "map/a.jsonl".into(),
            sha256: "22".repeat(32),
        }],
        policy_sha256: "72".repeat(32),
        tokens_read: 3_000,
    };
    let made = FromJob {
        job: JobId(Uuid::from_u128(0x31)),
        attempt: AttemptId(Uuid::from_u128(0x41)),
        attempt_number: 1,
        makes: Makes::Adapter,
        institution: InstitutionId(Uuid::from_u128(0xb)),
        institution_slug: "harderwijk",
        suffix: "proef",
        base: Some(base().id),
        files: vec![
            file("adapter_config.json", "01"),
            file("adapter_model.safetensors", "02"),
        ],
        inputs: vec![input],
        base_files: vec![JobFile {
            id: Uuid::from_u128(0x53),
            path: "smollm2.gguf".into(),
            sha256: "53".repeat(32),
        }],
        wanted: json!({ "purpose": "fine_tuning", "recipients": "consortium", "is_commercial": false }),
        task: json!({ "kind": "fine_tune_lora" }),
        seed: 1,
        result: &result,
        started_at: at(10),
    };
    let scope = DistributionScope {
        recipients: Recipients::Consortium,
        allows_commercial_use: false,
        territories: Some(["BE".to_owned(), "NL".to_owned()].into()),
        is_share_alike: true,
    };
    of_job(&model, Some(&base()), &made, &scope, (&position(), at(12)))
}

/// The statement as JSON, without what differs from build to build: version and commit of the portal itself.
fn shown(statement: &Statement) -> String {
    let mut value = serde_json::to_value(statement).unwrap();
    let build = &mut value["predicate"];
    build["runDetails"]["builder"]["version"]["portal"] = json!("[version]");
    for material in build["buildDefinition"]["resolvedDependencies"]
        .as_array_mut()
        .unwrap()
    {
        if material["annotations"]["kind"] == "portal" {
            material["name"] = json!("faculty [version]");
            material["digest"] = Value::Object(serde_json::Map::new());
            material["annotations"]["commit"] = json!("[commit]");
        }
    }
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn the_receipts_are_as_written_down() {
    let intake = of_base(&base(), &[file("smollm2.gguf", "53")], &position(), at(8));
    insta::assert_snapshot!("receipt_of_base", shown(&intake));
    insta::assert_snapshot!("receipt_of_job", shown(&about_job()));
}

#[test]
fn what_is_written_down_can_be_signed_read_and_checked() {
    let statement = about_job();
    let signer = Signer::from_hex(&"07".repeat(32)).unwrap();
    let body = serde_json::to_vec(&statement).unwrap();
    let receipt = signer.envelope(PAYLOAD_TYPE, &body).to_text().unwrap();
    let keys = PublishedKeys::trusting(&signer.public_key());
    let (config, weights) = ("01".repeat(32), "02".repeat(32));
    let files = [
        ("adapter_config.json", config.as_str()),
        ("adapter_model.safetensors", weights.as_str()),
    ];
    assert_eq!(verify_receipt(&receipt, &keys, &files), Ok(statement));
}
