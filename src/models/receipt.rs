//! Whether a model has a receipt that holds: the condition for releasing and serving it.

use attestation::{ReceiptError, verify_receipt};
use sqlx::PgConnection;

use super::store;
use crate::{db::StoreError, ids::ModelId, signing};

/// Why a model has no receipt that holds.
#[derive(Debug, thiserror::Error)]
pub enum NoReceipt {
    #[error("there is no receipt")]
    Missing,
    #[error("the receipt is of another moment than it says")]
    Backdated,
    #[error(transparent)]
    Bad(#[from] ReceiptError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks the signature of a model's receipt by a key that held when it was signed, and that it is about exactly
/// the files that the model has now.
///
/// # Errors
/// [`NoReceipt`] naming what does not hold.
pub(super) async fn check(conn: &mut PgConnection, model: ModelId) -> Result<(), NoReceipt> {
    let (envelope, created_at) = store::receipt_row(conn, model)
        .await?
        .ok_or(NoReceipt::Missing)?;
    let keys = signing::published(conn).await?;
    let files = store::files_of(conn, model).await?;
    let named: Vec<_> = files
        .iter()
        .map(|file| (file.name.as_str(), file.sha256.as_str()))
        .collect();
    let statement = verify_receipt(&envelope, &keys, &named)?;
    // Whoever has an old key may not say that it was signed while that key held.
    if statement.signed_at()? == created_at {
        Ok(())
    } else {
        Err(NoReceipt::Backdated)
    }
}
