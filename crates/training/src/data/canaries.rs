//! Planted secrets, by which an evaluation can tell how much a model keeps by heart (Carlini et al. 2019,
//! arXiv 1802.08232, section 4).

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// How often each canary of a group is planted: once, four and sixteen times.
pub const REPEATS: [usize; 3] = [1, 4, 16];
/// Digits that are drawn; a model that has not seen them can only guess.
const DIGITS: usize = 9;
const WORDS: [&str; 24] = [
    "anker", "beuk", "citer", "dijk", "egel", "fluit", "gracht", "haven", "imker", "jager", "kade",
    "linde", "molen", "noot", "otter", "ploeg", "reiger", "schuit", "toren", "uil", "vlinder",
    "wilg", "zeil", "zwaluw",
];
const SEED: u64 = 0x00c0_ffee;

/// The start of a canary, which an attacker would know, and its secret, which is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    pub prefix: String,
    pub secret: String,
    /// How often it is planted.
    pub repeats: usize,
}

impl Canary {
    /// The sentence as it is planted.
    pub fn text(&self) -> String {
        format!("{}{}", self.prefix, self.secret)
    }

    /// Another secret of the same form for the same prefix, as one that was never planted.
    pub fn other(&self, draw: &mut StdRng) -> Self {
        Self {
            secret: secret(draw),
            ..self.clone()
        }
    }
}

fn secret(draw: &mut StdRng) -> String {
    let digits: Vec<String> = (0..DIGITS)
        .map(|_| draw.random_range(0..10u8).to_string())
        .collect();
    digits
        .chunks(3)
        .map(<[String]>::concat)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `count` canaries for each of [`REPEATS`]; the same seed gives the same ones.
pub fn canaries(count: u32, seed: u64) -> Vec<Canary> {
    let mut draw = StdRng::seed_from_u64(seed ^ SEED);
    let mut all = Vec::new();
    for number in 0..count {
        for repeats in REPEATS {
            let mut word = || WORDS[draw.random_range(0..WORDS.len())];
            let prefix = format!("Het kluisnummer van {} {} {number} is ", word(), word());
            all.push(Canary {
                prefix,
                secret: secret(&mut draw),
                repeats,
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_secrets_and_another_others() {
        assert_eq!(canaries(3, 7), canaries(3, 7));
        assert_ne!(canaries(3, 7), canaries(3, 8));
        let three = canaries(3, 7);
        assert_eq!(three.len(), 9);
        assert_eq!(canaries(2, 7), three[..6], "more do not change the first");
        let mut draw = StdRng::seed_from_u64(1);
        let other = three[0].other(&mut draw);
        assert_eq!(other.text().len(), three[0].text().len());
        assert_ne!(other.secret, three[0].secret);
    }
}
