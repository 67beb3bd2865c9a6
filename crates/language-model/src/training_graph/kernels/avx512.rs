//! Tiles by AVX-512: 24 of the 32 registers hold sums, two the columns; rows are broadcast from memory.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{COLUMNS, ROWS, Sums};

const LANES: usize = 16;
type Registers = [[__m512; 2]; ROWS];

pub(super) fn single(a: &[f32], b: &[f32], sums: &mut Sums) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::single_tile` hands this out for a tier that the processor has.
    unsafe {
        single_tile(a, b, sums);
    }
}

pub(super) fn pairs(a: &[f32], b: &[f32], sums: &mut Sums) {
    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
    // SAFETY: `Tier::pair_tile` hands this out only where `has_bf16` has found the instruction.
    unsafe {
        pair_tile(a, b, sums);
    }
}

#[target_feature(enable = "avx512f")]
fn single_tile(a: &[f32], b: &[f32], sums: &mut Sums) {
    let mut registers = load_sums(sums);
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
        let (left, right) = (load(&b[..LANES]), load(&b[LANES..]));
        let (left, right) = (_mm512_castsi512_ps(left), _mm512_castsi512_ps(right));
        for (word, sums) in a.iter().zip(&mut registers) {
            let word = _mm512_castsi512_ps(_mm512_set1_epi32(word.to_bits().cast_signed()));
            sums[0] = _mm512_fmadd_ps(word, left, sums[0]);
            sums[1] = _mm512_fmadd_ps(word, right, sums[1]);
        }
    }
    store_sums(&registers, sums);
}

#[target_feature(enable = "avx512f,avx512bf16")]
fn pair_tile(a: &[f32], b: &[f32], sums: &mut Sums) {
    let mut registers = load_sums(sums);
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
        let (left, right) = (bf16(load(&b[..LANES])), bf16(load(&b[LANES..])));
        for (word, sums) in a.iter().zip(&mut registers) {
            let word = bf16(_mm512_set1_epi32(word.to_bits().cast_signed()));
            sums[0] = _mm512_dpbf16_ps(sums[0], word, left);
            sums[1] = _mm512_dpbf16_ps(sums[1], word, right);
        }
    }
    store_sums(&registers, sums);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_sums(sums: &Sums) -> Registers {
    let mut registers = [[_mm512_setzero_ps(); 2]; ROWS];
    for (registers, sums) in registers.iter_mut().zip(sums.chunks_exact(COLUMNS)) {
        for (register, sums) in registers.iter_mut().zip(sums.chunks_exact(LANES)) {
            assert!(sums.len() == LANES);
            #[expect(unsafe_code, reason = "the load takes a pointer")]
            // SAFETY: there are 16 numbers, as asserted, and the load needs no alignment.
            unsafe {
                *register = _mm512_loadu_ps(sums.as_ptr());
            }
        }
    }
    registers
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_sums(registers: &Registers, sums: &mut Sums) {
    for (registers, sums) in registers.iter().zip(sums.chunks_exact_mut(COLUMNS)) {
        for (register, sums) in registers.iter().zip(sums.chunks_exact_mut(LANES)) {
            assert!(sums.len() == LANES);
            #[expect(unsafe_code, reason = "the store takes a pointer")]
            // SAFETY: there is room for 16 numbers, as asserted, and the store needs no alignment.
            unsafe {
                _mm512_storeu_ps(sums.as_mut_ptr(), *register);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[f32]) -> __m512i {
    assert!(words.len() >= LANES);
    #[expect(unsafe_code, reason = "the load takes a pointer")]
    // SAFETY: there are 16 words, as asserted, and the load needs no alignment.
    unsafe {
        _mm512_loadu_si512(words.as_ptr().cast())
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bf16(words: __m512i) -> __m512bh {
    #[expect(unsafe_code, reason = "there is no intrinsic for this cast")]
    // SAFETY: both are 512 plain bits.
    unsafe {
        std::mem::transmute(words)
    }
}
