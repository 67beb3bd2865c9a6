//! Factors in lanes: for every step of the inner dimension a word of each row.

use std::ops::Range;

use super::{
    form::{Form, Half},
    kernels::{ROWS, SIDE, turn},
    rounding::{ROW, join_rows, round_row},
};
use crate::matrix::Matrix;

/// Packs `LANES` rows of `matrix` from `first` on, for some steps of its columns, of singles in halves whole blocks.
pub(super) fn pack_lanes<const LANES: usize>(
    matrix: Matrix<'_>,
    first: usize,
    steps: Range<usize>,
    form: Form,
    words: &mut [f32],
) {
    let from = steps.start * form.numbers();
    let halves = form.halves();
    if halves.is_empty() {
        let to = steps.end.min(matrix.columns());
        pack_singles::<LANES>(matrix, first, from..to, words);
        return;
    }
    let each = SIDE * LANES;
    for (block, words) in words.chunks_mut(halves.len() * each).enumerate() {
        for (half, words) in halves.iter().zip(words.chunks_mut(each)) {
            pack_pairs::<LANES>(matrix, [first, from + block * ROW], *half, words);
        }
    }
}

/// Up to 16 steps of pairs.
fn pack_pairs<const LANES: usize>(
    matrix: Matrix<'_>,
    [first, from]: [usize; 2],
    half: Half,
    words: &mut [f32],
) {
    let lanes = LANES.min(matrix.rows().saturating_sub(first));
    let end = from + words.len() / LANES * 2;
    let to = end.min(matrix.columns());
    if lanes < LANES || to < end {
        words.fill(0.0);
    }
    if lanes == 0 || from >= to {
        return;
    }
    if !matrix.has_contiguous_rows() {
        let place = [from, first];
        join_rows(matrix.transposed(), place, [LANES, lanes], half, words);
        return;
    }
    let (mut square, mut turned) = ([0.0; SIDE * SIDE], [0.0; SIDE * SIDE]);
    for start in (0..lanes).step_by(SIDE) {
        let some = SIDE.min(lanes - start);
        let (rows, _) = square.as_chunks_mut::<SIDE>();
        for (lane, square) in rows.iter_mut().enumerate().take(some) {
            round_row(&matrix.row(first + start + lane)[from..to], half, square);
        }
        turn(&square, SIDE, &mut turned, SIDE);
        spread::<LANES>(&turned, some, &mut words[start..]);
    }
}

/// A column of singles to a step, a row to a lane: 16 columns of 16 rows at a time are turned over in registers.
fn pack_singles<const LANES: usize>(
    matrix: Matrix<'_>,
    first: usize,
    columns: Range<usize>,
    words: &mut [f32],
) {
    let lanes = LANES.min(matrix.rows().saturating_sub(first));
    if lanes < LANES || columns.len() * LANES < words.len() {
        words.fill(0.0);
    }
    if lanes == 0 {
        return;
    }
    if !matrix.has_contiguous_rows() {
        let rows = matrix.transposed();
        for (column, words) in columns.zip(words.chunks_exact_mut(LANES)) {
            copy_lanes::<LANES>(&rows.row(column)[first..first + lanes], words);
        }
        return;
    }
    let (mut square, mut turned) = ([0.0; SIDE * SIDE], [0.0; SIDE * SIDE]);
    for start in (0..lanes).step_by(SIDE) {
        let some = SIDE.min(lanes - start);
        for from in columns.clone().step_by(SIDE) {
            let count = SIDE.min(columns.end - from);
            for (lane, square) in (0..some).zip(square.chunks_exact_mut(SIDE)) {
                let row = &matrix.row(first + start + lane)[from..from + count];
                copy_lanes::<SIDE>(row, square);
            }
            turn(&square, SIDE, &mut turned, SIDE);
            let words = &mut words[(from - columns.start) * LANES + start..];
            spread::<LANES>(&turned[..count * SIDE], some, words);
        }
    }
}

/// Writes the first `lanes` words of each row of 16 to where every `LANES`-th word is the next row's first.
fn spread<const LANES: usize>(rows: &[f32], lanes: usize, words: &mut [f32]) {
    for (row, words) in rows.chunks_exact(SIDE).zip(words.chunks_mut(LANES)) {
        copy_lanes::<SIDE>(&row[..lanes], words);
    }
}

/// Copies as many words as there are; where they are the usual number the compiler knows how many.
#[inline(always)]
fn copy_lanes<const LANES: usize>(source: &[f32], words: &mut [f32]) {
    if let (Ok(source), Some(words)) = (
        <&[f32; LANES]>::try_from(source),
        words.first_chunk_mut::<LANES>(),
    ) {
        *words = *source;
    } else if let (Ok(source), Some(words)) = (
        <&[f32; ROWS]>::try_from(source),
        words.first_chunk_mut::<ROWS>(),
    ) {
        *words = *source;
    } else {
        words[..source.len()].copy_from_slice(source);
    }
}
