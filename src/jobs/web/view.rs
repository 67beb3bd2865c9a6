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
    pub(super) async fn read(db: &Db, job: Job) -> Result<Self, StoreError> {
        let mut conn = db.read().await?;
        let inputs = store::inputs(&mut conn, job.id).await?;
        let attempts = store::attempts(&mut conn, job.id).await?;
        let mut progress = Progress::default();
        let mut bound = Vec::new();
        if let Some(last) = attempts.last() {
            bound = store::bound_verdicts(&mut conn, last.id).await?;
        }
        progress.read_on(&mut conn, &attempts).await?;
        let model = models::of_job(&mut conn, job.id).await?;
        Ok(Self {
            job,
            inputs,
            attempts,
            bound,
            progress,
            model,
        })
    }
}
