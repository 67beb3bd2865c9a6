//! Left factors in the order in which tiles read them.
//!
//! A left factor is cut into tiles of rows, a right one into panels of 32 columns. In each, for every step of the
//! inner dimension, come 12 or 32 words (with AMX for every 16 steps 32 rows of 16 words): see `kernels`. What is
//! missing at the edges is zero. Everything starts at a multiple of 64 bytes: a load that crosses two lines of the
//! cache takes twice the time, and to AMX three times.

use super::{
    crew::share_out,
    form::Form,
    frozen::Precision,
    kernels::{ROWS, SIDE, Tile, turn},
    lanes::pack_lanes,
    rounding::{ROW, join_rows, round_row},
};
use crate::matrix::Matrix;

/// Numbers that are needed beyond those asked for, so that the start can be moved to a whole line of the cache.
pub(super) const SLACK: usize = 15;

/// `count` numbers of `words` from a multiple of 64 bytes on; there are [`SLACK`] more.
pub(super) fn aligned(words: &mut [f32], count: usize) -> &mut [f32] {
    let start = start(words);
    &mut words[start..][..count]
}

/// Where the first whole line of the cache starts.
pub(super) fn start(words: &[f32]) -> usize {
    words.as_ptr().align_offset(64).min(SLACK)
}

/// A packed left factor `[rows, inner]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    words: &'a [f32],
    pub(super) rows: usize,
    pub(super) steps: usize,
    pub(super) precision: Precision,
    pub(super) form: Form,
    pub(super) tile: Tile,
}

/// Words of a left factor.
pub(super) fn left_words(matrix: Matrix<'_>, precision: Precision) -> usize {
    let form = Form::of(precision);
    matrix.rows().next_multiple_of(form.tile().rows) * form.steps(matrix.columns()) + SLACK
}

impl<'a> Left<'a> {
    /// Packs `matrix` into `words`, of which there are [`left_words`], with all threads.
    pub(super) fn pack(matrix: Matrix<'_>, precision: Precision, words: &'a mut [f32]) -> Self {
        let words = aligned(words, left_words(matrix, precision) - SLACK);
        let left = Self::of(matrix, precision);
        let tiles = words.chunks_mut(left.each().max(1)).enumerate();
        share_out(tiles, |(tile, words)| left.pack_tile(matrix, tile, words));
        Self { words, ..left }
    }

    /// As [`Left::pack`], by this thread alone; `words` may be longer.
    pub(super) fn pack_here(
        matrix: Matrix<'_>,
        precision: Precision,
        words: &'a mut [f32],
    ) -> Self {
        let words = aligned(words, left_words(matrix, precision) - SLACK);
        let left = Self::of(matrix, precision);
        for (tile, words) in words.chunks_mut(left.each().max(1)).enumerate() {
            left.pack_tile(matrix, tile, words);
        }
        Self { words, ..left }
    }

    fn pack_tile(&self, matrix: Matrix<'_>, tile: usize, words: &mut [f32]) {
        let first = tile * self.tile.rows;
        if self.tile.block > 1 {
            pack_rows(matrix, (first, self.tile.rows), self.form, words);
        } else {
            pack_lanes::<ROWS>(matrix, first, 0..self.steps, self.form, words);
        }
    }

    fn of(matrix: Matrix<'_>, precision: Precision) -> Self {
        let form = Form::of(precision);
        Self {
            words: &[],
            rows: matrix.rows(),
            steps: form.steps(matrix.columns()),
            precision,
            form,
            tile: form.tile(),
        }
    }

    /// Words of one tile.
    fn each(&self) -> usize {
        self.steps * self.tile.rows
    }

    /// How many tiles there are.
    pub(super) fn tiles(&self) -> usize {
        self.rows.div_ceil(self.tile.rows)
    }

    /// The words of one tile for some steps, whole blocks of them.
    pub(super) fn words(&self, tile: usize, steps: std::ops::Range<usize>) -> &'a [f32] {
        let words = &self.words[tile * self.each()..][..self.each()];
        &words[steps.start * self.tile.rows..steps.end * self.tile.rows]
    }
}

/// Packs a tile of `rows` rows of `matrix` from `first` on, in pairs: for every 32 numbers, 16 words of each row, half
/// after half.
fn pack_rows(matrix: Matrix<'_>, (first, rows): (usize, usize), form: Form, words: &mut [f32]) {
    let lanes = rows.min(matrix.rows().saturating_sub(first));
    if lanes < rows {
        words.fill(0.0);
    }
    let (halves, each) = (form.halves(), rows * SIDE);
    let blocks = words.chunks_mut(halves.len() * each).enumerate();
    if matrix.has_contiguous_rows() {
        for (block, words) in blocks {
            let from = block * ROW;
            let to = matrix.columns().min(from + ROW);
            for (half, words) in halves.iter().zip(words.chunks_mut(each)) {
                let (words, _) = words.as_chunks_mut::<SIDE>();
                for (lane, words) in words.iter_mut().enumerate().take(lanes) {
                    round_row(&matrix.row(first + lane)[from..to], *half, words);
                }
            }
        }
        return;
    }
    let columns = matrix.transposed();
    let mut square = [0.0; SIDE * SIDE];
    for (block, words) in blocks {
        for (half, words) in halves.iter().zip(words.chunks_mut(each)) {
            for (upper, words) in words.chunks_mut(SIDE * SIDE).enumerate() {
                let lanes = SIDE.min(lanes.saturating_sub(upper * SIDE));
                if lanes == 0 {
                    continue;
                }
                square.fill(0.0);
                let place = [block * ROW, first + upper * SIDE];
                join_rows(columns, place, [SIDE, lanes], *half, &mut square);
                turn(&square, SIDE, words, SIDE);
            }
        }
    }
}
