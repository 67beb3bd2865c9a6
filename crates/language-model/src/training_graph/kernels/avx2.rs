//! Tiles by AVX2 and FMA: three rows at a time, because there are only 16 registers.

use std::arch::x86_64::{
    __m256, _mm256_and_si256, _mm256_castsi256_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_set1_epi32, _mm256_slli_epi32, _mm256_storeu_ps,
};

use super::{COLUMNS, ROWS, Sums};

/// Rows that are worked on at once.
const GROUP: usize = 3;
const LANES: usize = 8;
const VECTORS: usize = COLUMNS / LANES;

pub(super) fn single(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::single_tile` hands this out for a tier that the processor has.
    unsafe {
        tile::<false>(a, b, sums, adds);
    }
}

pub(super) fn pairs(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::pair_tile` hands this out for a tier that the processor has.
    unsafe {
        tile::<true>(a, b, sums, adds);
    }
}

#[target_feature(enable = "avx2,fma")]
fn tile<const PAIRS: bool>(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    let upper = _mm256_set1_epi32(0xffff_0000u32.cast_signed());
    for (group, sums) in sums.0[..ROWS * COLUMNS]
        .chunks_exact_mut(GROUP * COLUMNS)
        .enumerate()
    {
        let mut registers = [[load(&[0.0; LANES]); VECTORS]; GROUP];
        // Without something to add to, there are zeros to start with.
        let before = if adds { &sums[..] } else { &[] };
        for (registers, sums) in registers.iter_mut().zip(before.chunks_exact(COLUMNS)) {
            for (register, sums) in registers.iter_mut().zip(sums.chunks_exact(LANES)) {
                *register = load(sums);
            }
        }
        for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
            for (vector, b) in b.chunks_exact(LANES).enumerate() {
                assert!(b.len() == LANES);
                #[expect(unsafe_code, reason = "the load takes a pointer")]
                // SAFETY: there are eight words, as asserted, and the load needs no alignment.
                let b = unsafe { _mm256_loadu_si256(b.as_ptr().cast()) };
                for (row, registers) in registers.iter_mut().enumerate() {
                    let x = _mm256_set1_epi32(a[group * GROUP + row].to_bits().cast_signed());
                    let sum = &mut registers[vector];
                    if PAIRS {
                        let low = |words| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words));
                        let high = |words| _mm256_castsi256_ps(_mm256_and_si256(words, upper));
                        *sum = _mm256_fmadd_ps(low(x), low(b), *sum);
                        *sum = _mm256_fmadd_ps(high(x), high(b), *sum);
                    } else {
                        *sum =
                            _mm256_fmadd_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(b), *sum);
                    }
                }
            }
        }
        for (registers, sums) in registers.iter().zip(sums.chunks_exact_mut(COLUMNS)) {
            for (register, sums) in registers.iter().zip(sums.chunks_exact_mut(LANES)) {
                store(*register, sums);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn load(numbers: &[f32]) -> __m256 {
    assert!(numbers.len() == LANES);
    #[expect(unsafe_code, reason = "the load takes a pointer")]
    // SAFETY: there are eight numbers, as asserted, and the load needs no alignment.
    unsafe {
        _mm256_loadu_ps(numbers.as_ptr())
    }
}

#[target_feature(enable = "avx2")]
fn store(register: __m256, numbers: &mut [f32]) {
    assert!(numbers.len() == LANES);
    #[expect(unsafe_code, reason = "the store takes a pointer")]
    // SAFETY: there is room for eight numbers, as asserted, and the store needs no alignment.
    unsafe {
        _mm256_storeu_ps(numbers.as_mut_ptr(), register);
    }
}
