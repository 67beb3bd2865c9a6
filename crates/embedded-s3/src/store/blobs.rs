//! The bytes of objects: one file each, under a random name, never changed once it has that name.
//!
//! A blob is written to `tmp/`, synced, and renamed into `blobs/`; only then may the metadata name it. What the
//! metadata does not name at start is left over from a crash and is removed.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::error::StoreError;

/// Bytes gathered before they are written, and the size of one read.
pub(crate) const CHUNK_BYTES: usize = 512 * 1024;
/// Space that is left alone, so that the metadata can still be written when the disk fills up.
const RESERVE_BYTES: u64 = 32 * 1024 * 1024;

/// The folder with the blobs.
pub(crate) struct Blobs {
    root: PathBuf,
    pins: Mutex<HashMap<String, Pin>>,
}

#[derive(Default)]
struct Pin {
    readers: usize,
    is_doomed: bool,
}

impl Blobs {
    /// Makes the folders and empties `tmp/`.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(root.join("tmp"))?;
        for entry in fs::read_dir(root.join("tmp"))? {
            fs::remove_file(entry?.path())?;
        }
        for shard in 0..=u8::MAX {
            fs::create_dir_all(root.join("blobs").join(format!("{shard:02x}")))?;
        }
        sync_folder(&root.join("blobs"))?;
        sync_folder(&root)?;
        Ok(Self {
            root,
            pins: Mutex::default(),
        })
    }

    /// Removes every blob that `is_used` does not know, and says how many there were.
    pub(crate) fn sweep(
        &self,
        is_used: impl Fn(&str) -> Result<bool, StoreError>,
    ) -> Result<usize, StoreError> {
        let mut removed = 0;
        for shard in fs::read_dir(self.root.join("blobs"))? {
            for entry in fs::read_dir(shard?.path())? {
                let entry = entry?;
                let name = entry.file_name();
                if !is_used(&name.to_string_lossy())? {
                    fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Starts a new blob.
    pub(crate) async fn create(self: &Arc<Self>) -> Result<BlobWriter, StoreError> {
        self.refuse_when_full()?;
        let id = Uuid::now_v7().simple().to_string();
        let path = self.root.join("tmp").join(&id);
        let file = tokio::fs::File::create_new(&path).await?;
        Ok(BlobWriter {
            file,
            pending: BytesMut::with_capacity(CHUNK_BYTES),
            size: 0,
            blob: NewBlob {
                id,
                path,
                is_kept: false,
            },
            blobs: Arc::clone(self),
        })
    }

    /// Opens a blob for reading.
    pub(crate) async fn read(&self, id: &str) -> io::Result<tokio::fs::File> {
        tokio::fs::File::open(self.path(id)).await
    }

    /// Removes blobs now, or once their last reader is done.
    pub(crate) fn remove(&self, ids: Vec<String>) {
        for id in ids {
            let mut pins = self.pins();
            if let Some(pin) = pins.get_mut(&id) {
                pin.is_doomed = true;
                continue;
            }
            drop(pins);
            self.unlink(&id);
        }
    }

    /// Runs `look` and keeps the blobs that it names from being removed until the lease is dropped.
    ///
    /// Both happen in one step: a blob cannot go between being named and being kept.
    pub(crate) fn lease<T>(
        self: &Arc<Self>,
        look: impl FnOnce() -> Result<(T, Vec<String>), StoreError>,
    ) -> Result<(T, Lease), StoreError> {
        let mut pins = self.pins();
        let (found, ids) = look()?;
        for id in &ids {
            pins.entry(id.clone()).or_default().readers += 1;
        }
        drop(pins);
        let lease = Lease {
            blobs: Arc::clone(self),
            ids,
        };
        Ok((found, lease))
    }

    fn refuse_when_full(&self) -> Result<(), StoreError> {
        let space = nix::sys::statvfs::statvfs(&self.root).map_err(io::Error::from)?;
        let free = space
            .blocks_available()
            .saturating_mul(space.fragment_size());
        if free < RESERVE_BYTES {
            return Err(StoreError::Full(None));
        }
        Ok(())
    }

    fn path(&self, id: &str) -> PathBuf {
        let shard = id.get(id.len().saturating_sub(2)..).unwrap_or("00");
        self.root.join("blobs").join(shard).join(id)
    }

    fn unlink(&self, id: &str) {
        if let Err(error) = fs::remove_file(self.path(id)) {
            // The next start removes it: nothing names it any more.
            tracing::warn!(blob = id, %error, "a blob could not be removed");
        }
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<String, Pin>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps blobs readable although the object that named them may be deleted meanwhile.
pub(crate) struct Lease {
    blobs: Arc<Blobs>,
    ids: Vec<String>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut doomed = Vec::new();
        let mut pins = self.blobs.pins();
        for id in &self.ids {
            let Some(pin) = pins.get_mut(id) else {
                continue;
            };
            pin.readers -= 1;
            if pin.readers == 0 {
                if pin.is_doomed {
                    doomed.push(id.clone());
                }
                pins.remove(id);
            }
        }
        drop(pins);
        for id in doomed {
            self.blobs.unlink(&id);
        }
    }
}

/// A blob being written.
pub(crate) struct BlobWriter {
    file: tokio::fs::File,
    pending: BytesMut,
    size: u64,
    blob: NewBlob,
    blobs: Arc<Blobs>,
}

impl BlobWriter {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.pending.extend_from_slice(bytes);
        self.size += bytes.len() as u64;
        if self.pending.len() >= CHUNK_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.blobs.refuse_when_full()?;
        self.file.write_all(&self.pending).await?;
        // Otherwise an error of this write shows up only with the next one.
        self.file.flush().await?;
        self.pending.clear();
        Ok(())
    }

    /// Makes the blob durable under its name. `None` where nothing was written.
    pub(crate) async fn finish(mut self) -> Result<Option<NewBlob>, StoreError> {
        if self.size == 0 {
            return Ok(None);
        }
        self.flush().await?;
        self.file.sync_all().await?;
        let target = self.blobs.path(&self.blob.id);
        let mut blob = self.blob;
        let renamed = tokio::task::spawn_blocking(move || {
            fs::rename(&blob.path, &target)?;
            if let Some(folder) = target.parent() {
                sync_folder(folder)?;
            }
            blob.path = target;
            Ok::<_, io::Error>(blob)
        });
        Ok(Some(renamed.await.map_err(|_| StoreError::Stopping)??))
    }
}

/// A finished blob that no metadata names yet; it goes away unless kept.
pub(crate) struct NewBlob {
    id: String,
    path: PathBuf,
    is_kept: bool,
}

impl NewBlob {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Leaves the file where it is: a transaction is about to name it.
    ///
    /// To be called before the commit, as a commit that reports an error may still have happened; a blob kept in
    /// vain is removed at the next start.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if !self.is_kept {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
