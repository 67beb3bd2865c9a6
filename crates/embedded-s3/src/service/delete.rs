//! DeleteObject and DeleteObjects.

use s3s::{
    S3Error, S3Request, S3Result,
    dto::{
        self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput,
        DeletedObject, ObjectIdentifier,
    },
    s3_error,
};

use super::Service;
use crate::store::objects::Address;

/// S3's own limit.
const MAX_OBJECTS: usize = 1000;

impl Service {
    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<DeleteObjectOutput> {
        let input = request.input;
        let address = Address {
            bucket: input.bucket,
            key: input.key,
            version_id: input.version_id,
        };
        let deleted = self.store.delete(address, input.if_match).await?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.is_marker.then_some(true),
            version_id: deleted.version_id,
            ..DeleteObjectOutput::default()
        })
    }

    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<DeleteObjectsOutput> {
        let input = request.input;
        if input.delete.objects.len() > MAX_OBJECTS {
            return Err(s3_error!(MalformedXML, "1000 keys at most"));
        }
        self.store.bucket(input.bucket.clone()).await?;
        let is_quiet = input.delete.quiet == Some(true);
        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        for object in input.delete.objects {
            let (key, version_id) = (object.key.clone(), object.version_id.clone());
            match self.delete_one(input.bucket.clone(), object).await {
                Ok(_) if is_quiet => {}
                Ok(done) => deleted.push(done),
                Err(error) => errors.push(dto::Error {
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(ToOwned::to_owned),
                    key: Some(key),
                    version_id,
                }),
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: (!errors.is_empty()).then_some(errors),
            request_charged: None,
        })
    }

    async fn delete_one(
        &self,
        bucket: String,
        object: ObjectIdentifier,
    ) -> Result<DeletedObject, S3Error> {
        let address = Address {
            bucket,
            key: object.key.clone(),
            version_id: object.version_id.clone(),
        };
        let if_match = object.e_tag.map(dto::ETagCondition::ETag);
        let deleted = self.store.delete(address, if_match).await?;
        Ok(DeletedObject {
            key: Some(object.key),
            version_id: object.version_id,
            delete_marker: deleted.is_marker.then_some(true),
            delete_marker_version_id: deleted.version_id.filter(|_| deleted.is_marker),
        })
    }
}
