//! The secret itself: `gptnl_<8 characters>_<49 characters>`, made, read and recognised.
//!
//! The last six characters are a checksum (CRC-32 of all before them, in base 62), so that a scanner that looks for lost secrets knows a
//! key from a text that looks like one without asking us.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "gptnl";
const PUBLIC_ID_CHARACTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const PUBLIC_ID_LENGTH: usize = 8;
const SECRET_CHARACTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is a little more than 2^256.
const RANDOM_LENGTH: usize = 43;
/// 62^6 is more than 2^32.
const CHECKSUM_LENGTH: usize = 6;

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
    /// A fresh secret of 256 bits with this readable part.
    #[must_use]
    pub fn generate(public_id: &str) -> Self {
        let random = random_characters(SECRET_CHARACTERS, RANDOM_LENGTH);
        let unchecked = format!("{PREFIX}_{public_id}_{random}");
        let checksum = checksum(&unchecked);
        Self {
            whole: format!("{unchecked}{checksum}").into(),
            public_id: public_id.to_owned(),
        }
    }

    /// Reads what a program sent; none where it does not have the form of a key, or its checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (public_id, secret) = text
            .strip_prefix(PREFIX)?
            .strip_prefix('_')?
            .split_once('_')?;
        let is_of = |text: &str, characters: &[u8], length: usize| {
            text.len() == length && text.bytes().all(|byte| characters.contains(&byte))
        };
        let has_form = is_of(public_id, PUBLIC_ID_CHARACTERS, PUBLIC_ID_LENGTH)
            && is_of(secret, SECRET_CHARACTERS, RANDOM_LENGTH + CHECKSUM_LENGTH);
        let (unchecked, given) = text.split_at_checked(text.len().checked_sub(CHECKSUM_LENGTH)?)?;
        (has_form && checksum(unchecked) == given).then(|| Self {
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
    random_characters(PUBLIC_ID_CHARACTERS, PUBLIC_ID_LENGTH)
}

fn random_characters(characters: &[u8], length: usize) -> String {
    let mut random = rand::rng();
    (0..length)
        .filter_map(|_| characters.get(random.random_range(0..characters.len())))
        .map(|&byte| char::from(byte))
        .collect()
}

/// CRC-32 (ISO 3309, as in zip and PNG) in base 62, with leading zeros.
fn checksum(text: &str) -> String {
    let mut left = u64::from(crc32fast::hash(text.as_bytes()));
    let mut digits = [0; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = left % 62;
        left /= 62;
    }
    digits
        .iter()
        .filter_map(|&digit| SECRET_CHARACTERS.get(usize::try_from(digit).ok()?))
        .map(|&byte| char::from(byte))
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
        assert_eq!(whole.len(), 6 + 8 + 1 + 43 + 6);
        // Any one character changed is noticed without a look at the database.
        for at in 15..whole.len() {
            let other = if &whole[at..=at] == "x" { "y" } else { "x" };
            let changed = format!("{}{other}{}", &whole[..at], &whole[at + 1..]);
            assert!(Secret::parse(&changed).is_none(), "{changed}");
        }
        for wrong in [
            "",
            "é",
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
    fn checksums_are_those_of_the_standard() {
        // The check value of CRC-32, 0xCBF43926, in base 62.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum("").as_str(), "000000");
    }

    #[test]
    fn debug_does_not_show_it() {
        let secret = Secret::generate("abcd1234");
        assert_eq!(format!("{secret:?}"), "gptnl_abcd1234_…");
    }
}
