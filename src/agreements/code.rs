//! Coding a line: what a term says, and where the document says it.

use serde_json::json;

use super::{
    event::{AgreementError, Happened},
    line::{Basis, Line, RawLine, Said},
    register::{check, may_code},
    store::{self, DocumentState},
    term::Term,
};
use crate::{
    db::Db,
    ids::AgreementId,
    permissions::Layer,
    policy::{Action, Actor},
};

/// Which line, and which version of it the coder had before them.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub layer: Layer,
    pub term: Term,
    /// A line that was changed meanwhile is not overwritten.
    pub seen: i32,
}

/// Gives a line a new version. Confirmations belong to the version before, so it has none.
///
/// # Errors
/// A field error where the passage does not stand on that page or the value does not fit; a conflict where
/// somebody else changed the line meanwhile, or the agreement is closed.
pub async fn code(
    db: &Db,
    actor: &Actor,
    (id, place): (AgreementId, Place),
    raw: &RawLine,
) -> Result<(), AgreementError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let permit = check(actor, Action::WorkOnAgreement, &found)?;
    if !may_code(actor, &found) {
        return Err(AgreementError::conflict("agreement-frozen"));
    }
    let standing = store::standing(tx.conn(), id).await?;
    let line = find(&standing, place).ok_or(AgreementError::NotFound(id))?;
    if line.version != place.seen {
        return Err(AgreementError::conflict("agreement-line-changed"));
    }
    let document = store::newest_document(tx.conn(), id, true).await?;
    let pages = match document {
        Some(document) if matches!(document.state, DocumentState::Ready(_)) => {
            Some(store::pages(tx.conn(), document.id).await?)
        }
        Some(_) | None => None,
    };
    let said = raw
        .check(&found, pages.as_ref(), line)
        .map_err(|(field, say)| AgreementError::Field(field, say))?;
    let (layer, term) = (place.layer, place.term);
    store::insert_line(&mut tx, id, layer, term, (&said, actor.user)).await?;
    let cleared: Vec<_> = line.confirmations.iter().map(|one| one.party).collect();
    let (kind, what) = match &said {
        Said::Coded { value, basis } => (
            "agreements.line_coded",
            json!({
                "layer": layer, "term": term, "version": line.version + 1, "value": value, "basis": basis.name(),
                "page": basis.page(), "passage": passage(basis), "confirmations_cleared": cleared,
            }),
        ),
        Said::NeedsHuman { need, reason, .. } => (
            "agreements.line_needs_human",
            json!({
                "layer": layer, "term": term, "version": line.version + 1, "need": need, "reason": reason,
                "confirmations_cleared": cleared,
            }),
        ),
    };
    tx.record(&Happened::new(kind, &found, what))?;
    tx.commit(permit).await?;
    Ok(())
}

fn passage(basis: &Basis) -> Option<&str> {
    match basis {
        Basis::Passage { passage, .. } => Some(passage),
        Basis::Page { .. } | Basis::Template { .. } | Basis::Silent => None,
    }
}

/// The line of that layer and term.
pub(super) fn find(lines: &[Line], place: Place) -> Option<&Line> {
    lines
        .iter()
        .find(|line| line.layer == place.layer && line.term == place.term)
}
