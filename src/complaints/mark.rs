//! Which documents a case is about.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    case::{Case, Step},
    error::ComplaintError,
    handle::{lock_handled, must_be_handling},
    happened::Happened,
    search::{Reader, reader},
    store,
};
use crate::{
    db::{Db, WriteTx},
    documents::{self, DocumentKey, Search, parse_terms},
    ids::ComplaintId,
    policy::{Actor, Permit},
};

/// Found documents that one click marks at most.
const MOST_AT_ONCE: i64 = 5000;

/// Says what is searched for: one name or phrase a line.
///
/// # Errors
/// [`ComplaintError::WrongStatus`] unless somebody works on it.
pub(super) async fn set_terms(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    terms: &[String],
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let (case, permit) = lock_handled(&mut tx, id).await?;
    must_be_handling(&case, Step::Take)?;
    let terms = parse_terms(terms.iter().map(String::as_str));
    let found = documents::count(tx.conn(), &terms, None).await?;
    let texts: Vec<String> = terms.into_iter().map(|term| term.text).collect();
    store::save_search_terms(&mut tx, id, &texts).await?;
    // Who looked through everybody's documents is kept; for what, is in the case only.
    tx.record(&Happened::to(
        &case,
        "complaints.searched",
        json!({ "terms": texts.len(), "documents_found": found }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Of the documents that were `shown`, marks those that were `chosen`, and takes the mark of the others away.
///
/// # Errors
/// [`ComplaintError::NotFound`] for a document that the actor may not see.
pub(super) async fn mark(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    (shown, chosen): (&[DocumentKey], &[DocumentKey]),
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let (case, permit, reader) = lock_marking(&mut tx, id).await?;
    // Only what stands in a dataset, and only in one that the actor may look into.
    let known: BTreeSet<DocumentKey> = documents::describe(tx.conn(), shown)
        .await?
        .into_iter()
        .filter(|one| reader.may_read(one.institution))
        .map(|one| one.key)
        .collect();
    if shown.iter().chain(chosen).any(|key| !known.contains(key)) {
        return Err(ComplaintError::NotFound);
    }
    let chosen: BTreeSet<DocumentKey> = chosen.iter().copied().collect();
    let others: Vec<_> = known.difference(&chosen).copied().collect();
    let chosen: Vec<_> = chosen.into_iter().collect();
    let added = store::mark(&mut tx, id, &chosen).await?;
    let removed = store::unmark(&mut tx, id, &others).await?;
    if added + removed == 0 {
        return Ok(());
    }
    record(&mut tx, &case, added, removed).await?;
    tx.commit(permit).await?;
    Ok(())
}

/// Marks everything that is found, up to 5000 documents.
///
/// # Errors
/// [`ComplaintError::WrongStatus`] unless somebody works on it.
pub(super) async fn mark_all(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let (case, permit, reader) = lock_marking(&mut tx, id).await?;
    let details = case.details.as_ref().ok_or(ComplaintError::Forgotten)?;
    let terms = parse_terms(details.search_terms.iter().map(String::as_str));
    let search = Search {
        terms: &terms,
        within: reader.within(),
        after: None,
        limit: MOST_AT_ONCE,
    };
    let found = documents::search(tx.conn(), search).await?;
    let added = store::mark(&mut tx, id, &found).await?;
    if added == 0 {
        return Ok(());
    }
    record(&mut tx, &case, added, 0).await?;
    tx.commit(permit).await?;
    Ok(())
}

async fn lock_marking(
    tx: &mut WriteTx<'_>,
    id: ComplaintId,
) -> Result<(Case, Permit, Reader), ComplaintError> {
    let case = store::find_for_update(tx, id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let actor = tx.actor();
    let (permit, reader) = reader(tx.conn(), actor, &case).await?;
    must_be_handling(&case, Step::Take)?;
    Ok((case, permit, reader))
}

async fn record(
    tx: &mut WriteTx<'_>,
    case: &Case,
    added: u64,
    removed: u64,
) -> Result<(), ComplaintError> {
    let marked = store::marked(tx.conn(), case.id, None).await?;
    let datasets: Vec<_> = marked
        .iter()
        .map(|one| json!({ "dataset": one.dataset, "documents": one.documents }))
        .collect();
    tx.record(&Happened::to(
        case,
        "complaints.documents_marked",
        json!({ "added": added, "removed": removed, "marked": datasets }),
    ))?;
    Ok(())
}
