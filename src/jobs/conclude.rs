//! How an attempt ended, from two witnesses: the program's own word and what the backend saw. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use compute::{Cause, State as Seen};
use job_contract::ExitCode;

use super::status::{AttemptStatus, JobEnd};

/// The reason for a cancel that is the law's and not a person's.
pub const WITHDRAWN: &str = "permission_withdrawn";
/// The reason for a cancel where another rule stands in the way: a permission ended, the source says no now.
pub(super) const NOT_PERMITTED: &str = "not_permitted";

/// The word for what `rules` came to.
pub(super) fn refused_by(rules: &[String]) -> &'static str {
    if rules.iter().any(|rule| rule == "permission-withdrawn") {
        WITHDRAWN
    } else {
        NOT_PERMITTED
    }
}

/// The end of an attempt, by whoever saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The program said so, and everything it named is there.
    Succeeded,
    /// The program said so.
    Failed,
    /// The program said that it stopped because it was told to.
    Cancelled,
    /// The program said that it put down what it had, to go on later.
    Paused,
    /// The program said that what it should go on from is damaged; nobody is handed that again.
    Unreadable,
    /// The program ended without a word, with this code and by this; none where nobody knows how.
    Lost(Option<(i32, Cause)>),
    /// The backend will never start it.
    NotStarted,
}

/// What follows for the attempt and its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conclusion {
    pub(super) attempt: AttemptStatus,
    pub(super) job: JobEnd,
}

/// How the job stands whose attempt ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    /// The reason for which it was asked to stop for good, if it was.
    pub(super) cancel: Option<&'a str>,
    /// Whether it was asked to rest.
    pub(super) is_pause_asked: bool,
    /// How many attempts in a row were lost, with this one, since the job last got further than before.
    pub(super) tries: i64,
    pub(super) max_tries: i64,
    /// Whether another attempt would go on from somewhere.
    pub(super) has_checkpoint: bool,
}

/// The rules of every end.
pub(super) fn conclude(ending: Ending, job: &Standing<'_>) -> Conclusion {
    let cancel = job.cancel;
    let attempt = match ending {
        // What comes after a stop was asked for does not count.
        Ending::Succeeded if cancel.is_some() => AttemptStatus::Cancelled,
        Ending::Succeeded => AttemptStatus::Succeeded,
        Ending::Failed | Ending::NotStarted => AttemptStatus::Failed,
        Ending::Cancelled | Ending::Paused => AttemptStatus::Cancelled,
        Ending::Lost(_) | Ending::Unreadable if cancel.is_some() => AttemptStatus::Cancelled,
        Ending::Lost(_) | Ending::Unreadable => AttemptStatus::Lost,
    };
    let job = match (cancel, ending) {
        (Some(WITHDRAWN | NOT_PERMITTED), _) => JobEnd::Blocked,
        (Some(_), _) | (None, Ending::Cancelled) => JobEnd::Cancelled,
        (None, Ending::Succeeded) => JobEnd::Succeeded,
        (None, Ending::Failed | Ending::NotStarted) => JobEnd::Failed,
        (None, Ending::Paused) if job.is_pause_asked => JobEnd::Paused,
        // Somebody let it go on again while it put things down.
        (None, Ending::Paused) => JobEnd::Again,
        // There is one checkpoint less each time, so this ends by itself.
        (None, Ending::Unreadable) if job.is_pause_asked => JobEnd::Paused,
        (None, Ending::Unreadable) => JobEnd::Again,
        // Nothing is wrong with it: whoever asked says whether it is worth more time.
        (None, Ending::Lost(Some((_, Cause::TimeLimit)))) if job.has_checkpoint => JobEnd::Paused,
        (None, Ending::Lost(seen)) => match another_try_may_help(seen) {
            true if job.is_pause_asked => JobEnd::Paused,
            true if job.tries < job.max_tries => JobEnd::Again,
            _ => JobEnd::Failed,
        },
    };
    Conclusion { attempt, job }
}

/// Not where the same would happen again. 1 and 2 are the program's own "never".
pub(super) fn another_try_may_help(seen: Option<(i32, Cause)>) -> bool {
    match seen {
        None => true,
        Some((_, Cause::TimeLimit | Cause::OutOfMemory)) => false,
        Some((_, Cause::NodeFailed | Cause::Preempted)) => true,
        Some((code, Cause::Exited | Cause::StoppedByScheduler | Cause::NeverStarted)) => {
            ![ExitCode::Failed as i32, ExitCode::Usage as i32, TIMED_OUT].contains(&code)
        }
    }
}

/// The code of a program that ran over its time limit.
const TIMED_OUT: i32 = 124;

/// The word that is kept for such an end.
pub(super) fn code_of(seen: Option<(i32, Cause)>) -> String {
    match seen {
        None => "lost".into(),
        Some((_, Cause::OutOfMemory)) => "out_of_memory".into(),
        Some((_, Cause::TimeLimit)) => format!("exit_{TIMED_OUT}"),
        Some((_, Cause::NodeFailed)) => "node_failure".into(),
        Some((_, Cause::Preempted)) => "preempted".into(),
        Some((_, Cause::NeverStarted)) => "not_started".into(),
        Some((code, Cause::Exited | Cause::StoppedByScheduler)) => format!("exit_{code}"),
    }
}

/// A live attempt as [`look`] sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    /// The latest sign: a heartbeat, or its creation.
    pub(super) last_sign: DateTime<Utc>,
    /// Since when its place knows nothing of it, if it does not.
    pub(super) unknown_since: Option<DateTime<Utc>>,
    /// Since when it runs without a sign, as far as this worker has watched.
    pub(super) silent_since: Option<DateTime<Utc>>,
    /// Since when the job is asked to stop, if it is.
    pub(super) cancel_since: Option<DateTime<Utc>>,
    /// Since when it is asked to rest, if it is.
    pub(super) pause_since: Option<DateTime<Utc>>,
    /// Since when the backend says that it ended.
    pub(super) ended_since: Option<DateTime<Utc>>,
}

/// How long silence is borne.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Of one that its place knows nothing of.
    pub(super) lost_after: TimeDelta,
    /// Of one that its place sees running: a program that is held up, or a machine that reaches the portal no more.
    pub(super) silent_after: TimeDelta,
}

/// What is to be done about a live attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// All is well, or too early to tell.
    Wait,
    /// It was asked to stop and still runs, or runs and says nothing any more: the backend stops it.
    Stop,
    /// It ended without a word.
    End(Option<(i32, Cause)>),
}

/// The program's last word may still be under way when the backend already saw it end.
pub(super) const LAST_WORD: TimeDelta = TimeDelta::seconds(3);
/// How long a program may take to stop by itself.
pub(super) const STOP_GRACE: TimeDelta = TimeDelta::seconds(4);
/// How long it may take to put down what it has learnt.
pub(super) const PAUSE_GRACE: TimeDelta = TimeDelta::seconds(900);

/// Joins what the backend sees with what the program told.
pub(super) fn look(seen: Seen, life: &Life, now: DateTime<Utc>, patience: &Patience) -> Move {
    match seen {
        Seen::Ended { exit_code, cause } => {
            let is_settled = life.cancel_since.is_some()
                || life
                    .ended_since
                    .is_some_and(|since| now - since >= LAST_WORD);
            if is_settled {
                Move::End(Some((exit_code, cause)))
            } else {
                Move::Wait
            }
        }
        Seen::Pending | Seen::Running => {
            let is_due = |since: Option<DateTime<Utc>>, grace| {
                since.is_some_and(|since| now - since >= grace)
            };
            // One that has not begun has nothing to put down.
            let grace = if seen == Seen::Pending {
                STOP_GRACE
            } else {
                PAUSE_GRACE
            };
            let is_stuck =
                seen == Seen::Running && is_due(life.silent_since, patience.silent_after);
            if is_stuck || is_due(life.cancel_since, STOP_GRACE) || is_due(life.pause_since, grace)
            {
                Move::Stop
            } else {
                Move::Wait
            }
        }
        // No trace of it here: the heartbeats alone tell. One that waited for long and is forgotten without having begun
        // has none; it is handed over again first.
        Seen::Unknown => {
            let last_sign = life
                .unknown_since
                .map_or(life.last_sign, |since| since.max(life.last_sign));
            if now - last_sign >= patience.lost_after {
                Move::End(None)
            } else {
                Move::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_join_table_of_endings() {
        let endings = [
            Ending::Succeeded,
            Ending::Failed,
            Ending::Cancelled,
            Ending::Paused,
            Ending::Unreadable,
            Ending::Lost(None),
            Ending::Lost(Some((0, Cause::Exited))),
            Ending::Lost(Some((1, Cause::Exited))),
            Ending::Lost(Some((2, Cause::Exited))),
            Ending::Lost(Some((3, Cause::Exited))),
            Ending::Lost(Some((4, Cause::Exited))),
            Ending::Lost(Some((124, Cause::Exited))),
            Ending::Lost(Some((124, Cause::TimeLimit))),
            Ending::Lost(Some((137, Cause::Exited))),
            Ending::Lost(Some((137, Cause::OutOfMemory))),
            Ending::Lost(Some((1, Cause::NodeFailed))),
            Ending::Lost(Some((143, Cause::Preempted))),
            Ending::Lost(Some((143, Cause::StoppedByScheduler))),
            Ending::Lost(Some((1, Cause::NeverStarted))),
            Ending::NotStarted,
        ];
        let mut table = String::new();
        let first = Standing {
            cancel: None,
            is_pause_asked: false,
            tries: 1,
            max_tries: 3,
            has_checkpoint: false,
        };
        let asked_to_stop = |reason| Standing {
            cancel: Some(reason),
            has_checkpoint: true,
            ..first
        };
        for ending in endings {
            let cells: Vec<String> = [
                first,
                Standing { tries: 3, ..first },
                Standing {
                    has_checkpoint: true,
                    ..first
                },
                Standing {
                    is_pause_asked: true,
                    ..first
                },
                asked_to_stop("cancelled_by_requester"),
                asked_to_stop(WITHDRAWN),
                asked_to_stop(NOT_PERMITTED),
            ]
            .iter()
            .map(|job| {
                let end = conclude(ending, job);
                format!("{}/{:?}", end.attempt.name(), end.job)
            })
            .collect();
            table += &format!("{ending:?}: {}\n", cells.join(" | "));
        }
        // Columns: first try | last try | has a checkpoint | asked to rest | asked to stop by a person | a permission fell
        // | another rule.
        assert_eq!(
            table,
            "\
Succeeded: succeeded/Succeeded | succeeded/Succeeded | succeeded/Succeeded | succeeded/Succeeded | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Failed: failed/Failed | failed/Failed | failed/Failed | failed/Failed | failed/Cancelled | failed/Blocked | failed/Blocked
Cancelled: cancelled/Cancelled | cancelled/Cancelled | cancelled/Cancelled | cancelled/Cancelled | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Paused: cancelled/Again | cancelled/Again | cancelled/Again | cancelled/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Unreadable: lost/Again | lost/Again | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(None): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((0, Exited))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((1, Exited))): lost/Failed | lost/Failed | lost/Failed | lost/Failed | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((2, Exited))): lost/Failed | lost/Failed | lost/Failed | lost/Failed | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((3, Exited))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((4, Exited))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((124, Exited))): lost/Failed | lost/Failed | lost/Failed | lost/Failed | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((124, TimeLimit))): lost/Failed | lost/Failed | lost/Paused | lost/Failed | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((137, Exited))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((137, OutOfMemory))): lost/Failed | lost/Failed | lost/Failed | lost/Failed | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((1, NodeFailed))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((143, Preempted))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((143, StoppedByScheduler))): lost/Again | lost/Failed | lost/Again | lost/Paused | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
Lost(Some((1, NeverStarted))): lost/Failed | lost/Failed | lost/Failed | lost/Failed | cancelled/Cancelled | cancelled/Blocked | cancelled/Blocked
NotStarted: failed/Failed | failed/Failed | failed/Failed | failed/Failed | failed/Cancelled | failed/Blocked | failed/Blocked
"
        );
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_435_200 + second, 0).unwrap()
    }

    fn life() -> Life {
        Life {
            last_sign: at(0),
            unknown_since: None,
            silent_since: None,
            cancel_since: None,
            pause_since: None,
            ended_since: None,
        }
    }

    #[test]
    fn an_end_waits_for_the_last_word() {
        let seen = Seen::Ended {
            exit_code: 137,
            cause: compute::Cause::Exited,
        };
        let patience = patience();
        assert_eq!(look(seen, &life(), at(100), &patience), Move::Wait);
        let ended = Life {
            ended_since: Some(at(100)),
            ..life()
        };
        assert_eq!(look(seen, &ended, at(101), &patience), Move::Wait);
        assert_eq!(
            look(seen, &ended, at(103), &patience),
            Move::End(Some((137, Cause::Exited)))
        );
        let stopped = Life {
            cancel_since: Some(at(99)),
            ..life()
        };
        assert_eq!(
            look(seen, &stopped, at(100), &patience),
            Move::End(Some((137, Cause::Exited)))
        );
    }

    #[test]
    fn one_that_does_not_stop_is_stopped() {
        let asked = Life {
            cancel_since: Some(at(10)),
            ..life()
        };
        let patience = patience();
        assert_eq!(look(Seen::Running, &asked, at(12), &patience), Move::Wait);
        assert_eq!(look(Seen::Running, &asked, at(14), &patience), Move::Stop);
        let rests = Life {
            pause_since: Some(at(10)),
            ..life()
        };
        assert_eq!(look(Seen::Pending, &rests, at(14), &patience), Move::Stop);
        assert_eq!(look(Seen::Running, &rests, at(900), &patience), Move::Wait);
        assert_eq!(look(Seen::Running, &rests, at(910), &patience), Move::Stop);
    }

    fn patience() -> Patience {
        Patience {
            lost_after: TimeDelta::seconds(60),
            silent_after: TimeDelta::seconds(1800),
        }
    }

    #[test]
    fn one_that_runs_and_says_nothing_for_long_is_stopped() {
        let silent = Life {
            silent_since: Some(at(100)),
            ..life()
        };
        let patience = patience();
        assert_eq!(
            look(Seen::Running, &silent, at(1899), &patience),
            Move::Wait
        );
        assert_eq!(
            look(Seen::Running, &silent, at(1900), &patience),
            Move::Stop
        );
        assert_eq!(
            look(Seen::Pending, &silent, at(9999), &patience),
            Move::Wait
        );
    }

    #[test]
    fn silence_counts_soon_where_the_backend_knows_nothing() {
        let patience = patience();
        assert_eq!(look(Seen::Running, &life(), at(900), &patience), Move::Wait);
        assert_eq!(look(Seen::Unknown, &life(), at(59), &patience), Move::Wait);
        assert_eq!(
            look(Seen::Unknown, &life(), at(60), &patience),
            Move::End(None)
        );
        // It waited for an hour, and now its place has forgotten it.
        let forgotten = Life {
            unknown_since: Some(at(3600)),
            ..life()
        };
        assert_eq!(
            look(Seen::Unknown, &forgotten, at(3659), &patience),
            Move::Wait
        );
        assert_eq!(
            look(Seen::Unknown, &forgotten, at(3660), &patience),
            Move::End(None)
        );
    }
}
