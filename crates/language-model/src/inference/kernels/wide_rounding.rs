//! Quantises a block of activations with AVX-512; it gives the bits of the plain loops in `activations`.

use std::arch::x86_64::{
    __m512, __m512i, _mm_storeu_si128, _mm512_abs_ps, _mm512_add_epi32, _mm512_cvtepi32_epi8,
    _mm512_cvtepi32_ps, _mm512_cvtps_epi32, _mm512_fnmadd_ps, _mm512_loadu_ps, _mm512_max_ps,
    _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_set1_ps,
};

use crate::inference::{
    activations::{HIGH, STEPS},
    packed::BLOCK,
};

/// Bytes of one part of a block.
type Part = [i8; BLOCK];

/// 127 steps to each side: the scale, and the sum of the values.
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(in crate::inference) unsafe fn one_part(
    values: &[f32; BLOCK],
    quants: &mut Part,
) -> (f32, i32) {
    let (low, high, largest) = load(values);
    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    let inverse = _mm512_set1_ps(inverse);
    let low = _mm512_cvtps_epi32(_mm512_mul_ps(low, inverse));
    let high = _mm512_cvtps_epi32(_mm512_mul_ps(high, inverse));
    store(low, high, quants);
    let sum = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
    (largest / 127.0, sum)
}

/// The same in [`STEPS`] steps, as a part that counts [`HIGH`] times and one that counts once.
///
/// # Safety
/// The processor has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(in crate::inference) unsafe fn two_parts(
    values: &[f32; BLOCK],
    highs: &mut Part,
    lows: &mut Part,
) -> (f32, i32) {
    let (first, second, largest) = load(values);
    let inverse = if largest == 0.0 { 0.0 } else { STEPS / largest };
    let inverse = _mm512_set1_ps(inverse);
    let first = _mm512_cvtps_epi32(_mm512_mul_ps(first, inverse));
    let second = _mm512_cvtps_epi32(_mm512_mul_ps(second, inverse));
    let ((first_high, first_low), (second_high, second_low)) = (split(first), split(second));
    store(first_high, second_high, highs);
    store(first_low, second_low, lows);
    let sum = _mm512_reduce_add_epi32(_mm512_add_epi32(first, second));
    (largest / STEPS, sum)
}

#[target_feature(enable = "avx512f")]
fn split(rounded: __m512i) -> (__m512i, __m512i) {
    let rounded = _mm512_cvtepi32_ps(rounded);
    let high = _mm512_mul_ps(rounded, _mm512_set1_ps(1.0 / HIGH as f32));
    let high = _mm512_cvtps_epi32(high);
    // Whole numbers under 2^24: exact.
    let low = _mm512_fnmadd_ps(
        _mm512_cvtepi32_ps(high),
        _mm512_set1_ps(HIGH as f32),
        rounded,
    );
    (high, _mm512_cvtps_epi32(low))
}

/// Both halves of a block, and the largest magnitude in it.
#[target_feature(enable = "avx512f")]
fn load(values: &[f32; BLOCK]) -> (__m512, __m512, f32) {
    // SAFETY: twice sixteen floats.
    let (low, high) = unsafe {
        (
            _mm512_loadu_ps(values.as_ptr()),
            _mm512_loadu_ps(values.as_ptr().add(16)),
        )
    };
    let largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
    (low, high, largest)
}

#[target_feature(enable = "avx512f")]
fn store(low: __m512i, high: __m512i, out: &mut Part) {
    // SAFETY: twice sixteen bytes.
    unsafe {
        _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(low));
        _mm_storeu_si128(out.as_mut_ptr().add(16).cast(), _mm512_cvtepi32_epi8(high));
    }
}
