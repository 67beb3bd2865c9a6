//! What a receipt says about a model: everything that went in, by hash. The form is described in docs/receipts.md.

use attestation::{Digest, PREDICATE_TYPE, STATEMENT_TYPE, Statement, Subject};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    model::Model,
    register::{FromJob, JobInput},
    scope::DistributionScope,
    store::NewFile,
};
use crate::config::BUILT_FROM_COMMIT;

/// Made by a job of this portal.
const FINE_TUNING: &str = "urn:gptnl:virtual-faculty:fine-tuning:2";
/// Made by a job of this portal from datasets alone.
const PRETRAINING: &str = "urn:gptnl:virtual-faculty:pretraining:1";
/// Brought in from outside.
const INTAKE: &str = "urn:gptnl:virtual-faculty:intake:1";
const BUILDER: &str = "urn:gptnl:virtual-faculty";

/// How far the audit log was when a receipt was signed: the receipt comes after that line.
#[derive(Debug, Clone)]
pub(super) struct AuditPosition {
    pub(super) seq: i64,
    pub(super) hash: String,
}

impl AuditPosition {
    pub(super) fn as_json(&self) -> Value {
        json!({ "seq": self.seq, "hash": self.hash })
    }
}

/// The statement about a base model that came in.
pub(super) fn of_base(
    model: &Model,
    files: &[NewFile],
    position: &AuditPosition,
    now: DateTime<Utc>,
) -> Statement {
    statement(
        files,
        json!({
            "buildDefinition": {
                "buildType": INTAKE,
                "externalParameters": {
                    "model": model.name, "model_id": model.id, "family": model.family, "license": model.license,
                    "weights_sha256": model.weights_sha256,
                },
                "internalParameters": {},
                "resolvedDependencies": [portal()],
            },
            "runDetails": {
                "builder": builder("none"),
                "metadata": {
                    "invocationId": format!("urn:uuid:{}", model.id),
                    "startedOn": now,
                    "finishedOn": now,
                    "auditLog": position.as_json(),
                },
                "byproducts": [],
            },
        }),
    )
}

/// The statement about a model that a job made.
pub(super) fn of_job(
    model: &Model,
    base: Option<&Model>,
    made: &FromJob<'_>,
    scope: &DistributionScope,
    (position, now): (&AuditPosition, DateTime<Utc>),
) -> Statement {
    let mut materials = Vec::new();
    if let Some(base) = base {
        materials.push(json!({
            "name": base.name,
            "uri": format!("urn:uuid:{}", base.id),
            "digest": { "sha256": base.weights_sha256 },
            "annotations": { "kind": "base_model", "license": base.license, "family": base.family },
        }));
        materials.extend(made.base_files.iter().map(|file| {
            json!({
                "name": file.path,
                "uri": format!("urn:uuid:{}", file.id),
                "digest": { "sha256": file.sha256 },
                "annotations": { "kind": "base_model_file", "base_model": base.id },
            })
        }));
    }
    materials.extend(made.inputs.iter().flat_map(of_input));
    materials.push(match &made.result.code {
        Some(code) => json!({
            "name": made.result.program,
            "uri": "urn:gptnl:virtual-faculty:training",
            "digest": commit_and(&code.commit, Some(&code.sha256)),
            "annotations": { "kind": "program", "commit": code.commit },
        }),
        None => json!({
            "name": made.result.program,
            "uri": "urn:gptnl:virtual-faculty:training",
            "digest": {},
            "annotations": { "kind": "program", "commit": "not told by the program" },
        }),
    });
    materials.push(portal());
    statement(
        &made.files,
        json!({
            "buildDefinition": {
                "buildType": if base.is_some() { FINE_TUNING } else { PRETRAINING },
                "externalParameters": {
                    "model": model.name, "model_id": model.id, "job": made.job, "task": made.task, "use": made.wanted,
                    "weights_sha256": model.weights_sha256,
                },
                "internalParameters": { "seed": made.seed, "attempt_number": made.attempt_number },
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": builder(&made.result.program),
                "metadata": {
                    "invocationId": format!("urn:uuid:{}", made.attempt),
                    "startedOn": made.started_at,
                    "finishedOn": now,
                    "auditLog": position.as_json(),
                },
                "byproducts": [{
                    "name": "metrics",
                    "annotations": {
                        "held_out_loss_before": made.result.held_out_loss_before,
                        "held_out_loss_after": made.result.held_out_loss_after,
                        "steps": made.result.steps,
                        "tokens_trained": made.result.tokens_trained,
                        "flop": made.result.flop,
                    },
                }, {
                    "name": "distribution_scope",
                    "annotations": scope,
                }],
            },
        }),
    )
}

/// A dataset version with the permissions that the verdict read and the files as they were read.
fn of_input(input: &JobInput) -> Vec<Value> {
    let version = format!("urn:uuid:{}", input.version);
    let mut materials = vec![json!({
        "name": input.title,
        "uri": version,
        "digest": { "sha256": input.manifest_sha256 },
        "annotations": {
            "kind": "dataset_version",
            "dataset": input.dataset,
            "policy_sha256": input.policy_sha256,
            "verdict_sha256": input.verdict_sha256,
            "decided_at": input.decided_at,
            "tokens_read": input.tokens_read,
        },
    })];
    materials.extend(input.permissions.iter().map(|permission| {
        json!({
            "name": permission.layer,
            "uri": format!("urn:uuid:{}", permission.id),
            "digest": { "sha256": permission.terms_sha256 },
            "annotations": { "kind": "permission", "dataset_version": input.version },
        })
    }));
    materials.extend(input.files.iter().map(|file| {
        json!({
            "name": file.path,
            "uri": format!("urn:uuid:{}", file.id),
            "digest": { "sha256": file.sha256 },
            "annotations": { "kind": "dataset_file", "dataset_version": input.version },
        })
    }));
    materials
}

fn portal() -> Value {
    json!({
        "name": format!("faculty {}", env!("CARGO_PKG_VERSION")),
        "uri": BUILDER,
        "digest": commit_and(BUILT_FROM_COMMIT, None),
        "annotations": { "kind": "portal", "commit": BUILT_FROM_COMMIT },
    })
}

/// The digest of code: the commit where it was built for release, and the hash of the program's file.
fn commit_and(commit: &str, sha256: Option<&str>) -> Value {
    let mut digest = serde_json::Map::new();
    if commit.len() >= 40 {
        digest.insert("gitCommit".into(), commit.into());
    }
    if let Some(sha256) = sha256 {
        digest.insert("sha256".into(), sha256.into());
    }
    digest.into()
}

fn builder(program: &str) -> Value {
    json!({
        "id": BUILDER,
        "version": { "portal": env!("CARGO_PKG_VERSION"), "program": program },
    })
}

fn statement(files: &[NewFile], predicate: Value) -> Statement {
    Statement {
        statement_type: STATEMENT_TYPE.into(),
        subject: files
            .iter()
            .map(|file| Subject {
                name: file.name.clone(),
                digest: Digest {
                    sha256: file.sha256.clone(),
                },
            })
            .collect(),
        predicate_type: PREDICATE_TYPE.into(),
        predicate,
    }
}
