//! The tile product in plain arithmetic; what the others are checked against.

use super::{COLUMNS, ROWS, Sums};

pub(super) fn single(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    if !adds {
        sums.0.fill(0.0);
    }
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
        for (x, sums) in a.iter().zip(sums.0.chunks_exact_mut(COLUMNS)) {
            for (sum, y) in sums.iter_mut().zip(b) {
                *sum += x * y;
            }
        }
    }
}

pub(super) fn pairs(a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
    if !adds {
        sums.0.fill(0.0);
    }
    let low = |word: &f32| f32::from_bits(word.to_bits() << 16);
    let high = |word: &f32| f32::from_bits(word.to_bits() & 0xffff_0000);
    for (a, b) in a.chunks_exact(ROWS).zip(b.chunks_exact(COLUMNS)) {
        for (x, sums) in a.iter().zip(sums.0.chunks_exact_mut(COLUMNS)) {
            for (sum, y) in sums.iter_mut().zip(b) {
                *sum += low(x) * low(y) + high(x) * high(y);
            }
        }
    }
}
