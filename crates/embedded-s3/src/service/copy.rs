//! CopyObject, and where the source of a copy is.

use s3s::{
    S3Request, S3Result,
    dto::{
        CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETagCondition,
        MetadataDirective, Timestamp,
    },
    s3_error,
};

use super::{
    Service,
    convert::{
        checksum_type, given_attributes, refuse_unsupported, set_checksums, strong, timestamp,
    },
};
use crate::store::{
    StoreError,
    objects::{Address, Precondition, holds},
};

/// What must hold of the source of a copy.
pub(super) struct SourceConditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

macro_rules! source_conditions {
    ($input:expr) => {
        $crate::service::copy::SourceConditions {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        }
    };
}

pub(super) use source_conditions;

impl SourceConditions {
    /// # Errors
    /// [`StoreError::PreconditionFailed`]; a copy knows no 304.
    pub(super) fn judge(&self, etag: &str, modified_ms: u64) -> Result<(), StoreError> {
        let modified = timestamp(modified_ms);
        let matches = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => holds(condition, etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        let differs = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => !holds(condition, etag),
            (None, Some(since)) => modified > *since,
            (None, None) => true,
        };
        if matches && differs {
            Ok(())
        } else {
            Err(StoreError::PreconditionFailed)
        }
    }
}

/// The object that a copy is made of.
pub(super) fn source(source: &CopySource) -> S3Result<Address> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id,
        } => Ok(Address {
            bucket: bucket.to_string(),
            key: key.to_string(),
            version_id: version_id.as_deref().map(ToOwned::to_owned),
        }),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented, "access points are not offered"))
        }
    }
}

impl Service {
    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<CopyObjectOutput> {
        let input = request.input;
        refuse_unsupported!(input);
        let source = source(&input.copy_source)?;
        let directive = input
            .metadata_directive
            .as_ref()
            .map(MetadataDirective::as_str);
        let replacement = match directive {
            None | Some(MetadataDirective::COPY) => None,
            Some(MetadataDirective::REPLACE) => Some(given_attributes!(input)?),
            Some(_) => return Err(s3_error!(InvalidArgument, "x-amz-metadata-directive")),
        };
        let is_onto_itself = source.bucket == input.bucket && source.key == input.key;
        if is_onto_itself && replacement.is_none() && source.version_id.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "copying an object onto itself must change its metadata"
            ));
        }
        let conditions = source_conditions!(input);
        let copied = self
            .store
            .copy(
                source,
                (input.bucket, input.key),
                Precondition::default(),
                move |content, modified_ms| {
                    conditions.judge(&content.etag, modified_ms)?;
                    Ok(replacement.unwrap_or_else(|| content.attributes.clone()))
                },
            )
            .await?;
        let mut result = CopyObjectResult {
            e_tag: Some(strong(copied.content.etag)),
            last_modified: Some(timestamp(copied.modified_ms)),
            checksum_type: copied.content.checksums.kind.map(checksum_type),
            ..CopyObjectResult::default()
        };
        set_checksums!(result, copied.content.checksums.values);
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: copied.source_version_id,
            version_id: copied.version_id,
            ..CopyObjectOutput::default()
        })
    }
}
