//! Loops over f32 vectors, compiled once for each set of instructions. All give the same bits: the order of the
//! sums is fixed by the source, and so is where a multiplication and an addition are one.

use std::sync::Arc;

use super::Tier;
use crate::inference::{
    activations::Tile,
    cache::{PAGE_TOKENS, Page},
};

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
                    Tier::Avx512Vnni | Tier::Amx => return unsafe { widest($($arg),*) },
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
    /// The query heads that share a key head, over all keys and values that they see (Vaswani et al. 2017, eq. 1).
    ///
    /// `queries` and `out`: `[heads, head_dim]`. `scores` is room for the numbers in between. Scores and sums run over
    /// the tokens in their order, whatever else is computed beside.
    attend(seen: &Seen<'_>, queries: &[f32], scores: &mut Vec<f32>, out: &mut [f32]), attend_body
}

dispatched! {
    /// Quantises the rows of a tile: see [`super::super::activations::Q8Rows`].
    quantise_rows(tile: &mut Tile<'_>, values: &[f32], inner: usize), quantise_rows_body
}

dispatched! {
    /// `out += x`.
    add(out: &mut [f32], x: &[f32]), add_body
}

/// The keys and values that a query head sees.
pub(in crate::inference) struct Seen<'a> {
    pub(in crate::inference) pages: &'a [Arc<Page>],
    pub(in crate::inference) layer: usize,
    /// The head of keys and values.
    pub(in crate::inference) head: usize,
    pub(in crate::inference) head_dim: usize,
    /// Tokens from the first on, at least one.
    pub(in crate::inference) tokens: usize,
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
fn attend_body(seen: &Seen<'_>, queries: &[f32], scores: &mut Vec<f32>, out: &mut [f32]) {
    let width = seen.head_dim;
    // Keys and values are loaded once for up to four heads.
    for (queries, out) in queries.chunks(4 * width).zip(out.chunks_mut(4 * width)) {
        match queries.len() / width {
            4 => attend_heads::<4>(seen, queries, scores, out),
            3 => attend_heads::<3>(seen, queries, scores, out),
            2 => attend_heads::<2>(seen, queries, scores, out),
            _ => attend_heads::<1>(seen, queries, scores, out),
        }
    }
}

#[inline(always)]
fn attend_heads<const HEADS: usize>(
    seen: &Seen<'_>,
    queries: &[f32],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let (width, tokens) = (seen.head_dim, seen.tokens);
    let scale = 1.0 / (width as f32).sqrt();
    // `[head][token]`, whole pages.
    let room = tokens.next_multiple_of(PAGE_TOKENS);
    scores.resize(HEADS * room, 0.0);
    #[cfg(target_arch = "x86_64")]
    let is_wide = Tier::best() >= Tier::Avx512Vnni;
    #[cfg(not(target_arch = "x86_64"))]
    let is_wide = false;
    #[cfg(target_arch = "x86_64")]
    if is_wide {
        // SAFETY: the tier is supported.
        unsafe { super::wide_attention::score::<HEADS>(seen, queries, scale, scores) };
    }
    if !is_wide {
        score::<HEADS>(seen, queries, scale, scores);
    }
    let mut inverses = [0.0f32; HEADS];
    for (inverse, scores) in inverses.iter_mut().zip(scores.chunks_exact_mut(room)) {
        *inverse = 1.0 / softmax(&mut scores[..tokens]);
    }
    let mut place = 0;
    #[cfg(target_arch = "x86_64")]
    while is_wide && place + 64 <= width {
        // SAFETY: the tier is supported.
        unsafe { super::wide_attention::weigh::<HEADS>(seen, scores, place, &inverses, out) };
        place += 64;
    }
    while place + 64 <= width {
        weigh::<HEADS, 64>(seen, scores, place, &inverses, out);
        place += 64;
    }
    while place + 16 <= width {
        weigh::<HEADS, 16>(seen, scores, place, &inverses, out);
        place += 16;
    }
    while place < width {
        weigh::<HEADS, 1>(seen, scores, place, &inverses, out);
        place += 1;
    }
}

/// The scores of whole pages, `[head][token]`.
#[inline(always)]
fn score<const HEADS: usize>(seen: &Seen<'_>, queries: &[f32], scale: f32, scores: &mut [f32]) {
    let (width, room) = (seen.head_dim, scores.len() / HEADS);
    for (number, page) in seen.pages[..room / PAGE_TOKENS].iter().enumerate() {
        let (keys, _) = page.head(seen.layer, seen.head);
        let mut sums = [[0.0f32; PAGE_TOKENS]; HEADS];
        for (place, keys) in keys.as_chunks::<PAGE_TOKENS>().0.iter().enumerate() {
            for (head, sums) in sums.iter_mut().enumerate() {
                let query = queries[head * width + place];
                for (sum, key) in sums.iter_mut().zip(keys) {
                    *sum = query.mul_add(*key, *sum);
                }
            }
        }
        for (head, sums) in sums.iter().enumerate() {
            let start = head * room + number * PAGE_TOKENS;
            for (score, sum) in scores[start..start + PAGE_TOKENS].iter_mut().zip(sums) {
                *score = sum * scale;
            }
        }
    }
}

/// `e^(score - highest)` in place of the scores, and their sum.
#[inline(always)]
fn softmax(scores: &mut [f32]) -> f32 {
    let mut highest = [f32::NEG_INFINITY; 16];
    for scores in scores.chunks(16) {
        for (highest, score) in highest.iter_mut().zip(scores) {
            *highest = if *score > *highest { *score } else { *highest };
        }
    }
    let largest = highest.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    for score in scores.iter_mut() {
        *score = exponential(*score - largest);
    }
    let mut sums = [0.0f32; 16];
    for scores in scores.chunks(16) {
        for (sum, score) in sums.iter_mut().zip(scores) {
            *sum += score;
        }
    }
    sums.iter().sum()
}

/// The values from `place` on, weighed by the scores.
#[inline(always)]
fn weigh<const HEADS: usize, const WIDTH: usize>(
    seen: &Seen<'_>,
    scores: &[f32],
    place: usize,
    inverses: &[f32; HEADS],
    out: &mut [f32],
) {
    let room = seen.tokens.next_multiple_of(PAGE_TOKENS);
    let mut sums = [[0.0f32; WIDTH]; HEADS];
    for (number, page) in seen.pages[..room / PAGE_TOKENS].iter().enumerate() {
        let (_, values) = page.head(seen.layer, seen.head);
        let first = number * PAGE_TOKENS;
        let count = PAGE_TOKENS.min(seen.tokens - first);
        for (token, values) in values.chunks_exact(seen.head_dim).take(count).enumerate() {
            let Some(values) = values[place..].first_chunk::<WIDTH>() else {
                return;
            };
            for (head, sums) in sums.iter_mut().enumerate() {
                let score = scores[head * room + first + token];
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = score.mul_add(*value, *sum);
                }
            }
        }
    }
    for (head, (sums, inverse)) in sums.iter().zip(inverses).enumerate() {
        let start = head * seen.head_dim + place;
        for (out, sum) in out[start..start + WIDTH].iter_mut().zip(sums) {
            *out = sum * inverse;
        }
    }
}

#[inline(always)]
fn quantise_rows_body(tile: &mut Tile<'_>, values: &[f32], inner: usize) {
    tile.fill_plainly(values, inner);
}

#[inline(always)]
fn add_body(out: &mut [f32], x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += x;
    }
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
    use crate::inference::cache::{KvCache, PagePool, PageShape};

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

    /// Three heads of queries over `keys` and `values` of one head, `[token][2]`.
    fn attended(keys: &[[f32; 2]], values: &[[f32; 2]], queries: &[f32]) -> Vec<f32> {
        let pool = Arc::new(PagePool::new(PageShape {
            layers: 2,
            kv_heads: 2,
            head_dim: 2,
        }));
        let mut cache = KvCache::new(&pool, 64);
        cache.reserve(keys.len());
        for (token, (key, value)) in keys.iter().zip(values).enumerate() {
            let other = [9.0, 9.0];
            cache.set(1, token, &[other, *key].concat(), &[other, *value].concat());
        }
        let seen = Seen {
            pages: cache.pages(),
            layer: 1,
            head: 1,
            head_dim: 2,
            tokens: keys.len(),
        };
        let mut out = vec![0.0; queries.len()];
        attend(&seen, queries, &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn attention_over_one_key_gives_its_value() {
        let out = attended(&[[1.0, 2.0]], &[[3.0, 4.0]], &[0.5, -0.5]);
        assert_eq!(out, [3.0, 4.0]);
    }

    #[test]
    fn attention_weighs_values_by_the_softmax_of_the_scores() {
        let query = [2.0f32.sqrt() * 3.0f32.ln(), 0.0];
        // The first key scores ln 3, the other forty score 0 on average of no account: they are far below.
        let mut keys = vec![[-60.0, 0.0]; 41];
        keys[0] = [1.0, 0.0];
        keys[40] = [0.0, 1.0];
        let mut values = vec![[7.0, 7.0]; 41];
        values[0] = [1.0, 0.0];
        values[40] = [0.0, 1.0];
        for heads in 1..=6 {
            let out = attended(&keys, &values, &query.repeat(heads));
            // Scores ln 3 and 0, so weights 3/4 and 1/4.
            for out in out.chunks(2) {
                assert!(
                    (out[0] - 0.75).abs() < 1e-6 && (out[1] - 0.25).abs() < 1e-6,
                    "{out:?}"
                );
            }
        }
    }

    #[test]
    fn sums_of_any_length_are_whole() {
        for length in [0, 1, 31, 32, 33, 100] {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let b = vec![2.0; length];
            assert_eq!(dot_body(&a, &b), (0..length).sum::<usize>() as f32 * 2.0);
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
