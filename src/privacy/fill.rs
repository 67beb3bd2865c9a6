//! Filling in an assessment: each time a text of its own.

use serde::Serialize;

use super::{
    assessment::{Assessment, Outcome, sha256_hex},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{AssessmentId, DatasetId, DatasetVersionId, InstitutionId},
    policy::{self, Action, Actor, Denied},
};

/// Why nothing was filed or signed.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("the dataset is said to hold no personal data")]
    NoPersonalData,
    #[error("there is no such assessment of this dataset")]
    NoSuchAssessment,
    #[error("it was signed or returned already")]
    Decided,
    #[error("a later text has taken its place")]
    Superseded,
    #[error("it is not the text that was read")]
    OtherText,
    #[error("returning it needs a reason")]
    NoReason,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for PrivacyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<PrivacyError> for AppError {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::NotFound(_) | PrivacyError::NoSuchAssessment => Self::NotFound,
            PrivacyError::NoPersonalData => Self::conflict("assessment-no-personal-data"),
            PrivacyError::Decided => Self::conflict("assessment-decided"),
            PrivacyError::Superseded => Self::conflict("assessment-superseded"),
            PrivacyError::OtherText => Self::conflict("assessment-other-text"),
            PrivacyError::NoReason => Self::invalid("assessment-reason-needed"),
            PrivacyError::Denied(why) => why.into(),
            PrivacyError::Store(why) => why.into(),
            PrivacyError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Filled<'a> {
    dataset: DatasetId,
    version: DatasetVersionId,
    assessment: AssessmentId,
    number: i32,
    text_sha256: &'a str,
    result: Outcome,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Filled<'_> {
    fn kind(&self) -> &'static str {
        "privacy.filled"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Files an assessment of the newest version of `dataset`; it waits for the privacy officer then.
///
/// # Errors
/// [`PrivacyError::NoPersonalData`] where there is nothing to assess.
pub async fn fill(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    assessment: &Assessment,
) -> Result<AssessmentId, PrivacyError> {
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(PrivacyError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::FillPrivacy, &subject.scope())?;
    if !subject.has_personal_data {
        return Err(PrivacyError::NoPersonalData);
    }
    let text = assessment.canonical().map_err(CommitError::from)?;
    let text_sha256 = sha256_hex(&text);
    let id = AssessmentId::fresh();
    let number = store::next_number(tx.conn(), subject.version).await?;
    store::insert(
        &mut tx,
        &store::NewAssessment {
            id,
            version: subject.version,
            number,
            text: &text,
            text_sha256: &text_sha256,
            result: assessment.result,
        },
    )
    .await?;
    tx.record(&Filled {
        dataset,
        version: subject.version,
        assessment: id,
        number,
        text_sha256: &text_sha256,
        result: assessment.result,
        institution: subject.institution,
    })?;
    tx.commit(permit).await?;
    Ok(id)
}
