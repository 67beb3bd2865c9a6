//! Checksums and ETags: of bytes as they come in, and of a whole from its parts.

use std::collections::{BTreeMap, BTreeSet};

use crc_fast::CrcAlgorithm;
use data_encoding::{BASE64, HEXLOWER};
use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256},
    dto,
};

use crate::store::record::Algorithm;

impl Algorithm {
    /// Every algorithm.
    pub(crate) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name in `x-amz-checksum-algorithm`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries a checksum of this algorithm.
    pub(crate) const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of that name, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => Crc32::checksum(bytes).to_vec(),
            Self::Crc32c => Crc32c::checksum(bytes).to_vec(),
            Self::Crc64Nvme => Crc64Nvme::checksum(bytes).to_vec(),
            Self::Sha1 => Sha1::checksum(bytes).to_vec(),
            Self::Sha256 => Sha256::checksum(bytes).to_vec(),
        }
    }
}

/// Takes MD5 and the wanted checksums of a stream, in one pass.
pub(crate) struct Digests {
    md5: Md5,
    wanted: ChecksumHasher,
}

/// What came out.
pub(crate) struct Sums {
    pub(crate) md5: [u8; 16],
    /// In base64.
    pub(crate) checksums: BTreeMap<Algorithm, String>,
}

impl Digests {
    pub(crate) fn new(wanted: &BTreeSet<Algorithm>) -> Self {
        let has = |algorithm| wanted.contains(&algorithm);
        Self {
            md5: Md5::new(),
            wanted: ChecksumHasher {
                crc32: has(Algorithm::Crc32).then(Crc32::new),
                crc32c: has(Algorithm::Crc32c).then(Crc32c::new),
                sha1: has(Algorithm::Sha1).then(Sha1::new),
                sha256: has(Algorithm::Sha256).then(Sha256::new),
                crc64nvme: has(Algorithm::Crc64Nvme).then(Crc64Nvme::new),
            },
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.wanted.update(bytes);
    }

    pub(crate) fn finish(self) -> Sums {
        Sums {
            md5: self.md5.finalize(),
            checksums: from_dto(self.wanted.finalize()),
        }
    }
}

/// The checksums that are there.
pub(crate) fn from_dto(sums: dto::Checksum) -> BTreeMap<Algorithm, String> {
    let all = [
        (Algorithm::Crc32, sums.checksum_crc32),
        (Algorithm::Crc32c, sums.checksum_crc32c),
        (Algorithm::Crc64Nvme, sums.checksum_crc64nvme),
        (Algorithm::Sha1, sums.checksum_sha1),
        (Algorithm::Sha256, sums.checksum_sha256),
    ];
    all.into_iter()
        .filter_map(|(algorithm, sum)| Some((algorithm, sum?)))
        .collect()
}

/// MD5 over the MD5s of the parts, with their number: the ETag that S3 gives a multipart object.
///
/// `None` where an ETag is not hex.
pub(crate) fn multipart_etag(parts: &[&str]) -> Option<String> {
    let mut md5 = Md5::new();
    for etag in parts {
        md5.update(&HEXLOWER.decode(etag.as_bytes()).ok()?);
    }
    Some(format!(
        "{}-{}",
        HEXLOWER.encode(&md5.finalize()),
        parts.len()
    ))
}

/// The checksum over the checksums of the parts, with their number. `None` where one is not base64.
pub(crate) fn composite(algorithm: Algorithm, parts: &[(&str, u64)]) -> Option<String> {
    let mut all = Vec::new();
    for (sum, _) in parts {
        all.extend(BASE64.decode(sum.as_bytes()).ok()?);
    }
    let sum = BASE64.encode(&algorithm.hash(&all));
    Some(format!("{sum}-{}", parts.len()))
}

/// The checksum of the whole, from checksum and length in bytes of each part; only CRCs can do that.
pub(crate) fn combined(algorithm: Algorithm, parts: &[(&str, u64)]) -> Option<String> {
    let crc = algorithm.crc()?;
    let mut whole: Option<(u64, usize)> = None;
    for (sum, length) in parts {
        let bytes = BASE64.decode(sum.as_bytes()).ok()?;
        let width = bytes.len();
        let part = bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let sum = match whole {
            None => part,
            Some((so_far, _)) => crc_fast::checksum_combine(crc, so_far, part, *length),
        };
        whole = Some((sum, width));
    }
    let (sum, width) = whole?;
    Some(BASE64.encode(sum.to_be_bytes().get(8_usize.checked_sub(width)?..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combined_crc_is_the_crc_of_the_whole() {
        let (one, two) = (b"first part, ".as_slice(), b"second part".as_slice());
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let sums = [one, two].map(|part| BASE64.encode(&algorithm.hash(part)));
            let parts = [
                (sums[0].as_str(), one.len() as u64),
                (sums[1].as_str(), two.len() as u64),
            ];
            let whole = BASE64.encode(&algorithm.hash(&[one, two].concat()));
            assert_eq!(combined(algorithm, &parts), Some(whole), "{algorithm:?}");
        }
    }

    #[test]
    fn a_hash_cannot_be_combined() {
        let sum = BASE64.encode(&Algorithm::Sha256.hash(b"part"));
        assert_eq!(combined(Algorithm::Sha256, &[(&sum, 4)]), None);
    }
}
