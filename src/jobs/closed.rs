//! Places that a waiting job was lately found not to be allowed at, so that not every sweep decides on it again: a
//! thousand such jobs would keep those waiting that could start. Kept in memory; what is forgotten is decided anew.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::ids::JobId;

/// Leave that is given meanwhile is seen this late.
const BELIEVED: TimeDelta = TimeDelta::seconds(30);

/// The places by job.
#[derive(Debug, Default)]
pub(super) struct Closed(Mutex<HashMap<JobId, Judged>>);

/// Places, and when they were judged.
#[derive(Debug)]
struct Judged {
    at: DateTime<Utc>,
    places: HashSet<String>,
}

impl Closed {
    /// Notes that a job may not have its data at any of these places.
    pub(super) fn note<'a>(
        &self,
        job: JobId,
        places: impl Iterator<Item = &'a str>,
        now: DateTime<Utc>,
    ) {
        let places = places.map(str::to_owned).collect();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, judged| now - judged.at < BELIEVED);
        all.insert(job, Judged { at: now, places });
    }

    /// Whether a job was lately found not to be allowed at any of these places.
    pub(super) fn are<'a>(
        &self,
        job: JobId,
        mut places: impl Iterator<Item = &'a str>,
        now: DateTime<Utc>,
    ) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = all.get(&job).filter(|judged| now - judged.at < BELIEVED);
        lately.is_some_and(|judged| places.all(|place| judged.places.contains(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_closed_to_one_job_and_for_a_while() {
        let (closed, job, now) = (Closed::default(), JobId::fresh(), DateTime::UNIX_EPOCH);
        let are = |job, places: &[&str], at| closed.are(job, places.iter().copied(), at);
        assert!(!are(job, &["abroad"], now));
        closed.note(job, ["abroad", "far"].into_iter(), now);
        assert!(are(job, &["abroad"], now));
        assert!(!are(job, &["abroad", "here"], now));
        assert!(!are(JobId::fresh(), &["abroad"], now));
        assert!(!are(job, &["abroad"], now + BELIEVED));
    }
}
