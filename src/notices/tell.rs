//! Telling: in the transaction of the change that is told about.

use super::{deliver::Deliver, notice::Notice, store};
use crate::{
    db::{CommitError, StoreError, WriteTx},
    ids::NoticeId,
};

/// Notices of one mailing task: a mail server that is slow holds up no more than these.
const TOGETHER: usize = 25;

/// Tells `notice` once this transaction is committed, and not at all if it never is. Answers its id; none where
/// the same was told before ([`Notice::once`]).
///
/// # Errors
/// Where the database refuses.
pub async fn tell(tx: &mut WriteTx<'_>, notice: &Notice) -> Result<Option<NoticeId>, StoreError> {
    let ids = tell_all(tx, std::slice::from_ref(notice)).await?;
    Ok(ids.first().copied())
}

/// As [`tell`], for many at once; answers the ids of those that were not told before.
///
/// # Errors
/// Where the database refuses.
pub async fn tell_all(
    tx: &mut WriteTx<'_>,
    notices: &[Notice],
) -> Result<Vec<NoticeId>, StoreError> {
    let told = store::insert(tx, notices).await?;
    for some in told.chunks(TOGETHER) {
        let task = Deliver {
            notices: some.to_vec(),
        };
        tx.enqueue(&task).map_err(|error| match error {
            CommitError::Database(error) => StoreError::from(error),
            CommitError::Unrecorded | CommitError::Payload(_) => {
                StoreError::from(sqlx::Error::Encode(error.into()))
            }
        })?;
    }
    Ok(told)
}
