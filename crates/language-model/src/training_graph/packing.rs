//! Factors in the order in which tiles read them.
//!
//! A left factor is cut into tiles of rows, a right one into panels of 32 columns. In each, for every step of the
//! inner dimension, come 12 or 32 words (with AMX for every 16 steps 32 rows of 16 words): see `kernels`. What is
//! missing at the edges is zero. Everything starts at a multiple of 64 bytes: a load that crosses two lines of the
//! cache takes twice the time, and to AMX three times.

use rayon::prelude::*;

use super::{
    frozen::Precision,
    kernels::{COLUMNS, ROWS, SIDE, Tier, Tile, turn, vectorised},
};
use crate::matrix::Matrix;

impl Precision {
    /// Steps that an inner dimension takes: pairs in bfloat16, and whole blocks.
    pub(super) fn steps(self, inner: usize) -> usize {
        match self {
            Self::Full => inner,
            Self::Mixed => inner.div_ceil(2).next_multiple_of(self.tile().block),
        }
    }

    pub(super) fn tile(self) -> Tile {
        match self {
            Self::Full => Tier::current().single_tile(),
            Self::Mixed => Tier::current().pair_tile(),
        }
    }
}

/// Numbers that are needed beyond those asked for, so that the start can be moved to a whole line of the cache.
pub(super) const SLACK: usize = 15;

/// `count` numbers of `words` from a multiple of 64 bytes on; there are [`SLACK`] more.
pub(super) fn aligned(words: &mut [f32], count: usize) -> &mut [f32] {
    let start = start(words);
    &mut words[start..][..count]
}

fn start(words: &[f32]) -> usize {
    words.as_ptr().align_offset(64).min(SLACK)
}

/// A packed left factor `[rows, inner]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    words: &'a [f32],
    pub(super) rows: usize,
    pub(super) steps: usize,
    pub(super) precision: Precision,
    pub(super) tile: Tile,
}

/// Words of a left factor.
pub(super) fn left_words(matrix: Matrix<'_>, precision: Precision) -> usize {
    let tile = precision.tile();
    let steps = precision.steps(matrix.columns());
    matrix.rows().next_multiple_of(tile.rows) * steps + SLACK
}

impl<'a> Left<'a> {
    /// Packs `matrix` into `words`, of which there are [`left_words`], with all threads.
    pub(super) fn pack(matrix: Matrix<'_>, precision: Precision, words: &'a mut [f32]) -> Self {
        let words = aligned(words, left_words(matrix, precision) - SLACK);
        let left = Self::of(matrix, precision, &[]);
        words
            .par_chunks_mut(left.each().max(1))
            .enumerate()
            .for_each(|(tile, words)| left.pack_tile(matrix, tile, words));
        Self { words, ..left }
    }

    /// As [`Left::pack`], by this thread alone; `words` may be longer.
    pub(super) fn pack_here(
        matrix: Matrix<'_>,
        precision: Precision,
        words: &'a mut [f32],
    ) -> Self {
        let words = aligned(words, left_words(matrix, precision) - SLACK);
        let left = Self::of(matrix, precision, &[]);
        for (tile, words) in words.chunks_mut(left.each().max(1)).enumerate() {
            left.pack_tile(matrix, tile, words);
        }
        Self { words, ..left }
    }

    fn pack_tile(&self, matrix: Matrix<'_>, tile: usize, words: &mut [f32]) {
        let first = tile * self.tile.rows;
        if self.tile.block > 1 {
            pack_rows(matrix, first, self.tile.rows, words);
        } else {
            pack::<ROWS>(matrix, first, 0..self.steps, self.precision, words);
        }
    }

    fn of(matrix: Matrix<'_>, precision: Precision, words: &'a [f32]) -> Self {
        Self {
            words,
            rows: matrix.rows(),
            steps: precision.steps(matrix.columns()),
            precision,
            tile: precision.tile(),
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

/// A packed right factor `[inner, columns]`.
#[derive(Debug)]
pub(super) struct Packed {
    words: Vec<f32>,
    /// Where they start to be of use.
    start: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) precision: Precision,
}

impl Packed {
    pub(super) fn new(matrix: Matrix<'_>, precision: Precision) -> Self {
        let (inner, columns) = (matrix.rows(), matrix.columns());
        let steps = precision.steps(inner);
        let count = columns.div_ceil(COLUMNS) * steps * COLUMNS;
        let mut words = vec![0.0; count + SLACK];
        aligned(&mut words, count)
            .par_chunks_mut((steps * COLUMNS).max(1))
            .enumerate()
            .for_each(|(panel, words)| {
                let lanes = matrix.transposed();
                pack::<COLUMNS>(lanes, panel * COLUMNS, 0..steps, precision, words);
            });
        Self {
            start: start(&words),
            words,
            inner,
            columns,
            precision,
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.precision.steps(self.inner)
    }

    /// Panel after panel.
    pub(super) fn words(&self) -> &[f32] {
        &self.words[self.start..self.words.len() + self.start - SLACK]
    }

    /// All steps of one panel.
    pub(super) fn panel(&self, panel: usize) -> &[f32] {
        let each = self.steps() * COLUMNS;
        &self.words()[panel * each..][..each]
    }

    /// The steps `steps` of panel `panel` of the **transposed** factor `[columns, inner]`.
    ///
    /// Made again for each product: both orientations would take the memory twice. Works in blocks of 32 by 32
    /// numbers, so `steps` starts at a multiple of 32 numbers.
    fn transposed_panel(&self, panel: usize, steps: std::ops::Range<usize>, words: &mut [f32]) {
        let each_block = match self.precision {
            Precision::Full => COLUMNS,
            Precision::Mixed => COLUMNS / 2,
        };
        assert!(steps.start.is_multiple_of(each_block), "a block is cut");
        // The rows of the block, in steps of this factor; the last panel may have fewer.
        let first_row = panel * each_block;
        let rows = each_block.min(self.steps().saturating_sub(first_row));
        for (block, words) in words.chunks_mut(each_block * COLUMNS).enumerate() {
            let source_panel = steps.start / each_block + block;
            let start = (source_panel * self.steps() + first_row) * COLUMNS;
            let source = &self.words()[start..start + rows * COLUMNS];
            match self.precision {
                Precision::Full => turn_singles(source, words),
                Precision::Mixed => turn_pairs(source, words),
            }
        }
    }
}

/// Turns rows of 32 numbers into columns of `words`, whose rows are 32 numbers long as well.
fn turn_singles(source: &[f32], words: &mut [f32]) {
    if source.len().min(words.len()) < COLUMNS * COLUMNS {
        words.fill(0.0);
        let (rows, _) = source.as_chunks::<COLUMNS>();
        for (place, row) in rows.iter().enumerate() {
            for (number, words) in row.iter().zip(words.chunks_mut(COLUMNS)) {
                words[place] = *number;
            }
        }
        return;
    }
    for row in [0, SIDE] {
        for column in [0, SIDE] {
            let place = &mut words[column * COLUMNS + row..];
            turn(&source[row * COLUMNS + column..], COLUMNS, place, COLUMNS);
        }
    }
}

/// The same for pairs: the words of `source` hold two numbers of neighbouring rows, those of `words` two of
/// neighbouring columns.
fn turn_pairs(source: &[f32], words: &mut [f32]) {
    const HALF: usize = COLUMNS / 2;
    if source.len() < HALF * COLUMNS {
        words.fill(0.0);
    }
    let (rows, _) = source.as_chunks::<COLUMNS>();
    let (words, _) = words.as_chunks_mut::<COLUMNS>();
    for (place, row) in rows.iter().enumerate() {
        let mut turned = [[0.0; 2]; HALF];
        join_neighbours(row, &mut turned);
        for (turned, words) in turned.iter().zip(words.iter_mut()) {
            words[2 * place] = turned[0];
            words[2 * place + 1] = turned[1];
        }
    }
}

vectorised! {
    /// Of each two words: their low halves in one, their high halves in the other.
    fn join_neighbours(row: &[f32; COLUMNS], turned: &mut [[f32; 2]; COLUMNS / 2]) {
        let (pairs, _) = row.as_chunks::<2>();
        for (pair, turned) in pairs.iter().zip(turned) {
            let (x, y) = (pair[0].to_bits(), pair[1].to_bits());
            turned[0] = f32::from_bits((x & 0xffff) | (y << 16));
            turned[1] = f32::from_bits((x >> 16) | (y & 0xffff_0000));
        }
    }
}

/// A right factor, packed or to be packed when it is needed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Right<'a> {
    Packed(&'a Packed),
    /// The transpose of a packed factor.
    Transposed(&'a Packed),
    Matrix(Matrix<'a>),
}

impl Right<'_> {
    pub(super) fn columns(self) -> usize {
        match self {
            Self::Packed(packed) => packed.columns,
            Self::Transposed(packed) => packed.inner,
            Self::Matrix(matrix) => matrix.columns(),
        }
    }

    /// Steps of one panel.
    pub(super) fn panel(
        self,
        panel: usize,
        steps: std::ops::Range<usize>,
        precision: Precision,
        words: &mut [f32],
    ) {
        match self {
            Self::Packed(packed) => {
                let panel = packed.panel(panel);
                words.copy_from_slice(&panel[steps.start * COLUMNS..steps.end * COLUMNS]);
            }
            Self::Transposed(packed) => packed.transposed_panel(panel, steps, words),
            Self::Matrix(matrix) => {
                pack::<COLUMNS>(
                    matrix.transposed(),
                    panel * COLUMNS,
                    steps,
                    precision,
                    words,
                );
            }
        }
    }
}

/// Packs `LANES` rows of `matrix` from `first` on, for some steps of its columns.
fn pack<const LANES: usize>(
    matrix: Matrix<'_>,
    first: usize,
    steps: std::ops::Range<usize>,
    precision: Precision,
    words: &mut [f32],
) {
    let lanes = LANES.min(matrix.rows().saturating_sub(first));
    let of_step = match precision {
        Precision::Full => 1,
        Precision::Mixed => 2,
    };
    let from = steps.start * of_step;
    let to = (steps.end * of_step).min(matrix.columns());
    if lanes < LANES || (to - from).div_ceil(of_step) < steps.len() {
        words.fill(0.0);
    }
    if matrix.has_contiguous_rows() {
        let columns = from..to;
        match precision {
            Precision::Full => {
                spread_singles::<LANES>(matrix, first..first + lanes, columns, words);
            }
            Precision::Mixed => {
                for lane in 0..lanes {
                    let row = &matrix.row(first + lane)[columns.clone()];
                    spread_pairs(row, &mut words[lane..], LANES);
                }
            }
        }
        return;
    }
    if matrix.transposed().has_contiguous_rows() {
        let columns = matrix.transposed();
        for (step, words) in words.chunks_exact_mut(LANES).enumerate() {
            let column = from + step * of_step;
            if column >= to {
                break;
            }
            let low = &columns.row(column)[first..first + lanes];
            match precision {
                Precision::Full => copy_lanes::<LANES>(low, words),
                Precision::Mixed if column + 1 < to => {
                    let high = &columns.row(column + 1)[first..first + lanes];
                    join_pairs(low, high, words);
                }
                Precision::Mixed => join_pairs(low, &[0.0; LANES], words),
            }
        }
        return;
    }
    for (step, words) in words.chunks_exact_mut(LANES).enumerate() {
        for (lane, word) in words.iter_mut().enumerate().take(lanes) {
            let column = from + step * of_step;
            *word = match precision {
                Precision::Full => matrix.at(first + lane, column),
                Precision::Mixed => pair(
                    matrix.at(first + lane, column),
                    matrix.at(first + lane, column + 1),
                ),
            };
        }
    }
}

/// Packs a tile of `rows` rows of `matrix` from `first` on, in pairs: for every 16 steps, 16 words of each row.
fn pack_rows(matrix: Matrix<'_>, first: usize, rows: usize, words: &mut [f32]) {
    let lanes = rows.min(matrix.rows().saturating_sub(first));
    if lanes < rows || !matrix.columns().is_multiple_of(2 * SIDE) {
        words.fill(0.0);
    }
    if matrix.has_contiguous_rows() {
        for lane in 0..lanes {
            join_row(
                matrix.row(first + lane),
                &mut words[lane * SIDE..],
                rows * SIDE,
            );
        }
        return;
    }
    let columns = matrix.transposed();
    let mut square = [0.0; SIDE * SIDE];
    for (block, words) in words.chunks_mut(rows * SIDE).enumerate() {
        for (half, words) in words.chunks_mut(SIDE * SIDE).enumerate() {
            let lanes = SIDE.min(lanes.saturating_sub(half * SIDE));
            if lanes == 0 {
                continue;
            }
            let from = first + half * SIDE;
            square.fill(0.0);
            for (step, square) in square.chunks_mut(SIDE).enumerate() {
                let column = 2 * (block * SIDE + step);
                if column + 1 < columns.rows() {
                    let low = &columns.row(column)[from..from + lanes];
                    let high = &columns.row(column + 1)[from..from + lanes];
                    join_pairs(low, high, square);
                } else if column < columns.rows() {
                    join_pairs(
                        &columns.row(column)[from..from + lanes],
                        &[0.0; SIDE],
                        square,
                    );
                }
            }
            turn(&square, SIDE, words, SIDE);
        }
    }
}

vectorised! {
    /// Pairs of a row, 16 at a time to every `stride`-th word.
    fn join_row(row: &[f32], words: &mut [f32], stride: usize) {
        let (whole, rest) = row.as_chunks::<{ 2 * SIDE }>();
        let mut places = words.chunks_mut(stride);
        for (numbers, words) in whole.iter().zip(&mut places) {
            for (word, numbers) in words.iter_mut().zip(numbers.as_chunks::<2>().0) {
                *word = pair(numbers[0], numbers[1]);
            }
        }
        if let Some(words) = places.next() {
            for (word, numbers) in words.iter_mut().zip(rest.chunks(2)) {
                *word = pair(numbers[0], numbers.get(1).copied().unwrap_or_default());
            }
        }
    }
}

/// Some columns of some rows, a row to a lane: 16 columns of 16 rows at a time are turned over in registers.
fn spread_singles<const LANES: usize>(
    matrix: Matrix<'_>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    words: &mut [f32],
) {
    let mut square = [0.0; SIDE * SIDE];
    let mut turned = [0.0; SIDE * SIDE];
    for first in (0..rows.len()).step_by(SIDE) {
        let lanes = first..rows.len().min(first + SIDE);
        for start in columns.clone().step_by(SIDE) {
            let count = SIDE.min(columns.end - start);
            for (lane, square) in lanes.clone().zip(square.chunks_exact_mut(SIDE)) {
                let row = &matrix.row(rows.start + lane)[start..start + count];
                copy_lanes::<SIDE>(row, square);
            }
            turn(&square, SIDE, &mut turned, SIDE);
            let words = &mut words[(start - columns.start) * LANES..];
            for (turned, words) in turned
                .chunks_exact(SIDE)
                .zip(words.chunks_exact_mut(LANES))
                .take(count)
            {
                copy_lanes::<SIDE>(&turned[..lanes.len()], &mut words[first..]);
            }
        }
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

vectorised! {
    /// Two numbers to every `stride`-th word.
    fn spread_pairs(row: &[f32], words: &mut [f32], stride: usize) {
        let mut rounded = [0.0f32; 64];
        for (row, words) in row.chunks(128).zip(words.chunks_mut(64 * stride)) {
            let whole = row.chunks_exact(2);
            if let [last] = whole.remainder() {
                rounded[row.len() / 2] = pair(*last, 0.0);
            }
            for (word, numbers) in rounded.iter_mut().zip(whole) {
                *word = pair(numbers[0], numbers[1]);
            }
            for (word, words) in rounded[..row.len().div_ceil(2)].iter().zip(words.chunks_mut(stride)) {
                words[0] = *word;
            }
        }
    }
}

vectorised! {
    fn join_pairs(low: &[f32], high: &[f32], words: &mut [f32]) {
        for ((low, high), word) in low.iter().zip(high).zip(words) {
            *word = pair(*low, *high);
        }
    }
}

/// Two numbers in one word, rounded to nearest, ties to even; the first in the low half.
#[inline(always)]
fn pair(low: f32, high: f32) -> f32 {
    f32::from_bits((upper_half(low) >> 16) | (upper_half(high) & 0xffff_0000))
}

/// As `quantised::to_bf16`, in a form that becomes vector instructions.
#[inline(always)]
fn upper_half(number: f32) -> u32 {
    let bits = number.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        bits | 0x0040_0000
    } else {
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantised::to_bf16;

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        let back = |number: f32| f32::from_bits(upper_half(number) & 0xffff_0000);
        assert_eq!(back(1.0), 1.0);
        assert_eq!(
            back(1.0 + 1.0 / 256.0),
            1.0,
            "a tie goes to the even neighbour"
        );
        assert_eq!(back(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(back(f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert!(back(f32::NAN).is_nan());
        for number in [0.1, -3.7e20, 1e-40, 65_535.0] {
            assert_eq!(upper_half(number) >> 16, u32::from(to_bf16(number)));
        }
    }
}
