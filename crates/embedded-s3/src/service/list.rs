//! Listings: objects (both forms), versions, uploads.

use s3s::{
    S3Request, S3Result,
    dto::{
        CommonPrefix, DeleteMarkerEntry, EncodingType, ListMultipartUploadsInput,
        ListMultipartUploadsOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
        ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
        MultipartUpload, Object, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass,
    },
    s3_error,
};

use super::{
    Service,
    bucket::owner,
    convert::{
        algorithm_name, checksum_type, from_token, shown_key, size, strong, timestamp, token,
    },
    part::page_size,
};
use crate::store::{
    listing::{After, Entry, ListedVersion, Page},
    record::Version,
    walk::Filter,
};

/// Objects and common prefixes of a page, as shown.
struct Shown {
    objects: Vec<Object>,
    prefixes: Vec<CommonPrefix>,
}

impl Service {
    pub(super) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<ListObjectsV2Output> {
        let input = request.input;
        let limit = page_size(input.max_keys)?;
        let filter = filter(input.prefix.as_ref(), input.delimiter.as_ref());
        let after = match (&input.continuation_token, &input.start_after) {
            (Some(text), _) => read_token(text)?,
            (None, Some(key)) => After::Key(key.clone()),
            (None, None) => After::Start,
        };
        let page = self
            .store
            .list(input.bucket.clone(), filter, after, limit)
            .await?;
        let next = page.next.as_ref().map(make_token);
        let encoding = input.encoding_type;
        let shown = show(page, encoding.as_ref(), input.fetch_owner == Some(true));
        let key_count = shown.objects.len() + shown.prefixes.len();
        let encode = |text: String| shown_key(&text, encoding.as_ref());
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            start_after: input.start_after.map(encode),
            max_keys: i32::try_from(limit).ok(),
            key_count: i32::try_from(key_count).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            contents: Some(shown.objects),
            common_prefixes: Some(shown.prefixes),
            encoding_type: encoding,
            request_charged: None,
        })
    }

    pub(super) async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<ListObjectsOutput> {
        let input = request.input;
        let limit = page_size(input.max_keys)?;
        let filter = filter(input.prefix.as_ref(), input.delimiter.as_ref());
        let marker = input.marker.clone().filter(|marker| !marker.is_empty());
        let after = marker.map_or(After::Start, |marker| behind_marker(&filter, marker));
        let page = self
            .store
            .list(input.bucket.clone(), filter, after, limit)
            .await?;
        let next = page.next.as_ref().map(|next| place(next).0);
        let encoding = input.encoding_type;
        let shown = show(page, encoding.as_ref(), true);
        let encode = |text: String| shown_key(&text, encoding.as_ref());
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            marker: Some(encode(input.marker.unwrap_or_default())),
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(next.is_some()),
            next_marker: next.map(encode),
            contents: Some(shown.objects),
            common_prefixes: Some(shown.prefixes),
            encoding_type: encoding,
            request_charged: None,
        })
    }

    pub(super) async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<ListObjectVersionsOutput> {
        let input = request.input;
        let limit = page_size(input.max_keys)?;
        let filter = filter(input.prefix.as_ref(), input.delimiter.as_ref());
        let after = item_marker(
            &filter,
            input.key_marker.clone(),
            input.version_id_marker.clone(),
        )?;
        let page = self
            .store
            .list_versions(input.bucket.clone(), filter, after, limit)
            .await?;
        let encoding = input.encoding_type;
        let encode = |text: String| shown_key(&text, encoding.as_ref());
        let next = page.next.as_ref().map(place);
        let mut output = ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.map(encode),
            key_marker: Some(encode(input.key_marker.unwrap_or_default())),
            version_id_marker: input.version_id_marker,
            max_keys: i32::try_from(limit).ok(),
            is_truncated: Some(next.is_some()),
            ..ListObjectVersionsOutput::default()
        };
        if let Some((key, version)) = next {
            output.next_key_marker = Some(encode(key));
            output.next_version_id_marker = version;
        }
        let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                Entry::Prefix(prefix) => prefixes.push(common(encode(prefix))),
                Entry::Item(key, listed) => match show_version(encode(key), listed) {
                    Ok(version) => versions.push(version),
                    Err(marker) => markers.push(marker),
                },
            }
        }
        output.versions = Some(versions);
        output.delete_markers = Some(markers);
        output.common_prefixes = Some(prefixes);
        output.encoding_type = encoding;
        Ok(output)
    }

    pub(super) async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<ListMultipartUploadsOutput> {
        let input = request.input;
        let limit = page_size(input.max_uploads)?;
        let filter = filter(input.prefix.as_ref(), input.delimiter.as_ref());
        // Without a key, S3 ignores the marker of the upload.
        let upload_marker = input.upload_id_marker.clone();
        let upload_marker = upload_marker.filter(|_| input.key_marker.is_some());
        let after = item_marker(&filter, input.key_marker.clone(), upload_marker)?;
        let page = self
            .store
            .list_uploads(input.bucket.clone(), filter, after, limit)
            .await?;
        let encoding = input.encoding_type;
        let encode = |text: String| shown_key(&text, encoding.as_ref());
        let next = page.next.as_ref().map(place);
        let mut output = ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            prefix: input.prefix.map(encode),
            delimiter: input.delimiter.map(encode),
            key_marker: input.key_marker.map(encode),
            upload_id_marker: input.upload_id_marker,
            max_uploads: i32::try_from(limit).ok(),
            is_truncated: Some(next.is_some()),
            ..ListMultipartUploadsOutput::default()
        };
        if let Some((key, upload)) = next {
            output.next_key_marker = Some(encode(key));
            output.next_upload_id_marker = upload;
        }
        let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
        for entry in page.entries {
            match entry {
                Entry::Prefix(prefix) => prefixes.push(common(encode(prefix))),
                Entry::Item(key, (id, upload)) => uploads.push(MultipartUpload {
                    key: Some(encode(key)),
                    upload_id: Some(id),
                    initiated: Some(timestamp(upload.created_ms)),
                    owner: Some(owner()),
                    checksum_algorithm: upload.algorithm.map(algorithm_name),
                    checksum_type: upload.kind.map(checksum_type),
                    ..MultipartUpload::default()
                }),
            }
        }
        output.uploads = Some(uploads);
        output.common_prefixes = Some(prefixes);
        output.encoding_type = encoding;
        Ok(output)
    }
}

fn filter(prefix: Option<&String>, delimiter: Option<&String>) -> Filter {
    Filter {
        prefix: prefix.cloned().unwrap_or_default(),
        delimiter: delimiter.cloned(),
    }
}

fn common(prefix: String) -> CommonPrefix {
    CommonPrefix {
        prefix: Some(prefix),
    }
}

/// A marker that is a common prefix stands for everything under it.
fn behind_marker(filter: &Filter, marker: String) -> After {
    if filter.fold(&marker) == Some(marker.as_str()) {
        After::Prefix(marker)
    } else {
        After::Key(marker)
    }
}

fn item_marker(filter: &Filter, key: Option<String>, item: Option<String>) -> S3Result<After> {
    let not_empty = |text: &String| !text.is_empty();
    match (key.filter(not_empty), item.filter(not_empty)) {
        (None, None) => Ok(After::Start),
        (Some(key), None) => Ok(behind_marker(filter, key)),
        (Some(key), Some(item)) => Ok(After::Item(key, item)),
        (None, Some(_)) => Err(s3_error!(
            InvalidArgument,
            "a version marker needs a key marker"
        )),
    }
}

/// Key (or prefix) and item of a place between two pages.
fn place(after: &After) -> (String, Option<String>) {
    match after {
        After::Start => (String::new(), None),
        After::Key(key) => (key.clone(), None),
        After::Item(key, item) => (key.clone(), Some(item.clone())),
        After::Prefix(prefix) => (prefix.clone(), None),
    }
}

fn make_token(after: &After) -> String {
    let kind = if matches!(after, After::Prefix(_)) {
        'p'
    } else {
        'k'
    };
    token(&format!("{kind}{}", place(after).0))
}

fn read_token(text: &str) -> S3Result<After> {
    let text = from_token(text)?;
    if let Some(prefix) = text.strip_prefix('p') {
        Ok(After::Prefix(prefix.to_owned()))
    } else if let Some(key) = text.strip_prefix('k') {
        Ok(After::Key(key.to_owned()))
    } else {
        Err(s3_error!(
            InvalidArgument,
            "the continuation token is not valid"
        ))
    }
}

fn show(page: Page<Version>, encoding: Option<&EncodingType>, with_owner: bool) -> Shown {
    let mut shown = Shown {
        objects: Vec::new(),
        prefixes: Vec::new(),
    };
    for entry in page.entries {
        match entry {
            Entry::Prefix(prefix) => shown.prefixes.push(common(shown_key(&prefix, encoding))),
            Entry::Item(key, version) => {
                let Some(content) = version.content else {
                    continue;
                };
                let algorithms = content.checksums.values.keys();
                let algorithms: Vec<_> = algorithms.copied().map(algorithm_name).collect();
                shown.objects.push(Object {
                    key: Some(shown_key(&key, encoding)),
                    size: Some(size(content.size)),
                    e_tag: Some(strong(content.etag)),
                    last_modified: Some(timestamp(version.modified_ms)),
                    checksum_algorithm: (!algorithms.is_empty()).then_some(algorithms),
                    checksum_type: content.checksums.kind.map(checksum_type),
                    owner: with_owner.then(owner),
                    storage_class: Some(ObjectStorageClass::from_static(
                        ObjectStorageClass::STANDARD,
                    )),
                    restore_status: None,
                });
            }
        }
    }
    shown
}

fn show_version(key: String, listed: ListedVersion) -> Result<ObjectVersion, DeleteMarkerEntry> {
    let version = listed.version;
    let modified = Some(timestamp(version.modified_ms));
    let Some(content) = version.content else {
        return Err(DeleteMarkerEntry {
            key: Some(key),
            version_id: Some(version.id),
            is_latest: Some(listed.is_latest),
            last_modified: modified,
            owner: Some(owner()),
        });
    };
    let standard = ObjectVersionStorageClass::STANDARD;
    Ok(ObjectVersion {
        key: Some(key),
        version_id: Some(version.id),
        is_latest: Some(listed.is_latest),
        last_modified: modified,
        size: Some(size(content.size)),
        e_tag: Some(strong(content.etag)),
        checksum_type: content.checksums.kind.map(checksum_type),
        owner: Some(owner()),
        storage_class: Some(ObjectVersionStorageClass::from_static(standard)),
        ..ObjectVersion::default()
    })
}
