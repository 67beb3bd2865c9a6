//! Tiles by AVX-512: 24 of the 32 registers hold sums, two the columns; rows are broadcast from memory.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _CMP_UNORD_Q, _mm256_castsi256_ps, _mm256_storeu_ps,
    _mm512_add_epi32, _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps_si512,
    _mm512_castsi512_ps, _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16, _mm512_dpbf16_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_mov_epi32, _mm512_or_si512, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_srli_epi32, _mm512_storeu_ps,
    _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::{COLUMNS, Factors, ROWS, SIDE, Sums};
use crate::training_graph::form::Half;

const LANES: usize = 16;

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
        single_tile(a, b, (sums, stride), adds);
        if !more_a.is_empty() {
            single_tile(more_a, more_b, (sums, stride), true);
        }
    }
}

pub(super) fn pairs(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::pair_tile` hands this out only where `has_bf16` has found the instruction.
    unsafe {
        pair_tile(a, b, (&mut sums.0, COLUMNS), adds);
    }
}

/// The body of a tile. Every sum has a variable of its own: an array of them would be kept in memory.
macro_rules! tile {
    ($a:ident, $b:ident, $sums:ident, $stride:ident, $adds:ident, $step:ident; $($row:literal $left:ident $right:ident),*) => {
        $(
            let (mut $left, mut $right) = if $adds {
                (load(&$sums[$row * $stride..]), load(&$sums[$row * $stride + LANES..]))
            } else {
                (_mm512_setzero_ps(), _mm512_setzero_ps())
            };
        )*
        let (a, _) = $a.as_chunks::<ROWS>();
        let (b, _) = $b.as_chunks::<COLUMNS>();
        for (a, b) in a.iter().zip(b) {
            let (left, right) = (load(&b[..]), load(&b[LANES..]));
            $(
                let word = _mm512_set1_ps(a[$row]);
                $left = $step(word, left, $left);
                $right = $step(word, right, $right);
            )*
        }
        $(
            store($left, &mut $sums[$row * $stride..]);
            store($right, &mut $sums[$row * $stride + LANES..]);
        )*
    };
    ($a:ident, $b:ident, $sums:ident, $stride:ident, $adds:ident, $step:ident) => {
        tile!($a, $b, $sums, $stride, $adds, $step; 0 a0 b0, 1 a1 b1, 2 a2 b2, 3 a3 b3, 4 a4 b4, 5 a5 b5, 6 a6 b6, 7 a7 b7, 8 a8 b8,
            9 a9 b9, 10 a10 b10, 11 a11 b11);
    };
}

#[target_feature(enable = "avx512f")]
fn single_tile(a: &[f32], b: &[f32], (sums, stride): (&mut [f32], usize), adds: bool) {
    tile!(a, b, sums, stride, adds, _mm512_fmadd_ps);
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn pair_tile(a: &[f32], b: &[f32], (sums, stride): (&mut [f32], usize), adds: bool) {
    tile!(a, b, sums, stride, adds, add_pairs);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn add_pairs(x: __m512, y: __m512, sum: __m512) -> __m512 {
    _mm512_dpbf16_ps(sum, bf16(x), bf16(y))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[f32]) -> __m512 {
    assert!(words.len() >= LANES);
    #[expect(unsafe_code, reason = "the load takes a pointer")]
    // SAFETY: there are 16 words, as asserted, and the load needs no alignment.
    unsafe {
        _mm512_loadu_ps(words.as_ptr())
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(register: __m512, words: &mut [f32]) {
    assert!(words.len() >= LANES);
    #[expect(unsafe_code, reason = "the store takes a pointer")]
    // SAFETY: there is room for 16 words, as asserted, and the store needs no alignment.
    unsafe {
        _mm512_storeu_ps(words.as_mut_ptr(), register);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bf16(words: __m512) -> __m512bh {
    #[expect(unsafe_code, reason = "there is no intrinsic for this cast")]
    // SAFETY: both are 512 plain bits.
    unsafe {
        std::mem::transmute(words)
    }
}

pub(super) fn turn(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `kernels::turn` comes here only in a tier that has AVX-512.
    unsafe {
        turn_square(source, stride, out, out_stride);
    }
}

/// Turns squares of two, of four, then swaps quarters of registers twice.
#[target_feature(enable = "avx512f")]
fn turn_square(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    let mut rows = [_mm512_setzero_ps(); SIDE];
    for (row, source) in rows.iter_mut().zip(source.chunks(stride)) {
        *row = load(source);
    }
    let mut next = rows;
    for pair in 0..SIDE / 2 {
        next[2 * pair] = _mm512_unpacklo_ps(rows[2 * pair], rows[2 * pair + 1]);
        next[2 * pair + 1] = _mm512_unpackhi_ps(rows[2 * pair], rows[2 * pair + 1]);
    }
    // Of each four rows 4i..4i+4: register 4i + j holds column j of every quarter.
    for four in (0..SIDE).step_by(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|place| _mm512_castps_pd(next[four + place]));
        rows[four] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
        rows[four + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
        rows[four + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
        rows[four + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    for column in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|four| rows[four + column]);
        // Quarters 0 and 2, and 1 and 3, of two registers each.
        let (even_low, odd_low) = (
            _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
            _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
        );
        let (even_high, odd_high) = (
            _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
            _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
        );
        next[column] = _mm512_shuffle_f32x4::<0b10_00_10_00>(even_low, even_high);
        next[column + 8] = _mm512_shuffle_f32x4::<0b11_01_11_01>(even_low, even_high);
        next[column + 4] = _mm512_shuffle_f32x4::<0b10_00_10_00>(odd_low, odd_high);
        next[column + 12] = _mm512_shuffle_f32x4::<0b11_01_11_01>(odd_low, odd_high);
    }
    for (row, out) in next.iter().zip(out.chunks_mut(out_stride)) {
        store(*row, out);
    }
}

pub(super) fn round_row(row: &[f32; 2 * SIDE], half: Half, words: &mut [f32; SIDE]) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `kernels::round_row` comes here only in a tier that has AVX-512.
    unsafe {
        match half {
            Half::Rounded => round::<false>(row, words),
            Half::Rest => round::<true>(row, words),
        }
    }
}

#[target_feature(enable = "avx512f,avx512vl")]
fn round<const REST: bool>(row: &[f32; 2 * SIDE], words: &mut [f32; SIDE]) {
    let upper = _mm512_set1_epi32(0xffff_0000u32.cast_signed());
    for (row, words) in row
        .chunks_exact(LANES)
        .zip(words.chunks_exact_mut(LANES / 2))
    {
        let mut numbers = load(row);
        if REST {
            let rounded = _mm512_and_si512(upper_halves(numbers), upper);
            numbers = _mm512_sub_ps(numbers, _mm512_castsi512_ps(rounded));
        }
        // Sixteen numbers of 16 bits in their order are eight words.
        let pairs = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(upper_halves(numbers)));
        assert!(words.len() == LANES / 2);
        #[expect(unsafe_code, reason = "the store takes a pointer")]
        // SAFETY: there is room for 32 bytes, as asserted, and the store needs no alignment.
        unsafe {
            _mm256_storeu_ps(words.as_mut_ptr(), _mm256_castsi256_ps(pairs));
        }
    }
}

/// As `rounding::upper_half`.
#[inline]
#[target_feature(enable = "avx512f")]
fn upper_halves(numbers: __m512) -> __m512i {
    let bits = _mm512_castps_si512(numbers);
    let last = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    let more = _mm512_add_epi32(last, _mm512_set1_epi32(0x7fff));
    let is_none = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(numbers, numbers);
    let none = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
    _mm512_mask_mov_epi32(_mm512_add_epi32(bits, more), is_none, none)
}
