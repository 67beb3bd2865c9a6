//! Who reads the files of a job.

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    db::{MeterTx, StoreError},
    ids::JobId,
};

/// Lets one worker at a time read the files of a job, under a claim of its own; false where another does, or it was done.
pub(in super::super) async fn claim(
    tx: &mut MeterTx,
    (job, claim): (JobId, Uuid),
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let done = sqlx::query!(
        "UPDATE fine_tuning_jobs SET examining_until = $3, examining_by = $4
         WHERE id = $1 AND examined_at IS NULL AND phase IN ('validating', 'waiting')
           AND (examining_until IS NULL OR examining_until < $2)",
        job.0,
        now,
        now + lease,
        claim,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a claim for longer; false where it went to another, or the job ended.
pub(in super::super) async fn renew(
    tx: &mut MeterTx,
    (job, claim): (JobId, Uuid),
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let until = tx.now() + lease;
    let done = sqlx::query!(
        "UPDATE fine_tuning_jobs SET examining_until = $3
         WHERE id = $1 AND examining_by = $2 AND phase IN ('validating', 'waiting')",
        job.0,
        claim,
        until,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The files were read and found fit.
pub(in super::super) async fn set_done(
    tx: &mut MeterTx,
    (job, claim): (JobId, Uuid),
) -> Result<(), StoreError> {
    let now = tx.now();
    sqlx::query!(
        "UPDATE fine_tuning_jobs SET examined_at = $3, examining_until = NULL, examining_by = NULL
         WHERE id = $1 AND examining_by = $2",
        job.0,
        claim,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
