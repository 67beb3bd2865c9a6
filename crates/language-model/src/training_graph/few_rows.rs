//! Products whose left factor has few rows, as the gradients of adapters are: every thread takes columns.

use std::cell::RefCell;

use super::{
    crew::share_out,
    frozen::Precision,
    kernels::{COLUMNS, Sums},
    left::{Left, SLACK, aligned, left_words},
    pool::Pool,
    right::Right,
    stage::{Place, merge},
};
use crate::matrix::{Matrix, Write};

/// Steps of the inner dimension that are packed at once.
const STEPS: usize = 512;

thread_local! {
    /// A stretch of a panel.
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// `out (=|+=) scale · a b` for a left factor of few rows.
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
    let mut sums = vec![Sums::zeros(); panels * tiles];
    share_out(
        sums.chunks_mut(tiles.max(1)).enumerate(),
        |(panel, sums)| {
            PANEL.with_borrow_mut(|buffer| {
                buffer.resize(STEPS * COLUMNS + SLACK, 0.0);
                for start in (0..left.steps).step_by(STEPS) {
                    let end = left.steps.min(start + STEPS);
                    let words = aligned(buffer, (end - start) * COLUMNS);
                    right.panel(panel, start..end, left.form, words);
                    for (tile, sums) in sums.iter_mut().enumerate() {
                        tile_of.multiply(left.words(tile, start..end), words, sums, true);
                    }
                }
            });
        },
    );
    let adds = place.write == Write::Add;
    for (panel, sums) in sums.chunks(tiles.max(1)).enumerate() {
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
