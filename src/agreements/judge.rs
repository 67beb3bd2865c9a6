//! Clauses outside the terms: noting that there is one, and each party's word on what follows from it.

use serde_json::json;

use super::{
    agreement::Status,
    clause::{RawClause, Word},
    confirm,
    event::{AgreementError, Happened},
    line::Party,
    register::{check, may_code},
    store::{self, DocumentState},
};
use crate::{
    db::Db,
    ids::{AgreementClauseId, AgreementId},
    policy::{Action, Actor},
};

/// Most clauses of one agreement; a document has no more that matter.
const MOST: usize = 100;

/// Notes a clause that no term says.
///
/// # Errors
/// A field error where the passage does not stand on that page; a conflict where the agreement is closed.
pub async fn note_clause(
    db: &Db,
    actor: &Actor,
    id: AgreementId,
    raw: &RawClause,
) -> Result<AgreementClauseId, AgreementError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let permit = check(actor, Action::WorkOnAgreement, &found)?;
    if !may_code(actor, &found) {
        return Err(AgreementError::conflict("agreement-frozen"));
    }
    if store::clauses(tx.conn(), id).await?.len() >= MOST {
        return Err(AgreementError::conflict("agreement-clauses-too-many"));
    }
    let document = store::newest_document(tx.conn(), id, true).await?;
    let pages = match document {
        Some(document) if matches!(document.state, DocumentState::Ready(_)) => {
            Some(store::pages(tx.conn(), document.id).await?)
        }
        Some(_) | None => None,
    };
    let new = raw
        .check(pages.as_ref())
        .map_err(|(field, say)| AgreementError::Field(field, say))?;
    let clause = store::insert_clause(&mut tx, id, &new).await?;
    let what = json!({
        "clause": clause, "page": new.page, "passage": new.passage, "reason": new.reason,
    });
    tx.record(&Happened::new("agreements.clause_noted", &found, what))?;
    tx.commit(permit).await?;
    Ok(clause)
}

/// Says for a party what follows from a clause. Said once; it stays.
///
/// # Errors
/// [`AgreementError::Denied`] for who is neither, and for who confirmed for the other party; a conflict where that
/// party has spoken, or the agreement is not in review.
pub async fn judge_clause(
    db: &Db,
    actor: &Actor,
    (id, clause): (AgreementId, AgreementClauseId),
    (party, word): (Party, Word),
) -> Result<(), AgreementError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    // Seen before its clauses are looked at: a stranger learns nothing from which error comes first.
    let _seen = check(actor, Action::ViewAgreement, &found)?;
    let lines = store::standing(tx.conn(), id).await?;
    let permit = confirm::check(actor, &found, &lines, party)?;
    if found.status != Status::InReview {
        return Err(AgreementError::conflict("agreement-not-in-review"));
    }
    let clauses = store::clauses(tx.conn(), id).await?;
    let own = clauses
        .iter()
        .find(|one| one.id == clause)
        .ok_or(AgreementError::NotFound(id))?;
    let spoke_for_other = clauses
        .iter()
        .flat_map(|one| &one.judged)
        .any(|one| one.by == actor.user && one.party != party);
    if spoke_for_other || own.judged.iter().any(|one| one.party == party) {
        return Err(AgreementError::conflict("agreement-clause-judged"));
    }
    store::judge(&mut tx, (id, clause), party, word).await?;
    let what = json!({ "clause": clause, "party": party, "word": word });
    tx.record(&Happened::new("agreements.clause_judged", &found, what))?;
    tx.commit(permit).await?;
    Ok(())
}
