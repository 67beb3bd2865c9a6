//! The registered licence of a dataset: each is a fact with a date, the newest one holds.

use serde_json::json;

use super::{error::RightsError, happened::Happened, licence::normalise, store};
use crate::{
    db::{Db, StoreError, WriteTx},
    ids::DatasetId,
    policy::{self, Action, Actor},
};

/// Registers another licence for `dataset`, beside the one that was.
///
/// # Errors
/// [`RightsError::SameLicence`] where nothing would change.
pub async fn relicense(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    (license, reason): (&str, &str),
) -> Result<(), RightsError> {
    let mut tx = db.write(actor).await?;
    let subject = store::lock(&mut tx, dataset)
        .await?
        .ok_or(RightsError::NotFound(dataset))?;
    let permit = policy::check(actor, Action::ChangeLicence, &subject.scope())?;
    if subject.license == license {
        return Err(RightsError::SameLicence);
    }
    note_licence(&mut tx, dataset, license, reason).await?;
    store::set_licence(&mut tx, dataset, license).await?;
    tx.record(&Happened::to(
        (dataset, subject.institution),
        "rights_checks.licence_changed",
        json!({ "was": subject.license, "license": license, "expression": normalise(license), "reason": reason }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}

/// Writes down what the registered licence is from now on, where that is news; whoever changes the row of the
/// dataset does this in the same transaction.
///
/// # Errors
/// Where the database is away.
pub async fn note_licence(
    tx: &mut WriteTx<'_>,
    dataset: DatasetId,
    license: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let newest = store::newest_licence(tx.conn(), dataset).await?;
    if newest.as_deref() != Some(license) {
        store::insert_licence(tx, dataset, (license, &normalise(license)), reason).await?;
    }
    Ok(())
}
