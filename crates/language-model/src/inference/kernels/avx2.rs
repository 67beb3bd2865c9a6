//! The product with AVX2: weights and activations widened to 16 bits, since `vpmaddubsw` would saturate.

use std::{
    arch::x86_64::{
        __m128i, __m256i, _mm_cvtepi8_epi16, _mm_cvtsi32_si128, _mm_load_si128, _mm256_add_epi32,
        _mm256_broadcastq_epi64, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_fmadd_ps,
        _mm256_hadd_epi32, _mm256_load_ps, _mm256_madd_epi16, _mm256_mul_ps, _mm256_mullo_epi32,
        _mm256_permute4x64_epi64, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_setzero_si256, _mm256_storeu_ps,
    },
    ops::Range,
};

use super::{BLOCK, GROUPS, HIGH, PANEL, Product};

/// # Safety
/// The processor has AVX2 and FMA, and `multiply` of the parent has checked the shapes.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply<const PARTS: usize>(product: &Product<'_>, panels: Range<usize>) {
    let rows = product.input.rows;
    for panel in panels {
        let mut row = 0;
        while row < rows {
            // SAFETY: the panel and the rows exist.
            unsafe {
                if rows - row >= 2 {
                    tile::<2, PARTS>(product, row, panel);
                    row += 2;
                } else {
                    tile::<1, PARTS>(product, row, panel);
                    row += 1;
                }
            }
        }
    }
}

/// # Safety
/// As [`multiply`]; rows `row..row + ROWS` and the panel exist.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const ROWS: usize, const PARTS: usize>(
    product: &Product<'_>,
    row: usize,
    panel: usize,
) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    for block in 0..blocks {
        let place = panel * blocks + block;
        // Quarter `j` holds outputs `4j..4j+4`, each as two partial sums.
        let mut quarters = [[[_mm256_setzero_si256(); 4]; PARTS]; ROWS];
        for group in 0..GROUPS {
            // SAFETY: `lines` has `panels * blocks * GROUPS` aligned lines of 64 bytes.
            let line = unsafe { weights.lines.as_ptr().add(place * GROUPS + group) };
            let mut w = [_mm256_setzero_si256(); 4];
            for (j, w) in w.iter_mut().enumerate() {
                // SAFETY: `j` is under four, so the sixteen bytes are inside the line.
                *w = _mm256_cvtepu8_epi16(unsafe { _mm_load_si128(line.cast::<__m128i>().add(j)) });
            }
            for (r, quarters) in quarters.iter_mut().enumerate() {
                for (part, quarters) in quarters.iter_mut().enumerate() {
                    let at = (((row + r) * blocks + block) * PARTS + part) * BLOCK + group * 4;
                    // SAFETY: `quants` has `rows * blocks * PARTS * BLOCK` bytes, and four are read.
                    let x = unsafe { input.quants.as_ptr().add(at).cast::<i32>().read_unaligned() };
                    let x = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(x)));
                    for (quarter, w) in quarters.iter_mut().zip(w) {
                        *quarter = _mm256_add_epi32(*quarter, _mm256_madd_epi16(w, x));
                    }
                }
            }
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let at = (row + r) * blocks + block;
            let offset = _mm256_set1_epi32(input.offsets[at]);
            let x = _mm256_set1_ps(input.scales[at]);
            for (half, sum) in sums.iter_mut().enumerate() {
                let mut integers = _mm256_setzero_si256();
                for quarters in &quarters[r] {
                    // What the part before has summed up counts `HIGH` times.
                    integers = _mm256_mullo_epi32(integers, _mm256_set1_epi32(HIGH));
                    let part = join(quarters[half * 2], quarters[half * 2 + 1]);
                    integers = _mm256_add_epi32(integers, part);
                }
                let integers = _mm256_cvtepi32_ps(_mm256_add_epi32(integers, offset));
                // SAFETY: the sixteen scales are 64-byte aligned, `half` is 0 or 1.
                let w = unsafe { _mm256_load_ps(weights.scales[place].0.as_ptr().add(half * 8)) };
                *sum = _mm256_fmadd_ps(integers, _mm256_mul_ps(x, w), *sum);
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

/// Adds neighbours, so that eight outputs stand in order.
#[target_feature(enable = "avx2,fma")]
fn join(a: __m256i, b: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b))
}
