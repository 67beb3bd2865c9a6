//! Files that their sender wanted to go by themselves.

use super::{advance::AdvanceError, file, store};
use crate::{db::Db, policy::Actor};

/// Deletes the files of which the time has come. One that a job still needs waits until the job has ended; one that was
/// handed in is the institution's dataset, and stays until that is withdrawn.
///
/// # Errors
/// Where the database is away. A file that cannot be deleted holds up no other.
pub async fn sweep(db: &Db) -> Result<(), AdvanceError> {
    let mut conn = db.read().await?;
    let due = store::files::to_expire(&mut conn, db.now()).await?;
    drop(conn);
    let system = Actor::system();
    for one in due {
        if let Err(error) = file::delete(db, &system, &one).await {
            tracing::warn!(file = %one.id, error = %error.body.message, "a file that expired cannot be deleted");
        }
    }
    Ok(())
}
