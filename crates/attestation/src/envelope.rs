//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse>): bytes of a stated kind with signatures over both.

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::published::{PublishedKeys, VerifyError};

/// A DSSE envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// What the payload is, a media type.
    pub payload_type: String,
    /// The bytes, in base64.
    pub payload: String,
    /// By whom.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvelopeSignature {
    /// The name of the key, see [`super::PublicKey::keyid`].
    pub keyid: String,
    /// In base64.
    pub sig: String,
}

impl Envelope {
    /// The one way in which an envelope is written: JSON without spaces, fields in order.
    ///
    /// # Errors
    /// Where it cannot be written as JSON.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads an envelope that is written as [`Envelope::to_text`] writes it, byte for byte: so there is no byte
    /// in the file that could be changed unseen.
    ///
    /// # Errors
    /// [`VerifyError::Unreadable`] or [`VerifyError::OtherForm`] with the place.
    pub fn parse(text: &str) -> Result<Self, VerifyError> {
        let envelope: Self = serde_json::from_str(text).map_err(|e| VerifyError::Unreadable {
            place: "the envelope".into(),
            problem: e.to_string(),
        })?;
        let own = envelope.to_text().unwrap_or_default();
        if own == text {
            return Ok(envelope);
        }
        let at = own
            .bytes()
            .zip(text.bytes())
            .take_while(|(own, found)| own == found)
            .count();
        Err(VerifyError::OtherForm { at })
    }

    /// The bytes inside, whoever signed them.
    ///
    /// # Errors
    /// Where they are not base64.
    pub fn payload_bytes(&self) -> Result<Vec<u8>, VerifyError> {
        decode("payload", &self.payload)
    }
}

/// DSSE's pre-authentication encoding: what is really signed.
pub(super) fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn decode(place: &str, text: &str) -> Result<Vec<u8>, VerifyError> {
    BASE64
        .decode(text.as_bytes())
        .map_err(|e| VerifyError::Unreadable {
            place: place.to_owned(),
            problem: e.to_string(),
        })
}

/// Checks every signature of an envelope that was made at `signed_at`; answers the payload.
///
/// # Errors
/// [`VerifyError`] naming the signature that does not hold, and why.
pub fn verify(
    envelope: &Envelope,
    keys: &PublishedKeys,
    signed_at: DateTime<Utc>,
) -> Result<Vec<u8>, VerifyError> {
    let payload = envelope.payload_bytes()?;
    let signed = pre_authentication(&envelope.payload_type, &payload);
    if envelope.signatures.is_empty() {
        return Err(VerifyError::NotSigned);
    }
    for (number, signature) in envelope.signatures.iter().enumerate() {
        let bytes = decode(&format!("signatures[{number}].sig"), &signature.sig)?;
        keys.check(&signature.keyid, &signed, &bytes, signed_at)?;
    }
    Ok(payload)
}
