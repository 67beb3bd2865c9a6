//! Objects that come in parts.

use std::time::Duration;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::s3::{
    ObjectError, ObjectHead, ObjectStore, Presigned, base64_of_hex, body_of, hex_of_base64,
    presigning,
};

/// A part that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDone {
    /// From 1.
    pub number: i32,
    /// Bytes.
    pub size_bytes: i64,
    /// The store's mark; needed to complete, never a hash to rely on.
    pub etag: String,
    /// SHA-256 in hexadecimal, where the store tells it.
    pub sha256: Option<String>,
}

impl ObjectStore {
    /// Opens an upload in parts; answers the store's upload id.
    ///
    /// # Errors
    /// Where the store refuses or is away.
    pub async fn create_multipart(&self, key: &str) -> Result<String, ObjectError> {
        let opened = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256)
            .send()
            .await
            .map_err(|e| ObjectError::new("create multipart upload", &e))?;
        Ok(opened.upload_id().unwrap_or_default().to_owned())
    }

    /// Signs leave to send one part; size and SHA-256 are signed in, so another part is refused.
    ///
    /// # Errors
    /// Where the hash is no SHA-256 in hexadecimal.
    pub async fn presign_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        size_bytes: i64,
        sha256_hex: &str,
        lifetime: Duration,
    ) -> Result<Presigned, ObjectError> {
        let signed = self
            .signer
            .upload_part()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .part_number(number)
            .content_length(size_bytes)
            .checksum_sha256(base64_of_hex(sha256_hex)?)
            .presigned(presigning(lifetime)?)
            .await
            .map_err(|e| ObjectError::new("presign part", &e))?;
        Ok(Presigned::from(&signed))
    }

    /// Sends one part from here.
    ///
    /// # Errors
    /// `is_refused` where the bytes are not those of the hash.
    pub async fn upload_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        sha256_hex: &str,
        body: Bytes,
    ) -> Result<(), ObjectError> {
        self.client
            .upload_part()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .part_number(number)
            .checksum_sha256(base64_of_hex(sha256_hex)?)
            .body(body_of(body))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| ObjectError::new("upload part", &e))
    }

    /// The parts that the store has, by number.
    ///
    /// # Errors
    /// `is_missing` where there is no such upload (any more).
    pub async fn list_parts(
        &self,
        key: &str,
        upload_id: &str,
    ) -> Result<Vec<PartDone>, ObjectError> {
        let mut parts = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .client
                .list_parts()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id)
                .set_part_number_marker(after.take())
                .send()
                .await
                .map_err(|e| ObjectError::new("list parts", &e))?;
            parts.extend(page.parts().iter().map(|part| PartDone {
                number: part.part_number().unwrap_or_default(),
                size_bytes: part.size().unwrap_or_default(),
                etag: part.e_tag().unwrap_or_default().to_owned(),
                sha256: part.checksum_sha256().and_then(hex_of_base64),
            }));
            match page.next_part_number_marker() {
                Some(next) if page.is_truncated() == Some(true) => after = Some(next.to_owned()),
                _ => return Ok(parts),
            }
        }
    }

    /// Puts the parts together. Once done, doing it again answers the object that is there.
    ///
    /// # Errors
    /// `is_refused` where a part is missing or its checksum (number, SHA-256 in hexadecimal) is another.
    pub async fn complete_multipart(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[PartDone],
        checksums: &[(i32, String)],
    ) -> Result<ObjectHead, ObjectError> {
        let mut upload = CompletedMultipartUpload::builder();
        for part in parts {
            let checksum = checksums
                .iter()
                .find(|(number, _)| *number == part.number)
                .map(|(_, hex)| base64_of_hex(hex))
                .transpose()?;
            upload = upload.parts(
                CompletedPart::builder()
                    .part_number(part.number)
                    .e_tag(&part.etag)
                    .set_checksum_sha256(checksum)
                    .build(),
            );
        }
        let done = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(upload.build())
            .send()
            .await;
        if let Err(error) = done {
            let error = ObjectError::new("complete multipart upload", &error);
            // A crash of ours after the store's answer: the upload is gone and the object is there.
            if !error.is_missing {
                return Err(error);
            }
        }
        self.head(key).await
    }

    /// Gives an open upload up. Once gone, doing it again is fine.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), ObjectError> {
        let done = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .send()
            .await
            .map_err(|e| ObjectError::new("abort multipart upload", &e));
        match done {
            Err(error) if !error.is_missing => Err(error),
            _ => Ok(()),
        }
    }
}
