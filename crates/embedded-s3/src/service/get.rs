//! GetObject and HeadObject: preconditions, ranges, and the bytes as a stream.

use std::{io, ops::Range};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http::{HeaderMap, HeaderValue, header};
use s3s::{
    S3Error, S3ErrorCode, S3Request, S3Result,
    dto::{
        GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob,
        Timestamp,
    },
    s3_error,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::{
    Service,
    convert::{checksum_type, set_attributes, set_checksums, size, strong, timestamp},
};
use crate::store::{
    blobs::{Blobs, CHUNK_BYTES, Lease},
    objects::{Address, Opened, holds},
    record::Segment,
};

/// Conditions of a read; those on the ETag win over those on the time (RFC 9110, 13.2.2).
struct Conditions {
    if_match: Option<s3s::dto::ETagCondition>,
    if_none_match: Option<s3s::dto::ETagCondition>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
}

macro_rules! conditions {
    ($input:expr) => {
        Conditions {
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since.clone(),
            if_unmodified_since: $input.if_unmodified_since.clone(),
        }
    };
}

/// Fills what a get and a head answer alike.
macro_rules! describe {
    ($output:ident, $opened:expr, $range:expr, $with_checksums:expr) => {
        let (opened, range): (&Opened, &Ranged) = (&$opened, &$range);
        $output.accept_ranges = Some("bytes".to_owned());
        $output.content_length = Some(size(range.bytes.end - range.bytes.start));
        $output.content_range = range.header.clone();
        $output.e_tag = Some(strong(opened.content.etag.clone()));
        $output.last_modified = Some(timestamp(opened.modified_ms));
        $output.version_id = opened.version_id.clone();
        // A checksum is of the whole object: a client would hold it against the range.
        if $with_checksums && range.header.is_none() {
            set_checksums!($output, opened.content.checksums.values);
            $output.checksum_type = opened.content.checksums.kind.map(checksum_type);
        }
        set_attributes!($output, opened.content.attributes.clone());
    };
}

struct Ranged {
    bytes: Range<u64>,
    /// `Content-Range`, where only a part was asked for.
    header: Option<String>,
}

impl Service {
    pub(super) async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<GetObjectOutput> {
        let input = request.input;
        refuse_part_number(input.part_number)?;
        let conditions = conditions!(input);
        let opened = self.open(input.bucket, input.key, input.version_id).await?;
        conditions.judge(&opened)?;
        let range = ranged(input.range, opened.content.size)?;
        let mut output = GetObjectOutput::default();
        describe!(output, opened, range, input.checksum_mode.is_some());
        let stream = bytes_of(
            self.store.blobs().clone(),
            opened.segments,
            range.bytes,
            opened.lease,
        );
        output.body = Some(StreamingBlob::wrap(stream));
        Ok(output)
    }

    pub(super) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<HeadObjectOutput> {
        let input = request.input;
        refuse_part_number(input.part_number)?;
        let conditions = conditions!(input);
        let opened = self.open(input.bucket, input.key, input.version_id).await?;
        conditions.judge(&opened)?;
        let range = ranged(input.range, opened.content.size)?;
        let mut output = HeadObjectOutput::default();
        describe!(output, opened, range, input.checksum_mode.is_some());
        Ok(output)
    }

    async fn open(
        &self,
        bucket: String,
        key: String,
        version_id: Option<String>,
    ) -> S3Result<Opened> {
        let address = Address {
            bucket,
            key,
            version_id,
        };
        Ok(self.store.open_object(address).await?)
    }
}

fn refuse_part_number(number: Option<i32>) -> S3Result<()> {
    match number {
        Some(_) => Err(s3_error!(NotImplemented, "partNumber: ask for a range")),
        None => Ok(()),
    }
}

impl Conditions {
    fn judge(&self, opened: &Opened) -> S3Result<()> {
        let etag = opened.content.etag.as_str();
        let modified = timestamp(opened.modified_ms);
        let matches = match (&self.if_match, &self.if_unmodified_since) {
            (Some(condition), _) => holds(condition, etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => true,
        };
        if !matches {
            return Err(s3_error!(PreconditionFailed));
        }
        let is_unchanged = match (&self.if_none_match, &self.if_modified_since) {
            (Some(condition), _) => holds(condition, etag),
            (None, Some(since)) => modified <= *since,
            (None, None) => false,
        };
        if is_unchanged {
            return Err(not_modified(opened));
        }
        Ok(())
    }
}

fn not_modified(opened: &Opened) -> S3Error {
    let mut headers = HeaderMap::new();
    let mut add = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(header::ETAG, &format!("\"{}\"", opened.content.etag));
    if let Some(id) = &opened.version_id {
        add(header::HeaderName::from_static("x-amz-version-id"), id);
    }
    let mut answer = S3Error::new(S3ErrorCode::NotModified);
    answer.set_headers(headers);
    answer
}

fn ranged(range: Option<s3s::dto::Range>, full: u64) -> S3Result<Ranged> {
    let Some(range) = range else {
        return Ok(Ranged {
            bytes: 0..full,
            header: None,
        });
    };
    let bytes = range.check(full).map_err(|_| s3_error!(InvalidRange))?;
    if bytes.is_empty() {
        return Err(s3_error!(InvalidRange));
    }
    let header = format!("bytes {}-{}/{full}", bytes.start, bytes.end - 1);
    Ok(Ranged {
        bytes,
        header: Some(header),
    })
}

/// Where a stream is in its segments.
struct Reader {
    blobs: std::sync::Arc<Blobs>,
    segments: std::vec::IntoIter<Segment>,
    /// Bytes to skip before the next one is sent.
    skip: u64,
    /// Bytes to send in all.
    left: u64,
    /// The open blob and how much of it is to be sent.
    open: Option<(tokio::fs::File, u64)>,
    _lease: Lease,
}

/// The bytes `range` of an object, read piece by piece as they are asked for.
pub(super) fn bytes_of(
    blobs: std::sync::Arc<Blobs>,
    segments: Vec<Segment>,
    range: Range<u64>,
    lease: Lease,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let reader = Reader {
        blobs,
        segments: segments.into_iter(),
        skip: range.start,
        left: range.end - range.start,
        open: None,
        _lease: lease,
    };
    stream::try_unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Ok(bytes.map(|bytes| (bytes, reader)))
    })
}

impl Reader {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let (mut file, left_here) = match self.open.take() {
            Some(open) => open,
            None => self.open_next().await?,
        };
        let wanted = left_here.min(self.left);
        let wanted = usize::try_from(wanted).unwrap_or(CHUNK_BYTES);
        let mut bytes = BytesMut::with_capacity(wanted.min(CHUNK_BYTES));
        let limit = bytes.capacity().min(wanted) as u64;
        let read = (&mut file).take(limit).read_buf(&mut bytes).await?;
        if read == 0 {
            // Better a broken connection than an object that is silently shorter.
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a blob is shorter than its object",
            ));
        }
        let read = read as u64;
        self.left -= read;
        if left_here > read {
            self.open = Some((file, left_here - read));
        }
        Ok(Some(bytes.freeze()))
    }

    async fn open_next(&mut self) -> io::Result<(tokio::fs::File, u64)> {
        for segment in self.segments.by_ref() {
            if segment.length <= self.skip {
                self.skip -= segment.length;
                continue;
            }
            let mut file = self.blobs.read(&segment.blob).await?;
            file.seek(io::SeekFrom::Start(self.skip)).await?;
            let left = segment.length - self.skip;
            self.skip = 0;
            return Ok((file, left));
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the segments are shorter than their object",
        ))
    }
}
