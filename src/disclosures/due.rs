//! Published documents are looked at again and again: what no longer holds, or is half a year old, is due.

use serde::Serialize;

use super::{
    document::Document,
    documents::make_all,
    error::DisclosureError,
    store::{self, Version},
    version::{Reason, is_half_a_year_old},
};
use crate::{
    db::{Db, Event, Subject},
    ids::{DisclosureId, InstitutionId, ModelId},
    policy::{self, Action, Actor, Scope},
};

#[derive(Serialize)]
struct Due {
    disclosure: DisclosureId,
    reason: Reason,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Due {
    fn kind(&self) -> &'static str {
        "disclosures.due"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Versions that are read at once.
const PAGE: i64 = 100;

/// Looks at the newest published version of each model; what must be made anew is noted once, for operators to see.
/// One that cannot be looked at keeps none of the others from it.
///
/// # Errors
/// Where a row makes no sense or the database is away: the first of them, after all were looked at.
pub async fn look(db: &Db) -> Result<(), DisclosureError> {
    let (mut after, mut first) = (None, Ok(()));
    loop {
        let mut conn = db.read().await?;
        let page = store::published(&mut conn, after, PAGE).await?;
        drop(conn);
        for version in &page {
            if let Err(error) = note(db, version).await {
                tracing::error!(model = %version.model, %error, "published documents could not be looked at");
                first = first.and(Err(error));
            }
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return first,
        }
    }
}

async fn note(db: &Db, version: &Version) -> Result<(), DisclosureError> {
    let mut conn = db.read().await?;
    let known = store::dues(&mut conn, version.id).await?;
    let reasons: Vec<Reason> = reasons(&mut conn, db, version)
        .await?
        .into_iter()
        .filter(|reason| !known.iter().any(|(known, _)| known == reason))
        .collect();
    drop(conn);
    if reasons.is_empty() {
        return Ok(());
    }
    let actor = Actor::system();
    let permit = policy::check(&actor, Action::RunSystem, &Scope::of(actor.institution))?;
    let mut tx = db.write(&actor).await?;
    let mut is_new = false;
    for reason in reasons {
        // Another worker may have noted it meanwhile.
        if store::insert_due(&mut tx, version.id, reason).await? {
            is_new = true;
            tx.record(&Due {
                disclosure: version.id,
                reason,
                model: version.model,
                institution: version.institution,
            })?;
        }
    }
    if is_new {
        tx.commit(permit).await?;
    }
    Ok(())
}

async fn reasons(
    conn: &mut sqlx::PgConnection,
    db: &Db,
    version: &Version,
) -> Result<Vec<Reason>, DisclosureError> {
    let now = db.now();
    let mut reasons = Vec::new();
    let ledger = store::ledger(conn, version.model, now)
        .await?
        .ok_or(DisclosureError::NotFound)?;
    let is_withdrawn = ledger.datasets().iter().any(|(used, _)| {
        used.withdrawn
            .is_some_and(|(_, at)| at > version.prepared_at)
    });
    let frozen = store::stored_all(conn, version.id).await?;
    let holds = |document: &Document| {
        frozen
            .iter()
            .any(|old| old.document.states_the_same(document))
    };
    if is_withdrawn {
        reasons.push(Reason::Withdrawn);
    } else if !make_all(&ledger, version.number).iter().all(holds) {
        reasons.push(Reason::Changed);
    }
    if version
        .published_at()
        .is_some_and(|at| is_half_a_year_old(at, now))
    {
        reasons.push(Reason::SixMonths);
    }
    Ok(reasons)
}
