//! The token in a mail to somebody without an account: made from the portal's secret, and kept nowhere.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::ids::NoticeId;

/// HMAC-SHA256(secret, "notice:" + id) in hexadecimal.
pub(super) fn token(secret: &SecretString, notice: NoticeId) -> String {
    HEXLOWER.encode(&mac(secret, notice).finalize().into_bytes())
}

/// Whether `given` is the token of `notice`; takes the same time for every wrong one.
pub(super) fn is_token(secret: &SecretString, notice: NoticeId, given: &str) -> bool {
    HEXLOWER
        .decode(given.as_bytes())
        .is_ok_and(|bytes| mac(secret, notice).verify_slice(&bytes).is_ok())
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes keys of every length (RFC 2104)"
)]
fn mac(secret: &SecretString, notice: NoticeId) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of every length")
        .chain_update(format!("notice:{notice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_notice_and_one_secret() {
        let secret = SecretString::from("a".repeat(32));
        let notice = NoticeId::fresh();
        let good = token(&secret, notice);
        assert!(is_token(&secret, notice, &good));
        assert!(!is_token(&secret, NoticeId::fresh(), &good));
        assert!(!is_token(
            &SecretString::from("b".repeat(32)),
            notice,
            &good
        ));
        for bad in ["", &good[1..], &good[..10], &good.to_uppercase()] {
            assert!(!is_token(&secret, notice, bad), "{bad}");
        }
    }
}
