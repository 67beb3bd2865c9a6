//! Whole objects: put, read, presign.

mod checksum;
mod error;
mod presign;
mod whole;

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation,
        ResponseChecksumValidation, retry::RetryConfig, timeout::TimeoutConfig,
    },
    types::{BucketVersioningStatus, CorsConfiguration, CorsRule, VersioningConfiguration},
};
use secrecy::ExposeSecret as _;

pub(super) use self::{
    checksum::{base64_of_hex, hex_of_base64},
    presign::presigning,
    whole::body_of,
};
pub use self::{
    error::ObjectError,
    presign::Presigned,
    whole::{ObjectHead, ObjectVersion},
};
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
}
