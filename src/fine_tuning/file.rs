//! A file that came through the API, and the dataset that it is.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use openai_api::{ApiError, File};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bad_line::{self, BadLine},
    failure::refused,
    happened::Happened,
    ids::Of,
    store,
};
use crate::{
    config::{Config, Limits},
    datasets::{self, EditError, Facts, FileState, Problem, PublicFacts, RawFacts},
    db::Db,
    ids::{ApiKeyId, DatasetId, DatasetVersionId, FileId, InstitutionId},
    institutions,
    objects::ObjectStore,
    policy::Actor,
    uploads::{self, AbortError, BadExamples, Receiving},
    web::{FieldErrors, Lang},
};

/// What files may be for here.
pub(super) const PURPOSE: &str = "fine-tune";
pub(super) const PURPOSE_OF_RESULTS: &str = "fine-tune-results";
/// Of one file in one request; larger ones go in parts, where the settings let files be larger.
pub(super) const MOST_BYTES: u64 = 512 * 1024 * 1024;
const LONGEST_NAME: usize = 255;

/// A file with where it stands.
#[derive(Debug, Clone)]
pub(super) struct ApiFile {
    pub(super) id: FileId,
    pub(super) institution: InstitutionId,
    pub(super) dataset: DatasetId,
    pub(super) version: DatasetVersionId,
    pub(super) filename: String,
    pub(super) size_bytes: i64,
    pub(super) state: FileState,
    pub(super) documents: Option<i64>,
    pub(super) problem: Option<Problem>,
    /// All that is wrong with its lines, where that is why it was rejected.
    pub(super) bad_examples: Option<BadExamples>,
    pub(super) object_key: String,
    pub(super) object_version: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    /// When it goes by itself; none for one that stays, as all do that were handed in.
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl ApiFile {
    /// As the SDKs read it.
    pub(super) fn as_wire(&self, origin: &str) -> File {
        let status = match self.state {
            FileState::Uploading | FileState::Verifying => "uploaded",
            FileState::Ready => "processed",
            FileState::Rejected | FileState::Aborted => "error",
        };
        File {
            id: Of::File.id(self.id.0),
            object: "file".into(),
            bytes: self.size_bytes,
            created_at: self.created_at.timestamp(),
            expires_at: self.expires_at.map(|at| at.timestamp()),
            filename: self.filename.clone(),
            purpose: PURPOSE.into(),
            status: status.into(),
            status_details: self.details(),
            gptnl: Some(json!({
                "dataset": self.dataset,
                "dataset_version": self.version,
                "documents": self.documents,
                "url": format!("{origin}/en/datasets/{}", self.dataset),
                "problems": self.problems(),
            })),
        }
    }

    /// Whether it is not all there yet, or its first reading is not over.
    pub(super) fn is_being_read(&self) -> bool {
        matches!(self.state, FileState::Uploading | FileState::Verifying)
    }

    /// What is wrong with it, every line that is kept.
    pub(super) fn details(&self) -> Option<String> {
        match (&self.problem, self.state) {
            (Some(problem), _) => {
                let bad_lines = self.bad_examples.as_ref().map(|all| all.count);
                let whole = problem.fault.say();
                let whole = whole.with("count", bad_lines.unwrap_or(problem.bad_lines));
                Some(bad_line::said(&Lang::En.say(&whole), &self.bad_lines()))
            }
            (None, FileState::Aborted) => Some("The file was given up.".into()),
            (None, _) => None,
        }
    }

    /// The lines that are wrong, for programs.
    pub(super) fn problems(&self) -> Vec<Value> {
        self.bad_lines().iter().map(BadLine::as_json).collect()
    }

    fn bad_lines(&self) -> Vec<BadLine> {
        match (&self.bad_examples, &self.problem) {
            (Some(all), _) => all.lines.iter().map(BadLine::of_rejected).collect(),
            (None, Some(problem)) => problem.lines.iter().map(BadLine::of_no_document).collect(),
            (None, None) => Vec::new(),
        }
    }
}

/// The figures of a job as a file.
pub(super) fn results_file(job: Uuid, ended_at: DateTime<Utc>, csv: &str) -> File {
    File {
        id: Of::Results.id(job),
        object: "file".into(),
        bytes: i64::try_from(csv.len()).unwrap_or(i64::MAX),
        created_at: ended_at.timestamp(),
        expires_at: None,
        filename: "step_metrics.csv".into(),
        purpose: PURPOSE_OF_RESULTS.into(),
        status: "processed".into(),
        status_details: None,
        gptnl: None,
    }
}

/// 400 for a purpose that files cannot have here.
pub(super) fn check_purpose(purpose: &str) -> Result<(), ApiError> {
    if purpose == PURPOSE {
        return Ok(());
    }
    let message = "Only files with the purpose 'fine-tune' can be sent here.";
    Err(ApiError::invalid_param("purpose", message))
}

/// The name of a file, where it is one that is taken.
pub(super) fn check_name(name: &str) -> Result<String, ApiError> {
    let wrong = |message: &str| {
        let mut error = ApiError::invalid_param("file", message);
        error.body.code = Some("invalid_file_format".into());
        Err(error)
    };
    // Some clients send a path.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return wrong("The file needs a name of at most 255 characters.");
    }
    if !name.to_ascii_lowercase().ends_with(".jsonl") || uploads::parse_path(name).is_err() {
        return wrong("Training files are JSON Lines, and their name ends in .jsonl.");
    }
    Ok(name.to_owned())
}

/// What the sender may say of the data beside the file.
pub(super) type Said = BTreeMap<String, String>;

/// The fields of [`Said`].
pub(super) const SAID: [&str; 8] = [
    "title",
    "description",
    "language",
    "license",
    "right_holder",
    "personal_data",
    "personal_data_basis",
    "confidentiality",
];

/// The facts of the dataset that a file becomes: what the sender said, else what nothing can go wrong with. Reviewers read
/// them before the data are used.
fn facts(said: &Said, filename: &str, institution: &str) -> Result<Facts, ApiError> {
    let or = |name: &str, default: &str| said.get(name).cloned().unwrap_or_else(|| default.into());
    let title: String = filename.chars().take(200).collect();
    let description = if said.contains_key("personal_data") {
        "Sent through the fine-tuning API."
    } else {
        "Sent through the fine-tuning API. The sender did not say whether there are personal data in it."
    };
    let raw = RawFacts {
        title: or("title", &title),
        description: or("description", description),
        language: or("language", "nl"),
        license: or("license", "LicenseRef-own"),
        source: "api".into(),
        right_holder: or("right_holder", institution),
        personal_data: or("personal_data", "no"),
        personal_data_basis: or("personal_data_basis", ""),
        confidentiality: or("confidentiality", "confidential"),
        ..RawFacts::default()
    };
    Facts::parse(&raw).map_err(|errors| wrong_field(&errors))
}

fn wrong_field(errors: &FieldErrors) -> ApiError {
    let what = errors.iter().next();
    let (field, problem) = what.map_or(("", String::new()), |(field, say)| {
        (*field, Lang::En.say(say))
    });
    ApiError::invalid_param(
        &format!("gptnl.{field}"),
        format!("gptnl.{field}: {problem}"),
    )
}

/// What a file is sent with.
pub(super) struct NewFile<'a> {
    pub(super) key: ApiKeyId,
    pub(super) filename: &'a str,
    pub(super) said: &'a Said,
    pub(super) most_bytes: u64,
    /// After how many seconds it goes by itself.
    pub(super) expires_seconds: Option<u32>,
    /// The upload that it is put together from, and by which claim.
    pub(super) upload: Option<(Uuid, Uuid)>,
}

/// Registers a dataset and opens its one file. What was known to be wrong was refused before. All that is written down
/// stands there at once, or not at all.
pub(super) async fn begin(
    db: &Db,
    objects: &ObjectStore,
    config: &Config,
    actor: &Actor,
    new: &NewFile<'_>,
) -> Result<Receiving, ApiError> {
    let institution = institutions::find(db, actor.institution)
        .await
        .map_err(refused)?
        .map_or_else(String::new, |one| one.name);
    let facts = facts(new.said, new.filename, &institution)?;
    let mut tx = db.write(actor).await.map_err(refused)?;
    let (dataset, _) = datasets::register_in(&mut tx, &facts, &PublicFacts::default())
        .await
        .map_err(not_a_contributor)?;
    let wanted = (dataset, new.filename, new.most_bytes);
    let (expected, found, permit) = uploads::expect(&mut tx, &config.limits, wanted)
        .await
        .map_err(|error| not_received(&config.limits, error))?;
    let id = expected.id;
    let written = async {
        store::files::insert(&mut tx, id, &found, new).await?;
        let is_ours = match new.upload {
            Some(claimed) => store::uploads::set_receiving(&mut tx, claimed, id).await?,
            None => true,
        };
        if is_ours {
            tx.record(&Happened {
                kind: "fine_tuning.file_sent",
                subject: ("dataset", dataset.0),
                institution: actor.institution,
                facts: json!({ "file": id, "api_key": new.key, "filename": new.filename }),
            })?;
            tx.commit(permit).await?;
        }
        Ok::<_, EditError>(is_ours)
    };
    if !written.await.map_err(refused)? {
        return Err(being_put_together());
    }
    uploads::receive(db, objects, expected)
        .await
        .map_err(|error| not_received(&config.limits, error))
}

/// 503 for what another request does already: the SDKs wait and ask again, once that request is surely over or dead.
pub(super) fn being_put_together() -> ApiError {
    ApiError::overloaded("The parts are being put together.", 15)
}

fn not_a_contributor(error: EditError) -> ApiError {
    match error {
        EditError::Denied(crate::policy::Denied::Role) => ApiError::permission_denied(
            "role_missing",
            "Whoever requested this key may not register data for the institution: that takes the role of contributor or \
             manager. A training file can also be named as dataset:{id}@{version}.",
        ),
        error => refused(error),
    }
}

/// Why a file was not received, in the API's words.
pub(super) fn not_received(limits: &Limits, error: uploads::ReceiveError) -> ApiError {
    match error {
        uploads::ReceiveError::Refused(error) => super::failure::refusal(error),
        uploads::ReceiveError::TooLarge(most) => too_large(limits, most),
        uploads::ReceiveError::Empty => empty(),
    }
}

pub(super) fn empty() -> ApiError {
    let mut error = ApiError::invalid_param("file", "The file is empty.");
    error.body.code = Some("empty_file".into());
    error
}

/// The bytes that a file may have here, however it comes.
pub(super) fn most_bytes(limits: &Limits) -> u64 {
    limits.file_bytes.min(limits.dataset_bytes)
}

/// 413 for a file of more than `most` bytes that came at once; it says how a larger one is sent, where one may be larger.
pub(super) fn too_large(limits: &Limits, most: u64) -> ApiError {
    if most_bytes(limits) <= most {
        return larger_than_any(limits, "file");
    }
    let message = format!(
        "A file sent at once has at most {most} bytes. Larger files go in parts: client.uploads.upload_file_chunked(\
         file=\"{{name}}.jsonl\", mime_type=\"application/jsonl\", purpose=\"fine-tune\")."
    );
    ApiError::new(413, "invalid_request_error", Some("use_uploads"), message).with_param("file")
}

/// 413 for a file that may not be that large in any way.
pub(super) fn larger_than_any(limits: &Limits, param: &str) -> ApiError {
    let message = format!("A file has at most {} bytes here.", most_bytes(limits));
    let code = Some("file_too_large");
    ApiError::new(413, "invalid_request_error", code, message).with_param(param)
}

/// Deletes a file that no version that was handed in stands on.
pub(super) async fn delete(db: &Db, actor: &Actor, file: &ApiFile) -> Result<(), ApiError> {
    match uploads::abort(db, actor, file.id).await {
        Ok(()) => {}
        Err(AbortError::Edit(EditError::Frozen(_))) => {
            let message =
                "The file was handed in as a dataset. Withdraw the dataset on its page instead.";
            return Err(ApiError::new(
                400,
                "invalid_request_error",
                Some("file_in_use"),
                message,
            ));
        }
        Err(error) => return Err(refused(error)),
    }
    let deleted = async {
        let mut tx = db.write(actor).await?;
        let (_, permit) = datasets::lock_editable(&mut tx, file.dataset).await?;
        store::files::set_deleted(&mut tx, file.id).await?;
        tx.record(&Happened {
            kind: "fine_tuning.file_deleted",
            subject: ("dataset", file.dataset.0),
            institution: file.institution,
            facts: json!({ "file": file.id }),
        })?;
        tx.commit(permit).await?;
        Ok::<_, EditError>(())
    };
    deleted.await.map_err(refused)
}
