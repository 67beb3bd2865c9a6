//! Tiles by AVX-512: 24 of the 32 registers hold sums, two the columns; rows are broadcast from memory.

use std::arch::x86_64::{
    __m512, __m512bh, _MM_HINT_T0, _mm_prefetch, _mm512_dpbf16_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{COLUMNS, Factors, ROWS, Sums};

pub(super) const LANES: usize = 16;
/// How many steps ahead rows and columns are asked for: where a neighbour uses the same core, its data push ours out of
/// the nearest cache.
const ROWS_AHEAD: usize = 16 * ROWS;
const COLUMNS_AHEAD: usize = 8 * COLUMNS;

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
            ask_for(a.as_ptr().wrapping_add(ROWS_AHEAD));
            ask_for(b.as_ptr().wrapping_add(COLUMNS_AHEAD));
            ask_for(b.as_ptr().wrapping_add(COLUMNS_AHEAD + LANES));
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

/// Asks for the line of the cache at `place`, which may be nowhere: nothing is read.
#[inline]
pub(super) fn ask_for(place: *const f32) {
    #[expect(unsafe_code, reason = "the instruction takes a pointer")]
    // SAFETY: it is a hint, which reads nothing and never faults.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(place.cast());
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(words: &[f32]) -> __m512 {
    assert!(words.len() >= LANES);
    #[expect(unsafe_code, reason = "the load takes a pointer")]
    // SAFETY: there are 16 words, as asserted, and the load needs no alignment.
    unsafe {
        _mm512_loadu_ps(words.as_ptr())
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(register: __m512, words: &mut [f32]) {
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
