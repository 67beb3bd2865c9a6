//! Matrix products by tiles, and products with matrices that change at every step.

use rayon::prelude::*;

use super::{
    frozen::Precision,
    kernels::{COLUMNS, Sums, vectorised},
    packing::{Left, Packed, Right, SLACK, aligned, left_words},
    pool::Pool,
};
use crate::matrix::{Matrix, Write};

/// Steps of the inner dimension worked on at once: a panel of them fits in the second-level cache beside the rows.
const STEPS: usize = 576;
/// Steps and words of a right factor that are packed at once, where it is not packed already.
const STEPS_PACKED: usize = 2048;
const WORDS_PACKED: usize = 1 << 20;

/// Where a product goes: `out (=|+=) scale · product`, rows `stride` numbers apart.
pub(super) struct Place<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) write: Write,
    pub(super) scale: f32,
}

/// `left right`, and the product of `extra` added to it before it is written.
///
/// # Panics
/// Where the factors do not fit one another: a mistake in the graph.
pub(super) fn multiply(
    place: Place<'_>,
    left: Left<'_>,
    right: Right<'_>,
    extra: Option<(Left<'_>, &Packed)>,
    pool: &mut Pool,
) {
    if left.rows == 0 || left.steps == 0 {
        return;
    }
    let panels = right.columns().div_ceil(COLUMNS);
    let Place {
        out,
        stride,
        write,
        scale,
    } = place;
    if let Right::Packed(packed) = right {
        assert_eq!(packed.steps(), left.steps, "the factors do not fit");
        let each = (left.steps * COLUMNS).max(1);
        // As many panels at once as stay in the last-level cache while all threads read them.
        let group = (WORDS_PACKED / each).max(1);
        for (number, words) in packed.words().chunks(group * each).enumerate() {
            let first = number * group;
            let stage = Stage {
                left,
                extra,
                panels: first..panels.min(first + group),
                columns: packed.columns,
                steps: 0..left.steps,
                words,
                each,
            };
            stage.run(Place {
                out,
                stride,
                write,
                scale,
            });
        }
        return;
    }
    for start in (0..left.steps).step_by(STEPS_PACKED) {
        let steps = start..left.steps.min(start + STEPS_PACKED);
        let extra = extra.filter(|_| steps.end == left.steps);
        let place = Place {
            out: &mut *out,
            stride,
            write: if start > 0 { Write::Add } else { write },
            scale,
        };
        multiply_steps(place, (left, steps.clone()), (right, steps), extra, pool);
    }
}

/// `out (=|+=) scale · a right`, packing both factors a stretch of the inner dimension at a time: for an inner
/// dimension as long as a vocabulary.
pub(super) fn multiply_in_stretches(
    place: Place<'_>,
    a: Matrix<'_>,
    right: Right<'_>,
    precision: Precision,
    pool: &mut Pool,
) {
    let of_step = match precision {
        Precision::Full => 1,
        Precision::Mixed => 2,
    };
    let steps = precision.steps(a.columns());
    for start in (0..steps).step_by(STEPS_PACKED) {
        let some = start..steps.min(start + STEPS_PACKED);
        let columns = some.start * of_step..a.columns().min(some.end * of_step);
        let part = a.some_columns(columns);
        let mut words = pool.take(left_words(part, precision));
        let left = Left::pack(part, precision, &mut words);
        let place = Place {
            out: &mut *place.out,
            stride: place.stride,
            write: if start > 0 { Write::Add } else { place.write },
            scale: place.scale,
        };
        multiply_steps(place, (left, 0..left.steps), (right, some), None, pool);
        pool.give([words]);
    }
}

/// The product over some steps: those of `left` and those of `right` go together.
fn multiply_steps(
    place: Place<'_>,
    (left, steps): (Left<'_>, std::ops::Range<usize>),
    (right, right_steps): (Right<'_>, std::ops::Range<usize>),
    extra: Option<(Left<'_>, &Packed)>,
    pool: &mut Pool,
) {
    let panels = right.columns().div_ceil(COLUMNS);
    let each = (steps.len() * COLUMNS).max(1);
    let group = (WORDS_PACKED / each).clamp(1, panels.max(1));
    let mut buffer = pool.take(group * each + SLACK);
    let words = aligned(&mut buffer, group * each);
    for first in (0..panels).step_by(group) {
        let some = first..panels.min(first + group);
        words
            .par_chunks_mut(each)
            .enumerate()
            .take(some.len())
            .for_each(|(place, words)| {
                right.panel(first + place, right_steps.clone(), left.precision, words);
            });
        let stage = Stage {
            left,
            extra,
            panels: some,
            columns: right.columns(),
            steps: steps.clone(),
            words,
            each,
        };
        stage.run(Place {
            out: &mut *place.out,
            ..place
        });
    }
    pool.give([buffer]);
}

/// Some panels and some steps of a product.
struct Stage<'a> {
    left: Left<'a>,
    extra: Option<(Left<'a>, &'a Packed)>,
    panels: std::ops::Range<usize>,
    columns: usize,
    steps: std::ops::Range<usize>,
    /// Of these panels, at least these steps.
    words: &'a [f32],
    /// Words from one panel to the next.
    each: usize,
}

impl Stage<'_> {
    fn run(&self, place: Place<'_>) {
        let tiles = self.left.tiles();
        // Twice as many shares as threads, so that one that is held up does not hold up all.
        let share = tiles
            .div_ceil(2 * rayon::current_num_threads())
            .clamp(1, 16);
        let rows = share * self.left.tile.rows;
        place
            .out
            .par_chunks_mut(rows * place.stride)
            .enumerate()
            .take(tiles.div_ceil(share))
            .for_each(|(number, out)| {
                let first = number * share;
                let some = first..tiles.min(first + share);
                self.run_tiles(some, out, place.stride, (place.write, place.scale));
            });
    }

    fn run_tiles(
        &self,
        tiles: std::ops::Range<usize>,
        out: &mut [f32],
        stride: usize,
        (write, scale): (Write, f32),
    ) {
        let tile_of = self.left.tile;
        let mut sums = Sums::zeros();
        // Stretches of about the same length, whole blocks each.
        let stretches = self.steps.len().div_ceil(STEPS).max(1);
        let most = self
            .steps
            .len()
            .div_ceil(stretches)
            .next_multiple_of(tile_of.block);
        let mut start = 0;
        loop {
            let count = most.min(self.steps.len() - start);
            let is_last = start + count == self.steps.len();
            let adds = write == Write::Add || start > 0;
            for (place, panel) in self.panels.clone().enumerate() {
                let b = &self.words[place * self.each + start * COLUMNS..][..count * COLUMNS];
                let column = panel * COLUMNS;
                let width = COLUMNS.min(self.columns - column);
                for (row, tile) in tiles.clone().enumerate() {
                    let from = self.steps.start + start;
                    let a = self.left.words(tile, from..from + count);
                    let extra = self
                        .extra
                        .filter(|_| is_last)
                        .map(|(left, right)| (left.words(tile, 0..left.steps), right.panel(panel)));
                    let rows = tile_of.rows.min(self.left.rows - tile * tile_of.rows);
                    let out = &mut out[row * tile_of.rows * stride + column..];
                    let is_whole = rows == tile_of.rows && width == COLUMNS && scale == 1.0;
                    if let Some(into) = tile_of.into().filter(|_| is_whole) {
                        into(a, b, out, stride, adds);
                        if let Some((a, b)) = extra {
                            into(a, b, out, stride, true);
                        }
                        continue;
                    }
                    tile_of.multiply(a, b, &mut sums, false);
                    if let Some((a, b)) = extra {
                        tile_of.multiply(a, b, &mut sums, true);
                    }
                    merge(&sums, out, [stride, rows, width], adds, scale);
                }
            }
            start += count;
            if is_last {
                return;
            }
        }
    }
}

vectorised! {
    /// Brings the sums of a tile to where they go.
    fn merge(sums: &Sums, out: &mut [f32], shape: [usize; 3], adds: bool, scale: f32) {
        let [stride, rows, width] = shape;
        for (sums, out) in sums.0.chunks_exact(COLUMNS).zip(out.chunks_mut(stride)).take(rows) {
            let out = &mut out[..width];
            if adds {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += scale * sum);
            } else {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = scale * sum);
            }
        }
    }
}

/// `out (=|+=) scale · a b` for a left factor of few rows: every thread takes columns.
pub(super) fn multiply_few_rows(
    place: Place<'_>,
    a: Matrix<'_>,
    b: Matrix<'_>,
    precision: Precision,
    pool: &mut Pool,
) {
    let mut words = pool.take(left_words(a, precision));
    let left = Left::pack_here(a, precision, &mut words);
    let (tile_of, right) = (left.tile, Right::Matrix(b));
    let tiles = left.tiles();
    let panels = b.columns().div_ceil(COLUMNS);
    let sums: Vec<Vec<Sums>> = (0..panels)
        .into_par_iter()
        .map_init(Vec::new, |buffer, panel| {
            let mut sums = vec![Sums::zeros(); tiles];
            buffer.resize(STEPS * COLUMNS + SLACK, 0.0);
            for start in (0..left.steps).step_by(STEPS) {
                let end = left.steps.min(start + STEPS);
                let words = aligned(buffer, (end - start) * COLUMNS);
                right.panel(panel, start..end, precision, words);
                for (tile, sums) in sums.iter_mut().enumerate() {
                    tile_of.multiply(left.words(tile, start..end), words, sums, true);
                }
            }
            sums
        })
        .collect();
    let adds = place.write == Write::Add;
    for (panel, sums) in sums.iter().enumerate() {
        let column = panel * COLUMNS;
        let width = COLUMNS.min(b.columns() - column);
        for (tile, sums) in sums.iter().enumerate() {
            let first = tile * tile_of.rows;
            let rows = tile_of.rows.min(left.rows - first);
            let out = &mut place.out[first * place.stride + column..];
            merge(sums, out, [place.stride, rows, width], adds, place.scale);
        }
    }
    pool.give([words]);
}

/// `out (=|+=) scale · left right` by this thread alone, for as many steps as `left` has and the first `columns` of
/// `right`.
pub(super) fn multiply_here(place: Place<'_>, left: Left<'_>, right: Panels<'_>, columns: usize) {
    let stage = Stage {
        left,
        extra: None,
        panels: 0..columns.div_ceil(COLUMNS),
        columns,
        steps: 0..left.steps,
        words: right.words,
        each: right.each,
    };
    let tiles = 0..left.tiles();
    let how = (place.write, place.scale);
    stage.run_tiles(tiles, place.out, place.stride, how);
}

/// A right factor that one thread has packed for itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels<'a> {
    words: &'a [f32],
    each: usize,
}

impl<'a> Panels<'a> {
    /// Packs `matrix` into `words`, which grows as needed.
    pub(super) fn pack(matrix: Matrix<'_>, precision: Precision, words: &'a mut Vec<f32>) -> Self {
        let (steps, columns) = (precision.steps(matrix.rows()), matrix.columns());
        let each = steps * COLUMNS;
        let count = columns.div_ceil(COLUMNS) * each;
        if words.len() < count + SLACK {
            words.resize(count + SLACK, 0.0);
        }
        let words = aligned(words, count);
        for (panel, words) in words.chunks_mut(each.max(1)).enumerate() {
            Right::Matrix(matrix).panel(panel, 0..steps, precision, words);
        }
        Self { words, each }
    }
}

/// A matrix `[outputs, inputs]` in f32 that changes at every step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dense<'a> {
    pub(super) weight: &'a [f32],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl<'a> Dense<'a> {
    fn matrix(self) -> Matrix<'a> {
        Matrix::new(self.weight, self.outputs, self.inputs)
    }

    /// `Wᵀ`, from the right of `x`.
    pub(super) fn forward(self) -> Right<'a> {
        Right::Matrix(self.matrix().transposed())
    }

    /// `W`, from the right of `dy`.
    pub(super) fn backward(self) -> Right<'a> {
        Right::Matrix(self.matrix())
    }
}

/// `gradient += dyᵀ x` for `dy` `[tokens, outputs]` and `x` `[tokens, inputs]`; `gradient` is `[outputs, inputs]`.
pub(super) fn add_weight_gradient(
    gradient: &mut [f32],
    (outputs, inputs): (usize, usize),
    (dy, x): (&[f32], &[f32]),
    precision: Precision,
    pool: &mut Pool,
) {
    let tokens = x.len() / inputs;
    let dy = Matrix::new(dy, tokens, outputs).transposed();
    let x = Matrix::new(x, tokens, inputs);
    let mut words = pool.take(left_words(dy, precision));
    let left = Left::pack(dy, precision, &mut words);
    let place = Place {
        out: gradient,
        stride: inputs,
        write: Write::Add,
        scale: 1.0,
    };
    multiply(place, left, Right::Matrix(x), None, pool);
    pool.give([words]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matrix, matrix::Threads, synthetic::Noise};

    /// What each way of multiplying gives, and what it should be.
    #[test]
    fn products_of_any_shape_are_those_of_the_definition() {
        let mut noise = Noise::new(5);
        for (rows, columns, inner) in [(1, 1, 1), (13, 33, 7), (400, 70, 65), (5, 40, 5001)] {
            let (a, b) = (
                noise.samples(rows * inner, 1.0),
                noise.samples(inner * columns, 1.0),
            );
            let start = noise.samples(rows * columns, 1.0);
            let left = Matrix::new(&a, rows, inner);
            let right = Matrix::new(&b, inner, columns);
            let flipped: Vec<f32> = (0..inner * columns)
                .map(|place| b[place % inner * columns + place / inner])
                .collect();
            let flipped = Matrix::new(&flipped, columns, inner);
            for (write, scale) in [(Write::Replace, 1.0), (Write::Add, 0.5)] {
                let mut exact = start.clone();
                let place = (&mut exact[..], columns);
                matrix::multiply(place, left, right, (write, scale), Threads::One);
                for precision in [Precision::Full, Precision::Mixed] {
                    let bound = match precision {
                        Precision::Full => 1e-5 * inner as f32 + 1e-4,
                        Precision::Mixed => 0.02 * (inner as f32).sqrt() + 0.01,
                    };
                    let check = |what: &str, work: &dyn Fn(Place<'_>, &mut Pool)| {
                        let mut found = start.clone();
                        let place = Place {
                            out: &mut found,
                            stride: columns,
                            write,
                            scale,
                        };
                        work(place, &mut Pool::default());
                        for (exact, found) in exact.iter().zip(&found) {
                            let off = (exact - found).abs();
                            assert!(
                                off < bound,
                                "{what}, {precision:?}, {rows}x{columns}x{inner}: {exact}, {found}"
                            );
                        }
                    };
                    let mut words = vec![0.0; left_words(left, precision)];
                    let packed_left = Left::pack(left, precision, &mut words);
                    let packed = Packed::new(right, precision);
                    let turned = Packed::new(flipped, precision);
                    for (what, right) in [
                        ("packed", Right::Packed(&packed)),
                        ("turned", Right::Transposed(&turned)),
                        ("matrix", Right::Matrix(right)),
                        ("transposed matrix", Right::Matrix(flipped.transposed())),
                    ] {
                        check(what, &|place, pool| {
                            multiply(place, packed_left, right, None, pool);
                        });
                    }
                    check("in stretches", &|place, pool| {
                        let right = Right::Transposed(&turned);
                        multiply_in_stretches(place, left, right, precision, pool);
                    });
                    check("few rows", &|place, pool| {
                        multiply_few_rows(place, left, right, precision, pool);
                    });
                    check("here", &|place, _| {
                        let mut words = Vec::new();
                        let panels = Panels::pack(right, precision, &mut words);
                        multiply_here(place, packed_left, panels, columns);
                    });
                }
            }
        }
    }
}
