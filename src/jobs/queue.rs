//! Who goes first among the jobs that wait. Pure.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::ids::{InstitutionId, JobId};

/// A GPU counts as much as so many cores in an institution's share.
pub(super) const CORES_A_GPU: f64 = 64.0;

/// How urgent a job is; of an operator's choice where it is more than normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After all others.
    Low,
    /// What a job has that nobody said anything of.
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word in the database, in JSON and in keys of texts (`jobs-priority-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The priority with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.name() == text)
    }
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Waiting {
    pub(super) job: JobId,
    pub(super) institution: InstitutionId,
    pub(super) priority: Priority,
    /// Since when.
    pub(super) since: DateTime<Utc>,
    /// What the whole of it is expected to take.
    pub(super) seconds: u64,
    /// What it is expected to add to its institution's use, in core seconds.
    pub(super) weight: f64,
    /// What it holds in memory, at least; none where nobody can say.
    pub(super) memory_bytes: Option<u64>,
    /// The name of the place it asks for.
    pub(super) place: Option<String>,
    /// What it asks for.
    pub(super) time_limit_seconds: Option<u32>,
    /// It is not tried again before this.
    pub(super) not_before: Option<DateTime<Utc>>,
    /// What was last said of why it waits.
    pub(super) waits_for: Option<String>,
}

/// The order in which jobs start when there is room.
///
/// The more urgent first; among equals the one whose institution has used least of late, with what would go before it
/// counted in; then the one that has waited longest.
pub(super) fn order(queue: &[Waiting], usage: &HashMap<InstitutionId, f64>) -> Vec<JobId> {
    let mut ordered = Vec::with_capacity(queue.len());
    let mut usage = usage.clone();
    for priority in Priority::ALL.into_iter().rev() {
        // The jobs of each institution, the longest wait last.
        let mut lines: HashMap<InstitutionId, Vec<&Waiting>> = HashMap::new();
        for one in queue.iter().filter(|one| one.priority == priority) {
            lines.entry(one.institution).or_default().push(one);
        }
        for line in lines.values_mut() {
            line.sort_by_key(|one| std::cmp::Reverse((one.since, one.job)));
        }
        loop {
            let first = lines
                .values()
                .filter_map(|line| line.last().copied())
                .min_by(|a, b| {
                    let used = |one: &Waiting| usage.get(&one.institution).copied().unwrap_or(0.0);
                    used(a)
                        .total_cmp(&used(b))
                        .then_with(|| (a.since, a.job).cmp(&(b.since, b.job)))
                });
            let Some(first) = first else { break };
            ordered.push(first.job);
            *usage.entry(first.institution).or_default() += first.weight.max(0.0);
            if let Some(line) = lines.get_mut(&first.institution) {
                line.pop();
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn institution(n: u8) -> InstitutionId {
        InstitutionId(Uuid::from_u128(u128::from(n) + 1))
    }

    fn waiting(n: usize, (of, priority, minute, weight): (u8, usize, i64, f64)) -> Waiting {
        Waiting {
            job: JobId(Uuid::from_u128(n as u128)),
            institution: institution(of),
            priority: Priority::ALL[priority],
            since: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute),
            seconds: 0,
            weight,
            memory_bytes: None,
            place: None,
            time_limit_seconds: None,
            not_before: None,
            waits_for: None,
        }
    }

    fn queues() -> impl Strategy<Value = Vec<Waiting>> {
        prop::collection::vec((0_u8..4, 0_usize..3, 0_i64..50, 1.0_f64..100.0), 0..40).prop_map(
            |all| {
                all.into_iter()
                    .enumerate()
                    .map(|(n, one)| waiting(n, one))
                    .collect()
            },
        )
    }

    proptest! {
        #[test]
        fn every_job_stands_in_it_once_whatever_order_they_come_in(queue in queues()) {
            let usage = HashMap::new();
            let ordered = order(&queue, &usage);
            let mut sorted = ordered.clone();
            sorted.sort_unstable();
            let mut jobs: Vec<_> = queue.iter().map(|one| one.job).collect();
            jobs.sort_unstable();
            prop_assert_eq!(sorted, jobs);
            let mut back = queue.clone();
            back.reverse();
            prop_assert_eq!(order(&back, &usage), ordered);
        }

        #[test]
        fn the_urgent_go_first_and_within_an_institution_the_longest_wait(queue in queues()) {
            let ordered = order(&queue, &HashMap::new());
            let at = |job: &JobId| queue.iter().find(|one| one.job == *job).unwrap();
            for pair in ordered.windows(2) {
                prop_assert!(at(&pair[0]).priority >= at(&pair[1]).priority);
            }
            for (n, later) in ordered.iter().enumerate() {
                let later = at(later);
                for earlier in &ordered[..n] {
                    let earlier = at(earlier);
                    if earlier.institution == later.institution && earlier.priority == later.priority {
                        prop_assert!(earlier.since <= later.since);
                    }
                }
            }
        }

        #[test]
        fn at_every_moment_shares_differ_by_one_job_at_most(counts in prop::collection::vec(5_usize..20, 2..4)) {
            let mut queue = Vec::new();
            for (of, count) in counts.iter().enumerate() {
                for _ in 0..*count {
                    let of = u8::try_from(of).unwrap();
                    queue.push(waiting(queue.len(), (of, 1, 0, 10.0)));
                }
            }
            let ordered = order(&queue, &HashMap::new());
            let both = counts.iter().min().unwrap() * counts.len();
            let mut started = vec![0_usize; counts.len()];
            for job in &ordered[..both] {
                let of = queue.iter().find(|one| one.job == *job).unwrap().institution;
                let of = (0..counts.len()).find(|n| institution(u8::try_from(*n).unwrap()) == of).unwrap();
                started[of] += 1;
                let (least, most) = (started.iter().min().unwrap(), started.iter().max().unwrap());
                prop_assert!(most - least <= 1, "{started:?}");
            }
        }

        /// Three short ones for each long one: both institutions ask for as much.
        #[test]
        fn jobs_of_unequal_length_share_by_what_they_take(short in 1_u32..100, longs in 12_usize..30) {
            let (short, long) = (f64::from(short), 3.0 * f64::from(short));
            let mut queue = Vec::new();
            for (of, count, weight) in [(0, 3 * longs, short), (1, longs, long)] {
                for _ in 0..count {
                    queue.push(waiting(queue.len(), (of, 1, 0, weight)));
                }
            }
            let all = longs as f64 * long;
            let mut used = [0.0_f64; 2];
            for job in order(&queue, &HashMap::new()) {
                let one = queue.iter().find(|one| one.job == job).unwrap();
                used[usize::from(one.institution == institution(1))] += one.weight;
                let [shorts, longs] = used;
                // One of them asks for nothing more.
                if shorts.max(longs) > all - short / 2.0 {
                    break;
                }
                let apart = (shorts - longs).abs();
                prop_assert!(apart < long + short / 2.0, "{used:?} with {long} for a long one");
                // With ten long ones begun, one more or less is a tenth.
                if shorts.min(longs) >= 10.0 * long {
                    prop_assert!(apart <= 0.1 * shorts.max(longs), "{used:?} after ten long ones");
                }
            }
            prop_assert!(used[0].min(used[1]) >= 10.0 * long, "it was looked at for long enough: {used:?}");
        }
    }

    #[test]
    fn who_used_much_of_late_comes_after_who_did_not() {
        let queue = [waiting(1, (0, 1, 0, 1.0)), waiting(2, (1, 1, 9, 1.0))];
        let usage = HashMap::from([(institution(0), 500.0)]);
        assert_eq!(order(&queue, &usage), [queue[1].job, queue[0].job]);
        assert_eq!(order(&queue, &HashMap::new()), [queue[0].job, queue[1].job]);
    }
}
