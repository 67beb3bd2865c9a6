//! What an attempt used is settled when it ends.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{error::JobError, job::Attempt, status::AttemptStatus, store};
use crate::{
    budgets::{self, Had},
    db::{StoreError, WriteTx},
    ids::{AttemptId, JobId},
};

/// Settles the use of an attempt that ends in this transaction; a second time does nothing.
pub(super) async fn settle(tx: &mut WriteTx<'_>, attempt: &Attempt) -> Result<(), JobError> {
    let told = store::reports(tx.conn(), &[attempt.id]).await?.pop();
    let told = told.unwrap_or_default();
    let first_sign = store::first_sign(tx.conn(), attempt.id).await?;
    let clock = Clock {
        started_at: told.started_at.or(first_sign),
        ended_at: told.ended_at,
        last_sign: attempt.heartbeat_at,
        was_lost: attempt.status == AttemptStatus::Lost,
        now: tx.now(),
    };
    let seconds = clock.seconds().max(told.used.seconds);
    let had = Had {
        gpus: told.used.gpus,
        cores: told.used.cores,
    };
    budgets::settle(tx, attempt.id, seconds, had).await?;
    Ok(())
}

/// The energy that the attempts of a job used that ended: as their machines measured it where all of it was measured, else
/// from the power that the settings state; none where neither is known.
pub(super) async fn joules(conn: &mut PgConnection, job: JobId) -> Result<Option<f64>, StoreError> {
    let ended: Vec<Attempt> = store::attempts(conn, job)
        .await?
        .into_iter()
        .filter(|attempt| !attempt.status.is_live())
        .collect();
    let measured = |attempt: &Attempt| {
        let outcome = attempt.outcome.as_ref()?;
        outcome.get("energy_joules")?.as_f64()
    };
    let all: Option<Vec<f64>> = ended.iter().map(measured).collect();
    if let Some(all) = all.filter(|all| !all.is_empty()) {
        return Ok(Some(all.iter().sum()));
    }
    let ids: Vec<AttemptId> = ended.iter().map(|attempt| attempt.id).collect();
    let (_, settled) = budgets::of_attempts(conn, &ids).await?;
    Ok(settled
        .map(|cost| cost.joules as f64)
        .filter(|joules| *joules > 0.0))
}

/// What is known of the time that an attempt had.
struct Clock {
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    last_sign: Option<DateTime<Utc>>,
    was_lost: bool,
    now: DateTime<Utc>,
}

impl Clock {
    /// Begun seconds in full; none where it never started.
    fn seconds(&self) -> u64 {
        let Some(start) = self.started_at else {
            return 0;
        };
        let end = match (self.ended_at, self.last_sign) {
            (Some(end), _) => end,
            // Nobody knows what it did after its last word.
            (None, Some(last)) if self.was_lost => last,
            _ => self.now,
        };
        let milliseconds = (end.min(self.now) - start).num_milliseconds().max(0);
        u64::try_from(milliseconds).unwrap_or(0).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_attempt_is_charged_for_the_time_it_is_known_to_have_had() {
        let at = |seconds: i64| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(seconds * 1000);
        let clock = Clock {
            started_at: Some(at(10)),
            ended_at: None,
            last_sign: Some(at(40)),
            was_lost: false,
            now: at(100),
        };
        assert_eq!(clock.seconds(), 90);
        let lost = Clock {
            was_lost: true,
            ..clock
        };
        assert_eq!(lost.seconds(), 30);
        let ended = Clock {
            ended_at: Some(at(25)),
            ..lost
        };
        assert_eq!(ended.seconds(), 15);
        let never = Clock {
            started_at: None,
            ..ended
        };
        assert_eq!(never.seconds(), 0);
    }
}
