//! The files of a job are read beside all else that the worker does: one of many gigabytes holds up no other job. A job's files
//! are read by one worker at a time, under a claim that it renews; what a worker that was killed had begun begins again.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    advance::AdvanceError,
    bad_line::BadLine,
    change::{end, failed},
    examine,
    job::{Failed, TuningJob},
    store,
};
use crate::{
    datasets,
    db::{Db, StoreError},
    ids::JobId,
    objects::ObjectStore,
};

/// Jobs of which this process reads the files at the same time; all others wait, and are looked at again.
static READING: Semaphore = Semaphore::const_new(4);
/// How long a worker may say nothing before another may begin.
const LEASE: TimeDelta = TimeDelta::seconds(15);
const RENEW: Duration = Duration::from_secs(5);

/// Begins to read the files of a job, unless somebody does so or enough others are being read. What is found stands at the
/// job when it is done.
pub(super) async fn begin(
    db: &Db,
    objects: &ObjectStore,
    job: &TuningJob,
) -> Result<(), AdvanceError> {
    let Ok(room) = READING.try_acquire() else {
        return Ok(());
    };
    let claimed = (job.id, Uuid::now_v7());
    let mut tx = db.meter().await?;
    if !store::examinations::claim(&mut tx, claimed, LEASE).await? {
        return Ok(());
    }
    tx.commit().await?;
    let (db, objects, job) = (db.clone(), objects.clone(), job.clone());
    tokio::spawn(async move {
        if let Err(error) = run(&db, &objects, &job, claimed).await {
            // The claim lapses within seconds, and whoever looks then begins again.
            tracing::warn!(job = %job.id, %error, "the files of a fine-tuning job could not be read");
        }
        drop(room);
    });
    Ok(())
}

async fn run(
    db: &Db,
    objects: &ObjectStore,
    job: &TuningJob,
    claimed: (JobId, Uuid),
) -> Result<(), AdvanceError> {
    let found = tokio::select! {
        found = look_through(db, objects, job) => found?,
        () = claim_lost(db, claimed) => return Ok(()),
    };
    if let Some(failed) = found {
        return end(db, job, failed).await;
    }
    let mut tx = db.meter().await?;
    store::examinations::set_done(&mut tx, claimed).await?;
    tx.commit().await?;
    Ok(())
}

/// Says every few seconds that the work goes on; ends only where the claim went to another.
async fn claim_lost(db: &Db, claimed: (JobId, Uuid)) {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = async {
            let mut tx = db.meter().await?;
            let is_ours = store::examinations::renew(&mut tx, claimed, LEASE).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(is_ours)
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return,
            // Reading the same twice is harmless.
            Err(error) => tracing::warn!(%error, "a claim on a fine-tuning job cannot be renewed"),
        }
    }
}

/// What is wrong with the first of a job's versions that cannot be used; none where all can.
async fn look_through(
    db: &Db,
    objects: &ObjectStore,
    job: &TuningJob,
) -> Result<Option<Failed>, AdvanceError> {
    for (param, version) in job.versions() {
        let mut conn = db.read().await?;
        let found = store::seen::version(&mut conn, Some(version), (None, None)).await?;
        let Some(found) = found else {
            continue;
        };
        let files = datasets::ready_files(&mut conn, version).await?;
        drop(conn);
        // The portal reads on its own behalf; data of others are not told to whoever asked for the job.
        let may_quote = found.institution == job.institution;
        let examined = examine::examine(objects, &files, &job.method, may_quote).await?;
        if let Some(message) = examined.said(found.documents, examine::fewest(param)) {
            let problems = examined.bad_lines.iter().map(BadLine::as_json).collect();
            return Ok(Some(Failed {
                param: Some(param.into()),
                problems,
                ..failed("invalid_file_format", &message)
            }));
        }
    }
    Ok(None)
}
