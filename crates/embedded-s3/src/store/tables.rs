//! The metadata file: its tables, and transactions on them.

use std::{
    path::PathBuf,
    sync::{PoisonError, RwLock},
};

use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, Table,
    TableDefinition, WriteTransaction,
};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    error::StoreError,
    record::{Bucket, Segment},
};

/// Bucket, key, and the order of the version: the newest has the lowest number.
pub(crate) type VersionKey = (&'static str, &'static str, u64);
type UploadKey = (&'static str, &'static str, &'static str);

const BUCKETS: TableDefinition<&str, &[u8]> = TableDefinition::new("buckets");
const VERSIONS: TableDefinition<VersionKey, &[u8]> = TableDefinition::new("versions");
/// By manifest and place in the object.
const SEGMENTS: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("segments");
const UPLOADS: TableDefinition<UploadKey, &[u8]> = TableDefinition::new("uploads");
const PARTS: TableDefinition<(&str, u32), &[u8]> = TableDefinition::new("parts");
const COMPLETED: TableDefinition<&str, &[u8]> = TableDefinition::new("completed");
/// How many segments and parts use a blob.
const BLOBS: TableDefinition<&str, u64> = TableDefinition::new("blobs");
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");

/// Memory that the metadata file may use as its cache.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// The tables as one write transaction sees them.
pub(crate) struct Tables<'t> {
    pub(crate) buckets: Table<'t, &'static str, &'static [u8]>,
    pub(crate) versions: Table<'t, VersionKey, &'static [u8]>,
    pub(crate) segments: Table<'t, (u64, u32), &'static [u8]>,
    pub(crate) uploads: Table<'t, UploadKey, &'static [u8]>,
    pub(crate) parts: Table<'t, (&'static str, u32), &'static [u8]>,
    pub(crate) completed: Table<'t, &'static str, &'static [u8]>,
    blobs: Table<'t, &'static str, u64>,
    counters: Table<'t, &'static str, u64>,
    /// Blobs that nothing uses once this transaction is committed.
    doomed: Vec<String>,
}

/// The tables as one read transaction sees them.
pub(crate) struct Snapshot {
    pub(crate) buckets: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(crate) versions: ReadOnlyTable<VersionKey, &'static [u8]>,
    pub(crate) segments: ReadOnlyTable<(u64, u32), &'static [u8]>,
    pub(crate) uploads: ReadOnlyTable<UploadKey, &'static [u8]>,
    pub(crate) parts: ReadOnlyTable<(&'static str, u32), &'static [u8]>,
    pub(crate) blobs: ReadOnlyTable<&'static str, u64>,
}

impl<'t> Tables<'t> {
    fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            versions: transaction.open_table(VERSIONS)?,
            segments: transaction.open_table(SEGMENTS)?,
            uploads: transaction.open_table(UPLOADS)?,
            parts: transaction.open_table(PARTS)?,
            completed: transaction.open_table(COMPLETED)?,
            blobs: transaction.open_table(BLOBS)?,
            counters: transaction.open_table(COUNTERS)?,
            doomed: Vec::new(),
        })
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket, StoreError> {
        bucket(&self.buckets, name)
    }

    pub(crate) fn put_bucket(&mut self, name: &str, bucket: &Bucket) -> Result<(), StoreError> {
        self.buckets.insert(name, encode(bucket)?.as_slice())?;
        Ok(())
    }

    /// The next number of a counter, starting at 1; never given twice.
    pub(crate) fn next(&mut self, counter: &str) -> Result<u64, StoreError> {
        let number = self.counters.get(counter)?.map_or(0, |row| row.value()) + 1;
        self.counters.insert(counter, number)?;
        Ok(number)
    }

    /// Notes one more use of a blob.
    pub(crate) fn use_blob(&mut self, blob: &str) -> Result<(), StoreError> {
        let uses = self.blobs.get(blob)?.map_or(0, |row| row.value()) + 1;
        self.blobs.insert(blob, uses)?;
        Ok(())
    }

    /// Notes one use less; the last one dooms the blob.
    pub(crate) fn release_blob(&mut self, blob: &str) -> Result<(), StoreError> {
        let uses = self.blobs.get(blob)?.map_or(0, |row| row.value());
        if uses > 1 {
            self.blobs.insert(blob, uses - 1)?;
        } else {
            self.blobs.remove(blob)?;
            self.doomed.push(blob.to_owned());
        }
        Ok(())
    }

    /// Writes the segments of a new manifest and returns its number.
    pub(crate) fn put_manifest(&mut self, segments: &[Segment]) -> Result<u64, StoreError> {
        let manifest = self.next("manifest")?;
        for (place, segment) in (0_u32..).zip(segments) {
            self.segments
                .insert((manifest, place), encode(segment)?.as_slice())?;
            self.use_blob(&segment.blob)?;
        }
        Ok(manifest)
    }

    /// Removes a manifest and its uses of blobs.
    pub(crate) fn remove_manifest(&mut self, manifest: u64) -> Result<(), StoreError> {
        for (place, segment) in (0_u32..).zip(segments(&self.segments, manifest)?) {
            self.segments.remove((manifest, place))?;
            self.release_blob(&segment.blob)?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn open(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            buckets: transaction.open_table(BUCKETS)?,
            versions: transaction.open_table(VERSIONS)?,
            segments: transaction.open_table(SEGMENTS)?,
            uploads: transaction.open_table(UPLOADS)?,
            parts: transaction.open_table(PARTS)?,
            blobs: transaction.open_table(BLOBS)?,
        })
    }

    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket, StoreError> {
        bucket(&self.buckets, name)
    }
}

fn bucket(
    buckets: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Bucket, StoreError> {
    match buckets.get(name)? {
        Some(row) => decode(row.value()),
        None => Err(StoreError::NoSuchBucket),
    }
}

/// The segments of a manifest, in the order of the object.
pub(crate) fn segments(
    table: &impl ReadableTable<(u64, u32), &'static [u8]>,
    manifest: u64,
) -> Result<Vec<Segment>, StoreError> {
    table
        .range((manifest, 0)..=(manifest, u32::MAX))?
        .map(|row| decode(row?.1.value()))
        .collect()
}

pub(crate) fn encode(record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    Ok(serde_json::to_vec(record)?)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// The metadata file, opened again where an I/O error made it unusable.
pub(crate) struct Metadata {
    path: PathBuf,
    database: RwLock<Option<Database>>,
}

impl Metadata {
    pub(crate) fn open(path: PathBuf) -> Result<Self, StoreError> {
        let database = open(&path)?;
        Ok(Self {
            path,
            database: RwLock::new(Some(database)),
        })
    }

    /// Runs `change` in a transaction of its own, durable once this returns; blocks.
    ///
    /// Returns also the blobs that nothing uses any more.
    pub(crate) fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, Vec<String>), StoreError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let mut tables = Tables::open(&transaction)?;
            let answer = change(&mut tables)?;
            let doomed = std::mem::take(&mut tables.doomed);
            drop(tables);
            transaction.commit()?;
            Ok((answer, doomed))
        })
    }

    /// Runs `look` on a snapshot; blocks.
    pub(crate) fn read<T>(
        &self,
        look: impl FnOnce(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|database| look(&Snapshot::open(&database.begin_read()?)?))
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let answer = match guard.as_ref() {
            Some(database) => work(database),
            None => Err(StoreError::Full(None)),
        };
        let is_open = guard.is_some();
        drop(guard);
        if !is_open || matches!(answer, Err(StoreError::Metadata(_) | StoreError::Full(_))) {
            self.reopen();
        }
        answer
    }

    /// After a failed write (a full disk, say) the library refuses everything until opened anew.
    fn reopen(&self) {
        let mut guard = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The file is locked: the old handle must be gone first.
        *guard = None;
        match open(&self.path) {
            Ok(database) => *guard = Some(database),
            Err(error) => tracing::error!(%error, "the metadata file could not be opened again"),
        }
    }
}

fn open(path: &std::path::Path) -> Result<Database, StoreError> {
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)?;
    let transaction = database.begin_write()?;
    // A read transaction cannot make tables.
    drop(Tables::open(&transaction)?);
    transaction.commit()?;
    Ok(database)
}
