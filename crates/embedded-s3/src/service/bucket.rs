//! Bucket operations.

use s3s::{
    S3Request, S3Result,
    dto::{
        self, Bucket, BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput,
        CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
        GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput,
        HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
        PutBucketVersioningInput, PutBucketVersioningOutput,
    },
    s3_error,
};

use super::{Service, convert::timestamp};
use crate::store::record::Versioning;

/// The region whose buckets have no location constraint, by S3's tradition.
const UNNAMED_REGION: &str = "us-east-1";

impl Service {
    pub(super) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<CreateBucketOutput> {
        let input = request.input;
        if input.object_lock_enabled_for_bucket == Some(true) {
            return Err(s3_error!(NotImplemented, "object lock is not offered"));
        }
        let asked = input
            .create_bucket_configuration
            .and_then(|it| it.location_constraint);
        if asked.is_some_and(|asked| asked.as_str() != self.region) {
            return Err(s3_error!(
                IllegalLocationConstraintException,
                "this server is in region {}",
                self.region
            ));
        }
        self.store.create_bucket(input.bucket.clone()).await?;
        Ok(CreateBucketOutput {
            location: Some(format!("/{}", input.bucket)),
        })
    }

    pub(super) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<HeadBucketOutput> {
        self.store.bucket(request.input.bucket).await?;
        Ok(HeadBucketOutput {
            bucket_region: Some(self.region.clone()),
            ..HeadBucketOutput::default()
        })
    }

    pub(super) async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<DeleteBucketOutput> {
        self.store.delete_bucket(request.input.bucket).await?;
        Ok(DeleteBucketOutput::default())
    }

    pub(super) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<ListBucketsOutput> {
        let prefix = request.input.prefix.unwrap_or_default();
        let buckets = self.store.buckets().await?;
        let buckets = buckets.into_iter().filter(|it| it.0.starts_with(&prefix));
        Ok(ListBucketsOutput {
            buckets: Some(
                buckets
                    .map(|(name, bucket)| Bucket {
                        name: Some(name),
                        creation_date: Some(timestamp(bucket.created_ms)),
                        bucket_region: None,
                    })
                    .collect(),
            ),
            owner: Some(owner()),
            ..ListBucketsOutput::default()
        })
    }

    pub(super) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<GetBucketLocationOutput> {
        self.store.bucket(request.input.bucket).await?;
        let is_named = self.region != UNNAMED_REGION;
        Ok(GetBucketLocationOutput {
            location_constraint: is_named
                .then(|| BucketLocationConstraint::from(self.region.clone())),
        })
    }

    pub(super) async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<GetBucketVersioningOutput> {
        let bucket = self.store.bucket(request.input.bucket).await?;
        let status = match bucket.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        Ok(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            mfa_delete: None,
        })
    }

    pub(super) async fn put_bucket_versioning(
        &self,
        request: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<PutBucketVersioningOutput> {
        let configuration = request.input.versioning_configuration;
        if configuration
            .mfa_delete
            .is_some_and(|it| it.as_str() == "Enabled")
        {
            return Err(s3_error!(NotImplemented, "MFA delete is not offered"));
        }
        let status = configuration
            .status
            .as_ref()
            .map(BucketVersioningStatus::as_str);
        let versioning = match status {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => return Err(s3_error!(MalformedXML)),
        };
        self.store
            .set_versioning(request.input.bucket, versioning)
            .await?;
        Ok(PutBucketVersioningOutput::default())
    }
}

/// The one account of this server.
pub(super) fn owner() -> dto::Owner {
    dto::Owner {
        id: Some("embedded-s3".to_owned()),
        display_name: None,
    }
}
