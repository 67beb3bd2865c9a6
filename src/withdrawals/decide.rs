//! What is decided after a withdrawal: about a quarantined model, and that a duty was done.

use serde::Serialize;

use super::{duty::Kind, error::WithdrawError, store};
use crate::{
    db::{Db, Event, Subject},
    ids::{InstitutionId, ModelId, WithdrawalId},
    models,
    notices::{About, Notice, Recipient, tell},
    policy::{self, Action, Actor, Role, Scope},
};

/// What an operator decides on a quarantined model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Out of use for good: it is made anew without the data, or not at all.
    Retire,
    /// Used again, because the agreement with the right holder lets it.
    Lift,
}

impl Decision {
    /// The word in the database and in keys of texts (`model-decision-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::Lift => "lift",
        }
    }

    /// The decision of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Retire, Self::Lift]
            .into_iter()
            .find(|decision| decision.name() == text)
    }
}

#[derive(Debug, Serialize)]
struct Decided<'a> {
    withdrawal: WithdrawalId,
    reason: &'a str,
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

/// Decides on a model that a withdrawal quarantined; who withdrew is told.
///
/// # Errors
/// [`WithdrawError::HeldElsewhere`] for a lift that another withdrawal stands in the way of.
pub async fn decide_model(
    db: &Db,
    actor: &Actor,
    (id, model): (WithdrawalId, ModelId),
    decision: Decision,
    reason: &str,
) -> Result<(), WithdrawError> {
    let mut tx = db.write(actor).await?;
    let withdrawal = store::find(tx.conn(), id)
        .await?
        .ok_or(WithdrawError::UnknownWithdrawal(id))?;
    // Before anything else is looked at: one decision at a time on one model.
    store::lock_models(&mut tx, &[model]).await?;
    let found = models::find(tx.conn(), model)
        .await?
        .ok_or(WithdrawError::NothingToDecide(model))?;
    let permit = policy::check(actor, Action::ReleaseModel, &found.scope())?;
    if !store::add_decision(&mut tx, id, model, decision.name(), reason).await? {
        return Err(WithdrawError::NothingToDecide(model));
    }
    match decision {
        Decision::Retire => models::retire_quarantined(&mut tx, model).await?,
        Decision::Lift => {
            if store::is_held_elsewhere(tx.conn(), id, model).await? {
                return Err(WithdrawError::HeldElsewhere(model));
            }
            models::lift(&mut tx, model).await?;
        }
    }
    if store::undecided(tx.conn(), id).await? == 0 {
        store::end_duty(&mut tx, id, Kind::DecideModels, "").await?;
    }
    let to = Recipient::Role {
        institution: withdrawal.institution,
        role: Role::Manager,
    };
    let about = About {
        kind: "withdrawal",
        id: id.0,
    };
    let notice = Notice::new("model-decided", to, about)
        .with("title", &withdrawal.title)
        .with("model", &found.name)
        .with("decision", decision.name())
        .with("reason", reason)
        .link(format!("/withdrawals/{id}"))
        .once(format!("decided:{id}:{model}"));
    tell(&mut tx, &notice).await?;
    tx.record(&Decided {
        withdrawal: id,
        reason,
        decision,
        model,
        institution: found.institution,
    })?;
    tx.commit(permit).await?;
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
    let Some(platform) = crate::institutions::find_platform(db).await? else {
        return Ok(());
    };
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let now = tx.now();
    let mut any = false;
    for duty in store::open_duties(tx.conn(), None).await? {
        if duty.due_at > now {
            continue;
        }
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
            .once(format!("overdue:{}:{}", duty.withdrawal, duty.kind.name()));
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
