//! Registering an agreement, and changing what is said of it while it may still change.

use serde_json::json;

use super::{
    agreement::{Agreement, Facts, Status, Step},
    event::{AgreementError, Happened},
    line::{Basis, Line, Need, Said},
    store,
    template::Template,
    term::Term,
};
use crate::{
    db::{Db, WriteTx},
    error::Say,
    ids::{AgreementId, InstitutionId},
    permissions::Layer,
    policy::{self, Action, Actor, Permit, Scope},
};

/// Registers an agreement of the actor's institution as a draft, with a line for each term of each layer. A
/// template fills in values with the reason for each; where a document must be signed, each still needs its place.
///
/// # Errors
/// [`AgreementError::Denied`] where the actor is no contributor or manager; a field error where a dataset is not
/// the institution's.
pub async fn register(
    db: &Db,
    actor: &Actor,
    facts: &Facts,
    template: Option<&Template>,
) -> Result<AgreementId, AgreementError> {
    let mut tx = db.write(actor).await?;
    let scope = Scope::of(actor.institution);
    let permit = policy::check(actor, Action::EditAgreement, &scope)?;
    own_datasets(&mut tx, actor.institution, facts).await?;
    let id = AgreementId::fresh();
    let new = store::NewAgreement {
        id,
        facts,
        template: template.map(|template| template.name),
        source_url: template.and_then(|template| template.source_url.as_deref()),
    };
    store::insert(&mut tx, &new).await?;
    let agreement = store::find(tx.conn(), id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    for layer in &facts.layers {
        open_lines(&mut tx, &agreement, *layer, template).await?;
    }
    let what = json!({ "facts": facts, "template": agreement.template });
    tx.record(&Happened::new("agreements.registered", &agreement, what))?;
    tx.commit(permit).await?;
    Ok(id)
}

async fn own_datasets(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    facts: &Facts,
) -> Result<(), AgreementError> {
    // Another institution's dataset is answered like one that is not there.
    if store::owned(tx.conn(), institution, &facts.datasets).await? == facts.datasets.len() {
        Ok(())
    } else {
        let say = Say::new("agreement-dataset-unknown");
        Err(AgreementError::Field("datasets", say))
    }
}

/// A first version of each line of a layer.
async fn open_lines(
    tx: &mut WriteTx<'_>,
    agreement: &Agreement,
    layer: Layer,
    template: Option<&Template>,
) -> Result<(), AgreementError> {
    for term in Term::ALL {
        let suggested = template.and_then(|template| template.terms.get(term));
        let said = match suggested {
            None => Said::NeedsHuman {
                need: Need::NotCoded,
                reason: String::new(),
                value: None,
            },
            Some(suggested) => {
                let reason = suggested.reason.stored();
                match (&suggested.value, &agreement.source_url) {
                    (Some(value), Some(_)) => Said::Coded {
                        value: value.clone(),
                        basis: Basis::Template { reason },
                    },
                    (Some(value), None) => Said::NeedsHuman {
                        need: Need::NoPlace,
                        reason,
                        value: Some(value.clone()),
                    },
                    (None, _) => Said::NeedsHuman {
                        need: Need::NotCoded,
                        reason,
                        value: None,
                    },
                }
            }
        };
        let by = tx.actor().user;
        store::insert_line(tx, agreement.id, layer, *term, (&said, by)).await?;
    }
    Ok(())
}

/// Replaces what is said of a draft or returned agreement. Lines that were confirmed lose their confirmations:
/// what they were confirmed for has changed.
///
/// # Errors
/// [`AgreementError::Conflict`] where it may no longer be changed.
pub async fn describe(
    db: &Db,
    actor: &Actor,
    id: AgreementId,
    facts: &Facts,
) -> Result<(), AgreementError> {
    let mut tx = db.write(actor).await?;
    let (before, permit) = lock_editable(&mut tx, id).await?;
    own_datasets(&mut tx, before.institution, facts).await?;
    let standing = store::standing(tx.conn(), id).await?;
    store::replace_facts(&mut tx, &before, facts).await?;
    let after = store::find(tx.conn(), id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let there: Vec<Line> = store::standing(tx.conn(), id).await?;
    for layer in &facts.layers {
        if !there.iter().any(|line| line.layer == *layer) {
            let template = after.template.as_deref().and_then(super::template::find);
            open_lines(&mut tx, &after, *layer, template).await?;
        }
    }
    for line in standing
        .iter()
        .filter(|line| !line.confirmations.is_empty())
    {
        let again = (&line.said, actor.user);
        store::insert_line(&mut tx, id, line.layer, line.term, again).await?;
    }
    let what = json!({ "facts": facts });
    tx.record(&Happened::new("agreements.described", &after, what))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Finds an agreement whose facts and document the transaction's actor may change now, and keeps every other
/// change of it waiting until the transaction ends.
///
/// # Errors
/// [`AgreementError::Conflict`] where it was handed in or is closed.
pub(super) async fn lock_editable(
    tx: &mut WriteTx<'_>,
    id: AgreementId,
) -> Result<(Agreement, Permit), AgreementError> {
    let found = store::lock(tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let permit = check(tx.actor(), Action::EditAgreement, &found)?;
    if found.status.is_editable() {
        Ok((found, permit))
    } else {
        Err(AgreementError::conflict("agreement-frozen"))
    }
}

/// Whether `actor` may do `action`. Who may see the agreement is told that it is their role, instead of "not found".
///
/// # Errors
/// [`policy::Denied`].
pub(super) fn check(
    actor: &Actor,
    action: Action,
    agreement: &Agreement,
) -> Result<Permit, policy::Denied> {
    let scope = agreement.scope();
    policy::check(actor, action, &scope).map_err(|denied| {
        if policy::check(actor, Action::ViewAgreement, &scope).is_ok() {
            policy::Denied::Role
        } else {
            denied
        }
    })
}

/// Hands the agreement in: from then on both parties confirm its lines.
///
/// # Errors
/// [`AgreementError::Conflict`] where its document was not read yet, or a line is not coded and nobody said why.
pub async fn submit(db: &Db, actor: &Actor, id: AgreementId) -> Result<(), AgreementError> {
    let mut tx = db.write(actor).await?;
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let permit = check(actor, Action::EditAgreement, &found)?;
    let after = found.status.after(Step::Submit)?;
    let document = store::newest_document(tx.conn(), id, true).await?;
    let is_read = match &document {
        Some(document) => matches!(document.state, store::DocumentState::Ready(_)),
        None => found.source_url.is_some(),
    };
    if !is_read {
        return Err(AgreementError::conflict("agreement-no-document-yet"));
    }
    let lines = store::standing(tx.conn(), id).await?;
    let progress = super::line::Progress::of(&lines);
    if progress.uncoded > 0 {
        let say = Say::new("agreement-uncoded-lines").with("lines", progress.uncoded);
        return Err(AgreementError::Conflict(say));
    }
    store::save_status(&mut tx, id, after).await?;
    store::remark(&mut tx, id, Step::Submit.name(), "").await?;
    let what = json!({ "document_sha256": document.map(|document| document.sha256), "progress": progress });
    tx.record(&Happened::new("agreements.submitted", &found, what))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Whether facts or document may be changed now by `actor`, for pages.
pub(super) fn may_edit(actor: &Actor, agreement: &Agreement) -> bool {
    agreement.status.is_editable() && check(actor, Action::EditAgreement, agreement).is_ok()
}

/// Whether lines may be coded now by `actor`: by the institution from the draft on, by the legal reviewer from
/// when it was handed in.
pub(super) fn may_code(actor: &Actor, agreement: &Agreement) -> bool {
    let is_open = match agreement.status {
        Status::Draft | Status::Returned => actor.institution == agreement.institution,
        Status::InReview => true,
        Status::InForce | Status::Rejected | Status::Withdrawn => false,
    };
    is_open && check(actor, Action::WorkOnAgreement, agreement).is_ok()
}
