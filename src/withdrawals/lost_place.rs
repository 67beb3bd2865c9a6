//! A machine is gone with everything on it, and an operator says so.

use serde::Serialize;

use super::{error::WithdrawError, purge::conclude_in, store};
use crate::{
    db::{Db, Event, Subject},
    ids::{InstitutionId, WithdrawalId},
    policy::{self, Action, Actor, Scope},
};

#[derive(Debug, Serialize)]
struct PlaceLost<'a> {
    place: &'a str,
    reason: &'a str,
    #[serde(skip)]
    withdrawal: WithdrawalId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for PlaceLost<'_> {
    fn kind(&self) -> &'static str {
        "withdrawals.place_lost"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "withdrawal",
            id: self.withdrawal.0,
            institution: self.institution,
        }
    }
}

/// Declares that the machine `place` is gone: no work folder of an attempt that began there until now is waited for
/// any more, in whatever withdrawal. It is shown as that, and not as proven. Where the machine comes back, its worker
/// removes the folders all the same.
///
/// # Errors
/// [`WithdrawError::NothingToEnd`] where no folder there is waited for in this withdrawal.
pub async fn declare_lost(
    db: &Db,
    actor: &Actor,
    id: WithdrawalId,
    place: &str,
    reason: &str,
) -> Result<(), WithdrawError> {
    let mut tx = db.write(actor).await?;
    let withdrawal = store::find(tx.conn(), id)
        .await?
        .ok_or(WithdrawError::UnknownWithdrawal(id))?;
    let permit = policy::check(actor, Action::EndDuty, &Scope::of(withdrawal.institution))?;
    let waiting = store::waiting_at(tx.conn(), place).await?;
    if !waiting.contains(&id) {
        return Err(WithdrawError::NothingToEnd);
    }
    store::add_lost_place(&mut tx, place, reason).await?;
    tx.record(&PlaceLost {
        place,
        reason,
        withdrawal: id,
        institution: withdrawal.institution,
    })?;
    for other in waiting {
        conclude_in(&mut tx, other).await?;
    }
    tx.commit(permit).await?;
    Ok(())
}
