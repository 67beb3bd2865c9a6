//! Steps that an institution may put around what its keys ask and get: personal data is masked, and a service of its own
//! says which texts may not pass. Each is off until a manager switches it on; the gateway takes the steps.

mod keep;
mod safeguard;
mod secret;
mod store;
pub mod web;

pub use self::{
    safeguard::{Hook, OnFailure, Safeguards},
    secret::token,
};
use crate::{
    db::{Db, StoreError},
    ids::InstitutionId,
};

/// The steps of every institution that has any.
///
/// # Errors
/// Where the database is away.
pub async fn all(db: &Db) -> Result<Vec<(InstitutionId, Safeguards)>, StoreError> {
    let mut conn = db.read().await?;
    store::all(&mut conn).await
}
