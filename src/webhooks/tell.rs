//! Something happened that programs want to hear of.

use serde_json::{Value, json};
use uuid::Uuid;

use super::store;
use crate::{
    db::{StoreError, WriteTx},
    ids::InstitutionId,
};

/// What programs are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A fine-tuning job made a model.
    JobSucceeded,
    /// A fine-tuning job failed, or was not allowed.
    JobFailed,
    /// A fine-tuning job was called off, or its data were withdrawn.
    JobCancelled,
    /// People have to decide before it can go on.
    ApprovalRequested,
    /// Data that the institution contributed, used or curated from were withdrawn.
    DatasetWithdrawn,
}

impl Kind {
    /// As it stands in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JobSucceeded => "fine_tuning.job.succeeded",
            Self::JobFailed => "fine_tuning.job.failed",
            Self::JobCancelled => "fine_tuning.job.cancelled",
            Self::ApprovalRequested => "gptnl.approval.requested",
            Self::DatasetWithdrawn => "gptnl.dataset.withdrawn",
        }
    }
}

/// Puts a message out for every address of the institution, in the caller's transaction.
///
/// # Errors
/// Where the database refuses.
pub async fn tell(
    tx: &mut WriteTx<'_>,
    institution: InstitutionId,
    kind: Kind,
    data: &Value,
) -> Result<(), StoreError> {
    let at = tx.now().timestamp();
    for endpoint in store::addresses(tx.conn(), institution).await? {
        let id = Uuid::now_v7();
        // Kept as it is sent: the signature is over these very bytes.
        let body = json!({
            "id": message_id(id), "object": "event", "created_at": at, "type": kind.name(), "data": data,
        });
        store::insert_message(tx, (id, endpoint), kind.name(), &body.to_string()).await?;
    }
    Ok(())
}

/// The id of a message as programs see it.
pub(super) fn message_id(id: Uuid) -> String {
    format!("evt_{}", id.simple())
}
