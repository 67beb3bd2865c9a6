//! Checksums as S3 writes them.

use data_encoding::{BASE64, HEXLOWER};

use super::ObjectError;

/// S3 writes checksums in base64; we write them in hexadecimal everywhere else.
pub(in super::super) fn base64_of_hex(hex: &str) -> Result<String, ObjectError> {
    HEXLOWER
        .decode(hex.as_bytes())
        .map(|bytes| BASE64.encode(&bytes))
        .map_err(|e| ObjectError::bad_request("checksum", &e))
}

pub(in super::super) fn hex_of_base64(text: &str) -> Option<String> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    Some(HEXLOWER.encode(&bytes))
}
