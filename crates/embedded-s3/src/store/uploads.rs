//! Multipart uploads: begin, receive parts, list them, abort.

use redb::ReadableTable;
use uuid::Uuid;

use super::{
    Store, StoreError,
    blobs::NewBlob,
    now_ms,
    record::{Algorithm, Attributes, ChecksumKind, Part, Upload},
    tables::{Tables, decode, encode},
};

/// An upload by bucket, key and id.
#[derive(Debug, Clone)]
pub(crate) struct UploadAddress {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) upload: String,
}

/// One page of the parts of an upload.
pub(crate) struct PartPage {
    pub(crate) upload: Upload,
    pub(crate) parts: Vec<(u32, Part)>,
    pub(crate) is_truncated: bool,
}

impl Store {
    /// Begins an upload and returns its id.
    pub(crate) async fn create_upload(
        &self,
        bucket: String,
        key: String,
        attributes: Attributes,
        checksum: (Option<Algorithm>, Option<ChecksumKind>),
    ) -> Result<String, StoreError> {
        self.write(move |tables| {
            tables.bucket(&bucket)?;
            let id = Uuid::now_v7().simple().to_string();
            let upload = Upload {
                created_ms: now_ms(),
                attributes,
                algorithm: checksum.0,
                kind: checksum.1,
            };
            tables.uploads.insert(
                (bucket.as_str(), key.as_str(), id.as_str()),
                encode(&upload)?.as_slice(),
            )?;
            Ok(id)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NoSuchUpload`]
    pub(crate) async fn upload(&self, address: UploadAddress) -> Result<Upload, StoreError> {
        self.read(move |tables| {
            tables.bucket(&address.bucket)?;
            get(&tables.uploads, &address)
        })
        .await
    }

    /// Adds a part, in place of an earlier one with the same number.
    pub(crate) async fn put_part(
        &self,
        address: UploadAddress,
        number: u32,
        part: Part,
        blob: Option<NewBlob>,
    ) -> Result<(), StoreError> {
        self.write(move |tables| {
            // Looked at again: it may have been aborted while the bytes came in.
            get(&tables.uploads, &address)?;
            let upload = address.upload.as_str();
            let earlier = tables.parts.get((upload, number))?;
            let earlier: Option<Part> = earlier.map(|row| decode(row.value())).transpose()?;
            if let Some(blob) = earlier.and_then(|part| part.blob) {
                tables.release_blob(&blob)?;
            }
            if let Some(blob) = &part.blob {
                tables.use_blob(blob)?;
            }
            tables
                .parts
                .insert((upload, number), encode(&part)?.as_slice())?;
            if let Some(blob) = blob {
                blob.keep();
            }
            Ok(())
        })
        .await
    }

    /// The parts after number `after`, `limit` at most.
    pub(crate) async fn parts(
        &self,
        address: UploadAddress,
        after: u32,
        limit: usize,
    ) -> Result<PartPage, StoreError> {
        self.read(move |tables| {
            tables.bucket(&address.bucket)?;
            let upload = get(&tables.uploads, &address)?;
            let id = address.upload.as_str();
            let mut parts = Vec::new();
            let mut is_truncated = false;
            for row in tables
                .parts
                .range((id, after.saturating_add(1))..=(id, u32::MAX))?
            {
                if parts.len() == limit {
                    is_truncated = true;
                    break;
                }
                let (key, part) = row?;
                parts.push((key.value().1, decode(part.value())?));
            }
            Ok(PartPage {
                upload,
                parts,
                is_truncated,
            })
        })
        .await
    }

    /// Ends an upload and drops its parts.
    pub(crate) async fn abort_upload(&self, address: UploadAddress) -> Result<(), StoreError> {
        self.write(move |tables| {
            tables.bucket(&address.bucket)?;
            get(&tables.uploads, &address)?;
            tables.remove_upload(&address.bucket, &address.key, &address.upload)
        })
        .await
    }
}

impl Tables<'_> {
    /// Removes an upload with its parts and their uses of blobs.
    pub(super) fn remove_upload(
        &mut self,
        bucket: &str,
        key: &str,
        upload: &str,
    ) -> Result<(), StoreError> {
        for (number, part) in parts(&self.parts, upload)? {
            self.parts.remove((upload, number))?;
            if let Some(blob) = &part.blob {
                self.release_blob(blob)?;
            }
        }
        self.uploads.remove((bucket, key, upload))?;
        Ok(())
    }
}

/// All parts of an upload by number.
pub(super) fn parts(
    table: &impl ReadableTable<(&'static str, u32), &'static [u8]>,
    upload: &str,
) -> Result<Vec<(u32, Part)>, StoreError> {
    table
        .range((upload, 0)..=(upload, u32::MAX))?
        .map(|row| {
            let (key, part) = row?;
            Ok((key.value().1, decode(part.value())?))
        })
        .collect()
}

/// The upload, where it is neither complete nor aborted.
pub(super) fn get(
    table: &impl ReadableTable<(&'static str, &'static str, &'static str), &'static [u8]>,
    address: &UploadAddress,
) -> Result<Upload, StoreError> {
    let key = (
        address.bucket.as_str(),
        address.key.as_str(),
        address.upload.as_str(),
    );
    match table.get(key)? {
        Some(row) => decode(row.value()),
        None => Err(StoreError::NoSuchUpload),
    }
}
