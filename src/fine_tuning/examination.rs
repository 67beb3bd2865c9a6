//! The files of a job are read beside all else that the worker does: one of many gigabytes holds up no other job. A job's files
//! are read by one worker at a time, under a claim that it renews; what a worker that was killed had begun begins again. Files
//! that the object store does not hand over are tried again after pauses that grow, and in the end their job fails.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    advance::AdvanceError,
    bad_line::BadLine,
    change::{end, failed},
    examine::{self, ExamineError},
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
/// So often the files of a job are tried. The pauses come to two hours and a half together: a store that is away for less ends
/// no job.
const MOST_TRIES: u32 = 12;
const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(30 * 60);
/// A job that was not tried for so long is over, or another worker tries it.
const REMEMBERED: TimeDelta = TimeDelta::seconds(24 * 60 * 60);

/// How often this process tried in vain. In memory only: a process that is started again begins to count again, and of several
/// workers each counts its own tries.
static IN_VAIN: Mutex<BTreeMap<JobId, InVain>> = Mutex::new(BTreeMap::new());

struct InVain {
    tries: u32,
    last_at: DateTime<Utc>,
}

/// What came of reading a job's files.
enum Seen {
    Fit,
    Unfit(Failed),
    /// The data of this field could not be had.
    Unreadable(&'static str, ExamineError),
}

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
            // The claim lapses, after a pause where the store is to blame, and whoever looks then begins again.
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
    let seen = tokio::select! {
        seen = look_through(db, objects, job) => seen?,
        () = claim_lost(db, claimed) => return Ok(()),
    };
    match seen {
        Seen::Fit => {
            let mut tx = db.meter().await?;
            store::examinations::set_done(&mut tx, claimed).await?;
            tx.commit().await?;
            Ok(())
        }
        Seen::Unfit(failed) => end(db, job, failed).await,
        Seen::Unreadable(param, error) => {
            let tries = count_in_vain(job.id, db.now());
            if tries >= MOST_TRIES {
                tracing::error!(job = %job.id, %error, tries, "a fine-tuning job fails, as its files cannot be read");
                return end(db, job, unreadable(param)).await;
            }
            // Held for all of the pause, so that nobody tries meanwhile; the room for other jobs' files is free.
            let mut tx = db.meter().await?;
            store::examinations::renew(&mut tx, claimed, pause(tries)).await?;
            tx.commit().await?;
            Err(error.into())
        }
    }
}

/// Counts one more try in vain; answers how many there were.
fn count_in_vain(job: JobId, now: DateTime<Utc>) -> u32 {
    let mut all = IN_VAIN.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, known| now - known.last_at < REMEMBERED);
    let known = all.entry(job).or_insert(InVain {
        tries: 0,
        last_at: now,
    });
    known.tries += 1;
    known.last_at = now;
    known.tries
}

/// How long nobody tries after so many tries in vain: twice as long each time.
fn pause(tries: u32) -> TimeDelta {
    let doublings = tries.clamp(1, 20) - 1;
    (LEASE * (1_i32 << doublings)).min(LONGEST_PAUSE)
}

fn unreadable(param: &str) -> Failed {
    let message = format!(
        "The data could not be read: in {MOST_TRIES} tries over hours the portal's object store did not hand them over. Ask for the job \
         again; where that ends alike, send the data anew, or have the platform's operator look at the store."
    );
    Failed {
        param: Some(param.into()),
        ..failed("file_unreadable", &message)
    }
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

/// What is wrong with the first of a job's versions that cannot be used.
async fn look_through(
    db: &Db,
    objects: &ObjectStore,
    job: &TuningJob,
) -> Result<Seen, AdvanceError> {
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
        let examined = match examine::examine(objects, &files, &job.method, may_quote).await {
            Ok(examined) => examined,
            Err(error) => return Ok(Seen::Unreadable(param, error)),
        };
        if let Some(message) = examined.said(found.documents, examine::fewest(param)) {
            let problems = examined.bad_lines.iter().map(BadLine::as_json).collect();
            return Ok(Seen::Unfit(Failed {
                param: Some(param.into()),
                problems,
                ..failed("invalid_file_format", &message)
            }));
        }
    }
    Ok(Seen::Fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_twice_as_long_up_to_half_an_hour_and_all_wait_for_hours() {
        let seconds: Vec<i64> = [1, 2, 3, 7, 8, 12, 1000]
            .into_iter()
            .map(|tries| pause(tries).num_seconds())
            .collect();
        assert_eq!(seconds, [15, 30, 60, 960, 1800, 1800, 1800]);
        let all: i64 = (1..MOST_TRIES)
            .map(|tries| pause(tries).num_seconds())
            .sum();
        assert!(all > 2 * 60 * 60, "an outage of two hours ends no job");
    }

    #[test]
    fn tries_in_vain_are_counted_for_each_job_and_forgotten_after_a_day() {
        let (job, other) = (JobId::fresh(), JobId::fresh());
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!(count_in_vain(job, at(0)), 1);
        assert_eq!(count_in_vain(other, at(1)), 1);
        assert_eq!(count_in_vain(job, at(2)), 2);
        assert_eq!(count_in_vain(job, at(2 + 24 * 60 * 60)), 1);
    }
}
