//! The product with AVX2: weights and activations widened to 16 bits, since `vpmaddubsw` would saturate.

use std::{
    arch::x86_64::{
        __m128i, __m256, __m256i, _mm_and_si128, _mm_cvtepi8_epi16, _mm_cvtsi32_si128,
        _mm_load_si128, _mm_set1_epi8, _mm_srli_epi16, _mm256_add_epi32, _mm256_broadcastq_epi64,
        _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtph_ps, _mm256_fmadd_ps,
        _mm256_hadd_epi32, _mm256_madd_epi16, _mm256_mul_ps, _mm256_mullo_epi32,
        _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_setzero_si256, _mm256_storeu_ps,
    },
    ops::Range,
};

use super::{GROUPS, HIGH, PANEL, Product};
use crate::inference::packed::Halves;

/// # Safety
/// The processor has AVX2, F16C and FMA, and `multiply` of the parent has checked the shapes. `FOUR` is true for
/// weights of 4 bits.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn multiply<const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    panels: Range<usize>,
) {
    let rows = product.input.rows;
    for panel in panels {
        let mut row = 0;
        while row < rows {
            // SAFETY: the panel and the rows exist.
            unsafe {
                if rows - row >= 2 {
                    tile::<2, PARTS, FOUR>(product, row, panel);
                    row += 2;
                } else {
                    tile::<1, PARTS, FOUR>(product, row, panel);
                    row += 1;
                }
            }
        }
    }
}

/// # Safety
/// As [`multiply`]; rows `row..row + ROWS` and the panel exist.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tile<const ROWS: usize, const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    row: usize,
    panel: usize,
) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    let lines_of_block = if FOUR { GROUPS / 2 } else { GROUPS };
    let low = _mm_set1_epi8(0x0f);
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    for block in 0..blocks {
        let place = panel * blocks + block;
        // Quarter `j` holds outputs `4j..4j+4`, each as two partial sums.
        let mut quarters = [[[_mm256_setzero_si256(); 4]; PARTS]; ROWS];
        for group in 0..GROUPS {
            let line = place * lines_of_block + group % lines_of_block;
            // SAFETY: `lines` has `panels * blocks * lines_of_block` aligned lines of 64 bytes.
            let line = unsafe { weights.lines.as_ptr().add(line) };
            let mut w = [_mm256_setzero_si256(); 4];
            for (j, w) in w.iter_mut().enumerate() {
                // SAFETY: `j` is under four, so the sixteen bytes are inside the line.
                let mut bytes = unsafe { _mm_load_si128(line.cast::<__m128i>().add(j)) };
                if FOUR {
                    if group >= lines_of_block {
                        bytes = _mm_srli_epi16::<4>(bytes);
                    }
                    bytes = _mm_and_si128(bytes, low);
                }
                *w = _mm256_cvtepi8_epi16(bytes);
            }
            for (r, quarters) in quarters.iter_mut().enumerate() {
                for (part, quarters) in quarters.iter_mut().enumerate() {
                    let at = input.quant_place(row + r, block, part) + group * 4;
                    // SAFETY: the row has 32 bytes there, and four are read.
                    let x = unsafe {
                        input
                            .quants()
                            .as_ptr()
                            .add(at)
                            .cast::<i32>()
                            .read_unaligned()
                    };
                    let x = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(x)));
                    for (quarter, w) in quarters.iter_mut().zip(w) {
                        *quarter = _mm256_add_epi32(*quarter, _mm256_madd_epi16(w, x));
                    }
                }
            }
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let at = input.place(row + r, block);
            for (half, sum) in sums.iter_mut().enumerate() {
                let mut integers = _mm256_setzero_si256();
                for quarters in &quarters[r] {
                    // What the part before has summed up counts `HIGH` times.
                    integers = _mm256_mullo_epi32(integers, _mm256_set1_epi32(HIGH));
                    let part = join(quarters[half * 2], quarters[half * 2 + 1]);
                    integers = _mm256_add_epi32(integers, part);
                }
                let halves = place * if FOUR { 2 } else { 1 };
                let value = _mm256_mul_ps(
                    _mm256_cvtepi32_ps(integers),
                    floats(&weights.halves[halves], half),
                );
                *sum = _mm256_fmadd_ps(value, _mm256_set1_ps(input.scales[at]), *sum);
                if FOUR {
                    let offset = floats(&weights.halves[halves + 1], half);
                    *sum = _mm256_fmadd_ps(offset, _mm256_set1_ps(input.shifts[at]), *sum);
                }
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let mut values = [0.0f32; PANEL];
        for (half, sum) in sums.iter().enumerate() {
            // SAFETY: eight floats fit behind place 0 and 8 of sixteen.
            unsafe { _mm256_storeu_ps(values.as_mut_ptr().add(half * 8), *sum) };
        }
        product.store(row + r, panel, &values);
    }
}

/// The first or the last eight of sixteen numbers.
#[target_feature(enable = "avx2,fma,f16c")]
fn floats(halves: &Halves, half: usize) -> __m256 {
    // SAFETY: sixteen aligned bytes, the first or the second of 32.
    let bits = unsafe { _mm_load_si128(halves.0.as_ptr().cast::<__m128i>().add(half)) };
    _mm256_cvtph_ps(bits)
}

/// Adds neighbours, so that eight outputs stand in order.
#[target_feature(enable = "avx2,fma")]
fn join(a: __m256i, b: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b))
}
