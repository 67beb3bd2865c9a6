//! Putting an agreement into force: the permissions it gives, in one transaction.

use serde_json::json;

use super::{
    agreement::{Agreement, Step},
    clause::{Clause, State as ClauseState},
    event::{AgreementError, Happened},
    line::{Basis, Line, Progress},
    register::check,
    store::{self, Document, DocumentState},
    term::{self, Term, TermsError},
};
use crate::{
    db::Db,
    ids::{AgreementId, PermissionId},
    permissions::{self, Evidence, NewPermission},
    policy::{Action, Actor},
};

/// Gives a permission for each dataset and layer of an agreement whose every line is coded and confirmed by both
/// parties. Their evidence is the document's hash with the page of each term, or the text of law or licence.
///
/// # Errors
/// [`AgreementError::Denied`] for who is not the institution's manager; a conflict where a line needs a human, is
/// not confirmed by both, or was read in an earlier document, and where a clause was not judged by both.
pub async fn put_in_force(
    db: &Db,
    actor: &Actor,
    id: AgreementId,
) -> Result<Vec<PermissionId>, AgreementError> {
    let mut tx = db.write(actor).await?;
    // Datasets are locked before agreements, as everywhere: whoever decides on their use now waits for us.
    let covered = store::find(tx.conn(), id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let _seen = check(actor, Action::GivePermission, &covered)?;
    for dataset in &covered.facts.datasets {
        permissions::lock(&mut tx, *dataset).await?;
    }
    let found = store::lock(&mut tx, id)
        .await?
        .ok_or(AgreementError::NotFound(id))?;
    let permit = check(actor, Action::GivePermission, &found)?;
    let after = found.status.after(Step::PutInForce)?;
    if found.facts.datasets != covered.facts.datasets {
        return Err(AgreementError::conflict("agreement-line-changed"));
    }
    let document = store::newest_document(tx.conn(), id, true).await?;
    let is_read = match &document {
        Some(document) => matches!(document.state, DocumentState::Ready(_)),
        None => found.source_url.is_some(),
    };
    if !is_read {
        return Err(AgreementError::conflict("agreement-no-document-yet"));
    }
    let lines = store::standing(tx.conn(), id).await?;
    ready(&found, &lines, document.as_ref())?;
    let clauses = store::clauses(tx.conn(), id).await?;
    if clauses.iter().any(|one| one.state() == ClauseState::Open) {
        return Err(AgreementError::conflict("agreement-clauses-open"));
    }
    let conditions: Vec<String> = clauses.iter().filter_map(Clause::condition).collect();
    let mut given = Vec::new();
    for layer in &found.facts.layers {
        let own: Vec<&Line> = lines.iter().filter(|line| line.layer == *layer).collect();
        let evidence = evidence(&found, &own, document.as_ref());
        let value = |term: Term| {
            own.iter()
                .find(|line| line.term == term)
                .and_then(|line| line.value().cloned())
        };
        let terms = term::terms(value, evidence, conditions.clone())?;
        let new = NewPermission {
            layer: *layer,
            terms,
            coverage: permissions::Coverage::AllVersions,
        };
        for dataset in &found.facts.datasets {
            let permission = permissions::give_in(&mut tx, *dataset, &new).await?;
            store::link(&mut tx, id, *dataset, *layer, permission).await?;
            given.push(permission);
        }
    }
    store::save_status(&mut tx, id, after).await?;
    store::remark(&mut tx, id, Step::PutInForce.name(), "").await?;
    let what = json!({
        "permissions": given, "document_sha256": document.map(|document| document.sha256),
        "source_url": found.source_url, "conditions": conditions,
    });
    tx.record(&Happened::new("agreements.put_in_force", &found, what))?;
    tx.commit(permit).await?;
    Ok(given)
}

/// Whether every term of every layer is coded in the document that counts, and confirmed by both.
fn ready(
    agreement: &Agreement,
    lines: &[Line],
    document: Option<&Document>,
) -> Result<(), AgreementError> {
    let progress = Progress::of(lines);
    if progress.needs_human > 0 {
        return Err(AgreementError::conflict("agreement-needs-human"));
    }
    let is_whole = agreement.facts.layers.iter().all(|layer| {
        Term::ALL
            .iter()
            .all(|term| lines.iter().any(|l| l.layer == *layer && l.term == *term))
    });
    if !is_whole {
        return Err(TermsError::Missing(Term::Purposes).into());
    }
    if !progress.is_complete() {
        return Err(AgreementError::conflict("agreement-not-confirmed"));
    }
    let is_of_this = |line: &Line| match line.basis() {
        Some(
            Basis::Passage {
                document: read_in, ..
            }
            | Basis::Page {
                document: read_in, ..
            },
        ) => document.is_some_and(|document| document.id == *read_in),
        Some(Basis::Template { .. } | Basis::Silent) | None => true,
    };
    if lines.iter().all(is_of_this) {
        Ok(())
    } else {
        Err(AgreementError::conflict("agreement-earlier-document"))
    }
}

/// What proves a permission: the document by its hash, and the page of each term.
fn evidence(agreement: &Agreement, lines: &[&Line], document: Option<&Document>) -> Evidence {
    let mut pages: Vec<(i32, Vec<&'static str>)> = Vec::new();
    for line in lines {
        if let Some(page) = line.basis().and_then(Basis::page) {
            match pages.iter_mut().find(|(known, _)| *known == page) {
                Some((_, terms)) => terms.push(line.term.name()),
                None => pages.push((page, vec![line.term.name()])),
            }
        }
    }
    pages.sort_unstable();
    let mut note = agreement.facts.title.clone();
    for (page, terms) in pages {
        note.push_str(&format!("; p. {page}: {}", terms.join(", ")));
    }
    if let Some(url) = &agreement.source_url {
        note.push_str(&format!("; {url}"));
    }
    note.push_str(&format!("; agreement {}", agreement.id));
    Evidence {
        note,
        document_sha256: document.map(|document| document.sha256.clone()),
    }
}

/// Whether the permissions are the institution's own word on these layers, for pages.
pub(super) fn may_put_in_force(
    actor: &Actor,
    agreement: &Agreement,
    (lines, clauses): (&[Line], &[Clause]),
) -> bool {
    clauses.iter().all(|one| one.state() != ClauseState::Open)
        && agreement.status.after(Step::PutInForce).is_ok()
        && Progress::of(lines).is_complete()
        && check(actor, Action::GivePermission, agreement).is_ok()
}
