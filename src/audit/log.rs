//! The transparency log with everything it stands on: database, object store, key and name.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use transparency_log::{Note, Plan, Tile, TileMissing, Tiles, VerifierKey};

use actix_web::web::Data;

use super::store;
use crate::{
    config::Config,
    db::{Db, StoreError},
    objects::{ObjectError, ObjectStore},
    signing::{self, PublishedKeys, Signer},
};

/// The folder of the log in the object store; below it the paths of C2SP tlog-tiles.
const FOLDER: &str = "log";
/// Tiles that are asked for at the same time.
const AT_ONCE: usize = 16;

/// The log as the portal keeps it.
#[derive(Clone)]
pub struct Log {
    pub(super) db: Db,
    objects: ObjectStore,
    signer: Data<Signer>,
    config: Data<Config>,
}

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database refused, or is away.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object store refused, or is away.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// A published tile is gone or has another size.
    #[error("the tile {0} is not in the object store as it was published")]
    Tile(String),
    /// A proof needs a tile that was not read: our own mistake.
    #[error(transparent)]
    Plan(#[from] TileMissing),
    /// The configured key is not one that may sign now.
    #[error("the configured signing_key is not the active one")]
    NotActive,
    /// The configured key cannot be used under the log's name.
    #[error("the log's name or key cannot be used")]
    Key,
}

impl From<sqlx::Error> for LogError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<LogError> for crate::error::AppError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Store(cause) => cause.into(),
            LogError::Objects(cause) => cause.into(),
            LogError::Tile(_) | LogError::Plan(_) | LogError::Key | LogError::NotActive => {
                Self::Internal(error.into())
            }
        }
    }
}

impl Log {
    /// The log of a portal with these parts.
    #[must_use]
    pub fn new(db: Db, objects: ObjectStore, signer: Data<Signer>, config: Data<Config>) -> Self {
        Self {
            db,
            objects,
            signer,
            config,
        }
    }

    /// Its name: the portal's address without the scheme, and `/log`, where it can be read.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(&self.config)
    }

    /// Scheme, host and port of the portal that serves it.
    pub(super) fn address(&self) -> String {
        self.config.origin()
    }

    /// Seconds from one checkpoint to the next.
    pub(super) fn every_seconds(&self) -> i64 {
        self.config.audit.checkpoint_seconds
    }

    /// The key that it is signed with at present.
    ///
    /// # Errors
    /// Where key and name make no verifier key.
    pub fn key(&self) -> Result<VerifierKey, LogError> {
        VerifierKey::new(&self.origin(), self.signer.public_key().as_bytes()).ok_or(LogError::Key)
    }

    /// All keys that it was ever signed with.
    ///
    /// # Errors
    /// Where the database is away.
    pub async fn keys(&self) -> Result<PublishedKeys, LogError> {
        let mut conn = self.db.read().await?;
        Ok(signing::published(&mut conn).await?)
    }

    /// Whether the configured key may sign at this moment.
    ///
    /// # Errors
    /// Where the database is away.
    pub(super) async fn key_holds(&self) -> Result<bool, LogError> {
        let mut tx = self.db.meter().await?;
        let now = tx.now();
        Ok(store::key_holds(tx.conn(), &self.keyid(), now).await?)
    }

    /// The name of the configured key.
    pub(super) fn keyid(&self) -> String {
        self.signer.public_key().keyid()
    }

    pub(super) fn sign(&self, text: String) -> Result<String, LogError> {
        let note = Note::sign(text, &self.key()?, |bytes| self.signer.sign_raw(bytes));
        Ok(note.to_string())
    }

    /// Reads a file of the log from the object store; none where it is not there.
    ///
    /// # Errors
    /// Where the store is away.
    pub(super) async fn file(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        match self.objects.get(&format!("{FOLDER}/{path}")).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_file(&self, path: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.objects
            .put(&format!("{FOLDER}/{path}"), bytes)
            .await
            .map(|_| ())
    }

    /// Reads tiles.
    ///
    /// # Errors
    /// [`LogError::Tile`] names one that is not as it was published.
    pub(super) async fn tiles(&self, wanted: BTreeSet<Tile>) -> Result<Tiles, LogError> {
        stream::iter(wanted)
            .map(|tile| async move {
                let bytes = self.file(&tile.path()).await?;
                Ok::<_, LogError>((tile, bytes))
            })
            .buffer_unordered(AT_ONCE)
            .try_fold(Tiles::default(), |mut tiles, (tile, bytes)| async move {
                if tiles.insert(tile, &bytes.unwrap_or_default()) {
                    Ok(tiles)
                } else {
                    Err(LogError::Tile(tile.path()))
                }
            })
            .await
    }

    /// The hashes of several proofs, from the tiles of a tree of `available` leaves.
    ///
    /// # Errors
    /// [`LogError`].
    pub(super) async fn proofs(
        &self,
        plans: &[Plan],
        available: u64,
    ) -> Result<Vec<Vec<transparency_log::Hash>>, LogError> {
        let wanted = plans
            .iter()
            .flat_map(|plan| plan.tiles(available))
            .collect();
        let tiles = self.tiles(wanted).await?;
        plans.iter().map(|plan| Ok(plan.hashes(&tiles)?)).collect()
    }
}

/// The name of the log of a portal with these settings.
#[must_use]
pub fn origin(config: &Config) -> String {
    let origin = config.origin();
    let host = origin
        .split_once("://")
        .map_or(origin.as_str(), |(_, host)| host);
    format!("{host}/{FOLDER}")
}
