//! Random tokens, and comparing them without telling how far they agree.

use data_encoding::BASE64URL_NOPAD;
use rand::RngExt;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new token: 256 random bits, base64url, 43 signs.
pub(crate) fn new_token() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    BASE64URL_NOPAD.encode(&bytes)
}

/// What is kept of a token.
pub(crate) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether two texts agree, in a time that depends on their lengths only.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    digest(one).ct_eq(&digest(other)).into()
}

/// The PKCE S256 challenge of a verifier (RFC 7636, 4.2).
pub(crate) fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn texts_that_differ_anywhere_are_not_the_same() {
        assert!(is_same("secret", "secret"));
        for other in ["", "secre", "secret ", "Secret"] {
            assert!(!is_same("secret", other), "{other:?}");
        }
    }
}
