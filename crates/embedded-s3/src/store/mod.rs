//! Where buckets, objects and uploads are kept.
//!
//! Metadata is one file with transactions ([`tables`]); bytes are files under random names ([`blobs`]). A key is
//! only ever a value in the metadata, never a path.

pub(crate) mod blobs;
mod buckets;
pub(crate) mod complete;
mod error;
pub(crate) mod listing;
pub(crate) mod objects;
pub(crate) mod record;
mod tables;
pub(crate) mod uploads;
pub(crate) mod walk;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redb::ReadableTable;
use tokio_util::task::TaskTracker;

pub(crate) use self::error::StoreError;
use self::{
    blobs::Blobs,
    record::Completed,
    tables::{Metadata, Snapshot, Tables, decode},
};

/// How long a repeated complete request gets its first answer again.
const COMPLETED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Everything the server keeps. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    metadata: Arc<Metadata>,
    blobs: Arc<Blobs>,
    /// Blocking work, so that a stop can wait for it.
    work: TaskTracker,
}

impl Store {
    /// Opens the folder, making it where needed, and removes what a crash left over; blocks.
    ///
    /// # Errors
    /// Where the folder cannot be used, or another process uses it.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)?;
        // Opened first, because its lock keeps two servers from sweeping each other's blobs.
        let metadata = Metadata::open(folder.join("metadata.redb"))?;
        let blobs = Blobs::open(folder.to_owned())?;
        let removed =
            metadata.read(|tables| blobs.sweep(|id| Ok(tables.blobs.get(id)?.is_some())))?;
        if removed > 0 {
            tracing::info!(removed, "removed blobs that no object names");
        }
        forget_old_answers(&metadata)?;
        Ok(Self {
            metadata: Arc::new(metadata),
            blobs: Arc::new(blobs),
            work: TaskTracker::new(),
        })
    }

    /// The folder with the blobs.
    pub(crate) fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    /// Waits until no transaction runs any more.
    pub(crate) async fn close(self) {
        self.work.close();
        self.work.wait().await;
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (metadata, blobs) = (Arc::clone(&self.metadata), Arc::clone(&self.blobs));
        let work = self.work.spawn_blocking(move || {
            let (answer, doomed) = metadata.write(change)?;
            blobs.remove(doomed);
            Ok(answer)
        });
        work.await.map_err(|_| StoreError::Stopping)?
    }

    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let metadata = Arc::clone(&self.metadata);
        let work = self.work.spawn_blocking(move || metadata.read(look));
        work.await.map_err(|_| StoreError::Stopping)?
    }
}

fn forget_old_answers(metadata: &Metadata) -> Result<(), StoreError> {
    let oldest = now_ms().saturating_sub(u64::try_from(COMPLETED_KEPT.as_millis()).unwrap_or(0));
    metadata.write(|tables| {
        let mut old = Vec::new();
        for row in tables.completed.iter()? {
            let (upload, answer) = row?;
            if decode::<Completed>(answer.value())?.at_ms < oldest {
                old.push(upload.value().to_owned());
            }
        }
        for upload in old {
            tables.completed.remove(upload.as_str())?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
