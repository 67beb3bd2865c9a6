//! Products whose left factor has few rows, as the gradients of adapters are: every thread takes columns.

use std::{cell::RefCell, ops::Range};

use super::{
    crew::share_out,
    frozen::Precision,
    kernels::COLUMNS,
    left::{Left, SLACK, aligned, left_words},
    pool::Pool,
    right::Right,
    stage::Stage,
};
use crate::matrix::{Matrix, Write};

/// Steps of the inner dimension that are packed at once.
const STEPS: usize = 512;

thread_local! {
    /// A stretch of a panel.
    static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A product `[rows, columns]`, panel after panel of 32 columns.
#[derive(Debug)]
pub(super) struct FewRows {
    /// For each panel `[rows][32]`.
    numbers: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl FewRows {
    /// `a b`; of the columns `32 i` to `32 (i + 1)` only the rows `wanted(i)` are sure to be made.
    pub(super) fn multiply(
        a: Matrix<'_>,
        b: Matrix<'_>,
        wanted: impl Fn(usize) -> Range<usize> + Sync,
        precision: Precision,
        pool: &mut Pool,
    ) -> Self {
        let (rows, columns) = (a.rows(), b.columns());
        let mut words = pool.take(left_words(a, precision));
        let left = Left::pack_here(a, precision, &mut words);
        let (tile_of, right) = (left.tile, Right::Matrix(b));
        let mut numbers = pool.take(columns.div_ceil(COLUMNS) * rows * COLUMNS);
        let panels = numbers.chunks_mut((rows * COLUMNS).max(1)).enumerate();
        share_out(panels, |(panel, numbers)| {
            let rows_wanted = wanted(panel);
            let tiles = rows_wanted.start / tile_of.rows..rows_wanted.end.div_ceil(tile_of.rows);
            PANEL.with_borrow_mut(|buffer| {
                buffer.resize(STEPS * COLUMNS + SLACK, 0.0);
                let out = &mut numbers[tiles.start * tile_of.rows * COLUMNS..];
                for start in (0..left.steps).step_by(STEPS) {
                    let end = left.steps.min(start + STEPS);
                    let words = aligned(buffer, (end - start) * COLUMNS);
                    right.panel(panel, start..end, left.form, words);
                    let stage = Stage {
                        left,
                        extra: None,
                        panels: 0..1,
                        columns: COLUMNS,
                        steps: start..end,
                        each: words.len(),
                        words,
                    };
                    let write = if start > 0 {
                        Write::Add
                    } else {
                        Write::Replace
                    };
                    stage.run_tiles(tiles.clone(), out, COLUMNS, (write, 1.0));
                }
            });
        });
        pool.give([words]);
        Self {
            numbers,
            rows,
            columns,
        }
    }

    /// Adds the whole product to `[rows, columns]`.
    pub(super) fn add_to(&self, out: &mut [f32]) {
        for (panel, numbers) in self.panels() {
            let column = panel * COLUMNS;
            let rows = out.chunks_mut(self.columns);
            for (out, numbers) in rows.zip(numbers.chunks(COLUMNS)) {
                let out = out[column..].iter_mut().zip(numbers);
                out.for_each(|(sum, number)| *sum += number);
            }
        }
    }

    /// Adds a block of the product to its transpose `[columns, rows]`.
    pub(super) fn add_turned(&self, rows: Range<usize>, columns: Range<usize>, out: &mut [f32]) {
        for (column, out) in columns.zip(out.chunks_mut(rows.len())) {
            let panel = column / COLUMNS * self.rows;
            for (row, sum) in rows.clone().zip(out) {
                *sum += self.numbers[(panel + row) * COLUMNS + column % COLUMNS];
            }
        }
    }

    pub(super) fn give_back(self, pool: &mut Pool) {
        pool.give([self.numbers]);
    }

    fn panels(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let each = (self.rows * COLUMNS).max(1);
        self.numbers.chunks(each).enumerate()
    }
}
