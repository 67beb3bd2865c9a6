//! Confirming lines: the word of the institution's manager, and that of the platform's legal reviewer.

use serde_json::json;

use super::{
    agreement::{Agreement, Status},
    event::{AgreementError, Happened},
    line::{Line, Party},
    store::{self, ConfirmedLine},
};
use crate::{
    db::Db,
    error::Say,
    ids::{AgreementId, AgreementLineId},
    policy::{self, Action, Actor, Denied, Permit},
};

/// Whether `actor` may confirm lines of the agreement for `party`. Whoever confirmed a line for the other party may
/// not: the two are two people, over the whole agreement.
///
/// # Errors
/// [`Denied`] with the reason.
pub(super) fn check(
    actor: &Actor,
    agreement: &Agreement,
    lines: &[Line],
    party: Party,
) -> Result<Permit, Denied> {
    let mut scope = agreement.scope();
    scope.reviewed_by = lines
        .iter()
        .flat_map(|line| &line.confirmations)
        .find(|one| one.party != party && one.by == actor.user)
        .map(|one| one.by);
    let action = match party {
        Party::Institution => Action::ConfirmAgreement,
        Party::Platform => {
            scope = scope.requested_by(agreement.submitted_by);
            Action::ReviewRights
        }
    };
    policy::check(actor, action, &scope).map_err(|denied| match denied {
        // Who may see it is told that it is not theirs to confirm, instead of "not found".
        Denied::OtherInstitution
            if policy::check(actor, Action::ViewAgreement, &agreement.scope()).is_ok() =>
        {
            Denied::Role
        }
        denied => denied,
    })
}

/// For whom `actor` may confirm now, if for anybody.
pub(super) fn party_of(actor: &Actor, agreement: &Agreement, lines: &[Line]) -> Option<Party> {
    (agreement.status == Status::InReview)
        .then(|| {
            Party::ALL
                .iter()
                .copied()
                .find(|party| check(actor, agreement, lines, *party).is_ok())
        })
        .flatten()
}

/// Confirms lines, each in exactly the version that the person saw. What is confirmed already stays so.
///
/// # Errors
/// [`AgreementError::Denied`] for who is neither, and for who confirmed for the other party; a conflict where a
/// line was changed meanwhile, needs a human, or the agreement is not in review.
pub async fn confirm(
    db: &Db,
    actor: &Actor,
    (id, party): (AgreementId, Party),
    chosen: &[AgreementLineId],
) -> Result<usize, AgreementError> {
    if chosen.is_empty() {
        let say = Say::new("agreement-nothing-chosen");
        return Err(AgreementError::Field("lines", say));
    }
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    // Seen before its lines are looked at: a stranger learns nothing from which error comes first.
    let _seen = super::register::check(actor, Action::ViewAgreement, &found)?;
    let lines = store::standing(tx.conn(), id).await?;
    let permit = check(actor, &found, &lines, party)?;
    if found.status != Status::InReview {
        return Err(AgreementError::conflict("agreement-not-in-review"));
    }
    let mut confirmed = Vec::new();
    for id in chosen {
        let line = lines
            .iter()
            .find(|line| line.id == *id)
            .ok_or_else(|| AgreementError::conflict("agreement-line-changed"))?;
        if line.needs_human() {
            return Err(AgreementError::conflict("agreement-line-needs-human"));
        }
        if !line.is_confirmed_by(party) {
            store::confirm(&mut tx, found.id, line.id, party).await?;
            confirmed.push(ConfirmedLine {
                line: line.id,
                layer: line.layer,
                term: line.term,
                version: line.version,
            });
        }
    }
    if confirmed.is_empty() {
        return Ok(0);
    }
    let what = json!({ "party": party, "lines": confirmed });
    tx.record(&Happened::new("agreements.lines_confirmed", &found, what))?;
    tx.commit(permit).await?;
    Ok(confirmed.len())
}
