//! A legal reviewer decides what a modification of a third of its base or more makes of a model.

use std::str::FromStr;

use serde::Serialize;

use super::{error::DisclosureError, ratio::Standing, store};
use crate::{
    db::{Db, Event, Subject},
    ids::{FactId, InstitutionId, ModelId},
    models,
    policy::{self, Action, Actor, Scope},
};

/// What the model is, by the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Still the base in another form.
    SameModel,
    /// A new model, whose provider we are.
    NewModel,
}

impl Conclusion {
    /// Both.
    pub const ALL: [Self; 2] = [Self::SameModel, Self::NewModel];

    /// The word in the database and, with dashes, in texts (`disclosure-conclusion-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SameModel => "same_model",
            Self::NewModel => "new_model",
        }
    }
}

/// A word that names no conclusion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such conclusion")]
pub struct UnknownConclusion;

impl FromStr for Conclusion {
    type Err = UnknownConclusion;

    fn from_str(text: &str) -> Result<Self, UnknownConclusion> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or(UnknownConclusion)
    }
}

#[derive(Serialize)]
struct Decided<'a> {
    decision: FactId,
    conclusion: Conclusion,
    cumulative_flop: f64,
    reference_flop: f64,
    reason: &'a str,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Decided<'_> {
    fn kind(&self) -> &'static str {
        "disclosures.modification_decided"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Puts the decision on record, with the figures it was about.
///
/// # Errors
/// [`DisclosureError::NothingToDecide`] where the modification is below one third.
pub async fn decide_modification(
    db: &Db,
    actor: &Actor,
    model: ModelId,
    conclusion: Conclusion,
    reason: &str,
) -> Result<(), DisclosureError> {
    let mut tx = db.write(actor).await?;
    // Before the lock: who may not do this keeps nobody waiting.
    let institution = models::find(tx.conn(), model)
        .await?
        .ok_or(DisclosureError::NotFound)?
        .institution;
    let permit = policy::check(actor, Action::DecideModification, &Scope::of(institution))?;
    store::lock_model(&mut tx, model).await?;
    let now = tx.now();
    let ledger = store::ledger(tx.conn(), model, now)
        .await?
        .ok_or(DisclosureError::NotFound)?;
    let ratio = ledger.ratio();
    if ratio.standing() != Standing::Decisive {
        return Err(DisclosureError::NothingToDecide);
    }
    let decision =
        store::insert_decision(&mut tx, model, &ratio, (conclusion.name(), reason)).await?;
    tx.record(&Decided {
        decision,
        conclusion,
        cumulative_flop: ratio.cumulative_flop,
        reference_flop: ratio.reference_flop,
        reason,
        model,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
