//! A job as Slurm tells of it, whatever it was asked through.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::state::Exit;

/// How every job of ours is called: this, and its attempt.
pub(super) const NAME_PREFIX: &str = "vf-";

/// What our scripts end with that find another job at work for their attempt.
pub(super) const NOT_THE_ONE: i32 = 75;

/// The name of the job for `attempt`.
pub(super) fn name_of(attempt: Uuid) -> String {
    format!("{NAME_PREFIX}{}", attempt.hyphenated())
}

/// One job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) comment: String,
    /// The base state, and flags in newer versions.
    pub(super) states: Vec<String>,
    pub(super) exit: Option<Exit>,
    pub(super) reason: String,
    pub(super) submitted_at: Option<DateTime<Utc>>,
    /// Of one that waits: when Slurm means to start it.
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) nodes: Option<u32>,
    pub(super) cores: Option<u32>,
    /// `cpu=2,mem=128M,node=1,gres/gpu=1`.
    pub(super) allocated: String,
    /// What was asked for each machine: `gres:gpu:a100:4`, in newer versions `gres/gpu:a100:4`.
    pub(super) per_node: String,
    pub(super) partition: String,
    pub(super) priority: u64,
    /// Whether it was told from the accounts, which know less.
    pub(super) is_accounted: bool,
}

impl Record {
    /// The attempt that it was submitted for.
    pub(super) fn attempt(&self) -> Option<Uuid> {
        Uuid::try_parse(self.name.strip_prefix(NAME_PREFIX)?).ok()
    }

    fn is(&self, words: &[&str]) -> bool {
        self.states
            .iter()
            .any(|state| words.contains(&state.as_str()))
    }

    pub(super) fn is_pending(&self) -> bool {
        self.is(&[
            "PENDING",
            "REQUEUED",
            "REQUEUE_HOLD",
            "SPECIAL_EXIT",
            "REQUEUE_FED",
            "RESV_DEL_HOLD",
        ])
    }

    /// Whether it may still take up machines, now or later; REVOKED does, on a sister cluster.
    pub(super) fn is_active(&self) -> bool {
        const OVER: [&str; 10] = [
            "COMPLETED",
            "FAILED",
            "TIMEOUT",
            "DEADLINE",
            "OUT_OF_MEMORY",
            "NODE_FAIL",
            "BOOT_FAIL",
            "LAUNCH_FAILED",
            "RECONFIG_FAIL",
            "PREEMPTED",
        ];
        let is_over = self.is(&OVER) || self.states.iter().any(|it| it.starts_with("CANCELLED"));
        !is_over || self.is(&["COMPLETING"])
    }

    /// Whether it left because another job had its attempt.
    pub(super) fn gave_way(&self) -> bool {
        self.exit.is_some_and(|exit| exit.code == NOT_THE_ONE) && !self.is_active()
    }

    /// GPUs over all its machines; counted by what was asked where the cluster does not account for GPUs.
    pub(super) fn gpus(&self) -> Option<u32> {
        let count = self
            .allocated
            .split(',')
            .find_map(|one| one.strip_prefix("gres/gpu="));
        if let Some(count) = count {
            return count.parse().ok();
        }
        // Accounts have nothing of what was asked: a cluster that does not account for GPUs does not tell.
        if self.is_accounted {
            return None;
        }
        let asked: u32 = self.per_node.split(',').filter_map(gpus_asked).sum();
        asked.checked_mul(self.nodes?)
    }
}

/// `gres:gpu`, `gres:gpu:4`, `gres/gpu:a100:4`.
fn gpus_asked(one: &str) -> Option<u32> {
    let rest = one
        .strip_prefix("gres:gpu")
        .or_else(|| one.strip_prefix("gres/gpu"))?;
    let last = rest.rsplit([':', '=']).next().unwrap_or_default();
    Some(last.parse().unwrap_or(1))
}

/// Which of the jobs with one name is the attempt's.
///
/// The one that holds the claim, where that is known. Two portals may submit at the same moment; then the second job
/// leaves with [`NOT_THE_ONE`], and the one that did not is it.
pub(super) fn pick<'a>(records: &[&'a Record], claimed_by: Option<u64>) -> Option<&'a Record> {
    if let Some(id) = claimed_by {
        return records.iter().copied().find(|record| record.id == id);
    }
    let by_rank = |record: &&&Record| {
        let is_running = record.is_active() && !record.is_pending();
        (
            record.gave_way(),
            !is_running,
            record.is_pending(),
            record.id,
        )
    };
    records.iter().min_by_key(by_rank).copied()
}

/// Seconds since 1970, as Slurm writes them where it is asked to; 0, `N/A` and `Unknown` are none.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    let seconds = text.trim().parse().ok().filter(|seconds| *seconds > 0)?;
    DateTime::from_timestamp(seconds, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u64, state: &str, code: i32) -> Record {
        Record {
            id,
            states: state.split('+').map(str::to_owned).collect(),
            exit: Some(Exit { code, signal: 0 }),
            ..Record::default()
        }
    }

    #[test]
    fn the_job_that_holds_the_claim_is_the_attempts() {
        let one = record(7, "FAILED", NOT_THE_ONE);
        let other = record(8, "RUNNING", 0);
        let third = record(9, "PENDING", 0);
        let all = [&one, &other, &third];
        let id = |claimed_by| pick(&all, claimed_by).map(|record| record.id);
        assert_eq!(id(None), Some(8));
        assert_eq!(id(Some(9)), Some(9));
        assert_eq!(id(Some(6)), None, "Slurm has forgotten the one that ran");
        let done = record(8, "COMPLETED", 0);
        assert_eq!(pick(&[&one, &done], None).map(|it| it.id), Some(8));
        assert_eq!(
            pick(&[&third, &record(5, "PENDING", 0)], None).map(|it| it.id),
            Some(5)
        );
        assert_eq!(pick(&[&one], None).map(|it| it.id), Some(7));
        assert_eq!(pick(&[], None), None);
    }

    #[test]
    fn what_is_used_is_read_from_what_was_allocated() {
        let with = |allocated: &str, per_node: &str| Record {
            allocated: allocated.to_owned(),
            per_node: per_node.to_owned(),
            nodes: Some(2),
            ..Record::default()
        };
        assert_eq!(
            with(
                "cpu=2,mem=1G,node=2,gres/gpu=8,gres/gpu:a100=8",
                "gres:gpu:4"
            )
            .gpus(),
            Some(8)
        );
        for (per_node, expected) in [
            ("gres:gpu:4", 8),
            ("gres/gpu:a100:3", 6),
            ("gres:gpu", 2),
            ("gres:shard:5,gres:gpu:a100:1", 2),
            ("N/A", 0),
            ("", 0),
        ] {
            assert_eq!(
                with("cpu=2,mem=1G,node=2", per_node).gpus(),
                Some(expected),
                "{per_node}"
            );
        }
        assert_eq!(instant("N/A"), None);
        assert_eq!(
            instant(" 1795630097 ").map(|at| at.timestamp()),
            Some(1_795_630_097)
        );
    }

    #[test]
    fn names_lead_back_to_attempts() {
        let attempt = Uuid::from_u128(7);
        let mut record = record(1, "RUNNING+COMPLETING", 0);
        record.name = name_of(attempt);
        assert_eq!(record.attempt(), Some(attempt));
        assert!(record.is_active());
        record.name = "vf-somebody's".to_owned();
        assert_eq!(record.attempt(), None);
        record.states = vec!["CANCELLED by 0".to_owned()];
        assert!(!record.is_active());
    }
}
