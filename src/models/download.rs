//! The files of a model leave the portal: for the institution that it is of, once it is released.

use std::time::Duration;

use serde::Serialize;

use super::{
    deploy::DeployError,
    model::{Model, Status},
    receipt, store,
};
use crate::{
    db::{Db, Event, Subject},
    ids::{InstitutionId, ModelId},
    objects::ObjectStore,
    policy::{self, Action, Actor},
};

/// How long the address holds: long enough to begin.
const LIFETIME: Duration = Duration::from_secs(300);

#[derive(Debug, Serialize)]
struct Downloaded {
    model: ModelId,
    name: String,
    file: String,
    sha256: String,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Downloaded {
    fn kind(&self) -> &'static str {
        "models.downloaded"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.institution,
        }
    }
}

/// Whether `actor` may have the files of `model` now.
pub(super) fn may(actor: &Actor, model: &Model) -> bool {
    model.is_usable() && policy::check(actor, Action::DownloadModel, &model.scope()).is_ok()
}

/// Writes down who takes which file, and gives an address for exactly its bytes.
///
/// # Errors
/// [`DeployError::NotFound`] where there is no such model or file, [`DeployError::NotReleased`] where it is not
/// released, [`DeployError::Quarantined`] where data in its lineage was withdrawn, [`DeployError::Receipt`] where its
/// receipt does not hold.
pub(super) async fn download(
    db: &Db,
    objects: &ObjectStore,
    actor: &Actor,
    (id, file): (ModelId, &str),
) -> Result<String, DeployError> {
    let mut tx = db.write(actor).await?;
    let model = store::lock(&mut tx, id)
        .await?
        .ok_or(DeployError::NotFound(id))?;
    let permit = policy::check(actor, Action::DownloadModel, &model.scope())?;
    if model.status != Status::Released {
        return Err(DeployError::NotReleased);
    }
    if model.quarantine.is_some() {
        return Err(DeployError::Quarantined);
    }
    receipt::check(tx.conn(), id).await?;
    let file = store::files_of(tx.conn(), id)
        .await?
        .into_iter()
        .find(|one| one.name == file)
        .ok_or(DeployError::NotFound(id))?;
    tx.record(&Downloaded {
        model: id,
        name: model.name,
        file: file.name,
        sha256: file.sha256,
        institution: model.institution,
    })?;
    tx.commit(permit).await?;
    Ok(objects
        .presign_get(&file.object_key, &file.object_version, LIFETIME)
        .await?)
}
