//! Buckets: make, look, change, remove.

use redb::ReadableTable;

use super::{
    Store, StoreError, now_ms,
    record::{Bucket, CorsRule, Versioning},
    tables::decode,
};

impl Store {
    /// # Errors
    /// [`StoreError::BucketExists`]
    pub(crate) async fn create_bucket(&self, name: String) -> Result<(), StoreError> {
        self.write(move |tables| {
            if tables.buckets.get(name.as_str())?.is_some() {
                return Err(StoreError::BucketExists);
            }
            let bucket = Bucket {
                created_ms: now_ms(),
                versioning: Versioning::Off,
                cors: None,
            };
            tables.put_bucket(&name, &bucket)
        })
        .await
    }

    /// # Errors
    /// [`StoreError::NoSuchBucket`]
    pub(crate) async fn bucket(&self, name: String) -> Result<Bucket, StoreError> {
        self.read(move |tables| tables.bucket(&name)).await
    }

    pub(crate) async fn buckets(&self) -> Result<Vec<(String, Bucket)>, StoreError> {
        self.read(|tables| {
            let mut all = Vec::new();
            for row in tables.buckets.iter()? {
                let (name, bucket) = row?;
                all.push((name.value().to_owned(), decode(bucket.value())?));
            }
            Ok(all)
        })
        .await
    }

    /// Removes an empty bucket, and the uploads begun in it.
    ///
    /// # Errors
    /// [`StoreError::BucketNotEmpty`] where a version or a delete marker is left.
    pub(crate) async fn delete_bucket(&self, name: String) -> Result<(), StoreError> {
        self.write(move |tables| {
            tables.bucket(&name)?;
            let first = tables.versions.range((name.as_str(), "", 0)..)?.next();
            if let Some(row) = first.transpose()?
                && row.0.value().0 == name
            {
                return Err(StoreError::BucketNotEmpty);
            }
            let mut uploads = Vec::new();
            for row in tables.uploads.range((name.as_str(), "", "")..)? {
                let (key, _) = row?;
                let (bucket, key, upload) = key.value();
                if bucket != name {
                    break;
                }
                uploads.push((key.to_owned(), upload.to_owned()));
            }
            for (key, upload) in uploads {
                tables.remove_upload(&name, &key, &upload)?;
            }
            tables.buckets.remove(name.as_str())?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn set_versioning(
        &self,
        name: String,
        versioning: Versioning,
    ) -> Result<(), StoreError> {
        self.change_bucket(name, move |bucket| bucket.versioning = versioning)
            .await
    }

    /// `None` brings the server's default origins back.
    pub(crate) async fn set_cors(
        &self,
        name: String,
        rules: Option<Vec<CorsRule>>,
    ) -> Result<(), StoreError> {
        self.change_bucket(name, move |bucket| bucket.cors = rules)
            .await
    }

    async fn change_bucket(
        &self,
        name: String,
        change: impl FnOnce(&mut Bucket) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.write(move |tables| {
            let mut bucket = tables.bucket(&name)?;
            change(&mut bucket);
            tables.put_bucket(&name, &bucket)
        })
        .await
    }
}
