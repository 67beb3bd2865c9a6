//! Loops over f32 vectors, compiled once for each set of instructions. All give the same bits: the order of the
//! sums is fixed by the source, and multiply and add stay apart.

use super::Tier;

/// Sums that run side by side in a dot product.
const LANES: usize = 32;

macro_rules! dispatched {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) $(-> $result:ty)?, $body:ident) => {
        $(#[$doc])*
        pub(in crate::inference) fn $name($($arg: $kind),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
                fn widest($($arg: $kind),*) $(-> $result)? { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $kind),*) $(-> $result)? { $body($($arg),*) }
                match Tier::best() {
                    // SAFETY: `best` gives only tiers whose instructions this processor has.
                    Tier::Avx512Vnni => return unsafe { widest($($arg),*) },
                    // SAFETY: as above.
                    Tier::Avx2 => return unsafe { wide($($arg),*) },
                    Tier::Scalar => {}
                }
            }
            $body($($arg),*)
        }
    };
}

dispatched! {
    /// `a · b`, over the length of the shorter one.
    dot(a: &[f32], b: &[f32]) -> f32, dot_body
}

dispatched! {
    /// `out += factor * x`.
    add_scaled(out: &mut [f32], factor: f32, x: &[f32]), add_scaled_body
}

dispatched! {
    /// RMSNorm of one row (Zhang and Sennrich 2019): `out = x / sqrt(mean(x²) + epsilon) * weight`.
    rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]), rms_norm_body
}

dispatched! {
    /// SwiGLU (Shazeer 2020): `out = silu(gate) * up`.
    silu_multiply(gate: &[f32], up: &[f32], out: &mut [f32]), silu_multiply_body
}

dispatched! {
    /// Turns the pairs `(i, i + width/2)` of one head by the angles of a position (Su et al. 2021).
    rotate(head: &mut [f32], cosines: &[f32], sines: &[f32]), rotate_body
}

dispatched! {
    /// One query head over all keys and values that it sees (Vaswani et al. 2017, eq. 1).
    ///
    /// `keys`, `values`: rows of `stride`, of which this head has `query.len()` from `offset` on. `scores` is room
    /// for one number a key.
    attend(view: &Seen<'_>, query: &[f32], scores: &mut Vec<f32>, out: &mut [f32]), attend_body
}

dispatched! {
    /// Quantises whole rows of blocks: see [`super::super::q8::Q8Rows`].
    quantise_rows(rows: &mut super::super::q8::Q8Rows, values: &[f32], inner: usize), quantise_rows_body
}

/// The keys and values that a query head sees.
pub(in crate::inference) struct Seen<'a> {
    pub(in crate::inference) keys: &'a [f32],
    pub(in crate::inference) values: &'a [f32],
    pub(in crate::inference) stride: usize,
    pub(in crate::inference) offset: usize,
}

#[inline(always)]
fn dot_body(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let length = a.len().min(b.len());
    let (a, b) = (&a[..length], &b[..length]);
    let (a_parts, b_parts) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_parts.remainder(), b_parts.remainder());
    for (a, b) in a_parts.zip(b_parts) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums[0] + rest
}

#[inline(always)]
fn add_scaled_body(out: &mut [f32], factor: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += factor * x;
    }
}

#[inline(always)]
fn rms_norm_body(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let mean = dot_body(x, x) / x.len() as f32;
    let factor = 1.0 / (mean + epsilon).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * factor * weight;
    }
}

#[inline(always)]
fn silu_multiply_body(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exponential(-gate)) * up;
    }
}

#[inline(always)]
fn rotate_body(head: &mut [f32], cosines: &[f32], sines: &[f32]) {
    let (low, high) = head.split_at_mut(head.len() / 2);
    for (((low, high), cosine), sine) in low.iter_mut().zip(high).zip(cosines).zip(sines) {
        let (x, y) = (*low, *high);
        *low = x * cosine - y * sine;
        *high = x * sine + y * cosine;
    }
}

#[inline(always)]
fn attend_body(view: &Seen<'_>, query: &[f32], scores: &mut Vec<f32>, out: &mut [f32]) {
    let scale = 1.0 / (query.len() as f32).sqrt();
    let part = view.offset..view.offset + query.len();
    scores.clear();
    let keys = view.keys.chunks_exact(view.stride);
    scores.extend(keys.map(|key| dot_body(query, &key[part.clone()]) * scale));
    let largest = scores
        .iter()
        .fold(f32::NEG_INFINITY, |largest, &score| largest.max(score));
    for score in scores.iter_mut() {
        *score = exponential(*score - largest);
    }
    let total: f32 = scores.iter().sum();
    out.fill(0.0);
    for (score, value) in scores.iter().zip(view.values.chunks_exact(view.stride)) {
        add_scaled_body(out, *score, &value[part.clone()]);
    }
    let inverse = 1.0 / total;
    for out in out {
        *out *= inverse;
    }
}

#[inline(always)]
fn quantise_rows_body(rows: &mut super::super::q8::Q8Rows, values: &[f32], inner: usize) {
    rows.fill(values, inner);
}

/// `e^x` within 2 units in the last place, for `x` in [-87, 88]; outside of that, the value at the border.
///
/// Cody and Waite's reduction to |r| <= ln(2)/2, then a polynomial of degree 6.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln(2) in two parts; the first one has few bits, so that its product with n is exact.
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut p = 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    // The low bits of `shifted` are n; adding them to the exponent multiplies by 2^n.
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_near_the_true_one() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exponential(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "e^{x} is off by {error}");
        }
        assert!(exponential(-1000.0) < 1e-37);
    }

    #[test]
    fn attention_over_one_key_gives_its_value() {
        let view = Seen {
            keys: &[9.0, 1.0, 2.0, 9.0],
            values: &[7.0, 3.0, 4.0, 7.0],
            stride: 4,
            offset: 1,
        };
        let mut out = [0.0; 2];
        attend(&view, &[0.5, -0.5], &mut Vec::new(), &mut out);
        assert_eq!(out, [3.0, 4.0]);
    }

    #[test]
    fn attention_weighs_values_by_the_softmax_of_the_scores() {
        let keys = [1.0, 0.0, 0.0, 1.0];
        let view = Seen {
            keys: &keys,
            values: &[1.0, 0.0, 0.0, 1.0],
            stride: 2,
            offset: 0,
        };
        let mut out = [0.0; 2];
        attend(
            &view,
            &[2.0f32.sqrt() * 3.0f32.ln(), 0.0],
            &mut Vec::new(),
            &mut out,
        );
        // Scores ln 3 and 0, so weights 3/4 and 1/4.
        assert!(
            (out[0] - 0.75).abs() < 1e-6 && (out[1] - 0.25).abs() < 1e-6,
            "{out:?}"
        );
    }

    #[test]
    fn sums_of_any_length_are_whole() {
        for length in [0, 1, 31, 32, 33, 100] {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let b = vec![2.0; length];
            assert_eq!(dot(&a, &b), (0..length).sum::<usize>() as f32 * 2.0);
        }
    }

    #[test]
    fn norms_and_gates_follow_their_formulas() {
        let mut out = [0.0; 2];
        rms_norm(&[3.0, 4.0], &[1.0, 2.0], 0.0, &mut out);
        let root = 12.5f32.sqrt();
        assert!((out[0] - 3.0 / root).abs() < 1e-6 && (out[1] - 8.0 / root).abs() < 1e-6);
        silu_multiply(&[0.0, 1.0], &[5.0, 2.0], &mut out);
        assert!(out[0] == 0.0 && (out[1] - 2.0 / (1.0 + (-1.0f32).exp())).abs() < 1e-6);
        let mut head = [1.0, 0.0];
        rotate(&mut head, &[0.0], &[1.0]);
        assert_eq!(head, [0.0, 1.0]);
    }
}
