//! Proof of receipt: what was sent, and our signed word that it came in.

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    case::Case,
    request::{Capacity, Kind},
};
use crate::web::Lang;

/// What is signed, as a media type.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The name of what is hashed, in the receipt.
const SUBJECT: &str = "request.json";
const PREDICATE_TYPE: &str = "https://virtual-faculty.example/complaint-receipt/v1";

/// What was sent. Fields in the order of the alphabet: that is the canonical form, without white space.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Sent<'a> {
    pub(super) capacity: Capacity,
    pub(super) email: &'a str,
    pub(super) evidence: Option<SentFile<'a>>,
    pub(super) kind: Kind,
    pub(super) language: Lang,
    pub(super) name: &'a str,
    pub(super) request: &'a str,
    /// Random: nobody finds the rest by trying, who has only the hash.
    pub(super) salt: String,
    pub(super) terms: &'a [String],
    pub(super) works: &'a str,
}

/// A file that was sent along.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SentFile<'a> {
    pub(super) name: &'a str,
    pub(super) sha256: &'a str,
    pub(super) size_bytes: i64,
}

impl<'a> Sent<'a> {
    /// As it was sent, from what is kept; none once the personal details were deleted.
    pub(super) fn of(case: &'a Case) -> Option<Self> {
        let details = case.details.as_ref()?;
        Some(Self {
            capacity: case.capacity,
            email: &details.email,
            evidence: details.evidence.as_ref().map(|file| SentFile {
                name: &file.name,
                sha256: &file.sha256,
                size_bytes: file.size_bytes,
            }),
            kind: case.kind,
            language: case.language,
            name: &details.name,
            request: &details.request,
            salt: HEXLOWER.encode(&details.salt),
            terms: &details.terms,
            works: &details.works,
        })
    }

    /// SHA-256 of the canonical form, in hexadecimal.
    pub(super) fn sha256(&self) -> Result<String, serde_json::Error> {
        Ok(HEXLOWER.encode(&Sha256::digest(serde_json::to_vec(self)?)))
    }
}

/// What the receipt states: an in-toto statement (<https://in-toto.io/Statement/v1>) as JSON.
pub(super) fn statement(
    request_sha256: &str,
    number: &str,
    received_at: chrono::DateTime<chrono::Utc>,
    due_at: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": SUBJECT, "digest": { "sha256": request_sha256 } }],
        "predicateType": PREDICATE_TYPE,
        "predicate": { "number": number, "received_at": received_at, "due_at": due_at },
    }))
}

/// The document that a person keeps: what they sent, word for word, and the signed receipt.
pub(super) fn document(case: &Case) -> Result<Value, serde_json::Error> {
    let receipt: Value = serde_json::from_str(&case.receipt)?;
    Ok(json!({
        "about": "The request as it was received, and a receipt signed by the portal (DSSE envelope, in-toto \
                  statement). The statement's subject is the SHA-256 of the request as JSON without white space, \
                  fields in the order of the alphabet. The keys are at /.well-known/faculty-keys.json.",
        "request": Sent::of(case).map(serde_json::to_value).transpose()?,
        "receipt": receipt,
    }))
}
