//! The privacy officer signs an assessment, or gives it back.

use serde::Serialize;

use super::{fill::PrivacyError, store};
use crate::{
    db::{Db, Event, Subject},
    ids::{AssessmentId, DatasetId, DatasetVersionId, InstitutionId},
    policy::{self, Action, Actor},
};

/// What the privacy officer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is right.
    Signed,
    /// It is to be filled in again.
    Returned,
}

impl Decision {
    /// The word in the database and in texts (`assessment-decision-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Returned => "returned",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Signed, Self::Returned]
            .into_iter()
            .find(|one| one.name() == name)
    }
}

/// What is said about which text.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// Which assessment.
    pub assessment: AssessmentId,
    /// The hash of the text that was read: another text is not signed.
    pub text_sha256: &'a str,
    /// Yes or back.
    pub decision: Decision,
    /// Why; not empty where it is returned, at most 2000 characters.
    pub reason: &'a str,
}

#[derive(Serialize)]
struct Decided<'a> {
    dataset: DatasetId,
    version: DatasetVersionId,
    assessment: AssessmentId,
    text_sha256: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip)]
    decision: Decision,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Decided<'_> {
    fn kind(&self) -> &'static str {
        match self.decision {
            Decision::Signed => "privacy.signed",
            Decision::Returned => "privacy.returned",
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Signs or returns the newest text of a version.
///
/// # Errors
/// [`PrivacyError::Denied`] for whoever filled it in, and for all but the institution's privacy officer.
pub async fn sign(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    verdict: Verdict<'_>,
) -> Result<(), PrivacyError> {
    let reason = verdict.reason.trim();
    if verdict.decision == Decision::Returned && reason.is_empty() {
        return Err(PrivacyError::NoReason);
    }
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(PrivacyError::NotFound(dataset))?;
    let filed = store::of_dataset(tx.conn(), dataset).await?;
    let found = filed.iter().find(|one| one.id == verdict.assessment);
    let scope = subject.scope().requested_by(found.map(|one| one.filled_by));
    let permit = policy::check(actor, Action::SignPrivacy, &scope)?;
    let found = found.ok_or(PrivacyError::NoSuchAssessment)?;
    if found.signature.is_some() {
        return Err(PrivacyError::Decided);
    }
    let newest = filed
        .iter()
        .filter(|one| one.version == found.version)
        .map(|one| one.number)
        .max();
    if newest != Some(found.number) {
        return Err(PrivacyError::Superseded);
    }
    if found.text_sha256 != verdict.text_sha256 {
        return Err(PrivacyError::OtherText);
    }
    store::insert_signature(&mut tx, found, verdict.decision, reason).await?;
    tx.record(&Decided {
        dataset,
        version: found.version,
        assessment: found.id,
        text_sha256: &found.text_sha256,
        reason,
        decision: verdict.decision,
        institution: subject.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
