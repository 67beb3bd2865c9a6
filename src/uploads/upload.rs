//! One file on its way: its name, its parts, where it stands.

use sha2::{Digest as _, Sha256};

use crate::{
    datasets::{FileState, Format, Problem},
    ids::{DatasetId, FileId},
};

/// A file from the moment its upload was opened.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its id.
    pub id: FileId,
    /// Which dataset it belongs to.
    pub dataset: DatasetId,
    /// Its name within the dataset.
    pub path: String,
    /// Bytes, as announced.
    pub size_bytes: i64,
    /// What the sender knows it by, to find it again.
    pub fingerprint: String,
    /// Where it stands.
    pub state: FileState,
    /// Bytes of each part but the last.
    pub part_size_bytes: i64,
    /// SHA-256 over the digests of its parts; once all are there.
    pub tree_sha256: Option<String>,
    /// Texts in it, once ready.
    pub documents: Option<i64>,
    /// Characters of text in it, once ready.
    pub characters: Option<i64>,
    /// Why it was rejected.
    pub problem: Option<Problem>,
    pub(super) object_key: String,
    pub(super) object_version: Option<String>,
    pub(super) s3_upload_id: Option<String>,
}

/// A part with the checksum that its sender gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) size_bytes: i64,
    pub(super) sha256: String,
}

const MIB: i64 = 1024 * 1024;
const SMALLEST_PART: i64 = 16 * MIB;
/// Below S3's limit of 10,000 parts.
const MOST_PARTS: i64 = 9000;

/// How large the parts of a file are: at least 16 MiB, a whole number of MiB, at most 9000 of them.
#[must_use]
pub fn part_size_bytes(size_bytes: i64) -> i64 {
    let even = pieces(size_bytes.max(0), MOST_PARTS).max(SMALLEST_PART);
    pieces(even, MIB) * MIB
}

/// How many pieces of `by` it takes to hold `size`; both are positive.
fn pieces(size: i64, by: i64) -> i64 {
    size / by + i64::from(size % by != 0)
}

impl Upload {
    /// How many parts it has.
    #[must_use]
    pub fn part_count(&self) -> i32 {
        i32::try_from(pieces(self.size_bytes, self.part_size_bytes)).unwrap_or(i32::MAX)
    }

    /// Bytes of a part, counted from 1; none where there is no such part.
    #[must_use]
    pub fn size_of_part(&self, number: i32) -> Option<i64> {
        if !(1..=self.part_count()).contains(&number) {
            return None;
        }
        let before = i64::from(number - 1) * self.part_size_bytes;
        Some((self.size_bytes - before).min(self.part_size_bytes))
    }

    /// What its name says it is.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        Format::of_path(&self.path)
    }
}

/// A name that a file cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing, or nothing between two slashes.
    #[error("a part of the name is empty")]
    Empty,
    /// Over 300 characters.
    #[error("the name is too long")]
    TooLong,
    /// `.`, `..`, a backslash or a character that is not shown.
    #[error("the name holds something that is no name")]
    Forbidden,
}

/// A name within a dataset: parts between single slashes, none of which leads elsewhere.
///
/// # Errors
/// [`InvalidPath`] with the reason.
pub fn parse_path(raw: &str) -> Result<String, InvalidPath> {
    let path = raw.trim();
    if path.chars().count() > 300 {
        return Err(InvalidPath::TooLong);
    }
    for name in path.split('/') {
        if name.is_empty() {
            return Err(InvalidPath::Empty);
        }
        // Marks that turn the direction of writing make a name read as another one.
        let is_hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        if matches!(name, "." | "..") || name.chars().any(|c| c == '\\' || is_hidden(c)) {
            return Err(InvalidPath::Forbidden);
        }
    }
    Ok(path.to_owned())
}

/// SHA-256 over the digests (in hexadecimal) of the parts in order; none where one is no digest.
pub(super) fn tree_sha256<'a>(digests: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut tree = Sha256::new();
    for digest in digests {
        tree.update(data_encoding::HEXLOWER.decode(digest.as_bytes()).ok()?);
    }
    Some(data_encoding::HEXLOWER.encode(&tree.finalize()))
}

/// Whether the text is a SHA-256 in lower-case hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn upload(size_bytes: i64) -> Upload {
        Upload {
            id: FileId::fresh(),
            dataset: DatasetId::fresh(),
            path: "a.txt".into(),
            size_bytes,
            fingerprint: String::new(),
            state: FileState::Uploading,
            part_size_bytes: part_size_bytes(size_bytes),
            tree_sha256: None,
            documents: None,
            characters: None,
            problem: None,
            object_key: String::new(),
            object_version: None,
            s3_upload_id: None,
        }
    }

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_file(size in 1_i64..5_000_000_000_000) {
            let upload = upload(size);
            let count = upload.part_count();
            prop_assert!(i64::from(count) <= MOST_PARTS);
            prop_assert_eq!(upload.part_size_bytes % MIB, 0);
            prop_assert!(upload.part_size_bytes >= SMALLEST_PART);
            let sum: i64 = (1..=count).filter_map(|n| upload.size_of_part(n)).sum();
            prop_assert_eq!(sum, size);
            prop_assert!(upload.size_of_part(count).unwrap() > 0);
            prop_assert_eq!(upload.size_of_part(count + 1), None);
            prop_assert_eq!(upload.size_of_part(0), None);
        }

        #[test]
        fn no_accepted_name_leads_elsewhere(raw in "[a./\\\\\u{0}-\u{1f}\u{202e} ]{0,12}") {
            if let Ok(path) = parse_path(&raw) {
                prop_assert!(!path.starts_with('/') && !path.ends_with('/'));
                prop_assert!(path.split('/').all(|name| name != ".." && name != "." && !name.is_empty()));
                let is_forbidden = |c: char| c.is_control() || matches!(c, '\\' | '\u{202e}');
                prop_assert!(!path.chars().any(is_forbidden));
            }
        }
    }

    #[test]
    fn names_of_people_pass() {
        assert_eq!(
            parse_path("map/Súdwest-Fryslân 2026.jsonl").as_deref(),
            Ok("map/Súdwest-Fryslân 2026.jsonl")
        );
        assert_eq!(
            parse_path("../../etc/passwd.txt"),
            Err(InvalidPath::Forbidden)
        );
        assert_eq!(parse_path("/etc/passwd.txt"), Err(InvalidPath::Empty));
        assert_eq!(parse_path(&"x".repeat(301)), Err(InvalidPath::TooLong));
    }

    #[test]
    fn a_file_of_five_gigabytes_goes_in_parts_of_sixteen_mebibytes() {
        assert_eq!(part_size_bytes(5_368_709_120), 16 * MIB);
        assert_eq!(part_size_bytes(1_000_000_000_000), 106 * MIB);
    }
}
