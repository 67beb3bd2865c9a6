//! Models come in: bases from the platform, adapters and whole models from jobs.

use attestation::{PAYLOAD_TYPE, Statement};
use chrono::{DateTime, Utc};
use job_contract::JobResult;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    base_files::BaseFile,
    base_shape::BaseShape,
    model::{Kind, Model, Status},
    provenance,
    scope::{self, DistributionScope},
    shape_store::{keep_shape, shape_of},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject, WriteTx},
    ids::{AttemptId, DatasetId, DatasetVersionId, InstitutionId, JobId, ModelId, PermissionId},
    objects::{ObjectError, ObjectStore},
    policy::{self, Action, Actor, Denied, Scope},
    signing::Signer,
};

/// Why a model was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("the base model is not known")]
    UnknownBase,
    #[error("another model is called {0}: give this one a name of its own")]
    NameTaken(String),
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

/// The licence that a base model came under.
#[derive(Debug, Clone)]
pub struct BaseLicence<'a> {
    /// SPDX id.
    pub label: &'a str,
    /// How far an agreement with its maker lets it go. Without one, as far as is known of the licence.
    pub agreed: Option<DistributionScope>,
}

impl<'a> From<&'a str> for BaseLicence<'a> {
    fn from(label: &'a str) -> Self {
        Self {
            label,
            agreed: None,
        }
    }
}

impl BaseLicence<'_> {
    fn scope(&self) -> DistributionScope {
        self.agreed
            .clone()
            .unwrap_or_else(|| scope::of_licence(self.label))
    }
}

/// A base model to bring in.
#[derive(Debug)]
pub struct NewBase<'a> {
    /// As in requests.
    pub name: &'a str,
    /// What permissions name.
    pub family: &'a str,
    pub license: BaseLicence<'a>,
    /// Its files, at least one; they stay as they are until they are stored.
    pub files: &'a [BaseFile],
    /// The platform's institution.
    pub platform: InstitutionId,
}

/// The family of a model that was trained from nothing: permissions that name families do not mean it.
pub const NEW_FAMILY: &str = "from-scratch";
/// The licence of such a model: its lineage alone says how far it may go.
const LICENSE_BY_LINEAGE: &str = "LicenseRef-by-lineage";

/// What the files of a job are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// Low-rank adapters over its base.
    Adapter,
    /// All weights.
    Whole,
}

/// What a finished job hands over.
pub struct FromJob<'a> {
    pub job: JobId,
    pub attempt: AttemptId,
    /// From 1.
    pub attempt_number: i32,
    pub makes: Makes,
    pub institution: InstitutionId,
    pub institution_slug: &'a str,
    /// A short word in the model's name, for people; made safe here.
    pub suffix: &'a str,
    /// None where it was trained from nothing.
    pub base: Option<ModelId>,
    /// The files of the model: name, size, SHA-256, object key, object version.
    pub files: Vec<store::NewFile>,
    /// What was read of datasets.
    pub inputs: Vec<JobInput>,
    /// What was read of the base model.
    pub base_files: Vec<JobFile>,
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
    /// The dataset's title.
    pub title: String,
    pub manifest_sha256: String,
    /// What the binding verdict read.
    pub permissions: Vec<JobPermission>,
    /// Hash of the binding verdict as JSON.
    pub verdict_sha256: String,
    pub decided_at: Option<DateTime<Utc>>,
    /// As the program found them.
    pub files: Vec<JobFile>,
    /// Hash of the policy that the binding verdict was read from.
    pub policy_sha256: String,
    pub tokens_read: i64,
}

/// A permission that a binding verdict read.
#[derive(Debug, Clone)]
pub struct JobPermission {
    pub id: PermissionId,
    /// `copyright`, `personal_data` or `confidentiality`.
    pub layer: String,
    pub terms_sha256: String,
}

/// A file that a job read.
#[derive(Debug, Clone)]
pub struct JobFile {
    pub id: uuid::Uuid,
    pub path: String,
    /// As the program found it.
    pub sha256: String,
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

/// Brings a base model in with a receipt of that, and releases it as far as its licence allows. The same name and
/// bytes again change nothing; one that came in before there were receipts is given its own.
///
/// # Errors
/// Where the store or the database refuses.
pub async fn register_base(
    db: &Db,
    objects: &ObjectStore,
    signer: &Signer,
    actor: &Actor,
    new: NewBase<'_>,
) -> Result<ModelId, RegisterError> {
    let weights = weights_sha256(new.files.iter().map(|file| (&file.name, &file.sha256)));
    let permit = policy::check(actor, Action::RegisterBaseModel, &Scope::of(new.platform))?;
    let shape = BaseShape::of(new.files);
    let known = {
        let mut conn = db.read().await?;
        match store::find_by_name(&mut conn, new.name).await? {
            Some(found) if found.weights_sha256 == weights => {
                if store::receipt(&mut conn, found.id).await?.is_some() {
                    let known = shape_of(&mut conn, found.id).await?;
                    if let (None, Some(shape)) = (known, &shape) {
                        // One that came in before its sizes were read.
                        let mut tx = db.meter().await?;
                        keep_shape(tx.conn(), found.id, shape).await?;
                        tx.commit().await?;
                    }
                    return Ok(found.id);
                }
                Some(found)
            }
            Some(found) => return Err(RegisterError::NameTaken(found.name)),
            None => None,
        }
    };
    let is_new = known.is_none();
    let mut files = Vec::new();
    for file in new.files {
        let object_key = format!("models/base/{}", file.sha256);
        let object_version = if is_new {
            objects.put_file(&object_key, file.expected()).await?
        } else {
            String::new()
        };
        files.push(store::NewFile {
            name: file.name.clone(),
            size_bytes: file.size_bytes,
            sha256: file.sha256.clone(),
            object_key,
            object_version,
        });
    }
    let mut tx = db.write(actor).await?;
    let model = known.unwrap_or_else(|| Model {
        id: ModelId::fresh(),
        name: new.name.to_owned(),
        kind: Kind::Base,
        family: new.family.to_owned(),
        license: new.license.label.to_owned(),
        institution: new.platform,
        status: Status::Released,
        marked: None,
        quarantine: None,
        weights_sha256: weights.clone(),
        created_at: tx.now(),
    });
    if is_new {
        store::insert(&mut tx, &model, &new.license.scope()).await?;
        for file in &files {
            store::insert_file(&mut tx, model.id, file).await?;
        }
    }
    if let Some(shape) = &shape {
        keep_shape(tx.conn(), model.id, shape).await?;
    }
    let position = store::audit_position(&mut tx).await?;
    let statement = provenance::of_base(&model, &files, &position, tx.now());
    let receipt_sha256 = sign(&mut tx, signer, model.id, &statement).await?;
    tx.record(&Registered {
        model: model.id,
        name: model.name,
        weights_sha256: weights,
        receipt_sha256: Some(receipt_sha256),
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
    let base = match made.base {
        Some(base) => Some(
            store::find(tx.conn(), base)
                .await?
                .ok_or(RegisterError::UnknownBase)?,
        ),
        None => None,
    };
    let origin = match (made.makes, &base) {
        (Makes::Adapter, Some(base)) => Kind::Adapter {
            base: base.id,
            job: made.job,
        },
        (Makes::Adapter, None) => return Err(RegisterError::UnknownBase),
        (Makes::Whole, base) => Kind::Whole {
            base: base.as_ref().map(|base| base.id),
            job: made.job,
        },
    };
    let model = Model {
        id: ModelId::fresh(),
        name: model_name(base.as_ref().map(|base| base.name.as_str()), made),
        kind: origin,
        family: base
            .as_ref()
            .map_or(NEW_FAMILY, |base| base.family.as_str())
            .to_owned(),
        license: base
            .as_ref()
            .map_or(LICENSE_BY_LINEAGE, |base| base.license.as_str())
            .to_owned(),
        institution: made.institution,
        status: Status::Registered,
        marked: None,
        quarantine: None,
        weights_sha256: weights_sha256(made.files.iter().map(|file| (&file.name, &file.sha256))),
        created_at: tx.now(),
    };
    // What it may not is said by its lineage, not by itself.
    store::insert(tx, &model, &DistributionScope::unlimited()).await?;
    for file in &made.files {
        store::insert_file(tx, model.id, file).await?;
    }
    let scope = store::scope(tx.conn(), model.id).await?;
    let position = store::audit_position(tx).await?;
    let at = (&position, tx.now());
    let statement = provenance::of_job(&model, base.as_ref(), made, &scope, at);
    let statement_sha256 = sign(tx, signer, model.id, &statement).await?;
    tx.record(&Registered {
        model: model.id,
        name: model.name,
        weights_sha256: model.weights_sha256,
        receipt_sha256: Some(statement_sha256),
        institution: made.institution,
    })?;
    Ok(model.id)
}

/// Signs a statement and keeps it as the model's receipt; answers the SHA-256 of the statement's bytes.
async fn sign(
    tx: &mut WriteTx<'_>,
    signer: &Signer,
    model: ModelId,
    statement: &Statement,
) -> Result<String, RegisterError> {
    let body = serde_json::to_vec(statement).map_err(CommitError::from)?;
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&body));
    let envelope = signer
        .envelope(PAYLOAD_TYPE, &body)
        .to_text()
        .map_err(CommitError::from)?;
    store::insert_receipt(tx, model, (&envelope, &sha256), &signer.keyid()).await?;
    Ok(sha256)
}

/// `ft:{base}:{institution}:{word}:{end of the job's id}`, as OpenAI names them; `new:{institution}:…` where there is
/// no base.
fn model_name(base: Option<&str>, made: &FromJob<'_>) -> String {
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
    let origin = base.map_or_else(|| "new".to_owned(), |base| format!("ft:{base}"));
    format!("{origin}:{}:{word}:{end}", made.institution_slug)
}

/// One hash over names and hashes, whatever the order of the files.
fn weights_sha256<'f>(files: impl Iterator<Item = (&'f String, &'f String)>) -> String {
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let mut hash = Sha256::new();
    for (name, sha256) in files {
        hash.update(format!("{sha256}  {name}\n"));
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
