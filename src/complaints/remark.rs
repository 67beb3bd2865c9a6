//! What an institution says of a case that touches its data.

use serde_json::json;

use super::{
    case::Status,
    error::ComplaintError,
    happened::Happened,
    search::{Reader, reader},
    store,
};
use crate::{db::Db, ids::ComplaintId, policy::Actor};

/// Keeps a remark of the actor's institution, for who decides.
///
/// # Errors
/// [`ComplaintError::NotFound`] where none of its documents is in the case.
pub(super) async fn remark(
    db: &Db,
    actor: &Actor,
    id: ComplaintId,
    text: &str,
) -> Result<(), ComplaintError> {
    let mut tx = db.write(actor).await?;
    let case = store::find_for_update(&mut tx, id)
        .await?
        .ok_or(ComplaintError::NotFound)?;
    let (permit, reader) = reader(tx.conn(), actor, &case).await?;
    let Reader::Institution([institution]) = reader else {
        return Err(ComplaintError::NotFound);
    };
    if case.status == Status::Decided {
        return Err(ComplaintError::Changed);
    }
    store::insert_remark(&mut tx, id, institution, text).await?;
    tx.record(&Happened::to(
        &case,
        "complaints.remarked",
        json!({ "institution": institution }),
    ))?;
    tx.commit(permit).await?;
    Ok(())
}
