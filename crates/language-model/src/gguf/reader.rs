//! A cursor over bytes that nobody vouches for.

use super::GgufError;

/// Longest string that is taken: a chat template, a licence text.
const MOST_STRING_BYTES: u64 = 16 << 20;

/// Reads little-endian values and never past the end.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], GgufError> {
        let cut = GgufError::CutOff {
            at: self.position as u64,
        };
        let end = self.position.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.position..end));
        let taken = taken.ok_or(cut)?;
        self.position += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let at = self.position as u64;
        self.take(N)?
            .try_into()
            .map_err(|_| GgufError::CutOff { at })
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn string(&mut self) -> Result<String, GgufError> {
        let at = self.position as u64;
        let length = self.u64()?;
        if length > MOST_STRING_BYTES {
            return Err(GgufError::TooLarge {
                what: "a string",
                value: length,
            });
        }
        let bytes = self.take(length as usize)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| GgufError::NotText { at })
    }
}
