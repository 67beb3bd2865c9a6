//! An administrator sets a budget.

use chrono::NaiveDate;
use serde::Serialize;

use super::store;
use crate::{
    db::{CommitError, Db, Event, StoreError, Subject},
    error::AppError,
    ids::{BudgetId, InstitutionId},
    policy::{self, Action, Actor, Denied, Scope},
};

/// A budget as an administrator wants it.
#[derive(Debug, Clone, Serialize)]
pub struct Draft {
    /// Whose.
    #[serde(skip)]
    pub institution: InstitutionId,
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
}

/// Why a budget was not set.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// There is one for some of these days that begins on another.
    #[error("another budget holds in that period")]
    Overlaps,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<sqlx::Error> for BudgetError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<BudgetError> for AppError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Overlaps => Self::conflict("budgets-overlap"),
            BudgetError::Denied(why) => why.into(),
            BudgetError::Store(why) => why.into(),
            BudgetError::Commit(why) => why.into(),
        }
    }
}

#[derive(Serialize)]
struct Set<'a> {
    budget: BudgetId,
    #[serde(flatten)]
    draft: &'a Draft,
}

impl Event for Set<'_> {
    fn kind(&self) -> &'static str {
        "budgets.set"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "budget",
            id: self.budget.0,
            institution: self.draft.institution,
        }
    }
}

/// Sets a budget: a new one, or other limits and another end for the one that begins on that day. What was used and
/// reserved stays; limits below that only keep more from starting.
///
/// # Errors
/// [`BudgetError`].
pub async fn set(db: &Db, actor: &Actor, draft: &Draft) -> Result<BudgetId, BudgetError> {
    let permit = policy::check(actor, Action::SetBudget, &Scope::of(draft.institution))?;
    let mut tx = db.write(actor).await?;
    if store::overlaps(tx.conn(), draft).await? {
        return Err(BudgetError::Overlaps);
    }
    let budget = store::put(&mut tx, draft).await?;
    tx.record(&Set { budget, draft })?;
    tx.commit(permit).await?;
    Ok(budget)
}
