//! Tiles by AVX2 and FMA: three rows at a time, because there are only 16 registers.

use std::arch::x86_64::{
    __m256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
};

use super::{COLUMNS, ROWS, Sums};

/// Rows that are worked on at once.
const GROUP: usize = 3;
const LANES: usize = 8;
const VECTORS: usize = COLUMNS / LANES;
/// Steps of pairs that are taken apart at once; what they become stays in the nearest cache.
const PAIRS: usize = 16;

pub(super) fn single(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::single_tile` hands this out for a tier that the processor has.
    unsafe {
        tile(a, b, sums, adds);
    }
}

pub(super) fn pairs(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::pair_tile` hands this out for a tier that the processor has.
    unsafe {
        pairs_apart(a, b, sums, adds);
    }
}

/// There are no registers left to take pairs apart in while they are multiplied, and each would be taken apart again for
/// every group of rows.
#[target_feature(enable = "avx2,fma")]
fn pairs_apart(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    let (mut of_rows, mut of_columns) = ([0.0; 2 * PAIRS * ROWS], [0.0; 2 * PAIRS * COLUMNS]);
    let mut adds = adds;
    let blocks = a.chunks(PAIRS * ROWS).zip(b.chunks(PAIRS * COLUMNS));
    for (a, b) in blocks {
        let (a, b) = (
            apart::<ROWS>(a, &mut of_rows),
            apart::<COLUMNS>(b, &mut of_columns),
        );
        tile(a, b, sums, adds);
        adds = true;
    }
    if !adds {
        tile(&[], &[], sums, adds);
    }
}

/// Steps of `WIDTH` pairs as twice as many steps of numbers.
#[target_feature(enable = "avx2")]
fn apart<'a, const WIDTH: usize>(words: &[f32], out: &'a mut [f32]) -> &'a [f32] {
    let out = &mut out[..2 * words.len()];
    let (steps, _) = words.as_chunks::<WIDTH>();
    for (words, out) in steps.iter().zip(out.chunks_exact_mut(2 * WIDTH)) {
        let (low, high) = out.split_at_mut(WIDTH);
        for ((word, low), high) in words.iter().zip(low).zip(high) {
            *low = f32::from_bits(word.to_bits() << 16);
            *high = f32::from_bits(word.to_bits() & 0xffff_0000);
        }
    }
    out
}

#[target_feature(enable = "avx2,fma")]
fn tile(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
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
        let (a, _) = a.as_chunks::<ROWS>();
        let (b, _) = b.as_chunks::<COLUMNS>();
        for (a, b) in a.iter().zip(b) {
            let (b, _) = b.as_chunks::<LANES>();
            let rows = [0, 1, 2].map(|row| _mm256_set1_ps(a[group * GROUP + row]));
            for vector in 0..VECTORS {
                let b = load(&b[vector]);
                for row in 0..GROUP {
                    registers[row][vector] = _mm256_fmadd_ps(rows[row], b, registers[row][vector]);
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
