//! The S3 operations, on the store.

mod bucket;
mod convert;
mod copy;
mod cors;
mod delete;
mod get;
mod list;
mod multipart;
mod part;
mod put;
mod receive;

use async_trait::async_trait;
use s3s::{S3, S3Request, S3Response, S3Result, dto};

use crate::store::Store;

/// Answers S3 requests from a store.
pub(crate) struct Service {
    store: Store,
    region: String,
}

impl Service {
    pub(crate) fn new(store: Store, region: String) -> Self {
        Self { store, region }
    }
}

macro_rules! operations {
    ($($name:ident: $input:ident => $output:ident,)*) => {
        #[async_trait]
        impl S3 for Service {
            $(async fn $name(
                &self,
                request: S3Request<dto::$input>,
            ) -> S3Result<S3Response<dto::$output>> {
                self.$name(request).await.map(S3Response::new)
            })*
        }
    };
}

// The operations live in the modules above, as methods of the same names that return the bare output.
operations! {
    abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput,
    complete_multipart_upload: CompleteMultipartUploadInput => CompleteMultipartUploadOutput,
    copy_object: CopyObjectInput => CopyObjectOutput,
    create_bucket: CreateBucketInput => CreateBucketOutput,
    create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput,
    delete_bucket: DeleteBucketInput => DeleteBucketOutput,
    delete_bucket_cors: DeleteBucketCorsInput => DeleteBucketCorsOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
    get_bucket_cors: GetBucketCorsInput => GetBucketCorsOutput,
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput,
    get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput,
    get_object: GetObjectInput => GetObjectOutput,
    head_bucket: HeadBucketInput => HeadBucketOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    list_buckets: ListBucketsInput => ListBucketsOutput,
    list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput,
    list_object_versions: ListObjectVersionsInput => ListObjectVersionsOutput,
    list_objects: ListObjectsInput => ListObjectsOutput,
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output,
    list_parts: ListPartsInput => ListPartsOutput,
    put_bucket_cors: PutBucketCorsInput => PutBucketCorsOutput,
    put_bucket_versioning: PutBucketVersioningInput => PutBucketVersioningOutput,
    put_object: PutObjectInput => PutObjectOutput,
    upload_part: UploadPartInput => UploadPartOutput,
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput,
}
