//! How often a source is looked at again.

use serde::Serialize;
use serde_json::json;

use super::{
    error::RightsError,
    fetch::Fetcher,
    happened::Happened,
    recheck::{Look, too_soon},
    store,
};
use crate::{
    db::Db,
    ids::DatasetId,
    policy::{self, Action, Actor},
};

/// The plan for one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// What is looked at.
    pub source_url: String,
    /// Days between two looks, 1 to 365.
    pub every_days: i32,
    /// When the next one is due.
    pub next_due: chrono::DateTime<chrono::Utc>,
}

/// Sets which source is looked at and how often; the first look is now, or a while after the last one at that source.
///
/// # Errors
/// [`RightsError::Refused`] for an address that the portal does not ask.
pub async fn plan(
    db: &Db,
    fetcher: &Fetcher,
    actor: &Actor,
    dataset: DatasetId,
    (source_url, every_days): (&str, i32),
) -> Result<(), RightsError> {
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(RightsError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::CheckRights, &subject.scope())?;
    let url = fetcher.parse(source_url)?;
    let again = too_soon(&mut tx, url.as_str()).await?;
    let schedule = Schedule {
        source_url: url.to_string(),
        every_days,
        next_due: again.unwrap_or(tx.now()),
    };
    store::set_schedule(&mut tx, dataset, &schedule).await?;
    tx.record(&Happened::to(
        (dataset, subject.institution),
        "rights_checks.planned",
        json!({ "source_url": schedule.source_url, "every_days": every_days }),
    ))?;
    // What was looked at just now waits for its turn.
    if again.is_none() {
        tx.enqueue(&Look {
            dataset,
            due: schedule.next_due,
        })?;
    }
    tx.commit(permit).await?;
    Ok(())
}
