//! A legal reviewer publishes what an operator prepared, or returns it.

use serde::Serialize;

use super::{
    documents::make_all,
    error::DisclosureError,
    store::{self, Version},
    version::{Frozen, Reproduced},
};
use crate::{
    db::{Db, Event, Subject, WriteTx},
    ids::{DisclosureId, InstitutionId, ModelId},
    policy::{self, Action, Actor, Permit, Scope},
};

#[derive(Serialize)]
struct Decided<'a> {
    disclosure: DisclosureId,
    version: i32,
    reason: &'a str,
    #[serde(skip)]
    is_published: bool,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Decided<'_> {
    fn kind(&self) -> &'static str {
        if self.is_published {
            "disclosures.published"
        } else {
            "disclosures.returned"
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

/// Publishes a prepared version: from the commit on, its public documents are for everybody.
///
/// # Errors
/// [`DisclosureError::Denied`] where the actor prepared it, [`DisclosureError::Changed`] where the records say
/// something else by now, [`DisclosureError::Decided`] where it is not the newest or was decided on.
pub async fn publish(db: &Db, actor: &Actor, id: DisclosureId) -> Result<(), DisclosureError> {
    let mut tx = db.write(actor).await?;
    let (version, permit) = lock(&mut tx, id).await?;
    let frozen = store::stored_all(tx.conn(), id).await?;
    if !is_reproduced(&mut tx, &version, &frozen).await?
        || !still_holds(&mut tx, &version, &frozen).await?
    {
        return Err(DisclosureError::Changed);
    }
    decide(tx, &version, "", permit).await
}

/// Gives a prepared version back with the reason.
///
/// # Errors
/// As [`publish`], but for what changed.
pub async fn return_to_operator(
    db: &Db,
    actor: &Actor,
    id: DisclosureId,
    reason: &str,
) -> Result<(), DisclosureError> {
    let mut tx = db.write(actor).await?;
    let (version, permit) = lock(&mut tx, id).await?;
    decide(tx, &version, reason, permit).await
}

async fn lock(
    tx: &mut WriteTx<'_>,
    id: DisclosureId,
) -> Result<(Version, Permit), DisclosureError> {
    let version = store::find(tx.conn(), id)
        .await?
        .ok_or(DisclosureError::NotFound)?;
    // Before the lock: who may not do this keeps nobody waiting. Neither whose it is nor who prepared it changes.
    let scope = Scope::of(version.institution).requested_by(Some(version.prepared_by));
    let permit = policy::check(tx.actor(), Action::PublishDisclosure, &scope)?;
    store::lock_model(tx, version.model).await?;
    // Read after the lock is held: what it waited for is seen.
    let known = store::of_model(tx.conn(), version.model).await?;
    let version = known
        .iter()
        .find(|one| one.id == id)
        .cloned()
        .ok_or(DisclosureError::NotFound)?;
    let is_newest = known.first().is_some_and(|newest| newest.id == id);
    if version.decision.is_some() || !is_newest {
        return Err(DisclosureError::Decided);
    }
    Ok((version, permit))
}

/// Whether the records of its own date still give each document to the byte.
async fn is_reproduced(
    tx: &mut WriteTx<'_>,
    version: &Version,
    frozen: &[Frozen],
) -> Result<bool, DisclosureError> {
    let ledger = store::ledger(tx.conn(), version.model, version.prepared_at)
        .await?
        .ok_or(DisclosureError::NotFound)?;
    for again in make_all(&ledger, version.number) {
        let Some(old) = frozen.iter().find(|old| old.kind == again.kind) else {
            return Ok(false);
        };
        if Reproduced::of(old, &again)? == Reproduced::Differs {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the records of now say the same.
async fn still_holds(
    tx: &mut WriteTx<'_>,
    version: &Version,
    frozen: &[Frozen],
) -> Result<bool, DisclosureError> {
    let now = tx.now();
    let ledger = store::ledger(tx.conn(), version.model, now)
        .await?
        .ok_or(DisclosureError::NotFound)?;
    let documents = make_all(&ledger, version.number);
    Ok(documents.iter().all(|document| {
        frozen
            .iter()
            .any(|old| old.document.states_the_same(document))
    }))
}

/// Writes the decision down: returned where there is a reason, else published.
async fn decide(
    mut tx: WriteTx<'_>,
    version: &Version,
    reason: &str,
    permit: Permit,
) -> Result<(), DisclosureError> {
    let is_published = reason.is_empty();
    let decision = if is_published {
        "published"
    } else {
        "returned"
    };
    store::insert_decision_on(&mut tx, version, (decision, reason)).await?;
    tx.record(&Decided {
        disclosure: version.id,
        version: version.number,
        reason,
        is_published,
        model: version.model,
        institution: version.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
