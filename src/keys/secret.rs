//! The secret itself: `gptnl_<8 characters>_<43 characters>`, made, read and recognised.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "gptnl";
const PUBLIC_ID_CHARACTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const PUBLIC_ID_LENGTH: usize = 8;
const SECRET_BYTES: usize = 32;

/// A whole key, as its holder keeps it. Debug shows the readable part only.
#[derive(Clone)]
pub struct Secret {
    whole: SecretString,
    public_id: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}_{}_…", self.public_id)
    }
}

impl Secret {
    /// A fresh secret of 256 bits for a key with this public id.
    #[must_use]
    pub fn generate(public_id: &str) -> Self {
        let bytes: [u8; SECRET_BYTES] = rand::random();
        let secret = BASE64URL_NOPAD.encode(&bytes);
        Self {
            whole: format!("{PREFIX}_{public_id}_{secret}").into(),
            public_id: public_id.to_owned(),
        }
    }

    /// Reads what a program sent; none where it does not have the form of a key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (public_id, secret) = text
            .strip_prefix(PREFIX)?
            .strip_prefix('_')?
            .split_once('_')?;
        let is_public_id = public_id.len() == PUBLIC_ID_LENGTH
            && public_id
                .bytes()
                .all(|byte| PUBLIC_ID_CHARACTERS.contains(&byte));
        let is_secret = BASE64URL_NOPAD
            .decode(secret.as_bytes())
            .is_ok_and(|bytes| bytes.len() == SECRET_BYTES);
        (is_public_id && is_secret).then(|| Self {
            whole: text.to_owned().into(),
            public_id: public_id.to_owned(),
        })
    }

    /// The readable part.
    #[must_use]
    pub fn public_id(&self) -> &str {
        &self.public_id
    }

    /// The whole key, for the one page that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.whole.expose_secret()
    }

    /// HMAC-SHA256 (RFC 2104) of the whole key under `pepper`; all that is stored of it.
    #[must_use]
    pub fn hmac(&self, pepper: &SecretString) -> Vec<u8> {
        self.mac(pepper)
            .map(|mac| mac.finalize().into_bytes().to_vec())
            .unwrap_or_default()
    }

    /// Whether `stored` is the HMAC of this key, in a time that says nothing about where it differs.
    #[must_use]
    pub fn matches(&self, pepper: &SecretString, stored: &[u8]) -> bool {
        let given = self.hmac(pepper);
        !given.is_empty() && bool::from(given.ct_eq(stored))
    }

    fn mac(&self, pepper: &SecretString) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of any length, so this is never none.
        let mut mac = Hmac::<Sha256>::new_from_slice(pepper.expose_secret().as_bytes()).ok()?;
        mac.update(self.whole.expose_secret().as_bytes());
        Some(mac)
    }
}

/// A fresh public id.
pub(super) fn fresh_public_id() -> String {
    let mut random = rand::rng();
    (0..PUBLIC_ID_LENGTH)
        .filter_map(|_| {
            let at = random.random_range(0..PUBLIC_ID_CHARACTERS.len());
            PUBLIC_ID_CHARACTERS.get(at).map(|&byte| char::from(byte))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_under_its_pepper_only() {
        let (pepper, other) = ("a".repeat(32).into(), "b".repeat(32).into());
        let secret = Secret::generate(&fresh_public_id());
        let again = Secret::parse(secret.reveal()).unwrap();
        let stored = secret.hmac(&pepper);
        assert!(again.matches(&pepper, &stored));
        assert!(!again.matches(&other, &stored));
        assert!(!Secret::generate(secret.public_id()).matches(&pepper, &stored));
    }

    #[test]
    fn only_the_form_of_a_key_is_read() {
        let whole = Secret::generate("abcd1234").reveal().to_owned();
        assert_eq!(whole.len(), 6 + 8 + 1 + 43);
        for wrong in [
            "",
            "gptnl_",
            "gptnl_abcd1234_",
            "gptnl_ABCD1234_x",
            &whole[1..],
            &whole[..whole.len() - 1],
            &format!("{whole}A"),
        ] {
            assert!(Secret::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn debug_does_not_show_it() {
        let secret = Secret::generate("abcd1234");
        assert_eq!(format!("{secret:?}"), "gptnl_abcd1234_…");
    }
}
