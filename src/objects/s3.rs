//! Whole objects: put, read, presign.

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, retry::RetryConfig, timeout::TimeoutConfig,
    },
    error::{DisplayErrorContext, SdkError},
    presigning::PresigningConfig,
    primitives::{ByteStream, SdkBody},
    types::{BucketVersioningStatus, CorsConfiguration, CorsRule, VersioningConfiguration},
};
use data_encoding::{BASE64, HEXLOWER};
use secrecy::ExposeSecret as _;

use crate::config::S3;

/// The portal's bucket.
#[derive(Clone)]
pub struct ObjectStore {
    /// Speaks to the store from here.
    pub(super) client: Client,
    /// Signs addresses for browsers and workers.
    pub(super) signer: Client,
    pub(super) bucket: String,
}

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

/// The store refused, or is away.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ObjectError {
    /// What was asked.
    pub operation: &'static str,
    /// The store's words.
    pub message: String,
    /// The store answered that there is no such thing.
    pub is_missing: bool,
    /// The store answered that what was sent is wrong: a checksum, a part.
    pub is_refused: bool,
}

impl ObjectError {
    pub(super) fn new<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        SdkError<E, R>: std::error::Error,
        E: aws_sdk_s3::error::ProvideErrorMetadata,
        R: StatusCode,
    {
        let status = match error {
            SdkError::ServiceError(inner) => inner.raw().status_code(),
            _ => 0,
        };
        Self {
            operation,
            message: DisplayErrorContext(error).to_string(),
            is_missing: status == 404,
            is_refused: (400..500).contains(&status) && status != 404 && status != 403,
        }
    }
}

/// The HTTP status of a raw answer.
pub(super) trait StatusCode {
    fn status_code(&self) -> u16;
}

impl StatusCode for aws_sdk_s3::config::http::HttpResponse {
    fn status_code(&self) -> u16 {
        self.status().as_u16()
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Bytes.
    pub size_bytes: u64,
    /// The exact version; "null" where the store keeps none.
    pub version: String,
}

/// An address that may be used once signed, with the headers that were signed into it.
#[derive(Debug, Clone)]
pub struct Presigned {
    /// Where to send it.
    pub url: String,
    /// Exactly these headers.
    pub headers: Vec<(String, String)>,
}

impl ObjectStore {
    /// A client for the configured bucket; nothing is sent yet.
    #[must_use]
    pub fn new(config: &S3) -> Self {
        let client = |endpoint: &str| {
            let credentials = Credentials::new(
                &config.access_key,
                config.secret_key.expose_secret(),
                None,
                None,
                "faculty",
            );
            let http = aws_smithy_http_client::Builder::new()
                .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                    aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
                ))
                .build_https();
            Client::from_conf(
                aws_sdk_s3::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new(config.region.clone()))
                    .endpoint_url(endpoint)
                    .credentials_provider(credentials)
                    .force_path_style(true)
                    .http_client(http)
                    // Older Ceph and others refuse the checksums that are sent by default.
                    .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                    .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
                    .retry_config(RetryConfig::standard().with_max_attempts(4))
                    .timeout_config(
                        TimeoutConfig::builder()
                            .connect_timeout(Duration::from_secs(3))
                            .read_timeout(Duration::from_secs(60))
                            .build(),
                    )
                    .build(),
            )
        };
        Self {
            client: client(&config.endpoint),
            signer: client(config.public()),
            bucket: config.bucket.clone(),
        }
    }

    /// Makes the bucket, keeps versions in it and lets the portal's pages send to it. Harmless to repeat.
    ///
    /// # Errors
    /// Where the store refuses or is away.
    pub async fn prepare(&self, origin: &str) -> Result<(), ObjectError> {
        let there = self.client.head_bucket().bucket(&self.bucket).send().await;
        if there.is_err() {
            let made = self
                .client
                .create_bucket()
                .bucket(&self.bucket)
                .send()
                .await;
            if let Err(error) = made {
                let error = ObjectError::new("create bucket", &error);
                // Two portals start at once: the other one made it.
                if !error.message.contains("BucketAlreadyOwnedByYou") {
                    return Err(error);
                }
            }
        }
        self.client
            .put_bucket_versioning()
            .bucket(&self.bucket)
            .versioning_configuration(
                VersioningConfiguration::builder()
                    .status(BucketVersioningStatus::Enabled)
                    .build(),
            )
            .send()
            .await
            .map_err(|e| ObjectError::new("keep versions", &e))?;
        let rule = CorsRule::builder()
            .allowed_origins(origin)
            .allowed_methods("PUT")
            .allowed_methods("GET")
            .allowed_headers("*")
            .expose_headers("ETag")
            .expose_headers("x-amz-checksum-sha256")
            .max_age_seconds(3600)
            .build()
            .map_err(|e| ObjectError::bad_request("set CORS", &e))?;
        let cors = CorsConfiguration::builder()
            .cors_rules(rule)
            .build()
            .map_err(|e| ObjectError::bad_request("set CORS", &e))?;
        self.client
            .put_bucket_cors()
            .bucket(&self.bucket)
            .cors_configuration(cors)
            .send()
            .await
            .map_err(|e| ObjectError::new("set CORS", &e))?;
        Ok(())
    }

    /// Whether the store answers, for readiness.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self) -> Result<(), ObjectError> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map(|_| ())
            .map_err(|e| ObjectError::new("head bucket", &e))
    }

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

impl ObjectError {
    fn broken_off(operation: &'static str, error: &dyn std::error::Error) -> Self {
        Self {
            operation,
            message: error.to_string(),
            is_missing: false,
            is_refused: false,
        }
    }

    pub(super) fn bad_request(operation: &'static str, error: &dyn std::error::Error) -> Self {
        Self {
            operation,
            message: error.to_string(),
            is_missing: false,
            is_refused: true,
        }
    }
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

pub(super) fn presigning(lifetime: Duration) -> Result<PresigningConfig, ObjectError> {
    PresigningConfig::expires_in(lifetime).map_err(|e| ObjectError::bad_request("presign", &e))
}

/// S3 writes checksums in base64; we write them in hexadecimal everywhere else.
pub(super) fn base64_of_hex(hex: &str) -> Result<String, ObjectError> {
    HEXLOWER
        .decode(hex.as_bytes())
        .map(|bytes| BASE64.encode(&bytes))
        .map_err(|e| ObjectError::bad_request("checksum", &e))
}

pub(super) fn hex_of_base64(text: &str) -> Option<String> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    Some(HEXLOWER.encode(&bytes))
}

/// A body for the SDK from bytes that are at hand.
pub(super) fn body_of(bytes: bytes::Bytes) -> ByteStream {
    ByteStream::new(SdkBody::from(bytes))
}
