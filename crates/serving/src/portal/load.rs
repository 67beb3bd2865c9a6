use std::{io, path::PathBuf, sync::Arc};

use attestation::{PublishedKeys, ReceiptError, verify_receipt};
use job_contract::{Assignment, MOST_MODEL_FILES, ModelKind};
use language_model::inference::{Adapter, CONFIG_FILE, WEIGHTS_FILE};

use super::{FetchError, Store};
use crate::registry::{Base, Registry, RegistryError};

/// Why an assigned model is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the model has {0} files")]
    FileCount(usize),
    #[error("the adapter lacks {0}")]
    MissingFile(&'static str),
    #[error("the cache folder cannot be used")]
    Io(#[from] io::Error),
    #[error("there is no receipt, so nobody can tell where the model comes from")]
    NoReceipt,
    #[error("the receipt does not hold")]
    Receipt(#[from] ReceiptError),
    #[error("loading was broken off")]
    BrokenOff,
}

/// Checks the receipt of an assigned model, fetches the files that it names, opens it, and adds it to the registry.
pub(super) async fn load(
    store: Store,
    registry: Arc<Registry>,
    assignment: Assignment,
    keys: Arc<PublishedKeys>,
) -> Result<(), LoadError> {
    if assignment.files.is_empty() || assignment.files.len() > MOST_MODEL_FILES {
        return Err(LoadError::FileCount(assignment.files.len()));
    }
    // Each file is fetched by this hash and refused where it differs: with the hashes, the bytes are checked.
    let named: Vec<_> = assignment
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.sha256.as_str()))
        .collect();
    let receipt = assignment.receipt.as_deref().ok_or(LoadError::NoReceipt)?;
    verify_receipt(receipt, &keys, &named)?;
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for file in &assignment.files {
        files.push((file.name.clone(), store.get(file).await?));
    }
    let opening = tokio::task::spawn_blocking(move || open(&store, &registry, &assignment, &files));
    opening.await.map_err(|_| LoadError::BrokenOff)?
}

fn open(
    store: &Store,
    registry: &Registry,
    assignment: &Assignment,
    files: &[(String, PathBuf)],
) -> Result<(), LoadError> {
    match &assignment.kind {
        ModelKind::Base => {
            let path = base_path(store, assignment, files)?;
            let base = Base::open(&assignment.model, &path, registry.limits())?;
            registry.add_base(base)?;
        }
        ModelKind::Adapter { base } => {
            let read = |name: &'static str| {
                let file = files.iter().find(|(file, _)| file == name);
                let (_, path) = file.ok_or(LoadError::MissingFile(name))?;
                Ok::<_, LoadError>(std::fs::read(path)?)
            };
            let (config, weights) = (read(CONFIG_FILE)?, read(WEIGHTS_FILE)?);
            let shape = registry.base(base)?.model.config().clone();
            let adapter = Adapter::parse(&config, &weights, &shape).map_err(RegistryError::from)?;
            registry.add_adapter(&assignment.model, base, adapter)?;
        }
    }
    Ok(())
}

/// The file itself for GGUF; for several files a folder in which they have their own names.
fn base_path(
    store: &Store,
    assignment: &Assignment,
    files: &[(String, PathBuf)],
) -> io::Result<PathBuf> {
    if let [(_, path)] = files {
        return Ok(path.clone());
    }
    let folder = store
        .folder()
        .join(format!("deployment-{}", assignment.deployment));
    std::fs::create_dir_all(&folder)?;
    for (name, path) in files {
        let link = folder.join(name);
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::hard_link(path, &link)?,
        }
    }
    Ok(folder)
}
