//! Deleting who asked and what they said, a while after the decision. That there was a case, what was decided and
//! done, and the hashes stay.

use chrono::TimeDelta;
use serde_json::json;

use super::{case::Status, deadline::day, error::ComplaintError, happened::Happened, store};
use crate::{
    db::Db,
    ids::ComplaintId,
    objects::ObjectStore,
    policy::{self, Action, Actor},
};

/// Cases that are done at one run; the rest follows at the next.
const AT_ONCE: i64 = 50;

/// Deletes the personal details of the cases that were decided longer than `keep_days` ago.
///
/// # Errors
/// Where database or object store are away; the rest is done next time.
pub async fn forget(db: &Db, objects: &ObjectStore, keep_days: u32) -> Result<(), ComplaintError> {
    let mut conn = db.read().await?;
    let before = db.now() - TimeDelta::days(i64::from(keep_days));
    let due = store::to_forget(&mut conn, before, AT_ONCE).await?;
    drop(conn);
    for id in due {
        forget_one(db, objects, id).await?;
    }
    let mut tx = db.meter().await?;
    let yesterday = day(tx.now() - TimeDelta::days(1));
    store::sweep_arrivals(&mut tx, yesterday).await?;
    tx.commit().await?;
    Ok(())
}

async fn forget_one(db: &Db, objects: &ObjectStore, id: ComplaintId) -> Result<(), ComplaintError> {
    let actor = Actor::system();
    let mut tx = db.write(&actor).await?;
    let case = store::find_for_update(&mut tx, id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let permit = policy::check(&actor, Action::RunSystem, &case.scope())?;
    let Some(details) = case
        .details
        .as_ref()
        .filter(|_| case.status == Status::Decided)
    else {
        return Ok(());
    };
    if let Some(file) = &details.evidence {
        // First: once the row knows nothing of it, nobody would delete it.
        objects
            .delete(&file.object_key, &file.object_version)
            .await?;
    }
    store::forget(&mut tx, id).await?;
    tx.record(&Happened::to(
        &case,
        "complaints.personal_details_deleted",
        json!({}),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
