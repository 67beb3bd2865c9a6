//! Objects and their versions: put, open, copy, delete.

use redb::ReadableTable;
use s3s::dto::ETagCondition;
use uuid::Uuid;

use super::{
    Store, StoreError,
    blobs::{Lease, NewBlob},
    now_ms,
    record::{Attributes, Checksums, Content, NULL_VERSION, Segment, Version, Versioning},
    tables::{Tables, VersionKey, decode, encode, segments},
};

/// What must hold of the newest version for a write to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Precondition {
    pub(crate) if_match: Option<ETagCondition>,
    pub(crate) if_none_match: Option<ETagCondition>,
}

/// An object about to be written; its bytes are on disk already.
pub(crate) struct Draft {
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) checksums: Checksums,
    pub(crate) attributes: Attributes,
    pub(crate) parts: Option<u32>,
    pub(crate) segments: Vec<Segment>,
}

/// An object opened for reading.
pub(crate) struct Opened {
    pub(crate) content: Content,
    pub(crate) modified_ms: u64,
    /// `None` in a bucket that never had versions.
    pub(crate) version_id: Option<String>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) lease: Lease,
}

/// What a delete did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deleted {
    /// The version removed, or the delete marker made.
    pub(crate) version_id: Option<String>,
    /// Whether that is a delete marker.
    pub(crate) is_marker: bool,
}

/// An object by bucket, key and perhaps version.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
}

/// What a copy wrote.
pub(crate) struct Copied {
    pub(crate) version_id: Option<String>,
    pub(crate) source_version_id: Option<String>,
    pub(crate) content: Content,
    pub(crate) modified_ms: u64,
}

impl Store {
    /// Writes an object whose bytes are in `blob`; returns the version id where the bucket has versions.
    ///
    /// The precondition is judged in the same transaction: of many writers at once with `If-None-Match: *` one wins.
    pub(crate) async fn put(
        &self,
        bucket: String,
        key: String,
        draft: Draft,
        blob: Option<NewBlob>,
        precondition: Precondition,
    ) -> Result<Option<String>, StoreError> {
        self.write(move |tables| {
            tables.check(&bucket, &key, &precondition)?;
            let version = tables.place(&bucket, &key, draft)?;
            if let Some(blob) = blob {
                blob.keep();
            }
            Ok(version)
        })
        .await
    }

    /// Opens an object and keeps its bytes readable.
    pub(crate) async fn open_object(&self, address: Address) -> Result<Opened, StoreError> {
        let store = self.clone();
        let work = self.work.spawn_blocking(move || {
            let ((content, version, version_id, segments), lease) = store.blobs.lease(|| {
                store.metadata.read(|tables| {
                    let versioning = tables.bucket(&address.bucket)?.versioning;
                    let (_, version) = find(&tables.versions, &address)?;
                    let Some(content) = version.content.clone() else {
                        return Err(match address.version_id {
                            Some(id) => StoreError::IsDeleteMarker(id),
                            None => StoreError::Deleted(version.id),
                        });
                    };
                    let segments = segments(&tables.segments, content.manifest)?;
                    let blobs = segments.iter().map(|one| one.blob.clone()).collect();
                    let version_id = shown(versioning, &version.id);
                    Ok(((content, version, version_id, segments), blobs))
                })
            })?;
            Ok(Opened {
                content,
                modified_ms: version.modified_ms,
                version_id,
                segments,
                lease,
            })
        });
        work.await.map_err(|_| StoreError::Stopping)?
    }

    /// Copies an object without copying bytes: both use the same blobs.
    ///
    /// `change` sees the source and says which attributes the copy gets, or why there is to be none.
    pub(crate) async fn copy(
        &self,
        source: Address,
        (bucket, key): (String, String),
        precondition: Precondition,
        change: impl FnOnce(&Content, u64) -> Result<Attributes, StoreError> + Send + 'static,
    ) -> Result<Copied, StoreError> {
        self.write(move |tables| {
            tables.check(&bucket, &key, &precondition)?;
            let versioning = tables.bucket(&source.bucket)?.versioning;
            let (_, version) = find(&tables.versions, &source)?;
            let content = version.content.ok_or(StoreError::NoSuchKey)?;
            let draft = Draft {
                size: content.size,
                etag: content.etag.clone(),
                checksums: content.checksums.clone(),
                attributes: change(&content, version.modified_ms)?,
                parts: content.parts,
                segments: segments(&tables.segments, content.manifest)?,
            };
            Ok(Copied {
                version_id: tables.place(&bucket, &key, draft)?,
                source_version_id: shown(versioning, &version.id),
                content,
                modified_ms: now_ms(),
            })
        })
        .await
    }

    /// Removes a version, or (without one named, where versions are kept) puts a delete marker.
    pub(crate) async fn delete(
        &self,
        address: Address,
        if_match: Option<ETagCondition>,
    ) -> Result<Deleted, StoreError> {
        self.write(move |tables| {
            let versioning = tables.bucket(&address.bucket)?.versioning;
            let Address { bucket, key, .. } = &address;
            if if_match.is_some() {
                let precondition = Precondition {
                    if_match,
                    if_none_match: None,
                };
                tables.check(bucket, key, &precondition)?;
            }
            if address.version_id.is_some() {
                let (order, version) = match find(&tables.versions, &address) {
                    // Deleting what is not there is no error.
                    Err(StoreError::NoSuchVersion | StoreError::NoSuchKey) => {
                        return Ok(Deleted {
                            version_id: address.version_id,
                            is_marker: false,
                        });
                    }
                    found => found?,
                };
                tables.remove_version(bucket, key, order, &version)?;
                return Ok(Deleted {
                    is_marker: version.content.is_none(),
                    version_id: shown(versioning, &version.id),
                });
            }
            if versioning == Versioning::Off {
                tables.remove_null_version(bucket, key)?;
                return Ok(Deleted::default());
            }
            Ok(Deleted {
                version_id: tables.place_version(bucket, key, None)?,
                is_marker: true,
            })
        })
        .await
    }
}

impl Tables<'_> {
    /// Judges a precondition against the newest version.
    pub(super) fn check(
        &self,
        bucket: &str,
        key: &str,
        precondition: &Precondition,
    ) -> Result<(), StoreError> {
        self.bucket(bucket)?;
        if precondition.if_match.is_none() && precondition.if_none_match.is_none() {
            return Ok(());
        }
        let address = Address {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: None,
        };
        let current = match find(&self.versions, &address) {
            Ok((_, version)) => version.content.map(|content| content.etag),
            Err(StoreError::NoSuchKey) => None,
            Err(error) => return Err(error),
        };
        if let Some(condition) = &precondition.if_match {
            let current = current.as_deref().ok_or(StoreError::NoSuchKey)?;
            if !holds(condition, current) {
                return Err(StoreError::PreconditionFailed);
            }
        }
        if let (Some(condition), Some(current)) = (&precondition.if_none_match, &current)
            && holds(condition, current)
        {
            return Err(StoreError::PreconditionFailed);
        }
        Ok(())
    }

    /// Makes `draft` the newest version of the key.
    pub(super) fn place(
        &mut self,
        bucket: &str,
        key: &str,
        draft: Draft,
    ) -> Result<Option<String>, StoreError> {
        // Before the old version goes, so that copying an object onto itself keeps its blobs.
        let manifest = self.put_manifest(&draft.segments)?;
        let content = Content {
            size: draft.size,
            etag: draft.etag,
            checksums: draft.checksums,
            attributes: draft.attributes,
            manifest,
            parts: draft.parts,
        };
        self.place_version(bucket, key, Some(content))
    }

    fn place_version(
        &mut self,
        bucket: &str,
        key: &str,
        content: Option<Content>,
    ) -> Result<Option<String>, StoreError> {
        let versioning = self.bucket(bucket)?.versioning;
        let sequence = self.next("version")?;
        let id = if versioning == Versioning::Enabled {
            let random = Uuid::now_v7().as_u64_pair().1;
            format!("{sequence:016x}{random:016x}")
        } else {
            self.remove_null_version(bucket, key)?;
            NULL_VERSION.to_owned()
        };
        let version = Version {
            id: id.clone(),
            modified_ms: now_ms(),
            content,
        };
        self.versions.insert(
            (bucket, key, u64::MAX - sequence),
            encode(&version)?.as_slice(),
        )?;
        Ok(shown(versioning, &id))
    }

    fn remove_null_version(&mut self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let address = Address {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: Some(NULL_VERSION.to_owned()),
        };
        match find(&self.versions, &address) {
            Ok((order, version)) => self.remove_version(bucket, key, order, &version),
            Err(StoreError::NoSuchVersion) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remove_version(
        &mut self,
        bucket: &str,
        key: &str,
        order: u64,
        version: &Version,
    ) -> Result<(), StoreError> {
        self.versions.remove((bucket, key, order))?;
        match &version.content {
            Some(content) => self.remove_manifest(content.manifest),
            None => Ok(()),
        }
    }
}

/// A version and its order: the one named, or the newest.
fn find(
    versions: &impl ReadableTable<VersionKey, &'static [u8]>,
    address: &Address,
) -> Result<(u64, Version), StoreError> {
    let (bucket, key) = (address.bucket.as_str(), address.key.as_str());
    let Some(id) = &address.version_id else {
        let mut rows = versions.range((bucket, key, 0)..=(bucket, key, u64::MAX))?;
        let row = rows.next().ok_or(StoreError::NoSuchKey)??;
        return Ok((row.0.value().2, decode(row.1.value())?));
    };
    if id == NULL_VERSION {
        for row in versions.range((bucket, key, 0)..=(bucket, key, u64::MAX))? {
            let (place, version) = row?;
            let version: Version = decode(version.value())?;
            if version.id == NULL_VERSION {
                return Ok((place.value().2, version));
            }
        }
        return Err(StoreError::NoSuchVersion);
    }
    let order = order_of(id).ok_or(StoreError::NoSuchVersion)?;
    let row = versions
        .get((bucket, key, order))?
        .ok_or(StoreError::NoSuchVersion)?;
    let version: Version = decode(row.value())?;
    if version.id != *id {
        return Err(StoreError::NoSuchVersion);
    }
    Ok((order, version))
}

/// The order of a version by its id, which starts with its sequence number: the order seen from the other end.
pub(super) fn order_of(id: &str) -> Option<u64> {
    let sequence = u64::from_str_radix(id.get(..16)?, 16).ok()?;
    Some(u64::MAX - sequence)
}

/// Whether an ETag meets a condition.
pub(crate) fn holds(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

/// The version id as an answer shows it.
fn shown(versioning: Versioning, id: &str) -> Option<String> {
    match versioning {
        Versioning::Off => None,
        Versioning::Enabled | Versioning::Suspended => Some(id.to_owned()),
    }
}
