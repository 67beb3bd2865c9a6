//! How much a masking method finds, from a sample that people looked at.

use serde::Serialize;

/// The 97.5th percentile of the normal distribution: 95 % lies within it on both sides.
const Z: f64 = 1.959_963_984_540_054;

/// A share with the interval that it lies in with 95 % certainty; all from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recall {
    /// Found, of all there were.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Recall with its Wilson score interval (Wilson 1927; without continuity correction); none where nothing was
/// there to be found. Unlike the normal approximation it holds for few cases and for shares near 1.
#[must_use]
pub fn recall(found: u32, missed: u32) -> Option<Recall> {
    let n = f64::from(found) + f64::from(missed);
    if n == 0.0 {
        return None;
    }
    let share = f64::from(found) / n;
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some(Recall {
        share,
        low: (middle - half).max(0.0),
        high: (middle + half).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 5e-4
    }

    /// Values of the statsmodels package, `proportion_confint(…, method="wilson")`.
    #[test]
    fn the_interval_is_wilsons() {
        for (found, missed, low, high) in [
            (95, 5, 0.8882, 0.9785),
            (0, 10, 0.0, 0.2775),
            (10, 0, 0.7225, 1.0),
            (1, 1, 0.0945, 0.9055),
            (481, 19, 0.9414, 0.9756),
        ] {
            let found = recall(found, missed).unwrap();
            assert!(
                close(found.low, low) && close(found.high, high),
                "{found:?}"
            );
        }
        assert_eq!(recall(0, 0), None);
    }

    proptest! {
        #[test]
        fn the_share_lies_in_its_interval(found in 0_u32..100_000, missed in 0_u32..100_000) {
            if let Some(one) = recall(found, missed) {
                prop_assert!(0.0 <= one.low && one.low <= one.share + 1e-12);
                prop_assert!(one.share <= one.high + 1e-12 && one.high <= 1.0);
            }
        }

        #[test]
        fn a_larger_sample_says_it_more_exactly(found in 1_u32..1000, missed in 1_u32..1000) {
            let (small, large) = (recall(found, missed).unwrap(), recall(found * 10, missed * 10).unwrap());
            prop_assert!(large.high - large.low < small.high - small.low);
        }
    }
}
