//! The two reviews of a submission: of the data by a steward, of the rights by a legal reviewer.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    Dataset, Status, review_store,
    status::{Step, WrongStatus},
    store,
};
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{DatasetId, DatasetVersionId, InstitutionId, UserId},
    policy::{self, Action, Actor, Denied, Permit, Role},
    privacy::{self, Standing},
};

/// What a review looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Whether the data are what they are said to be.
    Data,
    /// Whether the rights are as they are said to be.
    Legal,
}

/// What a reviewer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Approved,
    /// Not like this; change it and submit it again.
    Returned,
    /// No, and for good.
    Rejected,
}

macro_rules! names {
    ($name:ident { $($variant:ident = $word:literal),+ }) => {
        impl $name {
            /// The name in the database and in texts.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = super::file::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(super::file::UnknownName),
                }
            }
        }
    };
}

impl Kind {
    /// Whose review it is.
    #[must_use]
    pub fn reviewer(self) -> Role {
        match self {
            Self::Data => Role::Steward,
            Self::Legal => Role::LegalReviewer,
        }
    }
}

names!(Kind {
    Data = "data",
    Legal = "legal"
});
names!(Decision {
    Approved = "approved",
    Returned = "returned",
    Rejected = "rejected"
});

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Data, Self::Legal];

    fn action(self) -> Action {
        match self {
            Self::Data => Action::ReviewData,
            Self::Legal => Action::ReviewRights,
        }
    }
}

/// A review that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Which submission it is about.
    pub submitted_at: DateTime<Utc>,
    /// What it looked at.
    pub kind: Kind,
    /// What was decided.
    pub decision: Decision,
    /// Why; may be empty for an approval.
    pub reason: String,
    /// By whom.
    pub decided_by: UserId,
    /// Their name.
    pub decided_by_name: String,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// Why a review was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("there is no dataset {0}")]
    NotFound(DatasetId),
    #[error("a refusal needs a reason")]
    NoReason,
    #[error("this review was done already")]
    Done,
    #[error("the personal data in it have no assessment that allows it")]
    NotAssessed,
    #[error(transparent)]
    WrongStatus(#[from] WrongStatus),
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for ReviewError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ReviewError> for AppError {
    fn from(error: ReviewError) -> Self {
        match error {
            ReviewError::NotFound(_) => Self::NotFound,
            ReviewError::NoReason => Self::invalid("datasets-review-reason-needed"),
            ReviewError::Done => Self::conflict("datasets-review-done"),
            ReviewError::NotAssessed => Self::conflict("datasets-review-not-assessed"),
            ReviewError::WrongStatus(_) => Self::conflict("datasets-wrong-status"),
            ReviewError::Denied(why) => why.into(),
            ReviewError::Store(why) => why.into(),
            ReviewError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Reviewed<'a> {
    #[serde(skip)]
    event: &'static str,
    #[serde(skip)]
    institution: InstitutionId,
    dataset: DatasetId,
    version: DatasetVersionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<Kind>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    manifest_sha256: Option<&'a str>,
}

impl Event for Reviewed<'_> {
    fn kind(&self) -> &'static str {
        self.event
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// What a reviewer says.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// As which reviewer.
    pub kind: Kind,
    /// What is decided.
    pub decision: Decision,
    /// Why; at most 2000 characters, and not empty unless it is an approval.
    pub reason: &'a str,
}

/// The reviews of the submission that stands now.
pub(super) fn of_submission<'a>(
    dataset: &'a Dataset,
    reviews: &'a [Review],
) -> impl Iterator<Item = &'a Review> {
    let submitted_at = dataset.version.submitted_at;
    reviews
        .iter()
        .filter(move |review| Some(review.submitted_at) == submitted_at)
}

/// Whether `actor` may do the review of `kind` on the submission that stands now.
///
/// # Errors
/// [`Denied`] with the reason.
pub(super) fn check(
    actor: &Actor,
    dataset: &Dataset,
    reviews: &[Review],
    kind: Kind,
) -> Result<Permit, Denied> {
    let mut scope = dataset.scope();
    scope.reviewed_by = of_submission(dataset, reviews)
        .find(|review| review.kind != kind)
        .map(|review| review.decided_by);
    policy::check(actor, kind.action(), &scope)
}

/// Takes a review. Both saying yes approves the version; one returning or rejecting it ends the round.
/// Answers where the version stands then.
///
/// # Errors
/// [`ReviewError::Denied`] for the submitter, and for whoever did the other review.
pub async fn review(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    verdict: Verdict<'_>,
) -> Result<Status, ReviewError> {
    let reason = verdict.reason.trim();
    if verdict.decision != Decision::Approved && reason.is_empty() {
        return Err(ReviewError::NoReason);
    }
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, dataset)
        .await?
        .ok_or(ReviewError::NotFound(dataset))?;
    let reviews = review_store::of_version(tx.conn(), found.version.id).await?;
    let permit = check(actor, &found, &reviews, verdict.kind)?;
    // Any step of a reviewer needs a submission that stands.
    let step = match verdict.decision {
        Decision::Approved => Step::Approve,
        Decision::Returned => Step::Return,
        Decision::Rejected => Step::Reject,
    };
    let after = found.version.status.after(step)?;
    let wrong = WrongStatus {
        status: found.version.status,
        step,
    };
    let (Some(submitted_at), Some(submitted_by)) =
        (found.version.submitted_at, found.version.submitted_by)
    else {
        return Err(wrong.into());
    };
    if of_submission(&found, &reviews).any(|done| done.kind == verdict.kind) {
        return Err(ReviewError::Done);
    }
    if verdict.decision == Decision::Approved && found.facts.personal_data_basis.is_some() {
        let filed = privacy::of_dataset(tx.conn(), dataset).await?;
        if privacy::standing(&filed, found.version.id, tx.now()) != Standing::Signed {
            return Err(ReviewError::NotAssessed);
        }
    }
    let other_approved = of_submission(&found, &reviews)
        .any(|done| done.kind != verdict.kind && done.decision == Decision::Approved);
    review_store::insert(
        &mut tx,
        &review_store::NewReview {
            version: found.version.id,
            submitted_at,
            submitted_by,
            kind: verdict.kind,
            decision: verdict.decision,
            reason,
        },
    )
    .await?;
    let event = |event, review, reason| Reviewed {
        event,
        institution: found.institution,
        dataset,
        version: found.version.id,
        review,
        reason,
        manifest_sha256: found.version.manifest_sha256.as_deref(),
    };
    let is_final = verdict.decision != Decision::Approved || other_approved;
    let kind = match (verdict.decision, verdict.kind) {
        (Decision::Approved, Kind::Data) => "datasets.data_approved",
        (Decision::Approved, Kind::Legal) => "datasets.rights_approved",
        (Decision::Returned, _) => "datasets.returned",
        (Decision::Rejected, _) => "datasets.rejected",
    };
    tx.record(&event(kind, Some(verdict.kind), reason))?;
    if !is_final {
        tx.commit(permit).await?;
        return Ok(found.version.status);
    }
    if after == Status::Approved {
        tx.record(&event("datasets.approved", None, ""))?;
    }
    let mut version = found.version.clone();
    version.status = after;
    version.decided_at = Some(tx.now());
    store::save_version(&mut tx, &version).await?;
    tx.commit(permit).await?;
    Ok(after)
}
