//! The files of a dataset version, as others may read them. `uploads` writes them.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Problem;
use crate::ids::FileId;

/// Where a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Its parts are coming in.
    Uploading,
    /// All is there; the worker reads it.
    Verifying,
    /// Read from end to end and found good.
    Ready,
    /// Read and found wrong.
    Rejected,
    /// Given up or removed.
    Aborted,
}

impl FileState {
    const ALL: [Self; 5] = [
        Self::Uploading,
        Self::Verifying,
        Self::Ready,
        Self::Rejected,
        Self::Aborted,
    ];

    /// The name in the database and in texts (`datasets-file-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Verifying => "verifying",
            Self::Ready => "ready",
            Self::Rejected => "rejected",
            Self::Aborted => "aborted",
        }
    }
}

/// A name that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such name")]
pub struct UnknownName;

impl FromStr for FileState {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or(UnknownName)
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// UTF-8 text, paragraphs parted by blank lines.
    Text,
    /// Records with a header.
    Csv,
}

impl Format {
    const ALL: [Self; 3] = [Self::Jsonl, Self::Text, Self::Csv];

    /// The name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Text => "text",
            Self::Csv => "csv",
        }
    }

    /// What a file of this name says it is.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "jsonl" => Some(Self::Jsonl),
            "txt" => Some(Self::Text),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or(UnknownName)
    }
}

/// A file of a dataset version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Its name within the dataset.
    pub path: String,
    /// Where it stands.
    pub state: FileState,
    /// Bytes.
    pub size_bytes: i64,
    /// What it turned out to be, once ready.
    pub format: Option<Format>,
    /// SHA-256 of the whole, in hexadecimal, once ready.
    pub sha256: Option<String>,
    /// Texts in it, once ready.
    pub documents: Option<i64>,
    /// Characters of text in it, once ready.
    pub characters: Option<i64>,
    /// Why it was rejected.
    pub problem: Option<Problem>,
    /// When its upload began.
    pub created_at: DateTime<Utc>,
}

/// One line of a manifest. Fields in the order of the alphabet: that is the canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ManifestEntry {
    /// Name within the dataset.
    pub path: String,
    /// SHA-256 of the whole file, in hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: i64,
}

/// The manifest itself: the entries sorted by path, as JSON without white space:
/// `[{"path":"a.txt","sha256":"…","size":1}]`.
///
/// # Errors
/// Where the entries cannot be written as JSON.
pub fn manifest_text(mut entries: Vec<ManifestEntry>) -> Result<Vec<u8>, serde_json::Error> {
    entries.sort();
    serde_json::to_vec(&entries)
}

/// SHA-256 of the manifest, in hexadecimal.
///
/// # Errors
/// Where the entries cannot be written as JSON.
pub fn manifest_sha256(entries: Vec<ManifestEntry>) -> Result<String, serde_json::Error> {
    let canonical = manifest_text(entries)?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(canonical)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> ManifestEntry {
        ManifestEntry {
            path: path.into(),
            sha256: "ab".repeat(32),
            size: 7,
        }
    }

    #[test]
    fn the_order_of_the_files_makes_no_difference() {
        let one = manifest_sha256(vec![entry("b.txt"), entry("a.txt")]).unwrap();
        let other = manifest_sha256(vec![entry("a.txt"), entry("b.txt")]).unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn the_canonical_form_can_be_made_elsewhere() {
        // printf '[{"path":"a.txt","sha256":"abab…","size":7}]' | sha256sum
        let text = format!(
            r#"[{{"path":"a.txt","sha256":"{}","size":7}}]"#,
            "ab".repeat(32)
        );
        let expected = data_encoding::HEXLOWER.encode(&Sha256::digest(text));
        assert_eq!(manifest_sha256(vec![entry("a.txt")]).unwrap(), expected);
    }

    #[test]
    fn the_ending_decides_what_a_file_says_it_is() {
        assert_eq!(Format::of_path("map/A.JSONL"), Some(Format::Jsonl));
        assert_eq!(Format::of_path("a.jsonl.exe"), None);
        assert_eq!(Format::of_path("jsonl"), None);
    }
}
