//! The public keys with the time in which each held, as everybody may fetch them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::key::PublicKey;

/// A public key as it stands in `/.well-known/faculty-keys.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedKey {
    pub keyid: String,
    /// `ed25519`.
    pub algorithm: String,
    /// 64 hexadecimal digits.
    pub public_key: String,
    /// Signatures made before this moment do not hold.
    pub valid_from: DateTime<Utc>,
    /// Nor those made at this moment or later; none while the key is in use.
    pub valid_until: Option<DateTime<Utc>>,
    /// Nor those made at this moment or later, because the key was lost or told.
    pub revoked_at: Option<DateTime<Utc>>,
    pub revoked_reason: Option<String>,
}

/// All public keys, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedKeys {
    pub keys: Vec<PublishedKey>,
}

/// Why a signature does not hold, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("{place} cannot be read: {problem}")]
    Unreadable { place: String, problem: String },
    #[error("the envelope is not as it was written: it differs at byte {at}")]
    OtherForm { at: usize },
    #[error("there is no signature")]
    NotSigned,
    #[error("the key {keyid} is not among the published keys")]
    UnknownKey { keyid: String },
    #[error("the published key {keyid} is not what its name says: {problem}")]
    BadKey {
        keyid: String,
        problem: &'static str,
    },
    #[error(
        "the signature by {keyid} does not hold: what was signed, or the signature, was changed"
    )]
    Forged { keyid: String },
    #[error("the key {keyid} did not hold yet at {signed_at}: it is valid from {valid_from}")]
    TooEarly {
        keyid: String,
        signed_at: DateTime<Utc>,
        valid_from: DateTime<Utc>,
    },
    #[error("the key {keyid} was put away at {valid_until}, before {signed_at}")]
    PutAway {
        keyid: String,
        signed_at: DateTime<Utc>,
        valid_until: DateTime<Utc>,
    },
    #[error(
        "the key {keyid} is revoked from {revoked_at} on ({reason}), and this is of {signed_at}"
    )]
    Revoked {
        keyid: String,
        signed_at: DateTime<Utc>,
        revoked_at: DateTime<Utc>,
        reason: String,
    },
}

impl PublishedKey {
    /// A key that was valid all along: for who was told one key and trusts it.
    #[must_use]
    pub fn trusted(key: &PublicKey) -> Self {
        Self {
            keyid: key.keyid(),
            algorithm: "ed25519".into(),
            public_key: key.hex(),
            valid_from: DateTime::<Utc>::MIN_UTC,
            valid_until: None,
            revoked_at: None,
            revoked_reason: None,
        }
    }

    /// Whether it holds now and is the one to sign with.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.valid_until.is_none() && self.revoked_at.is_none()
    }

    fn held_at(&self, signed_at: DateTime<Utc>) -> Result<(), VerifyError> {
        let keyid = self.keyid.clone();
        if let Some(revoked_at) = self.revoked_at.filter(|at| signed_at >= *at) {
            return Err(VerifyError::Revoked {
                keyid,
                signed_at,
                revoked_at,
                reason: self.revoked_reason.clone().unwrap_or_default(),
            });
        }
        if signed_at < self.valid_from {
            return Err(VerifyError::TooEarly {
                keyid,
                signed_at,
                valid_from: self.valid_from,
            });
        }
        match self.valid_until.filter(|at| signed_at >= *at) {
            Some(valid_until) => Err(VerifyError::PutAway {
                keyid,
                signed_at,
                valid_until,
            }),
            None => Ok(()),
        }
    }
}

impl PublishedKeys {
    /// Reads a file as fetched from `/.well-known/faculty-keys.json`.
    ///
    /// # Errors
    /// [`VerifyError::Unreadable`] with line and column.
    pub fn parse(text: &str) -> Result<Self, VerifyError> {
        serde_json::from_str(text).map_err(|e| VerifyError::Unreadable {
            place: "the list of published keys".into(),
            problem: e.to_string(),
        })
    }

    /// Only this key, valid all along.
    #[must_use]
    pub fn trusting(key: &PublicKey) -> Self {
        Self {
            keys: vec![PublishedKey::trusted(key)],
        }
    }

    /// Checks a raw signature (64 bytes) over `bytes`, made at `signed_at` with the key of that name.
    ///
    /// # Errors
    /// [`VerifyError`] naming the key and why it does not hold.
    pub fn check(
        &self,
        keyid: &str,
        bytes: &[u8],
        signature: &[u8],
        signed_at: DateTime<Utc>,
    ) -> Result<(), VerifyError> {
        let keyid = keyid.to_owned();
        let Some(published) = self.keys.iter().find(|key| key.keyid == keyid) else {
            return Err(VerifyError::UnknownKey { keyid });
        };
        if published.algorithm != "ed25519" {
            let problem = "its algorithm is not ed25519";
            return Err(VerifyError::BadKey { keyid, problem });
        }
        let Ok(key) = PublicKey::from_hex(&published.public_key) else {
            let problem = "it is no Ed25519 key";
            return Err(VerifyError::BadKey { keyid, problem });
        };
        if key.keyid() != keyid {
            let problem = "another key stands under the name";
            return Err(VerifyError::BadKey { keyid, problem });
        }
        if !key.signed(bytes, signature) {
            return Err(VerifyError::Forged { keyid });
        }
        published.held_at(signed_at)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;
    use crate::{Envelope, Signer, verify};

    fn at(hour: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 25, hour, 0, 0).unwrap()
    }

    fn signer() -> Signer {
        Signer::from_hex(&"07".repeat(32)).unwrap()
    }

    fn keys(change: impl FnOnce(&mut PublishedKey)) -> PublishedKeys {
        let mut key = PublishedKey {
            valid_from: at(1),
            ..PublishedKey::trusted(&signer().public_key())
        };
        change(&mut key);
        PublishedKeys { keys: vec![key] }
    }

    fn judged(keys: &PublishedKeys, hour: u32) -> Result<Vec<u8>, VerifyError> {
        verify(&signer().envelope("text/plain", b"x"), keys, at(hour))
    }

    #[test]
    fn a_signature_holds_within_the_time_of_its_key_only() {
        let open = keys(|_| {});
        assert!(matches!(
            judged(&open, 0),
            Err(VerifyError::TooEarly { .. })
        ));
        assert_eq!(judged(&open, 1), Ok(b"x".to_vec()));
        let closed = keys(|key| key.valid_until = Some(at(3)));
        assert!(judged(&closed, 2).is_ok());
        assert!(matches!(
            judged(&closed, 3),
            Err(VerifyError::PutAway { .. })
        ));
        let revoked = keys(|key| key.revoked_at = Some(at(2)));
        assert!(judged(&revoked, 1).is_ok());
        assert!(matches!(
            judged(&revoked, 2),
            Err(VerifyError::Revoked { .. })
        ));
    }

    #[test]
    fn a_key_under_a_name_that_is_not_its_own_is_refused() {
        let other = Signer::from_hex(&"08".repeat(32)).unwrap();
        let swapped = keys(|key| key.public_key = other.public_key().hex());
        assert!(matches!(
            judged(&swapped, 2),
            Err(VerifyError::BadKey { .. })
        ));
        let renamed = keys(|key| key.algorithm = "none".into());
        assert!(matches!(
            judged(&renamed, 2),
            Err(VerifyError::BadKey { .. })
        ));
    }

    #[test]
    fn every_signature_must_hold_and_there_must_be_one() {
        let mut none = signer().envelope("text/plain", b"x");
        none.signatures.clear();
        assert_eq!(
            verify(&none, &keys(|_| {}), at(2)),
            Err(VerifyError::NotSigned)
        );
        let mut two = signer().envelope("text/plain", b"x");
        let foreign = Signer::from_hex(&"08".repeat(32)).unwrap();
        two.signatures
            .extend(foreign.envelope("text/plain", b"x").signatures);
        assert!(matches!(
            verify(&two, &keys(|_| {}), at(2)),
            Err(VerifyError::UnknownKey { .. })
        ));
    }

    #[test]
    fn the_kind_of_the_payload_is_signed_too() {
        let other = Envelope {
            payload_type: "text/html".into(),
            ..signer().envelope("text/plain", b"x")
        };
        assert!(matches!(
            verify(&other, &keys(|_| {}), at(2)),
            Err(VerifyError::Forged { .. })
        ));
    }

    #[test]
    fn an_envelope_in_another_form_is_named_with_the_byte() {
        let text = signer().envelope("text/plain", b"x").to_text().unwrap();
        let spaced = text.replacen(":", ": ", 1);
        assert_eq!(
            Envelope::parse(&spaced),
            Err(VerifyError::OtherForm { at: 15 })
        );
        assert!(Envelope::parse(&text).is_ok());
    }
}
