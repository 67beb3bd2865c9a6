//! The token of an attempt: made from the portal's secret whenever it is needed, and kept nowhere.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::ids::AttemptId;

/// `vfa_<attempt>_<HMAC-SHA256(secret, "attempt:" + attempt) in hexadecimal>`.
pub(super) fn token(secret: &SecretString, attempt: AttemptId) -> SecretString {
    let mac = HEXLOWER.encode(&mac(secret, attempt).finalize().into_bytes());
    SecretString::from(format!("vfa_{attempt}_{mac}"))
}

/// Whether `given` is the token of `attempt`; takes the same time for every wrong one.
pub(super) fn is_token(secret: &SecretString, attempt: AttemptId, given: &str) -> bool {
    given
        .strip_prefix("vfa_")
        .and_then(|rest| rest.strip_prefix(&attempt.to_string()))
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok())
        .is_some_and(|bytes| mac(secret, attempt).verify_slice(&bytes).is_ok())
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes keys of every length (RFC 2104)"
)]
fn mac(secret: &SecretString, attempt: AttemptId) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of every length")
        .chain_update(format!("attempt:{attempt}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_attempt_and_one_secret() {
        let secret = SecretString::from("a".repeat(32));
        let (attempt, other) = (AttemptId::fresh(), AttemptId::fresh());
        let good = token(&secret, attempt);
        let good = good.expose_secret();
        assert!(is_token(&secret, attempt, good));
        assert!(!is_token(&secret, other, good));
        assert!(!is_token(
            &SecretString::from("b".repeat(32)),
            attempt,
            good
        ));
        for bad in [
            "",
            "vfa_",
            &good[1..],
            &good[..good.len() - 2],
            &good.to_uppercase(),
        ] {
            assert!(!is_token(&secret, attempt, bad), "{bad}");
        }
    }
}
