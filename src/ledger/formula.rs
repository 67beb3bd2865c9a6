//! The published formula that divides what a model served over the data it learned from. Pure.
//!
//! It has versions: a month is closed by the newest, and made again by the one that it was closed by.
//!
//! Version 1. A model serves `S` tokens (prompt and answer). Its lineage read `r(v)` tokens of dataset version `v`:
//! in the job that made it and in those that made the models it stands on. Version `v` is credited with
//! `S · r(v) / Σ r`, in whole tokens by the method of the largest remainder (Hamilton): everybody gets the whole
//! part, and what is left over goes, token by token, to the largest remainders, ties to the smaller id. So the parts
//! add up to `S` exactly. What falls to a version whose permission had been withdrawn at that moment is withheld:
//! it is shown, and credited to nobody. A model that read no dataset is its own.

use std::collections::BTreeMap;

/// A version of the formula; statements name the one that they were made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// Number 1, by the largest remainder.
    First,
}

impl Formula {
    /// The one in force.
    pub const NEWEST: Self = Self::First;

    /// By its number; none for one that this program does not know.
    #[must_use]
    pub fn numbered(number: i32) -> Option<Self> {
        [Self::First]
            .into_iter()
            .find(|formula| formula.number() == number)
    }

    /// As in the database, in statements and on the page.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::First => 1,
        }
    }

    /// Divides `total` in proportion to `weights`; the parts add up to `total`.
    ///
    /// Empty where no weight is above zero. `total` and weights are counts of tokens, 0 to 2^63 − 1.
    #[must_use]
    pub fn divide<K: Ord + Copy>(self, total: u64, weights: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
        match self {
            Self::First => by_largest_remainder(total, weights),
        }
    }
}

/// Hamilton's method of apportionment.
fn by_largest_remainder<K: Ord + Copy>(total: u64, weights: &BTreeMap<K, u64>) -> BTreeMap<K, u64> {
    let sum: u128 = weights.values().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return BTreeMap::new();
    }
    let mut parts = BTreeMap::new();
    let mut remainders = Vec::new();
    let mut given = 0;
    for (key, weight) in weights.iter().filter(|(_, weight)| **weight > 0) {
        let product = u128::from(total) * u128::from(*weight);
        // Not above `total`, since no weight is above the sum of all.
        let whole = u64::try_from(product / sum).unwrap_or(total);
        given += whole;
        parts.insert(*key, whole);
        remainders.push((product % sum, *key));
    }
    // Largest remainder first; the sort is stable and keys came in order, so ties go to the smaller id.
    remainders.sort_by(|(a, _), (b, _)| b.cmp(a));
    let left = usize::try_from(total - given).unwrap_or(usize::MAX);
    for (_, key) in remainders.into_iter().take(left) {
        if let Some(part) = parts.get_mut(&key) {
            *part += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(pairs: &[(u8, u64)]) -> BTreeMap<u8, u64> {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_example_of_the_published_text() {
        let parts = by_largest_remainder(100, &weights(&[(1, 1), (2, 1), (3, 1)]));
        assert_eq!(parts, weights(&[(1, 34), (2, 33), (3, 33)]));
        assert_eq!(
            by_largest_remainder(7, &weights(&[(1, 0), (2, 5)])),
            weights(&[(2, 7)])
        );
        assert!(by_largest_remainder(7, &weights(&[(1, 0)])).is_empty());
    }

    proptest! {
        #[test]
        fn parts_add_up_and_differ_from_the_exact_share_by_less_than_one(
            total in 0..u64::from(u32::MAX), given in prop::collection::btree_map(0..200_u8, 0..1_000_000_000_u64, 1..40),
        ) {
            let parts = by_largest_remainder(total, &given);
            let sum: u64 = given.values().sum();
            prop_assume!(sum > 0);
            prop_assert_eq!(parts.values().sum::<u64>(), total);
            for (key, part) in &parts {
                let exact = u128::from(total) * u128::from(given[key]);
                prop_assert!(exact.abs_diff(u128::from(*part) * u128::from(sum)) < u128::from(sum));
            }
        }

        #[test]
        fn the_largest_counts_do_not_overflow(total in any::<u64>(), a in 1..u64::MAX, b in 1..u64::MAX) {
            let total = total >> 1;
            prop_assert_eq!(by_largest_remainder(total, &weights(&[(1, a), (2, b)])).values().sum::<u64>(), total);
        }
    }
}
