//! PutObject.

use s3s::{
    S3Request, S3Result,
    dto::{PutObjectInput, PutObjectOutput},
};

use super::{
    Service,
    convert::{
        algorithm, checksum_type, given_attributes, given_checksums, refuse_unsupported,
        set_checksums, size, strong,
    },
    receive::{Announced, receive},
};
use crate::store::{
    objects::{Draft, Precondition},
    record::{ChecksumKind, Checksums, Segment},
};

impl Service {
    pub(super) async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let input = &request.input;
        refuse_unsupported!(input);
        let attributes = given_attributes!(input)?;
        let mut announced = Announced::new(
            &request,
            input.content_length,
            input.content_md5.clone(),
            given_checksums!(input),
        )?;
        if let Some(name) = &input.checksum_algorithm {
            announced.want(algorithm(name)?);
        }
        // Before the body is taken in; the transaction looks again.
        self.store.bucket(input.bucket.clone()).await?;
        let body = request.input.body.take();
        let received = receive(self.store.blobs(), body, &announced).await?;

        let input = request.input;
        let kind = (!received.checksums.is_empty()).then_some(ChecksumKind::FullObject);
        let draft = Draft {
            size: received.size,
            etag: received.etag.clone(),
            checksums: Checksums {
                values: received.checksums.clone(),
                kind,
            },
            attributes,
            parts: None,
            segments: received
                .blob
                .iter()
                .map(|blob| Segment {
                    blob: blob.id().to_owned(),
                    length: received.size,
                })
                .collect(),
        };
        let precondition = Precondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
        };
        let version_id = self
            .store
            .put(input.bucket, input.key, draft, received.blob, precondition)
            .await?;
        let mut output = PutObjectOutput {
            e_tag: Some(strong(received.etag)),
            version_id,
            size: Some(size(received.size)),
            checksum_type: kind.map(checksum_type),
            ..PutObjectOutput::default()
        };
        set_checksums!(output, received.checksums);
        Ok(output)
    }
}
