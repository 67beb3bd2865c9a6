//! Completing an upload: its parts become one object, without their bytes being copied.

use std::collections::{BTreeMap, HashMap};

use redb::ReadableTable;

use super::{
    Store, StoreError, now_ms,
    objects::{Draft, Precondition},
    record::{Algorithm, ChecksumKind, Checksums, Completed, Part, Segment, Upload},
    tables::{decode, encode},
    uploads::{UploadAddress, get, parts},
};
use crate::digest;

/// The smallest part that may be followed by another, in bytes.
pub(crate) const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// A part as the complete request names it.
#[derive(Debug, Clone)]
pub(crate) struct NamedPart {
    pub(crate) number: u32,
    pub(crate) etag: Option<String>,
    pub(crate) checksums: BTreeMap<Algorithm, String>,
}

/// What a complete request asks for.
#[derive(Debug, Clone)]
pub(crate) struct CompleteRequest {
    pub(crate) parts: Vec<NamedPart>,
    pub(crate) precondition: Precondition,
    /// Checksums of the whole object that must come out.
    pub(crate) expected: BTreeMap<Algorithm, String>,
    pub(crate) expected_size: Option<u64>,
}

impl Store {
    /// Puts an upload's parts together; repeating a request that succeeded gives the same answer.
    pub(crate) async fn complete_upload(
        &self,
        address: UploadAddress,
        request: CompleteRequest,
    ) -> Result<Completed, StoreError> {
        self.write(move |tables| {
            tables.bucket(&address.bucket)?;
            let upload = match get(&tables.uploads, &address) {
                Err(StoreError::NoSuchUpload) => {
                    let row = tables.completed.get(address.upload.as_str())?;
                    let earlier: Option<Completed> =
                        row.map(|row| decode(row.value())).transpose()?;
                    return earlier
                        .filter(|earlier| is_repeat(earlier, &address, &request))
                        .ok_or(StoreError::NoSuchUpload);
                }
                upload => upload?,
            };
            tables.check(&address.bucket, &address.key, &request.precondition)?;
            let have: HashMap<u32, Part> =
                parts(&tables.parts, &address.upload)?.into_iter().collect();
            let chosen = choose(&request.parts, &have)?;
            let draft = put_together(upload, &chosen, &request)?;
            let (etag, checksums) = (draft.etag.clone(), draft.checksums.clone());
            let version_id = tables.place(&address.bucket, &address.key, draft)?;
            // After `place`, so that no blob is without a use in between.
            tables.remove_upload(&address.bucket, &address.key, &address.upload)?;
            let completed = Completed {
                parts: chosen
                    .iter()
                    .map(|(number, part)| (*number, part.etag.clone()))
                    .collect(),
                etag,
                version_id,
                checksums,
                at_ms: now_ms(),
                bucket: address.bucket,
                key: address.key,
            };
            tables
                .completed
                .insert(address.upload.as_str(), encode(&completed)?.as_slice())?;
            Ok(completed)
        })
        .await
    }
}

fn is_repeat(earlier: &Completed, address: &UploadAddress, request: &CompleteRequest) -> bool {
    earlier.bucket == address.bucket
        && earlier.key == address.key
        && earlier.parts.len() == request.parts.len()
        && earlier
            .parts
            .iter()
            .zip(&request.parts)
            .all(|((number, etag), named)| {
                *number == named.number && named.etag.as_ref().is_none_or(|named| named == etag)
            })
}

/// The parts that the request names, each checked against what was uploaded.
fn choose<'a>(
    named: &[NamedPart],
    have: &'a HashMap<u32, Part>,
) -> Result<Vec<(u32, &'a Part)>, StoreError> {
    if !named.is_sorted_by(|one, next| one.number < next.number) {
        return Err(StoreError::InvalidPartOrder);
    }
    let mut chosen = Vec::with_capacity(named.len());
    for wanted in named {
        let part = have
            .get(&wanted.number)
            .filter(|part| wanted.etag.as_ref().is_none_or(|etag| *etag == part.etag))
            .filter(|part| {
                let mut checksums = wanted.checksums.iter();
                checksums.all(|(algorithm, sum)| part.checksums.get(algorithm) == Some(sum))
            })
            .ok_or(StoreError::InvalidPart(wanted.number))?;
        chosen.push((wanted.number, part));
    }
    let all_but_last = chosen.iter().rev().skip(1);
    if let Some((number, _)) = all_but_last
        .rev()
        .find(|(_, part)| part.size < MIN_PART_BYTES)
    {
        return Err(StoreError::PartTooSmall(*number));
    }
    Ok(chosen)
}

fn put_together(
    upload: Upload,
    chosen: &[(u32, &Part)],
    request: &CompleteRequest,
) -> Result<Draft, StoreError> {
    let size = chosen.iter().map(|(_, part)| part.size).sum();
    if let Some(expected) = request.expected_size
        && expected != size
    {
        return Err(StoreError::WrongSize {
            expected,
            got: size,
        });
    }
    let parts: Vec<&Part> = chosen.iter().map(|(_, part)| *part).collect();
    let checksums = checksums(&upload, &parts)?;
    for (algorithm, expected) in &request.expected {
        // Clients may leave out the number of parts of a composite checksum.
        let is_right = checksums.values.get(algorithm).is_some_and(|sum| {
            sum == expected || sum.split_once('-').is_some_and(|(sum, _)| sum == expected)
        });
        if !is_right {
            return Err(StoreError::BadDigest);
        }
    }
    let etags: Vec<&str> = parts.iter().map(|part| part.etag.as_str()).collect();
    Ok(Draft {
        size,
        etag: digest::multipart_etag(&etags).ok_or(StoreError::Corrupt("a part's ETag"))?,
        checksums,
        attributes: upload.attributes,
        parts: u32::try_from(chosen.len()).ok(),
        segments: parts
            .iter()
            .filter_map(|part| {
                Some(Segment {
                    blob: part.blob.clone()?,
                    length: part.size,
                })
            })
            .collect(),
    })
}

/// The checksum of the whole, where every part has one of the upload's algorithm.
fn checksums(upload: &Upload, parts: &[&Part]) -> Result<Checksums, StoreError> {
    // An upload begun without an algorithm gets the checksum that all its parts happen to have.
    let Some(algorithm) = upload.algorithm.or_else(|| {
        let mut candidates = parts.first()?.checksums.keys();
        candidates
            .find(|algorithm| {
                let mut parts = parts.iter();
                parts.all(|part| part.checksums.contains_key(algorithm))
            })
            .copied()
    }) else {
        return Ok(Checksums::default());
    };
    let kind = upload.kind.unwrap_or(match algorithm {
        Algorithm::Crc64Nvme => ChecksumKind::FullObject,
        Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Sha1 | Algorithm::Sha256 => {
            ChecksumKind::Composite
        }
    });
    let sums: Option<Vec<(&str, u64)>> = parts
        .iter()
        .map(|part| Some((part.checksums.get(&algorithm)?.as_str(), part.size)))
        .collect();
    let sums = sums.ok_or(StoreError::Corrupt("a part's checksum"))?;
    let whole = match kind {
        ChecksumKind::Composite => digest::composite(algorithm, &sums),
        ChecksumKind::FullObject => digest::combined(algorithm, &sums),
    };
    let whole = whole.ok_or(StoreError::Corrupt("a part's checksum"))?;
    Ok(Checksums {
        values: BTreeMap::from([(algorithm, whole)]),
        kind: Some(kind),
    })
}
