//! The decision: written by who handles the case; what is not a full yes is decided by a second person. With it the
//! documents are kept out, and the letter is written.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    case::{Case, Done, Outcome, Step},
    error::ComplaintError,
    handle::lock_handled,
    happened::Happened,
    letter::{self, LetterKind},
    search::reader,
    store,
};
use crate::{
    datasets,
    db::{Db, WriteTx},
    documents::{self, DocumentKey},
    ids::{ComplaintId, DatasetId},
    policy::{self, Action, Actor},
};

/// Writes a decision. A full yes is decided at once; anything else waits for a second person.
///
/// # Errors
/// [`ComplaintError::IdentityFirst`] where something is given and it is not clear to whom.
pub(super) async fn prepare(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    (outcome, reason): (Outcome, &str),
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let planned = lock_datasets(&mut tx, id).await?;
    let (mut case, permit) = lock_handled(&mut tx, id).await?;
    let after = case.status.after(Step::Prepare(outcome))?;
    if outcome != Outcome::Refused && !case.is_identity_clear() {
        return Err(ComplaintError::IdentityFirst);
    }
    let done = Done {
        by: actor.user,
        at: tx.now(),
    };
    case.details
        .as_mut()
        .ok_or(ComplaintError::Forgotten)?
        .reason = Some(reason.to_owned());
    (case.status, case.prepared) = (after, Some((outcome, done)));
    if outcome == Outcome::Granted {
        case.decided = Some(done);
        store::save_decision(&mut tx, &case).await?;
        carry_out(&mut tx, &case, outcome, &planned).await?;
    } else {
        store::save_decision(&mut tx, &case).await?;
        tx.record(&Happened::to(
            &case,
            "complaints.decision_prepared",
            json!({ "outcome": outcome }),
        ))?;
    }
    tx.commit(permit).await?;
    Ok(())
}

/// Agrees with a decision that somebody else wrote: it is decided then.
///
/// # Errors
/// [`ComplaintError::Denied`] for who wrote it.
pub(super) async fn confirm(db: &Db, actor: &Actor, id: ComplaintId) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let planned = lock_datasets(&mut tx, id).await?;
    let mut case = lock_visible(&mut tx, id).await?;
    case.status = case.status.after(Step::Confirm)?;
    let permit = policy::check(actor, Action::DecideOnRefusal, &case.scope())?;
    let Some((outcome, _)) = case.prepared else {
        return Err(ComplaintError::Changed);
    };
    case.decided = Some(Done {
        by: actor.user,
        at: tx.now(),
    });
    store::save_decision(&mut tx, &case).await?;
    carry_out(&mut tx, &case, outcome, &planned).await?;
    tx.commit(permit).await?;
    Ok(())
}

/// Does not agree: the case goes back to who handles it.
///
/// # Errors
/// [`ComplaintError::Denied`] for who wrote it.
pub(super) async fn send_back(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let mut case = lock_visible(&mut tx, id).await?;
    case.status = case.status.after(Step::SendBack)?;
    let permit = policy::check(actor, Action::DecideOnRefusal, &case.scope())?;
    case.prepared = None;
    if let Some(details) = &mut case.details {
        details.reason = None;
    }
    store::save_decision(&mut tx, &case).await?;
    tx.record(&Happened::to(&case, "complaints.sent_back", json!({})))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Locks a case that the transaction's actor needs to know of; for others there is none.
async fn lock_visible(tx: &mut WriteTx<'_>, id: ComplaintId) -> Result<Case, ComplaintError> {
    let case = store::find_for_update(tx, id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let actor = tx.actor();
    let (_permit, _reader) = reader(tx.conn(), actor, &case).await?;
    Ok(case)
}

type Planned = BTreeMap<DatasetId, Vec<[u8; 32]>>;

async fn planned(tx: &mut WriteTx<'_>, id: ComplaintId) -> Result<Planned, ComplaintError> {
    let mut planned = Planned::new();
    for DocumentKey { dataset, sha256 } in store::marked_keys(tx.conn(), id, None).await? {
        planned.entry(dataset).or_default().push(sha256);
    }
    Ok(planned)
}

/// Locks the datasets of the marked documents, before the case: locks are taken from the bottom up.
async fn lock_datasets(tx: &mut WriteTx<'_>, id: ComplaintId) -> Result<Planned, ComplaintError> {
    let planned = planned(tx, id).await?;
    for dataset in planned.keys() {
        datasets::lock(tx, *dataset).await?;
    }
    Ok(planned)
}

/// Does what was decided: keeps documents out where that was given, and writes the letter.
async fn carry_out(
    tx: &mut WriteTx<'_>,
    case: &Case,
    outcome: Outcome,
    locked: &Planned,
) -> Result<(), ComplaintError> {
    // Marked between the two locks.
    if planned(tx, case.id).await? != *locked {
        return Err(ComplaintError::Changed);
    }
    let is_excluded = outcome != Outcome::Refused && case.kind.excludes();
    let mut exclusions = Vec::new();
    if is_excluded {
        for (dataset, hashes) in locked {
            if let Some(made) = datasets::exclude(tx, *dataset, hashes).await? {
                store::insert_exclusion(tx, case.id, made.id).await?;
                exclusions.push(made.id);
            }
        }
    }
    let marked = store::marked(tx.conn(), case.id, None).await?;
    let keys: Vec<DocumentKey> = locked
        .iter()
        .flat_map(|(dataset, hashes)| {
            hashes.iter().map(|sha256| DocumentKey {
                dataset: *dataset,
                sha256: *sha256,
            })
        })
        .collect();
    let versions: Vec<uuid::Uuid> = documents::describe(tx.conn(), &keys)
        .await?
        .iter()
        .flat_map(|one| one.places.iter().map(|place| place.version.0))
        .collect();
    let uses = store::uses(tx.conn(), &versions).await?;
    let facts = letter::Facts {
        outcome,
        marked: &marked,
        uses: &uses,
        is_excluded,
    };
    let body = letter::decision(case, &facts);
    let sha256 = letter::send(tx, case, LetterKind::Decision, &body).await?;
    tx.record(&Happened::to(
        case,
        "complaints.decided",
        json!({
            "outcome": outcome, "prepared_by": case.prepared.map(|(_, done)| done.by), "exclusions": exclusions,
            "documents": keys.len(), "letter_sha256": sha256,
        }),
    ))?;
    Ok(())
}
