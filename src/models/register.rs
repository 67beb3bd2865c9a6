//! Models come in: bases from the platform, adapters from jobs.

use std::io;

use chrono::{DateTime, Utc};
use job_contract::JobResult;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    model::{Kind, Model, Status},
    receipt::{Digest, PAYLOAD_TYPE, Statement, Subject as StatementSubject},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId},
    objects::{ObjectError, ObjectStore},
    policy::{self, Action, Actor, Denied, Scope},
    signing::Signer,
};

/// Why a model was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the base model is not known")]
    UnknownBase,
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for RegisterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A base model to bring in, from a file.
#[derive(Debug)]
pub struct NewBase<'a> {
    /// As in requests.
    pub name: &'a str,
    /// What permissions name.
    pub family: &'a str,
    /// SPDX id.
    pub license: &'a str,
    /// Name of the file, for people.
    pub file_name: &'a str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The platform's institution.
    pub platform: InstitutionId,
}

/// What a finished job hands over.
pub struct FromJob<'a> {
    pub job: JobId,
    pub attempt: AttemptId,
    pub institution: InstitutionId,
    pub institution_slug: &'a str,
    /// A short word in the model's name, for people; made safe here.
    pub suffix: &'a str,
    pub base: ModelId,
    /// The files of the model: name, size, SHA-256, object key, object version.
    pub files: Vec<store::NewFile>,
    /// What was read.
    pub inputs: Vec<JobInput>,
    /// `permissions::Use` as decided on.
    pub wanted: serde_json::Value,
    /// `job_contract::Task`.
    pub task: serde_json::Value,
    pub seed: i64,
    pub result: &'a JobResult,
    pub started_at: DateTime<Utc>,
}

/// A dataset version that a job read.
#[derive(Debug, Clone)]
pub struct JobInput {
    pub dataset: DatasetId,
    pub version: DatasetVersionId,
    pub manifest_sha256: String,
    /// Hash of the policy that the binding verdict was read from.
    pub policy_sha256: String,
    pub tokens_read: i64,
}

#[derive(Debug, Serialize)]
struct Registered {
    model: ModelId,
    name: String,
    weights_sha256: String,
    receipt_sha256: Option<String>,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Registered {
    fn kind(&self) -> &'static str {
        "models.registered"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Brings a base model in and releases it. The same name and bytes again change nothing.
///
/// # Errors
/// Where the store or the database refuses.
pub async fn register_base(
    db: &Db,
    objects: &ObjectStore,
    actor: &Actor,
    new: NewBase<'_>,
) -> Result<ModelId, RegisterError> {
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&new.bytes));
    let weights = weights_sha256(&[(new.file_name, &sha256)]);
    {
        let mut conn = db.read().await?;
        if let Some(found) = store::find_by_name(&mut conn, new.name).await?
            && found.weights_sha256 == weights
        {
            return Ok(found.id);
        }
    }
    let permit = policy::check(actor, Action::RegisterBaseModel, &Scope::of(new.platform))?;
    let size = i64::try_from(new.bytes.len()).unwrap_or(i64::MAX);
    let key = format!("models/base/{sha256}");
    let version = objects.put(&key, new.bytes).await?;
    let mut tx = db.write(actor).await?;
    let model = Model {
        id: ModelId::fresh(),
        name: new.name.to_owned(),
        kind: Kind::Base,
        family: new.family.to_owned(),
        license: new.license.to_owned(),
        institution: new.platform,
        status: Status::Released,
        marked: None,
        weights_sha256: weights.clone(),
        created_at: tx.now(),
    };
    store::insert(&mut tx, &model).await?;
    let file = store::NewFile {
        name: new.file_name.to_owned(),
        size_bytes: size,
        sha256,
        object_key: key,
        object_version: version,
    };
    store::insert_file(&mut tx, model.id, &file).await?;
    tx.record(&Registered {
        model: model.id,
        name: model.name,
        weights_sha256: weights,
        receipt_sha256: None,
        institution: new.platform,
    })?;
    tx.commit(permit).await?;
    Ok(model.id)
}

/// Registers what a job made, with its signed receipt, in the transaction that ends the job.
///
/// # Errors
/// Where the base is unknown or the database refuses.
pub async fn register_from_job(
    tx: &mut WriteTx<'_>,
    signer: &Signer,
    made: &FromJob<'_>,
) -> Result<ModelId, RegisterError> {
    let base = store::find(tx.conn(), made.base)
        .await?
        .ok_or(RegisterError::UnknownBase)?;
    let mut names: Vec<_> = made
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.sha256.as_str()))
        .collect();
    names.sort_unstable();
    let model = Model {
        id: ModelId::fresh(),
        name: model_name(&base.name, made),
        kind: Kind::Adapter {
            base: base.id,
            job: made.job,
        },
        family: base.family.clone(),
        license: base.license.clone(),
        institution: made.institution,
        status: Status::Registered,
        marked: None,
        weights_sha256: weights_sha256(&names),
        created_at: tx.now(),
    };
    let statement = statement(&model, &base, made, tx.now());
    let body = serde_json::to_vec(&statement).map_err(CommitError::from)?;
    let statement_sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
    let envelope = signer
        .envelope(PAYLOAD_TYPE, &body)
        .to_text()
        .map_err(CommitError::from)?;
    store::insert(tx, &model).await?;
    for file in &made.files {
        store::insert_file(tx, model.id, file).await?;
    }
    store::insert_receipt(tx, model.id, &envelope, &statement_sha256).await?;
    tx.record(&Registered {
        model: model.id,
        name: model.name,
        weights_sha256: model.weights_sha256,
        receipt_sha256: Some(statement_sha256),
        institution: made.institution,
    })?;
    Ok(model.id)
}

/// `ft:{base}:{institution}:{word}:{end of the job's id}`, as OpenAI names them.
fn model_name(base: &str, made: &FromJob<'_>) -> String {
    let word: String = made
        .suffix
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(24)
        .collect();
    let word = word.trim_matches('-');
    let id = made.job.0.simple().to_string();
    let end = id.get(24..).unwrap_or_default();
    format!("ft:{base}:{}:{word}:{end}", made.institution_slug)
}

fn weights_sha256(files: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (name, sha256) in files {
        hash.update(format!("{sha256}  {name}\n"));
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

fn statement(model: &Model, base: &Model, made: &FromJob<'_>, now: DateTime<Utc>) -> Statement {
    let mut dependencies = vec![serde_json::json!({
        "name": base.name,
        "uri": format!("urn:uuid:{}", base.id),
        "digest": { "sha256": base.weights_sha256 },
        "annotations": { "kind": "base_model", "license": base.license },
    })];
    dependencies.extend(made.inputs.iter().map(|input| {
        serde_json::json!({
            "uri": format!("urn:uuid:{}", input.version),
            "digest": { "sha256": input.manifest_sha256 },
            "annotations": {
                "kind": "dataset_version",
                "dataset": input.dataset,
                "permission_policy_sha256": input.policy_sha256,
                "tokens_read": input.tokens_read,
            },
        })
    }));
    Statement {
        statement_type: "https://in-toto.io/Statement/v1".into(),
        subject: made
            .files
            .iter()
            .map(|file| StatementSubject {
                name: file.name.clone(),
                digest: Digest {
                    sha256: file.sha256.clone(),
                },
            })
            .collect(),
        predicate_type: "https://slsa.dev/provenance/v1".into(),
        predicate: serde_json::json!({
            "buildDefinition": {
                "buildType": "urn:gptnl:virtual-faculty:fine-tuning:1",
                "externalParameters": { "model": model.name, "task": made.task, "use": made.wanted },
                "internalParameters": { "seed": made.seed },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {
                    "id": "urn:gptnl:virtual-faculty",
                    "version": {
                        "portal": env!("CARGO_PKG_VERSION"),
                        "program": made.result.program,
                    },
                },
                "metadata": {
                    "invocationId": format!("urn:uuid:{}", made.attempt),
                    "startedOn": made.started_at,
                    "finishedOn": now,
                },
                "byproducts": [{
                    "name": "metrics",
                    "annotations": {
                        "held_out_loss_before": made.result.held_out_loss_before,
                        "held_out_loss_after": made.result.held_out_loss_after,
                        "steps": made.result.steps,
                        "tokens_trained": made.result.tokens_trained,
                        "files_read": made.result.files_read,
                        "flop": made.result.flop,
                    },
                }],
            },
        }),
    }
}
