//! Saying what is done about a change: once by the institution, once by the platform.

use serde::Serialize;
use serde_json::json;

use super::{error::RightsError, happened::Happened, store};
use crate::{
    db::Db,
    ids::{DatasetId, RightsChangeId},
    policy::{self, Action, Actor},
};

/// For whom somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The institution that the dataset is of.
    Institution,
    /// The platform's stewards and legal reviewers.
    Platform,
}

impl Side {
    /// The word in the database and in texts (`rights-side-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Institution => "institution",
            Self::Platform => "platform",
        }
    }

    pub(super) fn of(actor: &Actor) -> Self {
        if actor.is_platform() {
            Self::Platform
        } else {
            Self::Institution
        }
    }
}

/// Notes for the actor's side what is done about a change; it no longer waits for them then. Where the platform's side
/// `accepts`, what was found counts, also where it asks less than what was known.
///
/// # Errors
/// [`RightsError::Noted`] where that side did so already, [`RightsError::NotTheirs`] where the institution accepts.
pub async fn acknowledge(
    db: &Db,
    actor: &Actor,
    (dataset, change): (DatasetId, RightsChangeId),
    (note, accepts): (&str, bool),
) -> Result<(), RightsError> {
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(RightsError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::CheckRights, &subject.scope())?;
    let side = Side::of(actor);
    if accepts && side != Side::Platform {
        return Err(RightsError::NotTheirs);
    }
    match store::is_noted(tx.conn(), dataset, change, side).await? {
        None => return Err(RightsError::NoSuchChange),
        Some(true) => return Err(RightsError::Noted),
        Some(false) => {}
    }
    store::insert_note(&mut tx, change, side, (note, accepts)).await?;
    tx.record(&Happened::to(
        (dataset, subject.institution),
        "rights_checks.noted",
        json!({ "change": change, "side": side, "note": note, "accepts": accepts }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
