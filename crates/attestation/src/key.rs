//! The pair of keys: signing with the secret half, checking with the public one (Ed25519, RFC 8032).

use std::fmt;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::envelope::{Envelope, EnvelopeSignature, pre_authentication};

/// A key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is 64 hexadecimal digits")]
pub struct BadKey;

/// The half that everybody may know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`BadKey`] where it is not that, or no point of the curve.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| BadKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| BadKey)?;
        VerifyingKey::from_bytes(&bytes)
            .map(Self)
            .map_err(|_| BadKey)
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// As published: 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.as_bytes())
    }

    /// Its name in signatures: the first 16 hexadecimal digits of the SHA-256 of the key.
    #[must_use]
    pub fn keyid(&self) -> String {
        let digest = HEXLOWER.encode(&Sha256::digest(self.as_bytes()));
        digest.chars().take(16).collect()
    }

    /// Whether `signature` (64 bytes) is this key's over `bytes`. Strict: weak keys and second forms of a
    /// signature count as forged.
    #[must_use]
    pub fn signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(bytes, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.hex())
    }
}

/// Signs on behalf of the portal, with the configured key.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
}

impl Signer {
    /// From the 32 bytes of the secret key as 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`BadKey`] where it is not 64 hexadecimal digits.
    pub fn from_hex(key: &str) -> Result<Self, BadKey> {
        let bytes = HEXLOWER_PERMISSIVE
            .decode(key.as_bytes())
            .map_err(|_| BadKey)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| BadKey)?;
        Ok(Self {
            key: SigningKey::from_bytes(&bytes),
        })
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// The name of the key, to be kept beside what it signs.
    #[must_use]
    pub fn keyid(&self) -> String {
        self.public_key().keyid()
    }

    /// The signature over exactly these bytes.
    #[must_use]
    pub fn sign_raw(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }

    /// Puts `payload` in a signed DSSE envelope.
    #[must_use]
    pub fn envelope(&self, payload_type: &str, payload: &[u8]) -> Envelope {
        let signature = self.sign_raw(&pre_authentication(payload_type, payload));
        Envelope {
            payload_type: payload_type.to_owned(),
            payload: BASE64.encode(payload),
            signatures: vec![EnvelopeSignature {
                keyid: self.keyid(),
                sig: BASE64.encode(&signature),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_rfc_8032_test_1_signs_as_it_says() {
        let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let signer = Signer::from_hex(secret).unwrap();
        assert_eq!(
            signer.public_key().hex(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert_eq!(
            HEXLOWER.encode(&signer.sign_raw(b"")),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
    }

    #[test]
    fn a_secret_key_that_is_none_is_refused() {
        for text in ["", "5a", &"5a".repeat(33), &"zz".repeat(32)] {
            assert!(Signer::from_hex(text).is_err(), "{text}");
        }
    }
}
