//! A job that measured a model hands its figures over: they are signed and put on record. The form of the statement is
//! described in docs/receipts.md.

use attestation::{Digest, EVALUATION_TYPE, PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject};
use chrono::{DateTime, Utc};
use job_contract::JobResult;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    evaluation::Report,
    evaluation_store::{self, NewRow},
    model::Model,
    register::{JobFile, RegisterError},
    store,
};
use crate::{
    db::{CommitError, Event, Subject as About, WriteTx},
    ids::{AttemptId, DatasetVersionId, EvaluationId, InstitutionId, JobId, ModelId},
    signing::Signer,
};

/// What a finished job hands over.
#[derive(Debug)]
pub struct Measured<'a> {
    pub model: ModelId,
    pub job: JobId,
    pub attempt: AttemptId,
    /// The figures.
    pub report: &'a Report,
    /// Of `evaluation.json`.
    pub report_sha256: &'a str,
    /// `job_contract::Task`.
    pub task: Value,
    pub seed: i64,
    pub result: &'a JobResult,
    /// What was read, of models and of datasets.
    pub files: Vec<MeasuredFile>,
    pub started_at: DateTime<Utc>,
}

/// A file that was read to measure.
#[derive(Debug)]
pub struct MeasuredFile {
    /// None where it is of a model.
    pub version: Option<DatasetVersionId>,
    pub file: JobFile,
}

#[derive(Debug, Serialize)]
struct Evaluated {
    model: ModelId,
    evaluation: EvaluationId,
    job: JobId,
    report_sha256: String,
    statement_sha256: String,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Evaluated {
    fn kind(&self) -> &'static str {
        "models.evaluated"
    }

    fn subject(&self) -> About {
        About {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Puts an evaluation on record with its signed statement, in the transaction that ends the job.
///
/// # Errors
/// Where the model is unknown or the database refuses.
pub async fn register_evaluation(
    tx: &mut WriteTx<'_>,
    signer: &Signer,
    measured: &Measured<'_>,
) -> Result<EvaluationId, RegisterError> {
    let model = store::find(tx.conn(), measured.model)
        .await?
        .ok_or(RegisterError::UnknownBase)?;
    let files = store::files_of(tx.conn(), model.id).await?;
    let position = store::audit_position(tx).await?;
    let subject = files
        .into_iter()
        .map(|file| Subject {
            name: file.name,
            digest: Digest {
                sha256: file.sha256,
            },
        })
        .collect();
    let statement = Statement {
        statement_type: STATEMENT_TYPE.into(),
        subject,
        predicate_type: EVALUATION_TYPE.into(),
        predicate: predicate(&model, measured, &position.as_json(), tx.now()),
    };
    let body = serde_json::to_vec(&statement).map_err(CommitError::from)?;
    let statement_sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
    let envelope = signer
        .envelope(PAYLOAD_TYPE, &body)
        .to_text()
        .map_err(CommitError::from)?;
    let id = EvaluationId::fresh();
    let row = NewRow {
        id,
        model: model.id,
        job: measured.job,
        attempt: measured.attempt,
        program: &measured.report.program,
        program_sha256: measured
            .result
            .code
            .as_ref()
            .map(|code| code.sha256.as_str()),
        report_sha256: measured.report_sha256,
        envelope: &envelope,
        statement_sha256: &statement_sha256,
        keyid: &signer.keyid(),
    };
    evaluation_store::insert(tx, &row, measured.report).await?;
    tx.record(&Evaluated {
        model: model.id,
        evaluation: id,
        job: measured.job,
        report_sha256: measured.report_sha256.to_owned(),
        statement_sha256: statement_sha256.clone(),
        institution: model.institution,
    })?;
    Ok(id)
}

fn predicate(
    model: &Model,
    measured: &Measured<'_>,
    position: &Value,
    now: DateTime<Utc>,
) -> Value {
    let mut materials: Vec<Value> = measured.files.iter().map(material).collect();
    materials.push(json!({
        "name": measured.report.program,
        "uri": "urn:gptnl:virtual-faculty:training",
        "digest": measured.result.code.as_ref().map_or_else(|| json!({}), |code| json!({ "sha256": code.sha256 })),
        "annotations": { "kind": "program" },
    }));
    materials.push(json!({
        "name": super::evaluation::REPORT_NAME,
        "uri": format!("urn:uuid:{}", measured.attempt),
        "digest": { "sha256": measured.report_sha256 },
        "annotations": { "kind": "report" },
    }));
    json!({
        "model": model.name,
        "model_id": model.id,
        "job": measured.job,
        "attempt": measured.attempt,
        "task": measured.task,
        "seed": measured.seed,
        "report_sha256": measured.report_sha256,
        "figures": measured.report.figures,
        "datasets": measured.report.datasets,
        "materials": materials,
        "metadata": { "startedOn": measured.started_at, "finishedOn": now, "auditLog": position },
    })
}

fn material(read: &MeasuredFile) -> Value {
    let annotations = match read.version {
        Some(version) => json!({ "kind": "dataset_file", "dataset_version": version }),
        None => json!({ "kind": "base_model_file" }),
    };
    json!({
        "name": read.file.path,
        "uri": format!("urn:uuid:{}", read.file.id),
        "digest": { "sha256": read.file.sha256 },
        "annotations": annotations,
    })
}
