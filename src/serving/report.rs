//! A serving program says how it stands.

use job_contract::ServingStatus;

use super::{
    process::{BadReport, Report},
    store,
};
use crate::{
    db::{Db, StoreError},
    error::AppError,
};

/// Why a report was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error(transparent)]
    Bad(#[from] BadReport),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ReportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ReportError> for AppError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Bad(_) => Self::invalid("serving-report-bad"),
            ReportError::Store(why) => why.into(),
        }
    }
}

/// Renews the program's lease, and notes how its models stand.
pub(super) async fn report(db: &Db, status: ServingStatus) -> Result<(), ReportError> {
    let report = Report::parse(status)?;
    let mut tx = db.meter().await?;
    store::forgive_silence(&mut tx).await?;
    store::end_others_at(&mut tx, &report).await?;
    store::save_process(&mut tx, &report).await?;
    let has_changed = store::save_models(&mut tx, &report).await?;
    tx.commit().await?;
    if has_changed || report.is_leaving() {
        db.note_change();
    }
    Ok(())
}
