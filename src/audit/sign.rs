//! Checking the whole log and signing a checkpoint over it.

use chrono::TimeDelta;
use transparency_log::{Plan, ProofError, verify_consistency};

use super::{
    checkpoint::{Signed, checkpoint_text},
    log::{Log, LogError},
    store::{self, Check},
    walk::{Depth, Problem, WalkError, walk},
};

/// Why no checkpoint was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The log is not as it should be: it is not signed again until that is explained.
    #[error("the audit log is broken and is not signed: {0}")]
    Broken(Problem),
    /// The tree does not continue the one that was signed before.
    #[error("the log does not continue the one that was signed before: {0}")]
    Inconsistent(#[from] ProofError),
    /// The log could not be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The configured key is not the active one.
    #[error("the configured signing_key is not the active one")]
    Key,
    /// Our own program broke.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl From<crate::db::StoreError> for SignError {
    fn from(error: crate::db::StoreError) -> Self {
        Self::Log(error.into())
    }
}

impl From<sqlx::Error> for SignError {
    fn from(error: sqlx::Error) -> Self {
        Self::Log(error.into())
    }
}

/// When to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Where the newest checkpoint is as old as the settings allow, or there is none.
    Due,
    /// Where there is a line that no checkpoint covers.
    Behind,
}

/// Walks the whole log, writes the tiles of new lines and signs a checkpoint; answers it, or none where it was not
/// time or another process is at it.
///
/// Can be killed anywhere: tiles say the same whoever writes them, and the checkpoint is stored last.
///
/// # Errors
/// [`SignError`]; nothing was signed then.
pub async fn sign(log: &Log, when: When) -> Result<Option<Signed>, SignError> {
    let mut tx = log.db.meter().await?;
    if !store::lead(&mut tx).await? {
        return Ok(None);
    }
    let newest = store::newest(tx.conn()).await?;
    let now = tx.now();
    let is_time = match (&newest, when) {
        (None, _) => true,
        (Some(newest), When::Due) => now - newest.at >= TimeDelta::seconds(log.every_seconds()),
        (Some(newest), When::Behind) => {
            newest.at < now && newest.size < store::head(tx.conn()).await?
        }
    };
    let last = store::last_check(tx.conn()).await?;
    let was_just_found_broken = last.as_ref().is_some_and(|check| {
        check.problem.is_some() && now - check.at < TimeDelta::seconds(log.every_seconds())
    });
    if !is_time || (when == When::Due && was_just_found_broken) {
        return Ok(None);
    }
    let walked = match walk(log, Depth::Extend).await {
        Ok(walked) => walked,
        Err(WalkError::Broken(problem)) => {
            let problem = locate(log, problem).await;
            let check = Check {
                at: now,
                events: last.map_or(0, |check| check.events),
                problem: Some(problem.to_string()),
            };
            store::insert_check(&mut tx, &check).await?;
            tx.commit().await?;
            tracing::error!(%problem, "the audit log is broken; it is not signed");
            return Err(SignError::Broken(problem));
        }
        Err(WalkError::Log(error)) => return Err(error.into()),
        Err(WalkError::Task(error)) => return Err(error.into()),
    };
    if let Some(newest) = &newest {
        continues(log, newest, (walked.events, walked.root)).await?;
    }
    if !store::key_holds(tx.conn(), &log.keyid(), now).await? {
        return Err(SignError::Key);
    }
    let text = checkpoint_text(
        &log.origin(),
        (walked.events, walked.root),
        now,
        newest.as_ref().map(|newest| newest.note.as_str()),
    );
    let signed = Signed {
        size: walked.events,
        root: walked.root,
        at: now,
        note: log.sign(text)?,
    };
    // Before the row: a checkpoint that only the object store has is over the same lines and does no harm.
    log.put_file("checkpoint", signed.note.clone().into_bytes())
        .await
        .map_err(LogError::from)?;
    store::insert_checkpoint(&mut tx, &signed).await?;
    let check = Check {
        at: now,
        events: walked.events,
        problem: None,
    };
    store::insert_check(&mut tx, &check).await?;
    tx.commit().await?;
    tracing::info!(
        lines = signed.size,
        "the audit log holds; signed a checkpoint"
    );
    Ok(Some(signed))
}

/// Proves from the stored tiles, by the rules that any outsider checks with, that the new tree continues the old.
async fn continues(
    log: &Log,
    old: &Signed,
    (size, root): (u64, transparency_log::Hash),
) -> Result<(), SignError> {
    let plan = Plan::consistency(old.size, size).ok_or(ProofError::Sizes)?;
    let proof = log.proofs(std::slice::from_ref(&plan), size).await?;
    let proof = proof.into_iter().next().unwrap_or_default();
    Ok(verify_consistency(
        (old.size, size),
        &old.root,
        &root,
        &proof,
    )?)
}

/// Where roots tell only that something before a checkpoint was changed, the tiles tell what.
async fn locate(log: &Log, problem: Problem) -> Problem {
    if !matches!(problem, Problem::Root { .. }) {
        return problem;
    }
    match walk(log, Depth::Everything).await {
        Err(WalkError::Broken(nearer)) => nearer,
        _ => problem,
    }
}
