//! GGUF, the one-file model format of the ggml family: metadata, tokenizer and tensors.
//!
//! Versions 2 and 3, little-endian, as described in ggml's `docs/gguf.md`. A file may come from anywhere, so each
//! count, length and offset is checked before it is used.

mod metadata;
mod reader;

use std::collections::HashMap;

pub use self::metadata::{Metadata, Value};
use self::reader::Reader;
use crate::quantised::Format;

const MAGIC: [u8; 4] = *b"GGUF";
const MOST_TENSORS: u64 = 100_000;
const DEFAULT_ALIGNMENT: u64 = 32;

/// Why a file is no usable GGUF.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GgufError {
    #[error("this is not a GGUF file")]
    NotGguf,
    #[error("GGUF version {0} is not known, only 2 and 3")]
    Version(u32),
    #[error("the file ends too early, at byte {at}")]
    CutOff {
        /// Offset where more was expected.
        at: u64,
    },
    #[error("{what} is {value}, which is too large to be true")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    #[error("the text at byte {at} is not UTF-8")]
    NotText {
        /// Offset of the string.
        at: u64,
    },
    #[error("the key or tensor {0:?} is there twice")]
    Twice(String),
    #[error("the value kind {0} is not known")]
    UnknownKind(u32),
    #[error("tensor {name:?} has the number format {format}, which this engine cannot read")]
    UnknownFormat {
        /// Which tensor.
        name: String,
        /// ggml's number for it.
        format: u32,
    },
    #[error("tensor {0:?} has a shape or place that does not fit the file")]
    BadTensor(String),
}

/// Where a tensor lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GgufTensor {
    /// How its numbers are stored.
    pub format: Format,
    /// Number of rows; 1 for a vector.
    pub rows: usize,
    /// Numbers in a row.
    pub columns: usize,
    /// Offset from the start of the file.
    pub start: usize,
    /// Bytes.
    pub length: usize,
}

/// The directory of a GGUF file.
#[derive(Debug, Clone)]
pub struct Gguf {
    /// Keys and values.
    pub metadata: Metadata,
    /// Tensors by their name in the file, for example `blk.0.attn_q.weight`.
    pub tensors: HashMap<String, GgufTensor>,
}

impl Gguf {
    /// Reads the directory of a whole file and checks that each tensor lies inside it.
    ///
    /// # Errors
    /// [`GgufError`], naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, GgufError> {
        let mut reader = Reader::new(bytes);
        if reader.array() != Ok(MAGIC) {
            return Err(GgufError::NotGguf);
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version(version));
        }
        let tensor_count = reader.u64()?;
        let key_count = reader.u64()?;
        if tensor_count > MOST_TENSORS {
            return Err(GgufError::TooLarge {
                what: "the number of tensors",
                value: tensor_count,
            });
        }
        let metadata = Metadata::read(&mut reader, key_count)?;
        let mut entries = Vec::new();
        for _ in 0..tensor_count {
            entries.push(Entry::read(&mut reader)?);
        }
        let alignment = metadata
            .unsigned("general.alignment")
            .unwrap_or(DEFAULT_ALIGNMENT);
        if !alignment.is_power_of_two() || alignment > 1 << 20 {
            return Err(GgufError::TooLarge {
                what: "the alignment",
                value: alignment,
            });
        }
        let data_start = (reader.position() as u64).next_multiple_of(alignment);
        let mut tensors = HashMap::new();
        for entry in entries {
            let tensor = entry
                .locate(data_start, bytes.len())
                .ok_or_else(|| GgufError::BadTensor(entry.name.clone()))?;
            if tensors.insert(entry.name.clone(), tensor).is_some() {
                return Err(GgufError::Twice(entry.name));
            }
        }
        Ok(Self { metadata, tensors })
    }
}

/// A line of the tensor directory, as it stands in the file.
struct Entry {
    name: String,
    /// Fastest-running first: columns, rows.
    dimensions: [u64; 2],
    format: Format,
    /// From the start of the data part.
    offset: u64,
}

impl Entry {
    fn read(reader: &mut Reader<'_>) -> Result<Self, GgufError> {
        let name = reader.string()?;
        let count = reader.u32()?;
        if !(1..=4).contains(&count) {
            return Err(GgufError::BadTensor(name));
        }
        let mut dimensions = [1; 2];
        for axis in 0..count as usize {
            let length = reader.u64()?;
            match dimensions.get_mut(axis) {
                Some(place) => *place = length,
                // Llama-family weights are vectors and matrices.
                None if length == 1 => {}
                None => return Err(GgufError::BadTensor(name)),
            }
        }
        let number = reader.u32()?;
        let offset = reader.u64()?;
        let format = match number {
            0 => Format::F32,
            1 => Format::F16,
            2 => Format::Q4_0,
            3 => Format::Q4_1,
            6 => Format::Q5_0,
            8 => Format::Q8_0,
            30 => Format::Bf16,
            format => return Err(GgufError::UnknownFormat { name, format }),
        };
        Ok(Self {
            name,
            dimensions,
            format,
            offset,
        })
    }

    fn locate(&self, data_start: u64, file_length: usize) -> Option<GgufTensor> {
        let [columns, rows] = self.dimensions;
        let (columns, rows) = (usize::try_from(columns).ok()?, usize::try_from(rows).ok()?);
        let length = self.format.row_bytes(columns)?.checked_mul(rows)?;
        let start = usize::try_from(data_start.checked_add(self.offset)?).ok()?;
        if length == 0 || start.checked_add(length)? > file_length {
            return None;
        }
        Some(GgufTensor {
            format: self.format,
            rows,
            columns,
            start,
            length,
        })
    }
}
