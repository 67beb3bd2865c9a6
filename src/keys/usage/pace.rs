//! How fast budgets are used up: for the page of usage, and for those who are told before one ends.

use chrono::{DateTime, TimeDelta, Utc};
use quota::Window;
use uuid::Uuid;

use crate::ids::{InstitutionId, UserId};

/// The days whose mean is taken for the pace of those to come.
pub(super) const DAYS_LOOKED_AT: i64 = 7;

/// A limit on the tokens of a day or a month, and how far it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::keys) struct Pace {
    /// An institution, a project or a key.
    pub(in crate::keys) node: Uuid,
    pub(in crate::keys) kind: NodeKind,
    pub(in crate::keys) name: String,
    pub(in crate::keys) institution: InstitutionId,
    /// Of a key.
    pub(in crate::keys) requested_by: Option<UserId>,
    pub(in crate::keys) window: Window,
    pub(in crate::keys) starts_at: DateTime<Utc>,
    pub(in crate::keys) used: i64,
    pub(in crate::keys) cap: i64,
    /// Used in the [`DAYS_LOOKED_AT`] days before today.
    pub(in crate::keys) last_days: i64,
}

/// What has limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::keys) enum NodeKind {
    Institution,
    Project,
    Key,
}

impl NodeKind {
    /// The word in the database and in keys of texts (`quota-node-{name}`).
    pub(in crate::keys) fn name(self) -> &'static str {
        match self {
            Self::Institution => "institution",
            Self::Project => "project",
            Self::Key => "key",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Institution, Self::Project, Self::Key]
            .into_iter()
            .find(|kind| kind.name() == text)
    }
}

impl Pace {
    /// Used of what is allowed, in whole percents; everything of a limit of nothing.
    pub(in crate::keys) fn percent(&self) -> i64 {
        if self.cap == 0 {
            return 100;
        }
        self.used.saturating_mul(100) / self.cap
    }

    /// When the rest is used up at the pace of the last days; none where it lasts until the period ends, or nothing was used.
    pub(in crate::keys) fn ends_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let left = self.cap.saturating_sub(self.used);
        if left <= 0 {
            return Some(now);
        }
        if self.last_days <= 0 {
            return None;
        }
        let seconds_looked_at = i128::from(DAYS_LOOKED_AT * 86_400);
        let seconds = i128::from(left) * seconds_looked_at / i128::from(self.last_days);
        let ends_at =
            now.checked_add_signed(TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?)?;
        let period_ends = self.window.end(self.starts_at)?;
        (ends_at < period_ends).then_some(ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(used: i64, last_days: i64) -> Pace {
        Pace {
            node: Uuid::nil(),
            kind: NodeKind::Institution,
            name: String::new(),
            institution: InstitutionId(Uuid::nil()),
            requested_by: None,
            window: Window::Month,
            starts_at: at("2026-10-31T23:00:00Z"),
            used,
            cap: 1000,
            last_days,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_budget_ends_where_the_pace_of_the_last_days_leads() {
        let now = at("2026-11-10T12:00:00Z");
        // 350 in seven days is 50 a day: 500 last ten days more.
        assert_eq!(
            pace(500, 350).ends_at(now),
            Some(at("2026-11-20T12:00:00Z"))
        );
        assert_eq!(pace(500, 70).ends_at(now), None, "it lasts the month");
        assert_eq!(pace(500, 0).ends_at(now), None);
        assert_eq!(pace(1000, 0).ends_at(now), Some(now));
        assert_eq!(pace(0, i64::MAX).ends_at(now), Some(now));
    }

    #[test]
    fn percents_are_whole_and_safe() {
        assert_eq!(pace(799, 0).percent(), 79);
        assert_eq!(pace(1500, 0).percent(), 150);
        assert_eq!(
            Pace {
                cap: 0,
                ..pace(0, 0)
            }
            .percent(),
            100
        );
    }
}
