//! The right holder hears of it when their data is read.

use super::{error::JobError, job::Job, store};
use crate::{
    db::WriteTx,
    ids::DatasetVersionId,
    notices::{About, Notice, Recipient, tell},
    policy::Role,
};

/// Tells the managers of the institution that a version is of, once a job and dataset: with the first leave to read.
pub(super) async fn tell_right_holder(
    tx: &mut WriteTx<'_>,
    job: &Job,
    version: DatasetVersionId,
) -> Result<(), JobError> {
    let owner = store::owner_of(tx.conn(), version).await?;
    let input = store::inputs(tx.conn(), job.id)
        .await?
        .into_iter()
        .find(|input| input.version == version);
    let (Some(owner), Some(input)) = (owner, input) else {
        return Ok(());
    };
    let to = Recipient::Role {
        institution: owner.institution,
        role: Role::Manager,
    };
    let about = About {
        kind: "job",
        id: job.id.0,
    };
    let kind = if job.base.is_some() {
        "data-used"
    } else {
        "data-used-new"
    };
    let notice = Notice::new(kind, to, about)
        .with("title", &input.title)
        .with("job", &job.title)
        .with("institution", &job.institution_name)
        .with("model", &job.base_name)
        .link(format!("/contributions/{}", input.dataset))
        .once(format!("data-used:{}:{}", job.id, input.dataset));
    tell(tx, &notice).await?;
    Ok(())
}
