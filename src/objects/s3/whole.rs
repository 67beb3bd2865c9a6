//! Objects put, read and deleted whole.

use aws_sdk_s3::primitives::{ByteStream, SdkBody};

use super::{ObjectError, ObjectStore};

/// A version of an object, or the mark of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The store's id of it.
    pub version: String,
    /// Its size in bytes; none for a mark.
    pub size_bytes: Option<i64>,
    /// Whether it is only the mark that the object was deleted.
    pub is_delete_marker: bool,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Bytes.
    pub size_bytes: u64,
    /// The exact version; "null" where the store keeps none.
    pub version: String,
}

impl ObjectStore {
    /// Stores `body` as `key`; answers the exact version.
    ///
    /// # Errors
    /// Where the store refuses or is away.
    pub async fn put(
        &self,
        key: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Result<String, ObjectError> {
        let body: bytes::Bytes = body.into();
        let done = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|e| ObjectError::new("put object", &e))?;
        Ok(done.version_id().unwrap_or("null").to_owned())
    }

    /// Looks at the newest version of `key`.
    ///
    /// # Errors
    /// `is_missing` where there is none.
    pub async fn head(&self, key: &str) -> Result<ObjectHead, ObjectError> {
        let found = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|e| ObjectError::new("head object", &e))?;
        Ok(ObjectHead {
            size_bytes: found
                .content_length()
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(0),
            version: found.version_id().unwrap_or("null").to_owned(),
        })
    }

    /// Reads one exact version as a stream.
    ///
    /// # Errors
    /// Where it is not there or the store is away.
    pub async fn read(&self, key: &str, version: &str) -> Result<ByteStream, ObjectError> {
        let found = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .version_id(version)
            .send()
            .await
            .map_err(|e| ObjectError::new("get object", &e))?;
        Ok(found.body)
    }

    /// Every version of `key` that the store still has, delete markers among them.
    ///
    /// # Errors
    /// Where the store refuses or is away.
    pub async fn versions(&self, key: &str) -> Result<Vec<ObjectVersion>, ObjectError> {
        let mut found = Vec::new();
        let (mut after_key, mut after_version) = (None, None);
        loop {
            let page = self
                .client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(key)
                .set_key_marker(after_key)
                .set_version_id_marker(after_version)
                .send()
                .await
                .map_err(|e| ObjectError::new("list object versions", &e))?;
            // The prefix of a key may be another key's.
            let own = |name: Option<&str>| name == Some(key);
            found.extend(
                page.versions()
                    .iter()
                    .filter(|one| own(one.key()))
                    .map(|one| ObjectVersion {
                        version: one.version_id().unwrap_or_default().to_owned(),
                        size_bytes: one.size(),
                        is_delete_marker: false,
                    }),
            );
            found.extend(
                page.delete_markers()
                    .iter()
                    .filter(|one| own(one.key()))
                    .map(|one| ObjectVersion {
                        version: one.version_id().unwrap_or_default().to_owned(),
                        size_bytes: None,
                        is_delete_marker: true,
                    }),
            );
            if page.is_truncated() != Some(true) {
                return Ok(found);
            }
            after_key = page.next_key_marker().map(str::to_owned);
            after_version = page.next_version_id_marker().map(str::to_owned);
        }
    }

    /// Reads `size` bytes of one exact version from `offset` on; fewer where it ends before.
    ///
    /// # Errors
    /// Where it is not there or the store is away.
    pub async fn read_range(
        &self,
        key: &str,
        version: &str,
        (offset, size): (u64, u64),
    ) -> Result<bytes::Bytes, ObjectError> {
        if size == 0 {
            return Ok(bytes::Bytes::new());
        }
        let found = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .version_id(version)
            .range(format!("bytes={offset}-{}", offset + size - 1))
            .send()
            .await
            .map_err(|e| ObjectError::new("get part of object", &e))?;
        let body = found.body.collect().await;
        body.map(aws_sdk_s3::primitives::AggregatedBytes::into_bytes)
            .map_err(|e| ObjectError::broken_off("get part of object", &e))
    }

    /// Reads the newest version of a small object whole.
    ///
    /// # Errors
    /// `is_missing` where there is none.
    pub async fn get(&self, key: &str) -> Result<Vec<u8>, ObjectError> {
        let found = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map_err(|e| ObjectError::new("get object", &e))?;
        let body = found.body.collect().await;
        body.map(aws_sdk_s3::primitives::AggregatedBytes::to_vec)
            .map_err(|e| ObjectError::broken_off("get object", &e))
    }

    /// Removes one exact version. Once gone, doing it again is fine.
    ///
    /// # Errors
    /// Where the store refuses or is away.
    pub async fn delete(&self, key: &str, version: &str) -> Result<(), ObjectError> {
        let done = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .version_id(version)
            .send()
            .await
            .map_err(|e| ObjectError::new("delete object", &e));
        match done {
            Err(error) if !error.is_missing => Err(error),
            _ => Ok(()),
        }
    }
}

/// A body for the SDK from bytes that are at hand.
pub(in super::super) fn body_of(bytes: bytes::Bytes) -> ByteStream {
    ByteStream::new(SdkBody::from(bytes))
}
