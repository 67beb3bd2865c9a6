//! Factors in the order in which tiles read them.
//!
//! A left factor is cut into tiles of 12 rows, a right one into panels of 32 columns. In each, for every step of the
//! inner dimension, come 12 or 32 words: see `kernels`. What is missing at the edges is zero.

use rayon::prelude::*;

use super::{
    frozen::Precision,
    kernels::{COLUMNS, ROWS, vectorised},
};
use crate::matrix::Matrix;

impl Precision {
    /// Steps that an inner dimension takes: pairs in bfloat16.
    pub(super) fn steps(self, inner: usize) -> usize {
        match self {
            Self::Full => inner,
            Self::Mixed => inner.div_ceil(2),
        }
    }
}

/// A packed left factor `[rows, inner]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) words: &'a [f32],
    pub(super) rows: usize,
    pub(super) steps: usize,
    pub(super) precision: Precision,
}

/// Words of a left factor.
pub(super) fn left_words(matrix: Matrix<'_>, precision: Precision) -> usize {
    matrix.rows().div_ceil(ROWS) * ROWS * precision.steps(matrix.columns())
}

impl<'a> Left<'a> {
    /// Packs `matrix` into `words`, of which there are [`left_words`], with all threads.
    pub(super) fn pack(matrix: Matrix<'_>, precision: Precision, words: &'a mut [f32]) -> Self {
        let steps = precision.steps(matrix.columns());
        words
            .par_chunks_mut((steps * ROWS).max(1))
            .enumerate()
            .for_each(|(tile, words)| {
                pack::<ROWS>(matrix, tile * ROWS, 0..steps, precision, words);
            });
        Self::of(matrix, precision, words)
    }

    /// As [`Left::pack`], by this thread alone; `words` may be longer.
    pub(super) fn pack_here(
        matrix: Matrix<'_>,
        precision: Precision,
        words: &'a mut [f32],
    ) -> Self {
        let words = &mut words[..left_words(matrix, precision)];
        let steps = precision.steps(matrix.columns());
        for (tile, words) in words.chunks_mut((steps * ROWS).max(1)).enumerate() {
            pack::<ROWS>(matrix, tile * ROWS, 0..steps, precision, words);
        }
        Self::of(matrix, precision, words)
    }

    fn of(matrix: Matrix<'_>, precision: Precision, words: &'a [f32]) -> Self {
        Self {
            words,
            rows: matrix.rows(),
            steps: precision.steps(matrix.columns()),
            precision,
        }
    }
}

/// A packed right factor `[inner, columns]`.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) words: Vec<f32>,
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) precision: Precision,
}

impl Packed {
    pub(super) fn new(matrix: Matrix<'_>, precision: Precision) -> Self {
        let (inner, columns) = (matrix.rows(), matrix.columns());
        let steps = precision.steps(inner);
        let mut words = vec![0.0; columns.div_ceil(COLUMNS) * steps * COLUMNS];
        words
            .par_chunks_mut((steps * COLUMNS).max(1))
            .enumerate()
            .for_each(|(panel, words)| {
                let lanes = matrix.transposed();
                pack::<COLUMNS>(lanes, panel * COLUMNS, 0..steps, precision, words);
            });
        Self {
            words,
            inner,
            columns,
            precision,
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.precision.steps(self.inner)
    }

    /// The steps `steps` of panel `panel` of the **transposed** factor `[columns, inner]`.
    ///
    /// Made again for each product: both orientations would take the memory twice.
    fn transposed_panel(&self, panel: usize, steps: std::ops::Range<usize>, words: &mut [f32]) {
        for (step, row) in steps.zip(words.chunks_exact_mut(COLUMNS)) {
            match self.precision {
                Precision::Full => {
                    // Column `step` of this factor, from inner index 32 panel onwards.
                    let base = step / COLUMNS * self.steps() * COLUMNS + step % COLUMNS;
                    for (lane, word) in row.iter_mut().enumerate() {
                        let inner = panel * COLUMNS + lane;
                        *word = if inner < self.inner {
                            self.words[base + inner * COLUMNS]
                        } else {
                            0.0
                        };
                    }
                }
                Precision::Mixed => {
                    // Two columns side by side, and of each the numbers two by two.
                    let first = 2 * step;
                    let base = first / COLUMNS * self.steps() * COLUMNS + first % COLUMNS;
                    for (pair, words) in row.chunks_exact_mut(2).enumerate() {
                        let inner_pair = panel * COLUMNS / 2 + pair;
                        if inner_pair >= self.steps() {
                            words.fill(0.0);
                            continue;
                        }
                        let place = base + inner_pair * COLUMNS;
                        let (x, y) = (self.words[place].to_bits(), self.words[place + 1].to_bits());
                        words[0] = f32::from_bits((x & 0xffff) | (y << 16));
                        words[1] = f32::from_bits((x >> 16) | (y & 0xffff_0000));
                    }
                }
            }
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
                let start = panel * packed.steps() + steps.start;
                words.copy_from_slice(&packed.words[start * COLUMNS..][..steps.len() * COLUMNS]);
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
    if lanes < LANES {
        words.fill(0.0);
    }
    if matrix.has_contiguous_rows() {
        for lane in 0..lanes {
            let row = &matrix.row(first + lane)[from..to];
            match precision {
                Precision::Full => spread_singles(row, &mut words[lane..], LANES),
                Precision::Mixed => spread_pairs(row, &mut words[lane..], LANES),
            }
        }
        return;
    }
    if matrix.transposed().has_contiguous_rows() {
        let columns = matrix.transposed();
        for (step, words) in words.chunks_exact_mut(LANES).enumerate() {
            let column = from + step * of_step;
            let low = &columns.row(column)[first..first + lanes];
            match precision {
                Precision::Full => words[..lanes].copy_from_slice(low),
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

vectorised! {
    /// One number to every `stride`-th word.
    fn spread_singles(row: &[f32], words: &mut [f32], stride: usize) {
        for (number, words) in row.iter().zip(words.chunks_mut(stride)) {
            words[0] = *number;
        }
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
