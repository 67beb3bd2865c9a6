//! The two long loops of attention with AVX-512, in registers; they give the bits of the plain ones in `vector`.

use std::arch::x86_64::{
    __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use super::vector::Seen;
use crate::inference::cache::PAGE_TOKENS;

/// Pages whose scores are summed up side by side, so that no sum waits for itself.
const PAGES: usize = 4;

/// The scores of whole pages, `[head][token]`.
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn score<const HEADS: usize>(
    seen: &Seen<'_>,
    queries: &[f32],
    scale: f32,
    scores: &mut [f32],
) {
    let (width, room) = (seen.head_dim, scores.len() / HEADS);
    assert!(queries.len() >= HEADS * width);
    let pages = &seen.pages[..room / PAGE_TOKENS];
    let scale = _mm512_set1_ps(scale);
    for (first, pages) in (0..).step_by(PAGES).zip(pages.chunks(PAGES)) {
        // Of a short group the last page is computed more than once, which does no harm.
        let keys: [*const f32; PAGES] = std::array::from_fn(|number| {
            let page = &pages[number.min(pages.len() - 1)];
            page.head(seen.layer, seen.head).0.as_ptr()
        });
        let mut sums = [[_mm512_setzero_ps(); PAGES]; HEADS];
        for place in 0..width {
            // SAFETY: keys are `[width][PAGE_TOKENS]`, queries `[HEADS][width]`.
            unsafe {
                // Written out: a closure would be called by code that knows no vectors.
                let at = place * PAGE_TOKENS;
                let keys: [__m512; PAGES] = [
                    _mm512_loadu_ps(keys[0].add(at)),
                    _mm512_loadu_ps(keys[1].add(at)),
                    _mm512_loadu_ps(keys[2].add(at)),
                    _mm512_loadu_ps(keys[3].add(at)),
                ];
                for (head, sums) in sums.iter_mut().enumerate() {
                    let query = _mm512_set1_ps(*queries.get_unchecked(head * width + place));
                    for (sum, keys) in sums.iter_mut().zip(keys) {
                        *sum = _mm512_fmadd_ps(query, keys, *sum);
                    }
                }
            }
        }
        for (head, sums) in sums.iter().enumerate() {
            for (number, sum) in sums.iter().enumerate().take(pages.len()) {
                let start = head * room + (first + number) * PAGE_TOKENS;
                store(&mut scores[start..], _mm512_mul_ps(*sum, scale));
            }
        }
    }
}

/// The 64 values from `place` on, weighed by the scores.
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn weigh<const HEADS: usize>(
    seen: &Seen<'_>,
    scores: &[f32],
    place: usize,
    inverses: &[f32; HEADS],
    out: &mut [f32],
) {
    let room = scores.len() / HEADS;
    assert!(place + 64 <= seen.head_dim && seen.tokens <= room);
    let mut sums = [[_mm512_setzero_ps(); 4]; HEADS];
    for (number, page) in seen.pages[..room / PAGE_TOKENS].iter().enumerate() {
        let values = page.head(seen.layer, seen.head).1.as_ptr();
        let first = number * PAGE_TOKENS;
        for token in 0..PAGE_TOKENS.min(seen.tokens - first) {
            // SAFETY: values are `[PAGE_TOKENS][head_dim]`, and `place + 64 <= head_dim`; the token is under `room`.
            unsafe {
                let values = values.add(token * seen.head_dim + place);
                let values: [__m512; 4] = [
                    _mm512_loadu_ps(values),
                    _mm512_loadu_ps(values.add(16)),
                    _mm512_loadu_ps(values.add(32)),
                    _mm512_loadu_ps(values.add(48)),
                ];
                for (head, sums) in sums.iter_mut().enumerate() {
                    let score = *scores.get_unchecked(head * room + first + token);
                    let score = _mm512_set1_ps(score);
                    for (sum, values) in sums.iter_mut().zip(values) {
                        *sum = _mm512_fmadd_ps(score, values, *sum);
                    }
                }
            }
        }
    }
    for (head, (sums, inverse)) in sums.iter().zip(inverses).enumerate() {
        for (number, sum) in sums.iter().enumerate() {
            let start = head * seen.head_dim + place + number * 16;
            store(
                &mut out[start..],
                _mm512_mul_ps(*sum, _mm512_set1_ps(*inverse)),
            );
        }
    }
}

/// Writes sixteen numbers at the start.
#[target_feature(enable = "avx512f")]
fn store(out: &mut [f32], values: __m512) {
    let out = &mut out[..16];
    // SAFETY: sixteen floats fit.
    unsafe { _mm512_storeu_ps(out.as_mut_ptr(), values) };
}
