//! Receipts: what a model was made from, signed, to be checked without us.
//!
//! The statement is in-toto (Statement v1) with SLSA provenance (v1) as its predicate; the envelope is DSSE
//! (<https://github.com/secure-systems-lab/dsse>); the signature is Ed25519 (RFC 8032).

use std::{fs, io::Read as _, path::Path};

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

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

/// A DSSE envelope.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    pub payload_type: String,
    /// The statement, in base64.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// First 16 hexadecimal digits of the SHA-256 of the public key.
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

/// Signs receipts with the portal's key.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
}

/// Why a receipt does not hold, or was not made.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    #[error("the signing key is not 64 hexadecimal digits")]
    Key,
    #[error("the envelope cannot be read: {0}")]
    Envelope(String),
    #[error("no signature is by a key that was given")]
    UnknownSigner,
    #[error("the signature does not hold: the statement or the signature was changed")]
    Signature,
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

impl Signer {
    /// From the configured key.
    ///
    /// # Errors
    /// Where it is not 64 hexadecimal digits.
    pub fn new(key: &SecretString) -> Result<Self, ReceiptError> {
        let bytes = HEXLOWER
            .decode(key.expose_secret().to_ascii_lowercase().as_bytes())
            .map_err(|_| ReceiptError::Key)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| ReceiptError::Key)?;
        Ok(Self {
            key: SigningKey::from_bytes(&bytes),
        })
    }

    /// The public key, as published: id and key in hexadecimal.
    #[must_use]
    pub fn public_key(&self) -> (String, String) {
        let key = self.key.verifying_key();
        (key_id(&key), HEXLOWER.encode(key.as_bytes()))
    }

    /// Puts a statement in a signed envelope; answers it with the SHA-256 of the statement's bytes.
    ///
    /// # Errors
    /// Where the statement cannot be written as JSON.
    pub fn sign(&self, statement: &Statement) -> Result<(Envelope, String), serde_json::Error> {
        let body = serde_json::to_vec(statement)?;
        let signature = self.key.sign(&pre_authentication(PAYLOAD_TYPE, &body));
        let envelope = Envelope {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: BASE64.encode(&body),
            signatures: vec![EnvelopeSignature {
                keyid: key_id(&self.key.verifying_key()),
                sig: BASE64.encode(&signature.to_bytes()),
            }],
        };
        Ok((envelope, HEXLOWER.encode(&Sha256::digest(&body))))
    }
}

fn key_id(key: &VerifyingKey) -> String {
    HEXLOWER
        .encode(&Sha256::digest(key.as_bytes()))
        .chars()
        .take(16)
        .collect()
}

/// DSSE's pre-authentication encoding: what is really signed.
fn pre_authentication(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        body.len()
    )
    .into_bytes();
    text.extend_from_slice(body);
    text
}

/// Checks an envelope against public keys (32 bytes in hexadecimal); answers what it states.
///
/// # Errors
/// [`ReceiptError`] naming what does not hold.
pub fn verify_envelope(envelope: &str, keys: &[String]) -> Result<Statement, ReceiptError> {
    let unreadable = |problem: String| ReceiptError::Envelope(problem);
    let envelope: Envelope =
        serde_json::from_str(envelope).map_err(|e| unreadable(e.to_string()))?;
    let body = BASE64
        .decode(envelope.payload.as_bytes())
        .map_err(|e| unreadable(e.to_string()))?;
    let signed = pre_authentication(&envelope.payload_type, &body);
    let keys: Vec<VerifyingKey> = keys
        .iter()
        .filter_map(|key| HEXLOWER.decode(key.as_bytes()).ok())
        .filter_map(|key| <[u8; 32]>::try_from(key).ok())
        .filter_map(|key| VerifyingKey::from_bytes(&key).ok())
        .collect();
    let (signature, key) = envelope
        .signatures
        .iter()
        .find_map(|s| {
            keys.iter()
                .find(|key| key_id(key) == s.keyid)
                .map(|key| (s, key))
        })
        .ok_or(ReceiptError::UnknownSigner)?;
    let bytes = BASE64
        .decode(signature.sig.as_bytes())
        .map_err(|e| unreadable(e.to_string()))?;
    let signature = Signature::from_slice(&bytes).map_err(|_| ReceiptError::Signature)?;
    key.verify_strict(&signed, &signature)
        .map_err(|_| ReceiptError::Signature)?;
    serde_json::from_slice(&body).map_err(|e| unreadable(e.to_string()))
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
            return Err(ReceiptError::Envelope(
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
    use super::*;

    fn signer() -> Signer {
        Signer::new(&SecretString::from("07".repeat(32))).unwrap()
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
            predicate: serde_json::json!({ "x": 1 }),
        }
    }

    #[test]
    fn a_receipt_holds_with_the_published_key_only() {
        let (envelope, _) = signer().sign(&statement()).unwrap();
        let text = serde_json::to_string(&envelope).unwrap();
        let (_, key) = signer().public_key();
        assert!(verify_envelope(&text, &[key]).is_ok());
        assert!(matches!(
            verify_envelope(&text, &["11".repeat(32)]),
            Err(ReceiptError::UnknownSigner)
        ));
    }

    #[test]
    fn any_changed_byte_of_the_statement_is_found() {
        let (envelope, _) = signer().sign(&statement()).unwrap();
        let (_, key) = signer().public_key();
        let body = BASE64.decode(envelope.payload.as_bytes()).unwrap();
        for at in 0..body.len() {
            let mut changed = body.clone();
            changed[at] ^= 1;
            let forged = Envelope {
                payload: BASE64.encode(&changed),
                ..envelope.clone()
            };
            let text = serde_json::to_string(&forged).unwrap();
            assert!(matches!(
                verify_envelope(&text, std::slice::from_ref(&key)),
                Err(ReceiptError::Signature)
            ));
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
