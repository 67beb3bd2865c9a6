//! Has what stands where follow the rule.

use super::{
    placement::{self, Change},
    store,
};
use crate::db::{Db, StoreError};

/// Looks at everything, and changes what has to change. Whoever comes while another does it leaves it to that one; it
/// is done each second, as programs ask.
///
/// # Errors
/// Where the database is away.
pub async fn arrange(db: &Db) -> Result<(), StoreError> {
    let mut tx = db.meter().await?;
    if !store::is_alone(&mut tx).await? {
        return Ok(());
    }
    let mut has_changed = store::expire(&mut tx).await?;
    let stand = store::stand(tx.conn()).await?;
    for change in placement::arrange(&stand).changes {
        has_changed = true;
        match change {
            Change::Add(deployment, process) => {
                store::add(&mut tx, deployment, process).await?;
            }
            Change::Leave(deployment, process) => {
                store::leave(&mut tx, (deployment, process), true).await?;
            }
            Change::Return(deployment, process) => {
                store::leave(&mut tx, (deployment, process), false).await?;
            }
            Change::Drop(deployment, process) => {
                store::drop_place(&mut tx, deployment, process).await?;
            }
        }
    }
    has_changed |= store::sum_up(&mut tx).await?;
    if !has_changed {
        return Ok(());
    }
    tx.commit().await?;
    db.note_change();
    Ok(())
}
