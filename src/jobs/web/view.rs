//! All that a job's page and its JSON show, read at once.

use super::super::{
    job::{Attempt, BoundVerdict, Input, Job},
    progress::Progress,
    store,
};
use crate::{
    db::{Db, StoreError},
    models::{self, Model},
};

pub(super) struct View {
    pub(super) job: Job,
    pub(super) inputs: Vec<Input>,
    /// First to last.
    pub(super) attempts: Vec<Attempt>,
    /// Of the last attempt.
    pub(super) bound: Vec<BoundVerdict>,
    /// Over all attempts.
    pub(super) progress: Progress,
    /// What came out.
    pub(super) model: Option<Model>,
}

impl View {
    /// With the whole curves.
    pub(super) async fn read(db: &Db, job: Job) -> Result<Self, StoreError> {
        let mut view = Self::without_progress(db, job).await?;
        let mut conn = db.read().await?;
        view.progress.read_on(&mut conn, &view.attempts).await?;
        Ok(view)
    }

    /// With the last figures alone: programs ask again and again.
    pub(super) async fn read_last(db: &Db, job: Job) -> Result<Self, StoreError> {
        let mut view = Self::without_progress(db, job).await?;
        let mut conn = db.read().await?;
        view.progress = Progress::read_last(&mut conn, &view.attempts).await?;
        Ok(view)
    }

    async fn without_progress(db: &Db, job: Job) -> Result<Self, StoreError> {
        let mut conn = db.read().await?;
        let inputs = store::inputs(&mut conn, job.id).await?;
        let attempts = store::attempts(&mut conn, job.id).await?;
        let mut bound = Vec::new();
        if let Some(last) = attempts.last() {
            bound = store::bound_verdicts(&mut conn, last.id).await?;
        }
        let model = models::of_job(&mut conn, job.id).await?;
        Ok(Self {
            job,
            inputs,
            attempts,
            bound,
            progress: Progress::default(),
            model,
        })
    }
}
