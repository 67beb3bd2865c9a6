//! How a month stands for one institution: as it was closed, or as it runs.

use sqlx::PgConnection;

use super::{
    formula::Formula,
    journal::Journal,
    month::Month,
    statement::{self, Statement},
    store,
};
use crate::{
    db::{CorruptRow, Db, StoreError},
    ids::InstitutionId,
};

/// A statement with what proves it, once its month is closed.
pub(super) struct Shown {
    pub(super) statement: Statement,
    /// The signed envelope, as text; none while the month is open, or where nothing was used in a closed one.
    pub(super) envelope: Option<String>,
    pub(super) body_sha256: Option<String>,
    pub(super) is_closed: bool,
}

/// The statement of `institution` for `month`; none for months before the first use and months to come.
///
/// # Errors
/// Where a row makes no sense or the database is away.
pub(super) async fn look(
    db: &Db,
    institution: InstitutionId,
    month: Month,
) -> Result<Option<Shown>, StoreError> {
    let mut conn = db.read().await?;
    if let Some(kept) = store::kept_statements(&mut conn, month)
        .await?
        .remove(&institution)
    {
        let statement = serde_json::from_str(&kept.body).map_err(|_| {
            StoreError::Corrupt(CorruptRow {
                table: "ledger_statements",
                id: institution.0,
                problem: "its text cannot be read",
            })
        })?;
        return Ok(Some(Shown {
            statement,
            envelope: Some(kept.envelope),
            body_sha256: Some(kept.body_sha256),
            is_closed: true,
        }));
    }
    let is_closed = store::closed(&mut conn)
        .await?
        .iter()
        .any(|closed| closed.month == month);
    let current = Month::holding(db.now());
    let is_open = month <= current
        && store::first_open(&mut conn)
            .await?
            .map_or(month == current, |first| first <= month);
    if !is_closed && !is_open {
        return Ok(None);
    }
    let until = month.end().min(db.now());
    let statement = compute(&mut conn, institution, month, until).await?;
    Ok(Some(Shown {
        statement,
        envelope: None,
        body_sha256: None,
        is_closed,
    }))
}

async fn compute(
    conn: &mut PgConnection,
    institution: InstitutionId,
    month: Month,
    until: chrono::DateTime<chrono::Utc>,
) -> Result<Statement, StoreError> {
    let formula = Formula::NEWEST;
    let journal = Journal::of(&store::facts(conn, month, until).await?, formula);
    let owned = store::owned(conn, &journal).await?;
    Ok(statement::statements((month, formula), &journal, &owned)
        .remove(&institution)
        .unwrap_or_else(|| Statement::empty(institution, (month, formula), &journal)))
}

/// The months that can be looked at, newest first, with whether each is closed.
///
/// # Errors
/// Where the database is away.
pub(super) async fn months(db: &Db) -> Result<Vec<(Month, bool)>, StoreError> {
    let mut conn = db.read().await?;
    let closed = store::closed(&mut conn).await?;
    let current = Month::holding(db.now());
    let mut open = store::first_open(&mut conn).await?.unwrap_or(current);
    let mut months: Vec<_> = closed.iter().map(|one| (one.month, true)).collect();
    let mut running = Vec::new();
    while open <= current {
        running.push((open, false));
        open = open.next();
    }
    months.reverse();
    months.extend(running);
    months.reverse();
    Ok(months)
}
