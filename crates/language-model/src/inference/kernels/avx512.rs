//! The product with `vpdpbusd`: unsigned weights times signed activations, four at a time.

use std::{
    arch::x86_64::{
        _mm512_add_epi32, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_ps,
        _mm512_load_si512, _mm512_mul_ps, _mm512_mullo_epi32, _mm512_set1_epi32, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps,
    },
    ops::Range,
};

use super::{BLOCK, GROUPS, HIGH, PANEL, Product};

/// # Safety
/// The processor has AVX-512 F, BW and VNNI, and `multiply` of the parent has checked the shapes.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn multiply<const PARTS: usize>(product: &Product<'_>, panels: Range<usize>) {
    let rows = product.input.rows;
    // Two parts take twice the registers.
    let most_rows = if PARTS == 1 { 6 } else { 4 };
    let mut panel = panels.start;
    while panel < panels.end {
        let left = panels.end - panel;
        // One row is bound by memory: four streams of weights. More rows reuse what two panels loaded.
        let wide = if rows == 1 && left >= 4 {
            4
        } else {
            left.min(2)
        };
        let mut row = 0;
        while row < rows {
            let tall = (rows - row).min(most_rows);
            // SAFETY: `panel + wide` and `row + tall` stay within the operands.
            unsafe {
                match (wide, tall) {
                    (4, _) => tile::<1, 4, PARTS>(product, row, panel),
                    (2, 6) => tile::<6, 2, PARTS>(product, row, panel),
                    (2, 5) => tile::<5, 2, PARTS>(product, row, panel),
                    (2, 4) => tile::<4, 2, PARTS>(product, row, panel),
                    (2, 3) => tile::<3, 2, PARTS>(product, row, panel),
                    (2, 2) => tile::<2, 2, PARTS>(product, row, panel),
                    (2, _) => tile::<1, 2, PARTS>(product, row, panel),
                    (_, 6) => tile::<6, 1, PARTS>(product, row, panel),
                    (_, 5) => tile::<5, 1, PARTS>(product, row, panel),
                    (_, 4) => tile::<4, 1, PARTS>(product, row, panel),
                    (_, 3) => tile::<3, 1, PARTS>(product, row, panel),
                    (_, 2) => tile::<2, 1, PARTS>(product, row, panel),
                    _ => tile::<1, 1, PARTS>(product, row, panel),
                }
            }
            row += tall;
        }
        panel += wide;
    }
}

/// # Safety
/// As [`multiply`]; rows `row..row + ROWS` and panels `panel..panel + PANELS` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn tile<const ROWS: usize, const PANELS: usize, const PARTS: usize>(
    product: &Product<'_>,
    row: usize,
    panel: usize,
) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    let lines = weights.lines.as_ptr();
    let scales = weights.scales.as_ptr();
    let quants = input.quants.as_ptr();
    let high = _mm512_set1_epi32(HIGH);
    let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
    for block in 0..blocks {
        let mut integers = [[[_mm512_setzero_si512(); PARTS]; PANELS]; ROWS];
        for group in 0..GROUPS {
            let mut w = [_mm512_setzero_si512(); PANELS];
            for (p, w) in w.iter_mut().enumerate() {
                let at = ((panel + p) * blocks + block) * GROUPS + group;
                // SAFETY: `lines` has `panels * blocks * GROUPS` aligned lines.
                *w = unsafe { _mm512_load_si512(lines.add(at).cast()) };
            }
            for (r, integers) in integers.iter_mut().enumerate() {
                for part in 0..PARTS {
                    let at = (((row + r) * blocks + block) * PARTS + part) * BLOCK + group * 4;
                    // SAFETY: `quants` has `rows * blocks * PARTS * BLOCK` bytes, and four are read.
                    let x = unsafe { quants.add(at).cast::<i32>().read_unaligned() };
                    let x = _mm512_set1_epi32(x);
                    for (integer, w) in integers.iter_mut().zip(w) {
                        integer[part] = _mm512_dpbusd_epi32(integer[part], w, x);
                    }
                }
            }
        }
        for p in 0..PANELS {
            // SAFETY: `scales` has `panels * blocks` aligned places.
            let w = unsafe { _mm512_load_ps(scales.add((panel + p) * blocks + block).cast()) };
            for r in 0..ROWS {
                let at = (row + r) * blocks + block;
                // SAFETY: `scales` and `offsets` of the rows have a place for each block of each row.
                let (x, offset) = unsafe {
                    (
                        *input.scales.get_unchecked(at),
                        *input.offsets.get_unchecked(at),
                    )
                };
                let mut integer = integers[r][p][0];
                if PARTS == 2 {
                    integer = _mm512_mullo_epi32(integer, high);
                    integer = _mm512_add_epi32(integer, integers[r][p][PARTS - 1]);
                }
                integer = _mm512_add_epi32(integer, _mm512_set1_epi32(offset));
                let scale = _mm512_mul_ps(_mm512_set1_ps(x), w);
                sums[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integer), scale, sums[r][p]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (p, sum) in sums.iter().enumerate() {
            let mut values = [0.0f32; PANEL];
            // SAFETY: sixteen floats fit.
            unsafe { _mm512_storeu_ps(values.as_mut_ptr(), *sum) };
            product.store(row + r, panel + p, &values);
        }
    }
}
