//! Tiles by AVX2 and FMA, and squares turned over. There are only 16 registers: twelve hold sums.

use std::arch::x86_64::{
    __m256, _mm256_castpd_ps, _mm256_castps_pd, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_permute2f128_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm256_unpackhi_pd, _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpacklo_ps,
};

use super::{COLUMNS, Factors, ROWS, SIDE, Sums};

/// Rows, and registers of columns, that are worked on at once.
const GROUP: usize = 6;
const VECTORS: usize = COLUMNS / 2 / LANES;
const LANES: usize = 8;

pub(super) fn single(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    single_into([(a, b), (&[], &[])], &mut sums.0, COLUMNS, adds);
}

/// The same for two products at once, the second of which may be of nothing, and sums whose rows are `stride` numbers
/// apart.
pub(super) fn single_into(
    [(a, b), (more_a, more_b)]: [Factors<'_>; 2],
    sums: &mut [f32],
    stride: usize,
    adds: bool,
) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::single_tile` hands this out for a tier that the processor has.
    unsafe {
        tile(a, b, (sums, stride), adds);
        if !more_a.is_empty() {
            tile(more_a, more_b, (sums, stride), true);
        }
    }
}

pub(super) fn turn(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `kernels::turn` comes here only in a tier that has AVX2.
    unsafe {
        turn_square(source, stride, out, out_stride);
    }
}

/// Six rows and half of the columns at a time.
#[target_feature(enable = "avx2,fma")]
fn tile(a: &[f32], b: &[f32], (sums, stride): (&mut [f32], usize), adds: bool) {
    let (a, _) = a.as_chunks::<ROWS>();
    let (b, _) = b.as_chunks::<COLUMNS>();
    for first in (0..ROWS).step_by(GROUP) {
        for half in (0..COLUMNS).step_by(COLUMNS / 2) {
            let mut registers = [[_mm256_setzero_ps(); VECTORS]; GROUP];
            let sums = &mut sums[first * stride + half..];
            if adds {
                for (row, registers) in registers.iter_mut().enumerate() {
                    for (vector, register) in registers.iter_mut().enumerate() {
                        *register = load(&sums[row * stride + vector * LANES..]);
                    }
                }
            }
            for (a, b) in a.iter().zip(b) {
                let rows: &[f32; GROUP] = a[first..].first_chunk().unwrap_or(&[0.0; GROUP]);
                let columns = [load(&b[half..]), load(&b[half + LANES..])];
                for (row, registers) in rows.iter().zip(&mut registers) {
                    let row = _mm256_set1_ps(*row);
                    for (column, register) in columns.iter().zip(registers) {
                        *register = _mm256_fmadd_ps(row, *column, *register);
                    }
                }
            }
            for (row, registers) in registers.iter().enumerate() {
                for (vector, register) in registers.iter().enumerate() {
                    store(*register, &mut sums[row * stride + vector * LANES..]);
                }
            }
        }
    }
}

/// Four squares of 8 by 8.
#[target_feature(enable = "avx2")]
fn turn_square(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    for row in (0..SIDE).step_by(LANES) {
        for column in (0..SIDE).step_by(LANES) {
            let mut rows = [_mm256_setzero_ps(); LANES];
            let source = &source[row * stride + column..];
            for (row, source) in rows.iter_mut().zip(source.chunks(stride)) {
                *row = load(source);
            }
            let out = &mut out[column * out_stride + row..];
            for (row, out) in turned(rows).iter().zip(out.chunks_mut(out_stride)) {
                store(*row, out);
            }
        }
    }
}

/// Columns for rows: turns squares of two, of four, then swaps halves of registers.
#[inline]
#[target_feature(enable = "avx2")]
fn turned(rows: [__m256; LANES]) -> [__m256; LANES] {
    let mut pairs = rows;
    for pair in 0..LANES / 2 {
        pairs[2 * pair] = _mm256_unpacklo_ps(rows[2 * pair], rows[2 * pair + 1]);
        pairs[2 * pair + 1] = _mm256_unpackhi_ps(rows[2 * pair], rows[2 * pair + 1]);
    }
    // Of each four rows: register `four + j` holds column j of both halves.
    let mut fours = pairs;
    for four in [0, 4] {
        let [a, b, c, d] = [0, 1, 2, 3].map(|place| _mm256_castps_pd(pairs[four + place]));
        fours[four] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
        fours[four + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
        fours[four + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
        fours[four + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
    }
    let mut columns = fours;
    for column in 0..LANES / 2 {
        let (a, b) = (fours[column], fours[column + 4]);
        columns[column] = _mm256_permute2f128_ps::<0x20>(a, b);
        columns[column + 4] = _mm256_permute2f128_ps::<0x31>(a, b);
    }
    columns
}

#[target_feature(enable = "avx2")]
fn load(numbers: &[f32]) -> __m256 {
    assert!(numbers.len() >= LANES);
    #[expect(unsafe_code, reason = "the load takes a pointer")]
    // SAFETY: there are eight numbers, as asserted, and the load needs no alignment.
    unsafe {
        _mm256_loadu_ps(numbers.as_ptr())
    }
}

#[target_feature(enable = "avx2")]
fn store(register: __m256, numbers: &mut [f32]) {
    assert!(numbers.len() >= LANES);
    #[expect(unsafe_code, reason = "the store takes a pointer")]
    // SAFETY: there is room for eight numbers, as asserted, and the store needs no alignment.
    unsafe {
        _mm256_storeu_ps(numbers.as_mut_ptr(), register);
    }
}
