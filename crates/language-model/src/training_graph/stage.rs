//! What the threads do for a product: tile after tile of some rows, panel after panel.

use std::ops::{Range, RangeInclusive};

use super::{
    apart::Apart,
    crew::{share_out, threads},
    form::Form,
    frozen::Precision,
    kernels::{COLUMNS, Sums, vectorised},
    left::{Left, SLACK, aligned},
    right::{Packed, Right},
};
use crate::matrix::{Matrix, Write};

/// Words of a share's rows at the most, and how many tiles that may be: they stay in the second-level cache while the
/// panels go past, and the more rows there are, the fewer times a panel comes from further away.
const SHARE: usize = 512 << 10;
const TILES: RangeInclusive<usize> = 4..=32;

/// Where a product goes: `out (=|+=) scale · product`, rows `stride` numbers apart.
pub(super) struct Place<'a> {
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) write: Write,
    pub(super) scale: f32,
}

/// Some panels and some steps of a product.
pub(super) struct Stage<'a> {
    pub(super) left: Left<'a>,
    pub(super) extra: Option<(Left<'a>, &'a Packed)>,
    pub(super) panels: Range<usize>,
    pub(super) columns: usize,
    pub(super) steps: Range<usize>,
    /// Of these panels, at least these steps.
    pub(super) words: &'a [f32],
    /// Words from one panel to the next.
    pub(super) each: usize,
}

impl Stage<'_> {
    pub(super) fn run(&self, place: Place<'_>) {
        let tiles = self.left.tiles();
        // Twice as many shares as threads or a multiple of that, so that one that is held up does not hold up all and
        // yet all have done as much in the end.
        let factor = if self.left.tile.takes_apart { 2 } else { 1 };
        let of_tile = factor * self.left.tile.rows * self.steps.len();
        let most = (SHARE / of_tile.max(1)).clamp(*TILES.start(), *TILES.end());
        let shares = tiles.div_ceil(most).next_multiple_of(2 * threads());
        let share = tiles.div_ceil(shares);
        let shares = place
            .out
            .chunks_mut(share * self.left.tile.rows * place.stride)
            .enumerate()
            .take(tiles.div_ceil(share));
        share_out(shares, |(number, out)| {
            let first = number * share;
            let some = first..tiles.min(first + share);
            self.run_tiles(some, out, place.stride, (place.write, place.scale));
        });
    }

    /// The same for some tiles, by this thread alone; `out` begins with the first of them.
    pub(super) fn run_tiles(
        &self,
        tiles: Range<usize>,
        out: &mut [f32],
        stride: usize,
        how: (Write, f32),
    ) {
        if !self.left.tile.takes_apart {
            return self.multiply_tiles(tiles, (out, stride), how, None);
        }
        Apart::with(|apart| {
            let rows = tiles.clone().map(|tile| {
                let more = self.extra.map(|(left, _)| left.words(tile, 0..left.steps));
                let rows = self.left.words(tile, self.steps.clone());
                (rows, more.unwrap_or_default())
            });
            apart.set_rows(self.stretch(), rows);
            self.multiply_tiles(tiles, (out, stride), how, Some(apart));
        });
    }

    /// Steps that are worked on at once: all stretches are about the same length, whole blocks each.
    fn stretch(&self) -> usize {
        let (steps, tile) = (self.steps.len(), self.left.tile);
        let stretches = (steps * COLUMNS).div_ceil(tile.words).max(1);
        steps.div_ceil(stretches).next_multiple_of(tile.block)
    }

    /// `taken` holds the rows of these tiles, where they had to be taken apart, and room to do so with columns.
    fn multiply_tiles(
        &self,
        tiles: Range<usize>,
        (out, stride): (&mut [f32], usize),
        (write, scale): (Write, f32),
        mut taken: Option<&mut Apart>,
    ) {
        let tile_of = self.left.tile;
        let mut sums = Sums::zeros();
        let most = self.stretch();
        for (place, panel) in self.panels.clone().enumerate() {
            let column = panel * COLUMNS;
            let width = COLUMNS.min(self.columns - column);
            for start in (0..self.steps.len()).step_by(most) {
                let count = most.min(self.steps.len() - start);
                let is_last = start + count == self.steps.len();
                let adds = write == Write::Add || start > 0;
                let b = &self.words[place * self.each + start * COLUMNS..][..count * COLUMNS];
                let extra = self.extra.filter(|_| is_last);
                let more_b = extra.map(|(_, right)| right.panel(panel));
                if let Some(taken) = &mut taken {
                    taken.set_columns(b, more_b.unwrap_or_default());
                }
                for (row, tile) in tiles.clone().enumerate() {
                    let factors = match &taken {
                        Some(taken) => taken.factors(row, start..start + count),
                        None => {
                            let from = self.steps.start + start;
                            let more_a = extra.map(|(left, _)| left.words(tile, 0..left.steps));
                            [
                                (self.left.words(tile, from..from + count), b),
                                (more_a.unwrap_or_default(), more_b.unwrap_or_default()),
                            ]
                        }
                    };
                    let rows = tile_of.rows.min(self.left.rows - tile * tile_of.rows);
                    let out = &mut out[row * tile_of.rows * stride + column..];
                    let is_whole = rows == tile_of.rows && width == COLUMNS && scale == 1.0;
                    if let Some(into) = tile_of.into().filter(|_| is_whole) {
                        into(factors, out, stride, adds);
                        continue;
                    }
                    let [(a, b), (more_a, more_b)] = factors;
                    tile_of.multiply(a, b, &mut sums, false);
                    if !more_b.is_empty() {
                        tile_of.multiply(more_a, more_b, &mut sums, true);
                    }
                    merge(&sums, out, [stride, rows, width], adds, scale);
                }
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
        let form = Form::of(precision);
        let (steps, columns) = (form.steps(matrix.rows()), matrix.columns());
        let each = steps * COLUMNS;
        let count = columns.div_ceil(COLUMNS) * each;
        if words.len() < count + SLACK {
            words.resize(count + SLACK, 0.0);
        }
        let words = aligned(words, count);
        for (panel, words) in words.chunks_mut(each.max(1)).enumerate() {
            Right::Matrix(matrix).panel(panel, 0..steps, form, words);
        }
        Self { words, each }
    }
}
