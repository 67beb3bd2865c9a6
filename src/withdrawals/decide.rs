//! What is decided after a withdrawal: about a quarantined model, and that a duty was done.

use serde::Serialize;

use super::{
    duty::Kind,
    error::WithdrawError,
    store::{self, Withdrawal},
};
use crate::{
    db::{Db, Event, Subject, WriteTx},
    ids::{InstitutionId, ModelId, WithdrawalId},
    institutions, models,
    notices::{About, Notice, Recipient, tell},
    policy::{self, Action, Actor, Role, Scope},
};

/// What is decided on a quarantined model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Out of use for good, and not made anew.
    Retire,
    /// Out of use for good; this model was made anew without the data and takes its place.
    Retrained(ModelId),
    /// Used again, because the agreement with the right holder lets it.
    Lift,
}

impl Decision {
    /// The word in the database and in keys of texts (`model-decision-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::Retrained(_) => "retrained",
            Self::Lift => "lift",
        }
    }

    /// The model that takes the place of the one that is decided on.
    #[must_use]
    pub fn replaced_by(self) -> Option<ModelId> {
        match self {
            Self::Retrained(model) => Some(model),
            Self::Retire | Self::Lift => None,
        }
    }
}

#[derive(Debug, Serialize)]
struct Decided<'a> {
    withdrawal: WithdrawalId,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<ModelId>,
    #[serde(skip)]
    decision: Decision,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Decided<'_> {
    fn kind(&self) -> &'static str {
        match self.decision {
            Decision::Retire => "models.retired_after_withdrawal",
            Decision::Retrained(_) => "models.replaced_after_withdrawal",
            Decision::Lift => "models.quarantine_lifted",
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// A withdrawal and a model of it that waits for a decision, which nobody else decides on until the transaction ends.
async fn lock(
    tx: &mut WriteTx<'_>,
    id: WithdrawalId,
    model: ModelId,
) -> Result<(Withdrawal, models::Model), WithdrawError> {
    let withdrawal = store::find(tx.conn(), id)
        .await?
        .ok_or(WithdrawError::UnknownWithdrawal(id))?;
    store::lock_models(tx, &[model]).await?;
    let found = models::find(tx.conn(), model)
        .await?
        .ok_or(WithdrawError::NothingToDecide(model))?;
    Ok((withdrawal, found))
}

/// An operator decides on a model that a withdrawal quarantined: it goes, or goes because another was made in its
/// place; who withdrew is told. To use it again takes two, see [`propose_lift`].
///
/// # Errors
/// [`WithdrawError::NotMadeAnew`] for a replacement that is none: older than the withdrawal, not of the same
/// institution, kept from use itself, or with withdrawn data in its lineage.
pub async fn decide_model(
    db: &Db,
    actor: &Actor,
    (id, model): (WithdrawalId, ModelId),
    replaced_by: Option<ModelId>,
    reason: &str,
) -> Result<(), WithdrawError> {
    let mut tx = db.write(actor).await?;
    let (withdrawal, found) = lock(&mut tx, id, model).await?;
    let permit = policy::check(actor, Action::ReleaseModel, &found.scope())?;
    let decision = replaced_by.map_or(Decision::Retire, Decision::Retrained);
    if let Some(new) = replaced_by
        && !store::is_made_anew(tx.conn(), (id, model), new).await?
    {
        return Err(WithdrawError::NotMadeAnew(new));
    }
    settle(&mut tx, &withdrawal, &found, decision, reason).await?;
    tx.commit(permit).await?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct LiftProposed<'a> {
    withdrawal: WithdrawalId,
    reason: &'a str,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for LiftProposed<'_> {
    fn kind(&self) -> &'static str {
        "models.lift_proposed"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// An operator proposes that a quarantined model is used again, because the agreement with the right holder lets it;
/// the platform's legal reviewers are asked to confirm it.
///
/// # Errors
/// [`WithdrawError::NothingToDecide`] where it was proposed or decided before.
pub async fn propose_lift(
    db: &Db,
    actor: &Actor,
    (id, model): (WithdrawalId, ModelId),
    reason: &str,
) -> Result<(), WithdrawError> {
    let platform = institutions::find_platform(db).await?;
    let mut tx = db.write(actor).await?;
    let (withdrawal, found) = lock(&mut tx, id, model).await?;
    let permit = policy::check(actor, Action::ReleaseModel, &found.scope())?;
    if !store::add_lift_proposal(&mut tx, id, model, reason).await? {
        return Err(WithdrawError::NothingToDecide(model));
    }
    if store::is_held_elsewhere(tx.conn(), id, model).await? {
        return Err(WithdrawError::HeldElsewhere(model));
    }
    if let Some(platform) = platform {
        let to = Recipient::Role {
            institution: platform.id,
            role: Role::LegalReviewer,
        };
        let notice = about("lift-proposed", to, &withdrawal, &found, reason);
        tell(&mut tx, &notice).await?;
    }
    tx.record(&LiftProposed {
        withdrawal: id,
        reason,
        model,
        institution: found.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// A legal reviewer confirms what an operator proposed: the model may be used again; who withdrew is told.
///
/// # Errors
/// [`WithdrawError::NothingToDecide`] where nobody proposed it; [`WithdrawError::HeldElsewhere`] where another
/// withdrawal stands in the way.
pub async fn confirm_lift(
    db: &Db,
    actor: &Actor,
    (id, model): (WithdrawalId, ModelId),
    reason: &str,
) -> Result<(), WithdrawError> {
    let mut tx = db.write(actor).await?;
    let (withdrawal, found) = lock(&mut tx, id, model).await?;
    let proposed_by = store::lift_proposed_by(tx.conn(), id, model).await?;
    let scope = found.scope().requested_by(proposed_by);
    let permit = policy::check(actor, Action::ConfirmLift, &scope)?;
    if proposed_by.is_none() {
        return Err(WithdrawError::NothingToDecide(model));
    }
    settle(&mut tx, &withdrawal, &found, Decision::Lift, reason).await?;
    tx.commit(permit).await?;
    Ok(())
}

/// A notice about a model of a withdrawal, once.
fn about(
    kind: &'static str,
    to: Recipient,
    withdrawal: &Withdrawal,
    model: &models::Model,
    reason: &str,
) -> Notice {
    let (id, about) = (
        withdrawal.id,
        About {
            kind: "withdrawal",
            id: withdrawal.id.0,
        },
    );
    Notice::new(kind, to, about)
        .with("title", &withdrawal.title)
        .with("model", &model.name)
        .with("reason", reason)
        .link(format!("/withdrawals/{id}"))
        .once(format!("{kind}:{id}:{}", model.id))
}

/// Writes the decision down, does what it says, and tells who withdrew.
async fn settle(
    tx: &mut WriteTx<'_>,
    withdrawal: &Withdrawal,
    model: &models::Model,
    decision: Decision,
    reason: &str,
) -> Result<(), WithdrawError> {
    let id = withdrawal.id;
    if !store::add_decision(tx, (id, model.id), decision, reason).await? {
        return Err(WithdrawError::NothingToDecide(model.id));
    }
    match decision {
        Decision::Retire | Decision::Retrained(_) => {
            models::retire_quarantined(tx, model.id).await?;
        }
        Decision::Lift => {
            if store::is_held_elsewhere(tx.conn(), id, model.id).await? {
                return Err(WithdrawError::HeldElsewhere(model.id));
            }
            models::lift(tx, model.id).await?;
        }
    }
    if store::undecided(tx.conn(), id).await? == 0 {
        store::end_duty(tx, id, Kind::DecideModels, "").await?;
    }
    let to = Recipient::Role {
        institution: withdrawal.institution,
        role: Role::Manager,
    };
    let notice =
        about("model-decided", to, withdrawal, model, reason).with("decision", decision.name());
    tell(tx, &notice).await?;
    tx.record(&Decided {
        withdrawal: id,
        reason,
        replaced_by: decision.replaced_by(),
        decision,
        model: model.id,
        institution: model.institution,
    })?;
    Ok(())
}

#[derive(Debug, Serialize)]
struct DutyDone<'a> {
    withdrawal: WithdrawalId,
    duty: Kind,
    note: &'a str,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for DutyDone<'_> {
    fn kind(&self) -> &'static str {
        "withdrawals.duty_done"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "withdrawal",
            id: self.withdrawal.0,
            institution: self.institution,
        }
    }
}

/// Notes that the public documents were brought up to date. The other duties end by themselves, when they are done.
///
/// # Errors
/// [`WithdrawError::NothingToEnd`] where that was noted before.
pub async fn documents_updated(
    db: &Db,
    actor: &Actor,
    id: WithdrawalId,
    note: &str,
) -> Result<(), WithdrawError> {
    let mut tx = db.write(actor).await?;
    let withdrawal = store::find(tx.conn(), id)
        .await?
        .ok_or(WithdrawError::UnknownWithdrawal(id))?;
    let scope = Scope::of(withdrawal.institution);
    let permit = policy::check(actor, Action::EndDuty, &scope)?;
    if !store::end_duty(&mut tx, id, Kind::UpdateDocuments, note).await? {
        return Err(WithdrawError::NothingToEnd);
    }
    tx.record(&DutyDone {
        withdrawal: id,
        duty: Kind::UpdateDocuments,
        note,
        institution: withdrawal.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// The chore: tells the platform's admins of every duty that is overdue, once.
///
/// # Errors
/// Where the database is away.
pub async fn report_overdue(db: &Db) -> Result<(), WithdrawError> {
    let Some(platform) = institutions::find_platform(db).await? else {
        return Ok(());
    };
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let now = tx.now();
    let mut any = false;
    for duty in store::overdue_untold(tx.conn(), now).await? {
        let to = Recipient::Role {
            institution: platform.id,
            role: Role::Admin,
        };
        let about = About {
            kind: "withdrawal",
            id: duty.withdrawal.0,
        };
        let notice = Notice::new("duty-overdue", to, about)
            .with("title", &duty.title)
            .with("duty", duty.kind.name())
            .with_day("due", duty.due_at)
            .link(format!("/withdrawals/{}", duty.withdrawal))
            .once(store::overdue_once(&duty));
        if tell(&mut tx, &notice).await?.is_some() {
            any = true;
            tx.record(&Overdue {
                duty: duty.kind,
                withdrawal: duty.withdrawal,
                institution: platform.id,
            })?;
        }
    }
    if any {
        tx.commit(permit).await?;
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Overdue {
    duty: Kind,
    #[serde(skip)]
    withdrawal: WithdrawalId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Overdue {
    fn kind(&self) -> &'static str {
        "withdrawals.duty_overdue"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "withdrawal",
            id: self.withdrawal.0,
            institution: self.institution,
        }
    }
}
