//! Receipts: what a model was made from, signed, to be checked without us.
//!
//! The statement is in-toto (Statement v1) with SLSA provenance (v1) as its predicate; the envelope is DSSE
//! (<https://github.com/secure-systems-lab/dsse>); the signature is Ed25519 (RFC 8032).

use std::{fs, io::Read as _, path::Path};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::signing::{self, Envelope, PublishedKeys, VerifyError};

pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An in-toto statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// The files of the model.
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// SLSA provenance.
    pub predicate: serde_json::Value,
}

/// A file with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub name: String,
    pub digest: Digest,
}

/// Hashes by name of the algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Why a receipt does not hold, or was not made.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error(transparent)]
    Signature(#[from] VerifyError),
    #[error("the statement cannot be read: {0}")]
    Statement(String),
    #[error(
        "the file {name} is not the one in the receipt: its SHA-256 is {found}, the receipt says {expected}"
    )]
    File {
        name: String,
        found: String,
        expected: String,
    },
    #[error("the file {name} cannot be read: {cause}")]
    Unreadable { name: String, cause: std::io::Error },
}

/// Checks an envelope against the published keys; answers what it states.
///
/// # Errors
/// [`ReceiptError`] naming what does not hold.
pub fn verify_envelope(envelope: &str, keys: &PublishedKeys) -> Result<Statement, ReceiptError> {
    let envelope = Envelope::parse(envelope)?;
    let unreadable = |problem: String| ReceiptError::Statement(problem);
    let claimed: Statement = serde_json::from_slice(&envelope.payload_bytes()?)
        .map_err(|e| unreadable(e.to_string()))?;
    let signed_at = claimed
        .predicate
        .pointer("/runDetails/metadata/finishedOn")
        .and_then(|at| serde_json::from_value(at.clone()).ok())
        .ok_or_else(|| unreadable("it does not say when it was signed".into()))?;
    signing::verify(&envelope, keys, signed_at)?;
    Ok(claimed)
}

/// Checks that the files in `folder` are those that the statement is about.
///
/// # Errors
/// The first file that is missing or another one.
pub fn verify_files(statement: &Statement, folder: &Path) -> Result<(), ReceiptError> {
    for subject in &statement.subject {
        let unreadable = |cause| ReceiptError::Unreadable {
            name: subject.name.clone(),
            cause,
        };
        let is_plain = !subject.name.contains(['/', '\\']) && subject.name != "..";
        if !is_plain {
            return Err(ReceiptError::Statement(
                "a file name leaves the folder".into(),
            ));
        }
        let mut file = fs::File::open(folder.join(&subject.name)).map_err(unreadable)?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer).map_err(unreadable)? {
                0 => break,
                n => hash.update(buffer.get(..n).unwrap_or_default()),
            }
        }
        let found = HEXLOWER.encode(&hash.finalize());
        if found != subject.digest.sha256 {
            return Err(ReceiptError::File {
                name: subject.name.clone(),
                found,
                expected: subject.digest.sha256.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;
    use crate::signing::Signer;

    fn signer() -> Signer {
        Signer::from_hex(&"07".repeat(32)).unwrap()
    }

    fn keys() -> PublishedKeys {
        PublishedKeys::trusting(&signer().public_key())
    }

    fn statement() -> Statement {
        Statement {
            statement_type: "https://in-toto.io/Statement/v1".into(),
            subject: vec![Subject {
                name: "a.bin".into(),
                digest: Digest {
                    sha256: HEXLOWER.encode(&Sha256::digest(b"weights")),
                },
            }],
            predicate_type: "https://slsa.dev/provenance/v1".into(),
            predicate: serde_json::json!({
                "runDetails": { "metadata": { "finishedOn": "2026-11-25T00:00:00Z" } },
            }),
        }
    }

    fn envelope() -> Envelope {
        let body = serde_json::to_vec(&statement()).unwrap();
        signer().envelope(PAYLOAD_TYPE, &body)
    }

    #[test]
    fn a_receipt_holds_with_the_published_key_only() {
        let text = envelope().to_text().unwrap();
        assert!(verify_envelope(&text, &keys()).is_ok());
        let other = Signer::from_hex(&"08".repeat(32)).unwrap();
        assert!(matches!(
            verify_envelope(&text, &PublishedKeys::trusting(&other.public_key())),
            Err(ReceiptError::Signature(VerifyError::UnknownKey { .. }))
        ));
    }

    #[test]
    fn any_changed_byte_of_the_receipt_is_found() {
        let text = envelope().to_text().unwrap();
        for at in 0..text.len() {
            for flip in [0x01, 0x20, 0x02] {
                let mut changed = text.clone().into_bytes();
                changed[at] ^= flip;
                let Ok(changed) = String::from_utf8(changed) else {
                    continue;
                };
                assert!(
                    verify_envelope(&changed, &keys()).is_err(),
                    "byte {at}: {changed}"
                );
            }
        }
    }

    #[test]
    fn any_changed_byte_of_the_statement_is_found() {
        let body = BASE64.decode(envelope().payload.as_bytes()).unwrap();
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let forged = Envelope {
                payload: BASE64.encode(&changed),
                ..envelope()
            };
            assert!(verify_envelope(&forged.to_text().unwrap(), &keys()).is_err());
        }
    }

    #[test]
    fn a_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.bin"), b"weights").unwrap();
        assert!(verify_files(&statement(), folder.path()).is_ok());
        fs::write(folder.path().join("a.bin"), b"weighty").unwrap();
        let error = verify_files(&statement(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("a.bin"), "{error}");
    }
}
