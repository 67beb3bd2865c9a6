//! What runs somewhere and is known to nobody.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{ComputeBackend, ComputeError, Handle, Listed};

/// Cancels what was submitted from here before `before` for attempts that are not known, and answers what that was.
///
/// A portal that died between the scheduler's yes and its own commit knows its attempt and submits it again, which
/// finds the job. What is left for this are jobs of attempts that ended while the place could not be reached, and of
/// a database that was set back. `before` leaves time to what another portal is submitting just now.
///
/// # Errors
/// Where the backend cannot tell what there is. One that cannot be cancelled now is logged and found the next time.
pub async fn cancel_strays(
    backend: &dyn ComputeBackend,
    is_known: impl Fn(Uuid) -> bool + Send + Sync,
    before: DateTime<Utc>,
) -> Result<Vec<Listed>, ComputeError> {
    let mut cancelled = Vec::new();
    for one in backend.list().await? {
        let is_old = one.submitted_at.is_some_and(|at| at < before);
        if is_known(one.attempt) || !is_old {
            continue;
        }
        match backend
            .cancel(&Handle(one.attempt.hyphenated().to_string()))
            .await
        {
            Ok(()) => {
                tracing::warn!(attempt = %one.attempt, id = one.native_id, "a job that nobody knew was cancelled");
                cancelled.push(one);
            }
            Err(error) => {
                tracing::warn!(attempt = %one.attempt, id = one.native_id, ?error, "a job that nobody knows cannot be cancelled");
            }
        }
    }
    Ok(cancelled)
}
