//! An operator freezes the documents about a model, for a legal reviewer to publish.

use serde::Serialize;

use super::{document::Document, documents::make_all, error::DisclosureError, kind::Kind, store};
use crate::{
    db::{Db, Event, Subject, WriteTx},
    ids::{DisclosureId, InstitutionId, ModelId},
    models,
    policy::{self, Action, Actor, Scope},
};

#[derive(Serialize)]
struct Prepared {
    disclosure: DisclosureId,
    version: i32,
    sha256: Vec<(Kind, String)>,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Prepared {
    fn kind(&self) -> &'static str {
        "disclosures.prepared"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Freezes the next version of the documents about a tuned model, as at this instant.
///
/// # Errors
/// [`DisclosureError::Incomplete`] with every fact that is missing, [`DisclosureError::Unchanged`] where the last
/// published version states the same and is not due.
pub async fn prepare(
    db: &Db,
    actor: &Actor,
    model: ModelId,
) -> Result<DisclosureId, DisclosureError> {
    let mut tx = db.write(actor).await?;
    // Before the lock: who may not do this keeps nobody waiting. A model's institution never changes.
    let institution = models::find(tx.conn(), model)
        .await?
        .ok_or(DisclosureError::NotFound)?
        .institution;
    let permit = policy::check(actor, Action::PrepareDisclosure, &Scope::of(institution))?;
    store::lock_model(&mut tx, model).await?;
    let now = tx.now();
    let ledger = store::ledger(tx.conn(), model, now)
        .await?
        .ok_or(DisclosureError::NotFound)?;
    let known = store::of_model(tx.conn(), model).await?;
    let number = known.first().map_or(1, |newest| newest.number + 1);
    let documents = make_all(&ledger, number);
    let mut missing: Vec<_> = documents.iter().flat_map(Document::missing).collect();
    if !missing.is_empty() {
        // The same fact goes into several documents.
        missing.sort_by(|a, b| a.field.cmp(&b.field));
        missing.dedup();
        return Err(DisclosureError::Incomplete(missing));
    }
    if let Some(last) = known
        .iter()
        .find(|version| version.published_at().is_some())
        && !is_due(&mut tx, last.id).await?
    {
        let frozen = store::stored_all(tx.conn(), last.id).await?;
        let says_the_same = |document: &Document| {
            frozen
                .iter()
                .any(|old| old.document.states_the_same(document))
        };
        if documents.iter().all(says_the_same) {
            return Err(DisclosureError::Unchanged);
        }
    }
    let canonical = documents
        .iter()
        .map(|document| Ok((document.kind, document.canonical()?)))
        .collect::<Result<Vec<_>, serde_json::Error>>()?;
    let id = DisclosureId::fresh();
    store::insert_version(&mut tx, (id, model, number), &canonical).await?;
    tx.record(&Prepared {
        disclosure: id,
        version: number,
        sha256: canonical
            .iter()
            .map(|(kind, text)| (*kind, super::canonical::sha256_hex(text)))
            .collect(),
        model,
        institution,
    })?;
    tx.commit(permit).await?;
    Ok(id)
}

/// Whether it must be made anew, for whatever reason: also where it says the same again, for that is the answer.
async fn is_due(tx: &mut WriteTx<'_>, id: DisclosureId) -> Result<bool, DisclosureError> {
    Ok(!store::dues(tx.conn(), id).await?.is_empty())
}
