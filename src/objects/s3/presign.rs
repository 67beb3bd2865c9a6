//! Addresses that others may use for a while.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;

use super::{ObjectError, ObjectStore, checksum::base64_of_hex};

/// An address that may be used once signed, with the headers that were signed into it.
#[derive(Debug, Clone)]
pub struct Presigned {
    /// Where to send it.
    pub url: String,
    /// Exactly these headers.
    pub headers: Vec<(String, String)>,
}

impl From<&aws_sdk_s3::presigning::PresignedRequest> for Presigned {
    fn from(signed: &aws_sdk_s3::presigning::PresignedRequest) -> Self {
        Self {
            url: signed.uri().to_owned(),
            headers: signed
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl ObjectStore {
    /// Signs leave to read one exact version for `lifetime`.
    ///
    /// # Errors
    /// Where the lifetime cannot be signed (over 7 days).
    pub async fn presign_get(
        &self,
        key: &str,
        version: &str,
        lifetime: Duration,
    ) -> Result<String, ObjectError> {
        let signed = self
            .signer
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .version_id(version)
            .presigned(presigning(lifetime)?)
            .await
            .map_err(|e| ObjectError::new("presign get", &e))?;
        Ok(signed.uri().to_owned())
    }

    /// Signs leave to put exactly these bytes (size and hash are signed in) for `lifetime`.
    ///
    /// # Errors
    /// Where the hash is no SHA-256 in hexadecimal.
    pub async fn presign_put(
        &self,
        key: &str,
        size_bytes: i64,
        sha256_hex: &str,
        lifetime: Duration,
    ) -> Result<Presigned, ObjectError> {
        let signed = self
            .signer
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_length(size_bytes)
            .checksum_sha256(base64_of_hex(sha256_hex)?)
            .presigned(presigning(lifetime)?)
            .await
            .map_err(|e| ObjectError::new("presign put", &e))?;
        Ok(Presigned::from(&signed))
    }
}

pub(in super::super) fn presigning(lifetime: Duration) -> Result<PresigningConfig, ObjectError> {
    PresigningConfig::expires_in(lifetime).map_err(|e| ObjectError::bad_request("presign", &e))
}
