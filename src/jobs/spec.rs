//! The work that an attempt is asked to do.

use job_contract::{BaseModel, CONTRACT_VERSION, FileFormat, InputFile, JobSpec};
use sqlx::PgConnection;

use super::{
    checkpoints,
    error::JobError,
    internal_error::CallError,
    job::{Attempt, Job},
    reads, store,
};
use crate::{
    app::Ports,
    datasets::{self, ReadyFile},
    db::{CorruptRow, StoreError},
    ids::{AttemptId, DatasetVersionId},
    models::{self, ModelFile},
};

/// A call at least this often; the program makes it twice in that time.
const HEARTBEAT_SECONDS: u32 = 2;

/// The spec of a live attempt.
pub(super) async fn spec(ports: &Ports, id: AttemptId) -> Result<JobSpec, CallError> {
    let mut conn = ports.db.read().await?;
    let (job, attempt) = live(&mut conn, id).await?;
    let asked = store::time_limit_of(&mut conn, id).await?;
    // Where this machine does not know the place, its worker keeps the limit all the same.
    let time_limit = ports
        .compute
        .site(&attempt.backend)
        .map(|site| site.time_limit(&ports.config, asked))
        .or(asked);
    let base = base_files(&mut conn, &job).await?;
    let measured_on = store::validation_versions(&mut conn, job.id).await?;
    let (mut inputs, mut validation) = (Vec::new(), Vec::new());
    let ready = files(&mut conn, &job).await?;
    // What a program says goes to whoever asked for the job: it hears no names of others' files.
    let called = reads::numbered(&ready);
    for ((version, file), name) in ready.into_iter().zip(called) {
        let into = if measured_on.contains(&version) {
            &mut validation
        } else {
            &mut inputs
        };
        into.push(InputFile {
            file: file.file.0,
            format: match file.format.as_str() {
                "jsonl" => FileFormat::Jsonl,
                "csv" => FileFormat::Csv,
                _ => FileFormat::Text,
            },
            name,
            size_bytes: file.size_bytes.unsigned_abs(),
            sha256: file.sha256,
            dataset_version: Some(version.0),
        });
    }
    let resume = checkpoints::resume_of(&mut conn, &job).await?;
    let recipe = ports.compute.recipe(&attempt.backend).for_task(&job.task);
    Ok(JobSpec {
        contract_version: CONTRACT_VERSION,
        job: job.id.0,
        attempt: attempt.id.0,
        task: job.task,
        base_model: job.base.map(|_| BaseModel {
            name: job.base_name,
            files: base.into_iter().map(base_input).collect(),
        }),
        inputs,
        validation,
        resume,
        seed: job.seed.unsigned_abs(),
        heartbeat_seconds: HEARTBEAT_SECONDS,
        checkpoint_every_seconds: ports.config.training.checkpoint_seconds,
        time_limit_seconds: time_limit,
        recipe,
    })
}

/// A live attempt with its job.
pub(super) async fn live(
    conn: &mut PgConnection,
    id: AttemptId,
) -> Result<(Job, Attempt), CallError> {
    let attempt = store::attempt(conn, id)
        .await?
        .filter(|attempt| attempt.status.is_live())
        .ok_or(CallError::Ended)?;
    let job = store::find(conn, attempt.job)
        .await?
        .ok_or(JobError::NotFound(attempt.job))?;
    Ok((job, attempt))
}

/// A file of a base, as the contract names it.
fn base_input(file: ModelFile) -> InputFile {
    let ends_with = |end: &str| file.name.ends_with(end);
    InputFile {
        file: file.id,
        format: if ends_with(".gguf") {
            FileFormat::Gguf
        } else if ends_with(".json") {
            FileFormat::Json
        } else if ends_with(".jinja") {
            FileFormat::Text
        } else {
            FileFormat::Safetensors
        },
        name: file.name,
        size_bytes: file.size_bytes.unsigned_abs(),
        sha256: file.sha256,
        dataset_version: None,
    }
}

/// The files of the base, and of the adapters over it that are measured.
pub(super) async fn base_files(
    conn: &mut PgConnection,
    job: &Job,
) -> Result<Vec<ModelFile>, JobError> {
    let Some(base) = job.base else {
        return Ok(Vec::new());
    };
    let files = models::files_of(conn, base).await?;
    let is_weights =
        |file: &ModelFile| file.name.ends_with(".gguf") || file.name.ends_with(".safetensors");
    if files.iter().any(is_weights) {
        return Ok(with_adapters(conn, job, files).await?);
    }
    Err(JobError::from(CorruptRow {
        table: "models",
        id: base.0,
        problem: "a base without weights",
    }))
}

/// The files of a base, and those of the adapters over it that the job measures, where it does.
async fn with_adapters(
    conn: &mut PgConnection,
    job: &Job,
    mut files: Vec<ModelFile>,
) -> Result<Vec<ModelFile>, StoreError> {
    let measured = store::measured_model(conn, job.id).await?;
    if let Some(adapters) = measured.filter(|model| Some(*model) != job.base) {
        files.extend(models::files_of(conn, adapters).await?);
    }
    Ok(files)
}

/// Every file of a job's datasets, in reading order.
pub(super) async fn files(
    conn: &mut PgConnection,
    job: &Job,
) -> Result<Vec<(DatasetVersionId, ReadyFile)>, JobError> {
    let mut files = Vec::new();
    for version in store::input_versions(conn, job.id).await? {
        let ready = datasets::ready_files(conn, version).await?;
        files.extend(ready.into_iter().map(|file| (version, file)));
    }
    Ok(files)
}
