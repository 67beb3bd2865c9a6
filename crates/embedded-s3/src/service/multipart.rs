//! Multipart uploads: create, complete, abort.

use s3s::{
    S3Request, S3Result,
    dto::{
        self, AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput,
        CreateMultipartUploadOutput, ETag,
    },
    s3_error,
};

use super::{
    Service,
    convert::{
        algorithm, algorithm_name, checksum_type, given_attributes, given_checksums,
        refuse_unsupported, set_checksums, strong,
    },
};
use crate::store::{
    complete::{CompleteRequest, NamedPart},
    objects::Precondition,
    record::{Algorithm, ChecksumKind},
    uploads::UploadAddress,
};

/// Parts are numbered from 1 to this.
pub(super) const MAX_PART_NUMBER: u32 = 10_000;

impl Service {
    pub(super) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let input = request.input;
        refuse_unsupported!(input);
        let attributes = given_attributes!(input)?;
        let algorithm = input.checksum_algorithm.as_ref().map(algorithm);
        let algorithm = algorithm.transpose()?;
        let kind = checksum_kind(algorithm, input.checksum_type.as_ref())?;
        let upload = self
            .store
            .create_upload(
                input.bucket.clone(),
                input.key.clone(),
                attributes,
                (algorithm, kind),
            )
            .await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload),
            checksum_algorithm: algorithm.map(algorithm_name),
            checksum_type: kind.map(checksum_type),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = request.input;
        let expected = given_checksums!(input);
        let parts = input.multipart_upload.and_then(|it| it.parts);
        let parts = parts.unwrap_or_default();
        if parts.is_empty() {
            return Err(s3_error!(MalformedXML, "at least one part"));
        }
        let parts: S3Result<Vec<NamedPart>> = parts.into_iter().map(named).collect();
        let expected_size = input.mpu_object_size.map(u64::try_from).transpose();
        let completed = self
            .store
            .complete_upload(
                UploadAddress {
                    bucket: input.bucket.clone(),
                    key: input.key.clone(),
                    upload: input.upload_id,
                },
                CompleteRequest {
                    parts: parts?,
                    precondition: Precondition {
                        if_match: input.if_match,
                        if_none_match: input.if_none_match,
                    },
                    expected,
                    expected_size: expected_size
                        .map_err(|_| s3_error!(InvalidRequest, "x-amz-mp-object-size"))?,
                },
            )
            .await?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(strong(completed.etag)),
            version_id: completed.version_id,
            checksum_type: completed.checksums.kind.map(checksum_type),
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksums!(output, completed.checksums.values);
        Ok(output)
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let input = request.input;
        self.store
            .abort_upload(UploadAddress {
                bucket: input.bucket,
                key: input.key,
                upload: input.upload_id,
            })
            .await?;
        Ok(AbortMultipartUploadOutput::default())
    }
}

/// The kind of checksum of the whole, as S3 has it for each algorithm.
fn checksum_kind(
    algorithm: Option<Algorithm>,
    asked: Option<&dto::ChecksumType>,
) -> S3Result<Option<ChecksumKind>> {
    let asked = match asked.map(dto::ChecksumType::as_str) {
        None => None,
        Some(dto::ChecksumType::FULL_OBJECT) => Some(ChecksumKind::FullObject),
        Some(dto::ChecksumType::COMPOSITE) => Some(ChecksumKind::Composite),
        Some(_) => return Err(s3_error!(InvalidRequest, "unknown checksum type")),
    };
    let is_possible = match (algorithm, asked) {
        (None, Some(_)) => false,
        (Some(Algorithm::Crc64Nvme), Some(kind)) => kind == ChecksumKind::FullObject,
        (Some(Algorithm::Sha1 | Algorithm::Sha256), Some(kind)) => kind == ChecksumKind::Composite,
        (Some(Algorithm::Crc32 | Algorithm::Crc32c), Some(_)) | (_, None) => true,
    };
    if !is_possible {
        return Err(s3_error!(
            InvalidRequest,
            "this checksum type does not go with the algorithm"
        ));
    }
    Ok(algorithm.map(|algorithm| {
        asked.unwrap_or(match algorithm {
            Algorithm::Crc64Nvme => ChecksumKind::FullObject,
            Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Sha1 | Algorithm::Sha256 => {
                ChecksumKind::Composite
            }
        })
    }))
}

fn named(part: CompletedPart) -> S3Result<NamedPart> {
    let checksums = given_checksums!(part);
    Ok(NamedPart {
        number: part_number(part.part_number.unwrap_or_default())?,
        etag: part.e_tag.map(ETag::into_value),
        checksums,
    })
}

pub(super) fn part_number(number: i32) -> S3Result<u32> {
    u32::try_from(number)
        .ok()
        .filter(|number| (1..=MAX_PART_NUMBER).contains(number))
        .ok_or_else(|| s3_error!(InvalidArgument, "part numbers go from 1 to 10000"))
}
