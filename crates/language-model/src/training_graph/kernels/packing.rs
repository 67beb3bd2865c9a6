//! Packing by AVX-512: squares turned over in registers, numbers rounded.

use std::arch::x86_64::{
    __m512, __m512i, _CMP_UNORD_Q, _mm256_castsi256_ps, _mm256_storeu_ps, _mm512_add_epi32,
    _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_cvtepi32_epi16, _mm512_mask_mov_epi32, _mm512_mullo_epi32,
    _mm512_or_si512, _mm512_permutex2var_epi16, _mm512_permutex2var_ps, _mm512_set1_epi32,
    _mm512_setr_epi32, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_slli_epi32,
    _mm512_srli_epi32, _mm512_sub_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd,
    _mm512_unpacklo_ps,
};

use super::{
    Block, COLUMNS, SIDE,
    avx512::{LANES, load, store},
};
use crate::training_graph::form::Half;

pub(super) fn turn(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `kernels::turn` comes here only in a tier that has AVX-512.
    unsafe {
        turn_square(source, stride, out, out_stride);
    }
}

#[target_feature(enable = "avx512f")]
fn turn_square(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    let mut rows = [_mm512_setzero_ps(); SIDE];
    for (row, source) in rows.iter_mut().zip(source.chunks(stride)) {
        *row = load(source);
    }
    for (row, out) in turned(rows).iter().zip(out.chunks_mut(out_stride)) {
        store(*row, out);
    }
}

/// Columns for rows: turns squares of two, of four, then swaps quarters of registers twice.
#[inline]
#[target_feature(enable = "avx512f")]
fn turned(mut rows: [__m512; SIDE]) -> [__m512; SIDE] {
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
    next
}

pub(super) fn turn_pairs(source: &Block, words: &mut Block) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `kernels::turn_pairs` comes here only in a tier that has AVX-512.
    unsafe {
        turn_pairs_over(source, words);
    }
}

/// Takes words apart into squares of their low and of their high halves, turns both, and puts them together again.
#[target_feature(enable = "avx512f,avx512bw")]
fn turn_pairs_over(source: &Block, words: &mut Block) {
    let (rows, _) = source.as_chunks::<COLUMNS>();
    let (words, _) = words.as_chunks_mut::<COLUMNS>();
    // Of two neighbouring words 2i and 2i + 1, the numbers of 16 bits 4i and 4i + 2 are the low halves.
    let lows = _mm512_add_epi32(
        _mm512_mullo_epi32(counted(), _mm512_set1_epi32(0x0004_0004)),
        _mm512_set1_epi32(0x0002_0000),
    );
    let highs = _mm512_add_epi32(lows, _mm512_set1_epi32(0x0001_0001));
    let (mut low, mut high) = ([_mm512_setzero_ps(); SIDE], [_mm512_setzero_ps(); SIDE]);
    for (row, (low, high)) in rows.iter().zip(low.iter_mut().zip(&mut high)) {
        let [left, right] = [0, LANES].map(|lane| _mm512_castps_si512(load(&row[lane..])));
        *low = _mm512_castsi512_ps(_mm512_permutex2var_epi16(left, lows, right));
        *high = _mm512_castsi512_ps(_mm512_permutex2var_epi16(left, highs, right));
    }
    // By turns a word of the one and a word of the other: of their first eight, then of the others.
    let is_odd = _mm512_and_si512(counted(), _mm512_set1_epi32(1));
    let half = _mm512_srli_epi32::<1>(counted());
    let first = _mm512_or_si512(half, _mm512_slli_epi32::<4>(is_odd));
    let second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    let columns = turned(low).into_iter().zip(turned(high));
    for ((low, high), words) in columns.zip(words) {
        let [upper, lower] = [first, second].map(|of| _mm512_permutex2var_ps(low, of, high));
        store(upper, words);
        store(lower, &mut words[LANES..]);
    }
}

/// 0 to 15.
#[inline]
#[target_feature(enable = "avx512f")]
fn counted() -> __m512i {
    _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
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
