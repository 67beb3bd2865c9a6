//! What a handler does on the way to a decision: take the case up, find out who asks, ask for more time.

use serde_json::json;

use super::{
    case::{Case, IdentityMethod, Status, Step},
    deadline::extended_due,
    error::ComplaintError,
    happened::Happened,
    letter::{self, LetterKind},
    store,
};
use crate::{
    db::{Db, WriteTx},
    ids::ComplaintId,
    policy::{self, Actor, Permit},
};

/// Locks a case that the transaction's actor handles.
pub(super) async fn lock_handled(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
) -> Result<(Case, Permit), ComplaintError> {
    let case = store::find_for_update(tx, id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let permit = policy::check(tx.actor(), case.action(), &case.scope())?;
    Ok((case, permit))
}

/// Refuses what can only be done while somebody works on the case.
pub(super) fn must_be_handling(case: &Case, step: Step) -> Result<(), ComplaintError> {
    if case.status == Status::Handling {
        Ok(())
    } else {
        Err(super::case::WrongStatus {
            status: case.status,
            step,
        }
        .into())
    }
}

/// Takes a case up, or over from a colleague.
///
/// # Errors
/// [`ComplaintError::WrongStatus`] once a decision was written.
pub(super) async fn take(db: &Db, actor: &Actor, id: ComplaintId) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let (mut case, permit) = lock_handled(&mut tx, id).await?;
    case.status = case.status.after(Step::Take)?;
    case.owner = Some(actor.user);
    store::save_owner(&mut tx, &case).await?;
    tx.record(&Happened::to(&case, "complaints.taken", json!({})))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Notes how it was found out who asks; `note` says what was checked, never what stands on a document.
///
/// # Errors
/// [`ComplaintError::WrongStatus`] unless somebody works on it.
pub(super) async fn identify(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    (method, note): (IdentityMethod, &str),
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let (case, permit) = lock_handled(&mut tx, id).await?;
    must_be_handling(&case, Step::Take)?;
    store::save_identity(&mut tx, id, method, note).await?;
    tx.record(&Happened::to(
        &case,
        "complaints.identified",
        json!({ "method": method }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Gives the answer two months more, once and while the first term runs, and tells the person why.
///
/// # Errors
/// [`ComplaintError::NoMoreTime`] where it has them already, or the first term is over.
pub(super) async fn extend(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    reason: &str,
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let (case, permit) = lock_handled(&mut tx, id).await?;
    must_be_handling(&case, Step::Take)?;
    if case.extended.is_some() || case.is_overdue(tx.now()) {
        return Err(ComplaintError::NoMoreTime);
    }
    let due_at = extended_due(case.received_at);
    store::save_extension(&mut tx, id, due_at, reason).await?;
    let case = store::find(tx.conn(), id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let body = letter::extension(&case, reason);
    let sha256 = letter::send(&mut tx, &case, LetterKind::Extension, &body).await?;
    tx.record(&Happened::to(
        &case,
        "complaints.extended",
        json!({ "due_at": due_at, "letter_sha256": sha256 }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
