//! Right factors in the order in which tiles read them: panels of 32 columns.

use std::ops::Range;

use super::{
    crew::share_out,
    form::Form,
    frozen::Precision,
    kernels::COLUMNS,
    lanes::pack_lanes,
    left::{SLACK, aligned, start},
    turning::turn_block,
};
use crate::matrix::Matrix;

/// A packed right factor `[inner, columns]`.
#[derive(Debug)]
pub(super) struct Packed {
    words: Vec<f32>,
    /// Where they start to be of use.
    start: usize,
    pub(super) inner: usize,
    pub(super) columns: usize,
    form: Form,
}

impl Packed {
    /// For good.
    pub(super) fn new(matrix: Matrix<'_>, precision: Precision) -> Self {
        Self::in_buffer(matrix, precision, |count| vec![0.0; count])
    }

    /// In a buffer of so many numbers that `make` gives; [`Packed::into_buffer`] gives it back.
    pub(super) fn in_buffer(
        matrix: Matrix<'_>,
        precision: Precision,
        make: impl FnOnce(usize) -> Vec<f32>,
    ) -> Self {
        let form = Form::of(precision);
        let (inner, columns) = (matrix.rows(), matrix.columns());
        let steps = form.steps(inner);
        let count = columns.div_ceil(COLUMNS) * steps * COLUMNS;
        let mut words = make(count + SLACK);
        let panels = aligned(&mut words, count)
            .chunks_mut((steps * COLUMNS).max(1))
            .enumerate();
        share_out(panels, |(panel, words)| {
            let lanes = matrix.transposed();
            pack_lanes::<COLUMNS>(lanes, panel * COLUMNS, 0..steps, form, words);
        });
        Self {
            start: start(&words),
            words,
            inner,
            columns,
            form,
        }
    }

    pub(super) fn into_buffer(self) -> Vec<f32> {
        self.words
    }

    pub(super) fn steps(&self) -> usize {
        self.form.steps(self.inner)
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
    fn transposed_panel(&self, panel: usize, steps: Range<usize>, words: &mut [f32]) {
        let each_block = COLUMNS / self.form.numbers();
        assert!(steps.start.is_multiple_of(each_block), "a block is cut");
        // The rows of the block, in steps of this factor; the last panel may have fewer.
        let first_row = panel * each_block;
        let rows = each_block.min(self.steps().saturating_sub(first_row));
        let source = |panel: usize| {
            let start = (panel * self.steps() + first_row) * COLUMNS;
            self.words().get(start..start + rows * COLUMNS)
        };
        // The next block is in another panel, where the processor does not look for it by itself.
        for (block, words) in words.chunks_mut(each_block * COLUMNS).enumerate() {
            let panel = steps.start / each_block + block;
            let [this, next] = [panel, panel + 1].map(|panel| source(panel).unwrap_or_default());
            turn_block(self.form, this, words, next);
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
    pub(super) fn panel(self, panel: usize, steps: Range<usize>, form: Form, words: &mut [f32]) {
        match self {
            Self::Packed(packed) => {
                let panel = packed.panel(panel);
                words.copy_from_slice(&panel[steps.start * COLUMNS..steps.end * COLUMNS]);
            }
            Self::Transposed(packed) => packed.transposed_panel(panel, steps, words),
            Self::Matrix(matrix) => {
                let lanes = matrix.transposed();
                pack_lanes::<COLUMNS>(lanes, panel * COLUMNS, steps, form, words);
            }
        }
    }
}
