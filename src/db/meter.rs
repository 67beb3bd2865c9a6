//! Writes that are their own record: counters, leases, sessions, events of running jobs.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, Transaction};

/// A transaction outside the audit log. Dropping it undoes everything.
#[must_use = "a write that is not committed is undone"]
pub struct MeterTx {
    tx: Transaction<'static, Postgres>,
    now: DateTime<Utc>,
}

impl MeterTx {
    pub(super) fn new(tx: Transaction<'static, Postgres>, now: DateTime<Utc>) -> Self {
        Self { tx, now }
    }

    /// The connection to run statements on.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// The same instant for all that it writes.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Commits all of it.
    ///
    /// # Errors
    /// Where the database refuses or is away.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.tx.commit().await
    }
}
