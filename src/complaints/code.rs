//! The code with which somebody follows their case: shown once, kept as a hash.

use sha2::{Digest as _, Sha256};

/// Crockford's base 32: no letter that reads as a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 20;

/// A follow-up code, 100 random bits. Its `Debug` shows nothing of it.
pub struct FollowCode(String);

impl std::fmt::Debug for FollowCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FollowCode(…)")
    }
}

impl FollowCode {
    /// A fresh one.
    pub(super) fn fresh() -> Self {
        let bits: [u8; LENGTH] = rand::random();
        Self(
            bits.iter()
                .filter_map(|bits| ALPHABET.get(usize::from(bits & 31)))
                .map(|letter| char::from(*letter))
                .collect(),
        )
    }

    /// As somebody typed it: in any case, with or without dashes, O for 0 and I or L for 1. None where it cannot be
    /// one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .take(LENGTH + 1)
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            })
            .collect();
        let is_code = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then_some(Self(code))
    }

    /// As it is shown: four groups of five.
    #[must_use]
    pub fn shown(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = letters
            .chunks(5)
            .map(|group| group.iter().collect())
            .collect();
        groups.join("-")
    }

    /// What is kept of it. The code has too many bits to be found from it.
    #[must_use]
    pub(super) fn sha256(&self) -> Vec<u8> {
        Sha256::digest(self.0.as_bytes()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_as_people_type_it() {
        let code = FollowCode::fresh();
        let shown = code.shown();
        assert_eq!(shown.len(), 23);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            shown.replace('0', "o").replace('1', "l"),
        ] {
            assert_eq!(
                FollowCode::parse(&typed).unwrap().sha256(),
                code.sha256(),
                "{typed}"
            );
        }
        for typed in [
            "",
            "ABCDE",
            &format!("{shown}0"),
            &shown.replace(&shown[..1], "U"),
        ] {
            assert!(FollowCode::parse(typed).is_none(), "{typed}");
        }
        assert_eq!(format!("{code:?}"), "FollowCode(…)");
    }
}
