//! Taking in the body of a put or a part: to disk in pieces, measured and checked on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use data_encoding::{BASE64, HEXLOWER};
use futures_util::StreamExt;
use http::HeaderMap;
use s3s::{
    S3Error, S3ErrorCode, S3Request, S3Result, StdError, TrailingHeaders, dto::StreamingBlob,
    s3_error,
};

use crate::{
    digest::Digests,
    front::TOO_SLOW,
    store::{
        StoreError,
        blobs::{Blobs, NewBlob},
        record::Algorithm,
    },
};

/// The largest single put or part in bytes; S3's own limit.
const MAX_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// What the request says about its body.
pub(super) struct Announced {
    length: Option<u64>,
    /// In base64.
    md5: Option<String>,
    checksums: BTreeMap<Algorithm, String>,
    /// Algorithms to compute; holds at least those of `checksums` and of the trailers.
    wanted: BTreeSet<Algorithm>,
    trailers: Option<TrailingHeaders>,
}

/// A body that is on disk and is what it was announced to be.
pub(super) struct Received {
    pub(super) size: u64,
    /// MD5 in hex.
    pub(super) etag: String,
    pub(super) checksums: BTreeMap<Algorithm, String>,
    pub(super) blob: Option<NewBlob>,
}

impl Announced {
    pub(super) fn new<T>(
        request: &S3Request<T>,
        length: Option<i64>,
        md5: Option<String>,
        checksums: BTreeMap<Algorithm, String>,
    ) -> S3Result<Self> {
        let mut wanted: BTreeSet<Algorithm> = checksums.keys().copied().collect();
        wanted.extend(announced_trailers(&request.headers));
        // Clients that leave computing to the server name it here and nowhere else.
        let named = request.headers.get("x-amz-sdk-checksum-algorithm");
        if let Some(named) = named.and_then(|name| name.to_str().ok()) {
            wanted.extend(Algorithm::from_name(named));
        }
        let length = length.map(|length| {
            u64::try_from(length).map_err(|_| s3_error!(InvalidRequest, "content-length"))
        });
        Ok(Self {
            length: length.transpose()?,
            md5,
            checksums,
            wanted,
            trailers: request.trailing_headers.clone(),
        })
    }

    /// Computes this one too, announced or not.
    pub(super) fn want(&mut self, algorithm: Algorithm) {
        self.wanted.insert(algorithm);
    }

    /// The algorithms for which a checksum is announced or asked for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = Algorithm> {
        self.wanted.iter().copied()
    }

    fn check(&self, received: &Received, md5: [u8; 16]) -> S3Result<()> {
        if let Some(length) = self.length
            && length != received.size
        {
            return Err(s3_error!(IncompleteBody));
        }
        if let Some(expected) = &self.md5 {
            let expected = BASE64.decode(expected.as_bytes()).ok();
            let Some(expected) = expected.filter(|bytes| bytes.len() == md5.len()) else {
                return Err(s3_error!(InvalidDigest));
            };
            if expected != md5 {
                return Err(StoreError::BadDigest.into());
            }
        }
        let mut expected = self.checksums.clone();
        if let Some(trailers) = &self.trailers {
            expected.extend(trailers.read(trailing_checksums).unwrap_or_default());
        }
        for (algorithm, sum) in expected {
            if received.checksums.get(&algorithm) != Some(&sum) {
                return Err(StoreError::BadDigest.into());
            }
        }
        Ok(())
    }
}

fn announced_trailers(headers: &HeaderMap) -> Vec<Algorithm> {
    let names = headers.get_all("x-amz-trailer").iter();
    let names = names.filter_map(|value| value.to_str().ok());
    names
        .flat_map(|value| value.split(','))
        .filter_map(|name| {
            let mut all = Algorithm::ALL.into_iter();
            all.find(|algorithm| algorithm.header().eq_ignore_ascii_case(name.trim()))
        })
        .collect()
}

fn trailing_checksums(trailers: &HeaderMap) -> BTreeMap<Algorithm, String> {
    Algorithm::ALL
        .into_iter()
        .filter_map(|algorithm| {
            let sum = trailers.get(algorithm.header())?.to_str().ok()?;
            Some((algorithm, sum.trim().to_owned()))
        })
        .collect()
}

/// Writes the body to a new blob and checks it; keeps at most one chunk in memory.
pub(super) async fn receive(
    blobs: &Arc<Blobs>,
    body: Option<StreamingBlob>,
    announced: &Announced,
) -> S3Result<Received> {
    if announced.length.is_some_and(|length| length > MAX_BYTES) {
        return Err(s3_error!(EntityTooLarge));
    }
    let mut digests = Digests::new(&announced.wanted);
    let mut writer = blobs.create().await?;
    let mut size = 0;
    if let Some(mut body) = body {
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| broken(&error))?;
            size += bytes.len() as u64;
            if size > MAX_BYTES {
                return Err(s3_error!(EntityTooLarge));
            }
            digests.update(&bytes);
            writer.write(&bytes).await?;
        }
    }
    let sums = digests.finish();
    let mut received = Received {
        size,
        etag: HEXLOWER.encode(&sums.md5),
        checksums: sums.checksums,
        blob: None,
    };
    // Before the sync: what is refused need not be durable.
    announced.check(&received, sums.md5)?;
    received.blob = writer.finish().await?;
    Ok(received)
}

/// Why a body broke off. The protocol crate keeps these error types to itself, so their text decides.
fn broken(error: &StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut answer =
            S3Error::with_message(code, "the body does not match x-amz-content-sha256");
        answer.set_status_code(http::StatusCode::BAD_REQUEST);
        answer
    } else if text.contains("SignatureMismatch") {
        s3_error!(SignatureDoesNotMatch)
    } else if text.contains(TOO_SLOW) {
        s3_error!(RequestTimeout, "{TOO_SLOW}")
    } else {
        s3_error!(IncompleteBody, "{text}")
    }
}
