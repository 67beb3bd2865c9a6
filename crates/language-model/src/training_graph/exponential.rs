//! An exponential that compilers turn into vector instructions.

/// `eˣ` within 2e-7 relative; x below -87 counts as -87 and above 88 as 88.
///
/// Splits x into `n ln 2 + r` with |r| ≤ ln 2 / 2 (Cody and Waite 1980) and takes the Taylor polynomial of degree
/// seven for r, whose rest is below 6e-9.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number in the low bits: 1.5 · 2²³.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let mut sum = 1.0 / 5040.0;
    for coefficient in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        sum = sum * r + coefficient;
    }
    // The low bits of `shifted` hold n; moved into the exponent they multiply by 2ⁿ.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    sum * power
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn it_follows_the_exact_exponential() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let relative = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(relative < 2e-7, "exp({x}) is off by {relative}");
        }
        assert!(exp(-1e30) < 1e-37);
    }
}
