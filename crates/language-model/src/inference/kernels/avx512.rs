//! The product with `vpdpbusd`: unsigned weights times signed activations, four at a time.

use std::{
    arch::x86_64::{
        __m512, __m512i, _MM_HINT_T0, _mm_prefetch, _mm256_load_si256, _mm512_add_epi32,
        _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32,
        _mm512_fmadd_ps, _mm512_load_si512, _mm512_mul_ps, _mm512_mullo_epi32, _mm512_set1_epi8,
        _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
        _mm512_srli_epi16, _mm512_storeu_ps, _mm512_xor_si512,
    },
    ops::Range,
};

use super::{GROUPS, HIGH, PANEL, Product};
use crate::inference::packed::{Halves, Line};

/// # Safety
/// The processor has AVX-512 F, BW and VNNI, and `multiply` of the parent has checked the shapes. `FOUR` is true for
/// weights of 4 bits.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn multiply<const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    panels: Range<usize>,
) {
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
                    (4, _) => tile::<1, 4, PARTS, FOUR>(product, row, panel),
                    (2, 6) => tile::<6, 2, PARTS, FOUR>(product, row, panel),
                    (2, 5) => tile::<5, 2, PARTS, FOUR>(product, row, panel),
                    (2, 4) => tile::<4, 2, PARTS, FOUR>(product, row, panel),
                    (2, 3) => tile::<3, 2, PARTS, FOUR>(product, row, panel),
                    (2, 2) => tile::<2, 2, PARTS, FOUR>(product, row, panel),
                    (2, _) => tile::<1, 2, PARTS, FOUR>(product, row, panel),
                    (_, 6) => tile::<6, 1, PARTS, FOUR>(product, row, panel),
                    (_, 5) => tile::<5, 1, PARTS, FOUR>(product, row, panel),
                    (_, 4) => tile::<4, 1, PARTS, FOUR>(product, row, panel),
                    (_, 3) => tile::<3, 1, PARTS, FOUR>(product, row, panel),
                    (_, 2) => tile::<2, 1, PARTS, FOUR>(product, row, panel),
                    _ => tile::<1, 1, PARTS, FOUR>(product, row, panel),
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
unsafe fn tile<const ROWS: usize, const PANELS: usize, const PARTS: usize, const FOUR: bool>(
    product: &Product<'_>,
    row: usize,
    panel: usize,
) {
    let (weights, input) = (product.weights, product.input);
    let blocks = input.blocks;
    let lines_of_block = if FOUR { GROUPS / 2 } else { GROUPS };
    let halves_of_block = if FOUR { 2 } else { 1 };
    let quants = input.quants().as_ptr();
    let high = _mm512_set1_epi32(HIGH);
    let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
    for block in 0..blocks {
        let mut integers = [[[_mm512_setzero_si512(); PARTS]; PANELS]; ROWS];
        for line in 0..lines_of_block {
            // In 4 bits a line holds two groups, in 8 bits one.
            let mut w = [[_mm512_setzero_si512(); PANELS]; 2];
            let [first, second] = &mut w;
            for (p, (first, second)) in first.iter_mut().zip(second).enumerate() {
                let at = ((panel + p) * blocks + block) * lines_of_block + line;
                // SAFETY: `lines` has `panels * blocks * lines_of_block` aligned lines.
                let bytes = unsafe { load(weights.lines.as_ptr().add(at)) };
                if ROWS == 1 {
                    // One row is bound by memory: what the next panels need is asked for early. A prefetch may point
                    // anywhere.
                    let ahead = at + PANELS * blocks * lines_of_block;
                    _mm_prefetch::<_MM_HINT_T0>(weights.lines.as_ptr().wrapping_add(ahead).cast());
                }
                if FOUR {
                    let low = _mm512_set1_epi8(0x0f);
                    *first = _mm512_and_si512(bytes, low);
                    *second = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
                } else {
                    // 128 more than they are, so that they have no sign.
                    *first = _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
                }
            }
            for (turn, w) in w.iter().take(if FOUR { 2 } else { 1 }).enumerate() {
                let group = line + turn * lines_of_block;
                for (r, integers) in integers.iter_mut().enumerate() {
                    for part in 0..PARTS {
                        let at = input.quant_place(row + r, block, part) + group * 4;
                        // SAFETY: the row has 32 bytes there, and four are read.
                        let x = unsafe { quants.add(at).cast::<i32>().read_unaligned() };
                        let x = _mm512_set1_epi32(x);
                        for (integer, w) in integers.iter_mut().zip(w) {
                            integer[part] = _mm512_dpbusd_epi32(integer[part], *w, x);
                        }
                    }
                }
            }
        }
        for p in 0..PANELS {
            let at = ((panel + p) * blocks + block) * halves_of_block;
            // SAFETY: `halves` has `panels * blocks * halves_of_block` places.
            let (scale, offset) = unsafe {
                let halves = weights.halves.as_ptr().add(at);
                let offset = if FOUR {
                    floats(halves.add(1))
                } else {
                    _mm512_setzero_ps()
                };
                (floats(halves), offset)
            };
            for r in 0..ROWS {
                let at = input.place(row + r, block);
                let mut integer = integers[r][p][0];
                if PARTS == 2 {
                    integer = _mm512_mullo_epi32(integer, high);
                    integer = _mm512_add_epi32(integer, integers[r][p][PARTS - 1]);
                }
                // SAFETY: there is a place for each block of each row in the numbers of the rows.
                let (x, shift, sum) = unsafe {
                    (
                        *input.scales.get_unchecked(at),
                        *input.shifts.get_unchecked(at),
                        *input.sums.get_unchecked(at),
                    )
                };
                if !FOUR {
                    integer = _mm512_add_epi32(integer, _mm512_set1_epi32(-128 * sum));
                }
                let value = _mm512_mul_ps(_mm512_cvtepi32_ps(integer), scale);
                sums[r][p] = _mm512_fmadd_ps(value, _mm512_set1_ps(x), sums[r][p]);
                if FOUR {
                    sums[r][p] = _mm512_fmadd_ps(offset, _mm512_set1_ps(shift), sums[r][p]);
                }
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

/// # Safety
/// The line exists.
#[target_feature(enable = "avx512f")]
unsafe fn load(line: *const Line) -> __m512i {
    // SAFETY: a line is 64 aligned bytes.
    unsafe { _mm512_load_si512(line.cast()) }
}

/// # Safety
/// The numbers exist.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn floats(halves: *const Halves) -> __m512 {
    // SAFETY: sixteen halves are 32 aligned bytes.
    _mm512_cvtph_ps(unsafe { _mm256_load_si256(halves.cast()) })
}
