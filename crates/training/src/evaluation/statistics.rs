//! Intervals that hold the true value in 95 of 100 cases.

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_964;

/// Wilson's interval for a share (Wilson 1927), good for few items and for shares near 0 and 1.
pub(super) fn share(hits: u64, items: u64) -> Option<(f64, f64)> {
    if items == 0 {
        return None;
    }
    let n = items as f64;
    let p = hits as f64 / n;
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let whole = 1.0 + z2 / n;
    let low = ((centre - spread) / whole).max(0.0);
    Some((low, ((centre + spread) / whole).min(1.0)))
}

/// The ratio of two sums and its interval, by the spread of the items around it (the ratio estimator of survey
/// sampling, Cochran 1977, section 6.4); none below two items.
pub(super) fn ratio(items: &[(f64, f64)]) -> Option<(f64, (f64, f64))> {
    let n = items.len() as f64;
    let total: f64 = items.iter().map(|(_, weight)| weight).sum();
    if items.len() < 2 || total <= 0.0 {
        return None;
    }
    let ratio = items.iter().map(|(sum, _)| sum).sum::<f64>() / total;
    let squares: f64 = items
        .iter()
        .map(|(sum, weight)| (sum - ratio * weight).powi(2))
        .sum();
    let spread = Z * (squares * n / (n - 1.0)).sqrt() / total;
    Some((ratio, (ratio - spread, ratio + spread)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_books() {
        // Wilson's interval for 8 of 10, as in Brown, Cai and DasGupta 2001.
        let (low, high) = share(8, 10).unwrap();
        assert!(
            (low - 0.490).abs() < 1e-3 && (high - 0.943).abs() < 1e-3,
            "{low} {high}"
        );
        assert_eq!(share(0, 0), None);
        assert!(share(10, 10).unwrap().1 <= 1.0);
        // Equal weights: the ordinary interval of a mean.
        let items = [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0)];
        let (mean, (low, high)) = ratio(&items).unwrap();
        assert!((mean - 2.0).abs() < 1e-12);
        let half = Z * 1.0 / 3.0f64.sqrt();
        assert!((high - 2.0 - half).abs() < 1e-12 && (2.0 - low - half).abs() < 1e-12);
        assert_eq!(ratio(&items[..1]), None);
    }
}
