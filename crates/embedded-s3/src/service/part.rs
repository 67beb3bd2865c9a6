//! The parts of an upload: receive one, copy one, list them.

use s3s::{
    S3Request, S3Result,
    dto::{
        CopyPartResult, ListPartsInput, ListPartsOutput, StreamingBlob, UploadPartCopyInput,
        UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};

use super::{
    Service,
    bucket::owner,
    convert::{
        algorithm_name, checksum_type, given_checksums, set_checksums, size, strong, timestamp,
    },
    copy::{source, source_conditions},
    get::bytes_of,
    multipart::part_number,
    receive::{Announced, Received, receive},
};
use crate::store::{
    StoreError,
    listing::MAX_PAGE,
    now_ms,
    record::{Part, Upload},
    uploads::UploadAddress,
};

impl Service {
    pub(super) async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let input = &request.input;
        if input.sse_customer_key.is_some() {
            return Err(s3_error!(NotImplemented, "encryption is not offered"));
        }
        let number = part_number(input.part_number)?;
        let address = UploadAddress {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            upload: input.upload_id.clone(),
        };
        let mut announced = Announced::new(
            &request,
            input.content_length,
            input.content_md5.clone(),
            given_checksums!(input),
        )?;
        let upload = self.store.upload(address.clone()).await?;
        want(&mut announced, &upload)?;
        let body = request.input.body.take();
        let received = receive(self.store.blobs(), body, &announced).await?;
        let part = self.keep_part(address, number, received).await?;
        let mut output = UploadPartOutput {
            e_tag: Some(strong(part.etag)),
            ..UploadPartOutput::default()
        };
        set_checksums!(output, part.checksums);
        Ok(output)
    }

    /// The bytes are copied, as the ETag of a part is the MD5 of just these.
    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<UploadPartCopyOutput> {
        let input = &request.input;
        let number = part_number(input.part_number)?;
        let address = UploadAddress {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            upload: input.upload_id.clone(),
        };
        let upload = self.store.upload(address.clone()).await?;
        let opened = self.store.open_object(source(&input.copy_source)?).await?;
        source_conditions!(input).judge(&opened.content.etag, opened.modified_ms)?;
        let full = opened.content.size;
        let range = match &input.copy_source_range {
            None => 0..full,
            Some(text) => {
                let range = s3s::dto::Range::parse(text)
                    .map_err(|_| s3_error!(InvalidArgument, "x-amz-copy-source-range"))?;
                range.check(full).map_err(|_| s3_error!(InvalidRange))?
            }
        };
        let mut announced = Announced::new(&request, None, None, Default::default())?;
        want(&mut announced, &upload)?;
        let blobs = self.store.blobs();
        let stream = bytes_of(blobs.clone(), opened.segments, range, opened.lease);
        let body = Some(StreamingBlob::wrap(stream));
        let received = receive(blobs, body, &announced).await?;
        let part = self.keep_part(address, number, received).await?;
        let mut result = CopyPartResult {
            e_tag: Some(strong(part.etag)),
            last_modified: Some(timestamp(part.modified_ms)),
            ..CopyPartResult::default()
        };
        set_checksums!(result, part.checksums);
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: opened.version_id,
            ..UploadPartCopyOutput::default()
        })
    }

    async fn keep_part(
        &self,
        address: UploadAddress,
        number: u32,
        received: Received,
    ) -> S3Result<Part> {
        let part = Part {
            size: received.size,
            etag: received.etag,
            checksums: received.checksums,
            modified_ms: now_ms(),
            blob: received.blob.as_ref().map(|blob| blob.id().to_owned()),
        };
        self.store
            .put_part(address, number, part.clone(), received.blob)
            .await?;
        Ok(part)
    }

    pub(super) async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<ListPartsOutput> {
        let input = request.input;
        let limit = page_size(input.max_parts)?;
        let after = u32::try_from(input.part_number_marker.unwrap_or_default())
            .map_err(|_| s3_error!(InvalidArgument, "part-number-marker"))?;
        let address = UploadAddress {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            upload: input.upload_id.clone(),
        };
        let page = self.store.parts(address, after, limit).await?;
        let last = page.parts.last().map_or(after, |(number, _)| *number);
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let shown = page.parts.into_iter().map(|(place, part)| {
            let mut shown = s3s::dto::Part {
                part_number: Some(number(place)),
                e_tag: Some(strong(part.etag)),
                size: Some(size(part.size)),
                last_modified: Some(timestamp(part.modified_ms)),
                ..s3s::dto::Part::default()
            };
            set_checksums!(shown, part.checksums);
            shown
        });
        Ok(ListPartsOutput {
            parts: Some(shown.collect()),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            owner: Some(owner()),
            part_number_marker: Some(number(after)),
            next_part_number_marker: page.is_truncated.then(|| number(last)),
            is_truncated: Some(page.is_truncated),
            max_parts: i32::try_from(limit).ok(),
            checksum_algorithm: page.upload.algorithm.map(algorithm_name),
            checksum_type: page.upload.kind.map(checksum_type),
            ..ListPartsOutput::default()
        })
    }
}

/// Computes the upload's checksum also where the part announces none; another one is refused.
fn want(announced: &mut Announced, upload: &Upload) -> S3Result<()> {
    let Some(algorithm) = upload.algorithm else {
        return Ok(());
    };
    if let Some(other) = announced.wanted().find(|it| *it != algorithm) {
        return Err(StoreError::OtherChecksumAlgorithm {
            expected: algorithm.name(),
            got: other.name(),
        }
        .into());
    }
    announced.want(algorithm);
    Ok(())
}

/// How many entries a page may have, as asked for and within the limit.
pub(super) fn page_size(asked: Option<i32>) -> S3Result<usize> {
    match asked {
        None => Ok(MAX_PAGE),
        Some(asked) => usize::try_from(asked)
            .map(|asked| asked.min(MAX_PAGE))
            .map_err(|_| s3_error!(InvalidArgument, "a page cannot have fewer than 0 entries")),
    }
}
