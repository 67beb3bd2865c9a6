//! What a budget is.

use chrono::NaiveDate;

use super::cost::Cost;
use crate::ids::{BudgetId, InstitutionId};

/// Amounts of the three kinds that are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Thousandths of an SBU.
    pub milli_sbu: i64,
    /// Seconds of GPUs.
    pub gpu_seconds: i64,
    /// Seconds of cores where no GPU was used.
    pub core_seconds: i64,
}

/// What an institution may use in a period.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Which.
    pub id: BudgetId,
    /// Whose.
    pub institution: InstitutionId,
    /// By name.
    pub institution_name: String,
    /// The first day.
    pub begins_on: NaiveDate,
    /// The first day after it.
    pub ends_on: NaiveDate,
    /// Thousandths of an SBU; none: no limit.
    pub milli_sbu: Option<i64>,
    /// None: no limit.
    pub gpu_seconds: Option<i64>,
    /// None: no limit.
    pub core_seconds: Option<i64>,
    /// What runs now may still use.
    pub reserved: Amounts,
    /// What ended has used.
    pub used: Amounts,
}

impl Budget {
    /// Whether that much is left of it.
    #[must_use]
    pub fn has_room_for(&self, cost: &Cost) -> bool {
        let fits = |limit: Option<i64>, reserved: i64, used: i64, more: u64| {
            let more = i64::try_from(more).unwrap_or(i64::MAX);
            limit.is_none_or(|limit| used.saturating_add(reserved).saturating_add(more) <= limit)
        };
        let (held, used) = (&self.reserved, &self.used);
        fits(
            self.milli_sbu,
            held.milli_sbu,
            used.milli_sbu,
            cost.milli_sbu,
        ) && fits(
            self.gpu_seconds,
            held.gpu_seconds,
            used.gpu_seconds,
            cost.gpu_seconds,
        ) && fits(
            self.core_seconds,
            held.core_seconds,
            used.core_seconds,
            cost.core_seconds,
        )
    }
}
