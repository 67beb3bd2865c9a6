//! Products with frozen matrices in bfloat16: factors rounded to 8 significant bits, sums in f32.
//!
//! The frozen matrix is packed once. Where the processor has AVX512-BF16, one instruction multiplies 32 pairs, which
//! gives two to three times the speed of f32; elsewhere the same sums are done one by one.

use rayon::prelude::*;

use crate::{
    matrix::{Matrix, Write},
    quantised::to_bf16,
};

/// Rows and columns of the tile that fits in registers.
const TILE_ROWS: usize = 12;
const TILE_COLUMNS: usize = 32;
type Tile = [f32; TILE_ROWS * TILE_COLUMNS];

/// Pairs of inner indices worked on at once, so that the packed rows stay in the second-level cache.
const PAIRS: usize = 512;
/// Rows that one task takes, a multiple of `TILE_ROWS`.
const MOST_ROWS: usize = 192;

/// True where the processor multiplies bfloat16 itself.
pub(super) fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A right-hand factor `[inner, columns]`, packed.
///
/// Layout: panels of 32 columns; in a panel for each pair of inner indices 32 words, the even index in the low half.
#[derive(Debug)]
pub(super) struct Packed {
    panels: Vec<u32>,
    inner: usize,
    columns: usize,
}

impl Packed {
    pub(super) fn new(matrix: Matrix<'_>) -> Self {
        let (inner, columns) = (matrix.rows(), matrix.columns());
        let pairs = inner.div_ceil(2);
        let mut panels = vec![0; columns.div_ceil(TILE_COLUMNS) * pairs * TILE_COLUMNS];
        panels
            .par_chunks_mut((pairs * TILE_COLUMNS).max(1))
            .enumerate()
            .for_each(|(panel, words)| {
                for (pair, words) in words.chunks_mut(TILE_COLUMNS).enumerate() {
                    for (place, word) in words.iter_mut().enumerate() {
                        let column = panel * TILE_COLUMNS + place;
                        *word = pack(matrix.at(2 * pair, column), matrix.at(2 * pair + 1, column));
                    }
                }
            });
        Self {
            panels,
            inner,
            columns,
        }
    }

    /// `out = a b` or `out += a b` for row-major `a` `[rows, inner]` and `out` `[rows, columns]`.
    ///
    /// # Panics
    /// Where `a` and `out` do not have the same number of rows: a mistake in the graph.
    pub(super) fn multiply(&self, a: &[f32], out: &mut [f32], write: Write) {
        let rows = out.len() / self.columns;
        assert_eq!(a.len(), rows * self.inner, "the factors do not fit");
        assert_eq!(
            out.len(),
            rows * self.columns,
            "the product does not fit its place"
        );
        let share = rows.div_ceil(rayon::current_num_threads());
        let share = share
            .next_multiple_of(TILE_ROWS)
            .clamp(TILE_ROWS, MOST_ROWS);
        out.par_chunks_mut(share * self.columns)
            .zip(a.par_chunks(share * self.inner))
            .for_each_init(Vec::new, |packed, (out, a)| {
                self.multiply_rows(a, out, write, packed);
            });
    }

    /// As [`Packed::multiply`], for a left factor `a` of any strides.
    pub(super) fn multiply_matrix(&self, a: Matrix<'_>, out: &mut [f32], write: Write) {
        let rows = a.rows();
        let share = rows.div_ceil(rayon::current_num_threads());
        let share = share
            .next_multiple_of(TILE_ROWS)
            .clamp(TILE_ROWS, MOST_ROWS);
        out.par_chunks_mut(share * self.columns)
            .enumerate()
            .for_each_init(Vec::new, |copy, (place, out)| {
                // The rows one after another, so that they are packed as any others.
                copy.clear();
                let first = place * share;
                for row in first..first + out.len() / self.columns {
                    copy.extend((0..a.columns()).map(|column| a.at(row, column)));
                }
                self.multiply_rows(copy, out, write, &mut Vec::new());
            });
    }

    fn multiply_rows(&self, a: &[f32], out: &mut [f32], write: Write, packed: &mut Vec<u32>) {
        let pairs = self.inner.div_ceil(2);
        let tile = tile_product();
        for first in (0..pairs).step_by(PAIRS) {
            let count = PAIRS.min(pairs - first);
            pack_rows(a, self.inner, first, count, packed);
            // Later stretches of the inner dimension add to what the first one wrote.
            let adds = write == Write::Add || first > 0;
            for (panel, words) in self.panels.chunks(pairs * TILE_COLUMNS).enumerate() {
                let words = &words[first * TILE_COLUMNS..(first + count) * TILE_COLUMNS];
                let start = panel * TILE_COLUMNS;
                let width = TILE_COLUMNS.min(self.columns - start);
                let row_tiles = out.chunks_mut(TILE_ROWS * self.columns);
                for (a, out) in packed.chunks(count * TILE_ROWS).zip(row_tiles) {
                    let mut sums = [0.0; TILE_ROWS * TILE_COLUMNS];
                    tile(a, words, &mut sums);
                    for (sums, row) in sums.chunks(TILE_COLUMNS).zip(out.chunks_mut(self.columns)) {
                        let row = &mut row[start..start + width];
                        if adds {
                            row.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                        } else {
                            row.copy_from_slice(&sums[..width]);
                        }
                    }
                }
            }
        }
    }
}

/// Packs a stretch of the inner dimension: for each 12 rows, for each pair of indices, 12 words.
fn pack_rows(a: &[f32], inner: usize, first: usize, count: usize, packed: &mut Vec<u32>) {
    let rows = a.len() / inner;
    packed.clear();
    packed.resize(rows.div_ceil(TILE_ROWS) * TILE_ROWS * count, 0);
    let row_tiles = a.chunks(TILE_ROWS * inner);
    for (a, packed) in row_tiles.zip(packed.chunks_mut(TILE_ROWS * count)) {
        for (place, row) in a.chunks(inner).enumerate() {
            let stretch = &row[2 * first..inner.min(2 * (first + count))];
            for (pair, words) in stretch.chunks(2).zip(packed.chunks_mut(TILE_ROWS)) {
                words[place] = pack(pair[0], pair.get(1).copied().unwrap_or_default());
            }
        }
    }
}

/// Two numbers in one word, the first in the low half.
fn pack(low: f32, high: f32) -> u32 {
    round(low) | (round(high) << 16)
}

fn round(number: f32) -> u32 {
    u32::from(to_bf16(number))
}

/// `sums += a b` for `a` (12 words a pair) and `b` (32 words a pair).
type TileProduct = fn(&[u32], &[u32], &mut Tile);

fn tile_product() -> TileProduct {
    #[cfg(target_arch = "x86_64")]
    if is_fast() {
        return x86::tile;
    }
    tile_in_steps
}

/// The product in plain arithmetic; what the fast one is checked against.
fn tile_in_steps(a: &[u32], b: &[u32], sums: &mut Tile) {
    let low = |word: u32| f32::from_bits(word << 16);
    let high = |word: u32| f32::from_bits(word & 0xffff_0000);
    for (a, b) in a.chunks_exact(TILE_ROWS).zip(b.chunks_exact(TILE_COLUMNS)) {
        for (x, sums) in a.iter().zip(sums.chunks_exact_mut(TILE_COLUMNS)) {
            for (sum, y) in sums.iter_mut().zip(b) {
                *sum += low(*x) * low(*y) + high(*x) * high(*y);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use super::{TILE_COLUMNS, TILE_ROWS, Tile};

    pub(super) fn tile(a: &[u32], b: &[u32], sums: &mut Tile) {
        #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
        // SAFETY: `tile_product` hands this function out only where `is_fast` has found the features.
        unsafe {
            tile_avx512(a, b, sums);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn tile_avx512(a: &[u32], b: &[u32], sums: &mut Tile) {
        let mut registers = [[_mm512_setzero_ps(); 2]; TILE_ROWS];
        for (a, b) in a.chunks_exact(TILE_ROWS).zip(b.chunks_exact(TILE_COLUMNS)) {
            let (left, right) = (load(&b[..16]), load(&b[16..]));
            for (word, sums) in a.iter().zip(&mut registers) {
                let word = bf16(_mm512_set1_epi32(word.cast_signed()));
                sums[0] = _mm512_dpbf16_ps(sums[0], word, left);
                sums[1] = _mm512_dpbf16_ps(sums[1], word, right);
            }
        }
        for (registers, sums) in registers.iter().zip(sums.chunks_exact_mut(TILE_COLUMNS)) {
            add(registers[0], &mut sums[..16]);
            add(registers[1], &mut sums[16..]);
        }
    }

    #[target_feature(enable = "avx512f")]
    fn load(words: &[u32]) -> __m512bh {
        assert!(words.len() >= 16);
        #[expect(unsafe_code, reason = "the load takes a pointer")]
        // SAFETY: there are 16 words, as asserted, and the load needs no alignment.
        let words = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
        bf16(words)
    }

    #[target_feature(enable = "avx512f")]
    fn bf16(words: __m512i) -> __m512bh {
        #[expect(unsafe_code, reason = "there is no intrinsic for this cast")]
        // SAFETY: both are 512 plain bits.
        unsafe {
            std::mem::transmute(words)
        }
    }

    #[target_feature(enable = "avx512f")]
    fn add(register: __m512, sums: &mut [f32]) {
        let mut numbers = [0.0f32; 16];
        #[expect(unsafe_code, reason = "the store takes a pointer")]
        // SAFETY: `numbers` has room for the 16 numbers, and the store needs no alignment.
        unsafe {
            _mm512_storeu_ps(numbers.as_mut_ptr(), register);
        }
        sums.iter_mut()
            .zip(numbers)
            .for_each(|(sum, number)| *sum += number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matrix::Threads, matrix::multiply, synthetic::Noise};

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        let back = |number: f32| f32::from_bits(round(number) << 16);
        assert_eq!(back(1.0), 1.0);
        assert_eq!(
            back(1.0 + 1.0 / 256.0),
            1.0,
            "a tie goes to the even neighbour"
        );
        assert_eq!(back(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(back(f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert!(back(f32::NAN).is_nan());
    }

    #[test]
    fn the_fast_tile_gives_what_plain_arithmetic_gives() {
        let mut noise = Noise::new(4);
        let pairs = 37;
        let mut words = |count: usize| -> Vec<u32> {
            (0..count)
                .map(|_| pack(noise.sample(), noise.sample()))
                .collect()
        };
        let (a, b) = (words(pairs * TILE_ROWS), words(pairs * TILE_COLUMNS));
        let (mut fast, mut plain) = (
            [0.5; TILE_ROWS * TILE_COLUMNS],
            [0.5; TILE_ROWS * TILE_COLUMNS],
        );
        tile_product()(&a, &b, &mut fast);
        tile_in_steps(&a, &b, &mut plain);
        for (fast, plain) in fast.iter().zip(&plain) {
            assert!((fast - plain).abs() < 1e-4, "{fast} and {plain}");
        }
    }

    #[test]
    fn products_of_any_shape_are_those_of_f32_within_rounding() {
        let mut noise = Noise::new(5);
        for (rows, columns, inner) in [(1, 1, 1), (13, 33, 7), (400, 70, 65), (5, 40, 2100)] {
            let (a, b) = (
                noise.samples(rows * inner, 1.0),
                noise.samples(inner * columns, 1.0),
            );
            let start = noise.samples(rows * columns, 1.0);
            let (left, right) = (
                Matrix::new(&a, rows, inner),
                Matrix::new(&b, inner, columns),
            );
            for write in [Write::Replace, Write::Add] {
                let (mut exact, mut found) = (start.clone(), start.clone());
                multiply(
                    (&mut exact, columns),
                    left,
                    right,
                    (write, 1.0),
                    Threads::One,
                );
                Packed::new(right).multiply(&a, &mut found, write);
                let bound = 0.02 * (inner as f32).sqrt() + 0.01;
                for (exact, found) in exact.iter().zip(&found) {
                    assert!(
                        (exact - found).abs() < bound,
                        "{rows}x{columns}x{inner}: {exact}, {found}"
                    );
                }
            }
        }
    }
}
