//! Weights and activations in 8 bits, with one scale for each 32 values along the inner dimension.
//!
//! The values are those of ggml's `Q8_0`: `d = max|x| / 127` rounded to half precision, `q = round(x / d)`.

use super::kernels::vector::quantise_rows;

/// Values that share a scale.
pub const BLOCK: usize = 32;
/// Outputs that lie side by side in one panel.
pub(super) const PANEL: usize = 16;
/// Groups of four inner values in a block; one group of a panel is one [`Line`].
pub(super) const GROUPS: usize = BLOCK / 4;

/// Four inner values of sixteen outputs, `[output][inner]`, each stored as `q + 128`; one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// The scales of one block for the sixteen outputs of a panel.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Scales(pub(super) [f32; PANEL]);

/// A matrix `[outputs, inner]` in 8 bits, packed in panels of sixteen outputs.
///
/// Both dimensions are padded with zeros, `outputs` to 16 and `inner` to 32.
#[derive(Debug, Clone)]
pub struct Q8Matrix {
    outputs: usize,
    inner: usize,
    /// `[panel][block][group]`.
    pub(super) lines: Vec<Line>,
    /// `[panel][block]`.
    pub(super) scales: Vec<Scales>,
}

impl Q8Matrix {
    /// Quantises `values`, `[outputs, inner]` row-major.
    ///
    /// # Panics
    /// Where `values` is shorter than `outputs * inner`.
    pub fn quantise(values: &[f32], outputs: usize, inner: usize) -> Self {
        assert!(
            values.len() >= outputs * inner,
            "the matrix is shorter than its shape"
        );
        let mut matrix = Self::zeros(outputs, inner);
        for (output, row) in values.chunks_exact(inner).take(outputs).enumerate() {
            matrix.set_row(output, row);
        }
        matrix
    }

    /// Puts several matrices with the same inner dimension below each other, as one matrix.
    ///
    /// # Panics
    /// Where the inner dimensions differ.
    pub fn stack(parts: &[(&[f32], usize)], inner: usize) -> Self {
        let outputs = parts.iter().map(|(_, outputs)| outputs).sum();
        let mut matrix = Self::zeros(outputs, inner);
        let mut output = 0;
        for (values, count) in parts {
            assert_eq!(
                values.len(),
                count * inner,
                "a stacked matrix has another shape"
            );
            for row in values.chunks_exact(inner) {
                matrix.set_row(output, row);
                output += 1;
            }
        }
        matrix
    }

    /// Number of outputs, without padding.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inner dimension, without padding.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Bytes that the matrix takes.
    pub fn size_bytes(&self) -> usize {
        self.lines.len() * 64 + self.scales.len() * 64
    }

    pub(super) fn blocks(&self) -> usize {
        self.inner.div_ceil(BLOCK)
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Writes the values of one output to `row`, `[inner]`; used to look up embeddings.
    ///
    /// # Panics
    /// Where there is no such output.
    pub fn dequantise_row(&self, output: usize, row: &mut [f32]) {
        assert!(output < self.outputs, "there is no such output");
        let (panel, lane) = (output / PANEL, output % PANEL);
        for (block, values) in row.chunks_mut(BLOCK).enumerate() {
            let at = panel * self.blocks() + block;
            let scale = self.scales[at].0[lane];
            for (index, value) in values.iter_mut().enumerate() {
                let line = &self.lines[at * GROUPS + index / 4];
                *value = (i32::from(line.0[lane * 4 + index % 4]) - 128) as f32 * scale;
            }
        }
    }

    fn zeros(outputs: usize, inner: usize) -> Self {
        let blocks = inner.div_ceil(BLOCK) * outputs.div_ceil(PANEL);
        Self {
            outputs,
            inner,
            lines: vec![Line([128; 64]); blocks * GROUPS],
            scales: vec![Scales([0.0; PANEL]); blocks],
        }
    }

    fn set_row(&mut self, output: usize, row: &[f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let blocks = self.blocks();
        for (block, values) in row.chunks(BLOCK).enumerate() {
            let at = panel * blocks + block;
            let largest = values
                .iter()
                .fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = largest / 127.0;
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            self.scales[at].0[lane] = round_to_half(scale);
            for (index, value) in values.iter().enumerate() {
                let quant = (value * inverse).round().clamp(-127.0, 127.0) as i32;
                self.lines[at * GROUPS + index / 4].0[lane * 4 + index % 4] = (quant + 128) as u8;
            }
        }
    }
}

/// How finely activations are rounded before a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// 255 steps, ggml's `Q8_0`: the fastest. Answers may drift by tenths of a nat, since a few activations of a
    /// language model are thousands of times larger than the others.
    Bits8,
    /// 64,769 steps, as two 8-bit parts: nearly that of exact activations.
    #[default]
    Bits16,
}

/// Steps of the high part in those of the low part.
pub(super) const HIGH: i32 = 254;

/// Rows of activations in one or two 8-bit parts, made anew for each product.
#[derive(Debug, Default)]
pub struct Q8Rows {
    pub(super) activations: Activations,
    pub(super) rows: usize,
    pub(super) blocks: usize,
    /// `[row][block][part][32]`, signed; of two parts the first counts [`HIGH`] times.
    pub(super) quants: Vec<i8>,
    /// `[row][block]`.
    pub(super) scales: Vec<f32>,
    /// `[row][block]`: `-128 * sum(quants)`, which takes the weights' offset of 128 back out.
    pub(super) offsets: Vec<i32>,
}

impl Activations {
    pub(super) fn parts(self) -> usize {
        match self {
            Self::Bits8 => 1,
            Self::Bits16 => 2,
        }
    }
}

impl Q8Rows {
    /// No rows yet.
    pub fn new(activations: Activations) -> Self {
        Self {
            activations,
            ..Self::default()
        }
    }

    /// Quantises `values`, `[rows, inner]` row-major, in place of what was held before.
    ///
    /// # Panics
    /// Where `values` is not a whole number of rows.
    pub fn quantise(&mut self, values: &[f32], inner: usize) {
        assert!(
            values.len().is_multiple_of(inner),
            "the values are not whole rows"
        );
        quantise_rows(self, values, inner);
    }

    #[inline(always)]
    pub(super) fn fill(&mut self, values: &[f32], inner: usize) {
        self.rows = values.len() / inner;
        self.blocks = inner.div_ceil(BLOCK);
        let blocks = self.rows * self.blocks;
        let width = BLOCK * self.activations.parts();
        self.quants.resize(blocks * width, 0);
        self.scales.resize(blocks, 0.0);
        self.offsets.resize(blocks, 0);
        for (row, values) in values.chunks_exact(inner).enumerate() {
            for (block, values) in values.chunks(BLOCK).enumerate() {
                let at = row * self.blocks + block;
                let quants = &mut self.quants[at * width..(at + 1) * width];
                // A short last block is filled up with zeros.
                let mut full = [0.0; BLOCK];
                full[..values.len()].copy_from_slice(values);
                let (scale, sum) = match self.activations {
                    Activations::Bits8 => one_part(&full, quants),
                    Activations::Bits16 => two_parts(&full, quants),
                };
                self.scales[at] = scale;
                self.offsets[at] = -128 * sum;
            }
        }
    }
}

/// Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even, and vectorises.
const ROUND: f32 = 12_582_912.0;

/// Returns the scale and the sum of the quantised values.
#[inline(always)]
fn one_part(values: &[f32; BLOCK], quants: &mut [i8]) -> (f32, i32) {
    let largest = largest(values);
    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    let mut sum = 0;
    for (quant, value) in quants.iter_mut().zip(values) {
        let rounded = (value * inverse + ROUND) - ROUND;
        *quant = rounded as i8;
        sum += rounded as i32;
    }
    (round_to_half(largest / 127.0), sum)
}

/// As [`one_part`], in steps of which the largest value has `127 * HIGH + 126`.
#[inline(always)]
fn two_parts(values: &[f32; BLOCK], quants: &mut [i8]) -> (f32, i32) {
    // One less than would fit: at 127.5 the high part would round up to 128.
    const STEPS: f32 = (127 * HIGH + 126) as f32;
    let largest = largest(values);
    let inverse = if largest == 0.0 { 0.0 } else { STEPS / largest };
    let (highs, lows) = quants.split_at_mut(BLOCK);
    let mut sum = 0;
    for ((high, low), value) in highs.iter_mut().zip(lows).zip(values) {
        let rounded = (value * inverse + ROUND) - ROUND;
        let upper = (rounded * (1.0 / HIGH as f32) + ROUND) - ROUND;
        *high = upper as i8;
        *low = (rounded - upper * HIGH as f32) as i8;
        sum += rounded as i32;
    }
    (largest / STEPS, sum)
}

#[inline(always)]
fn largest(values: &[f32; BLOCK]) -> f32 {
    values
        .iter()
        .fold(0.0f32, |largest, value| largest.max(value.abs()))
}

/// Rounds to the nearest IEEE 754 half-precision value, ties to even, as `f32`; too large gives infinity.
pub(super) fn round_to_half(value: f32) -> f32 {
    let magnitude = value.abs();
    if magnitude >= 65520.0 {
        return f32::INFINITY.copysign(value);
    }
    // Below the smallest normal half, the spacing is 2^-24; above, 10 bits of fraction stay.
    let spacing = if magnitude < 6.103_515_6e-5 {
        2.0f32.powi(-24)
    } else {
        let exponent = (magnitude.to_bits() >> 23) as i32 - 127;
        2.0f32.powi(exponent - 10)
    };
    (value / spacing).round_ties_even() * spacing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_rounding_follows_ieee_754() {
        let cases = [
            (0.0, 0.0),
            (1.0, 1.0),
            (1.0 + 1.0 / 2048.0, 1.0),
            (1.0 + 3.0 / 2048.0, 1.0 + 2.0 / 1024.0),
            (0.1, 0.099_975_586),
            (5.960_464_5e-8, 5.960_464_5e-8),
            (2.0e-8, 0.0),
            (65504.0, 65504.0),
            (70000.0, f32::INFINITY),
        ];
        for (value, expected) in cases {
            assert_eq!(round_to_half(value), expected);
            assert_eq!(round_to_half(-value), -expected);
        }
    }

    #[test]
    fn a_matrix_comes_back_within_half_a_step() {
        let (outputs, inner) = (19, 40);
        let values: Vec<f32> = (0..outputs * inner)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0)
            .collect();
        let matrix = Q8Matrix::quantise(&values, outputs, inner);
        let mut row = vec![0.0; inner];
        for output in 0..outputs {
            matrix.dequantise_row(output, &mut row);
            for (index, value) in row.iter().enumerate() {
                let exact = values[output * inner + index];
                assert!(
                    (value - exact).abs() <= 0.51 * 3.0 / 127.0,
                    "{value} for {exact}"
                );
            }
        }
    }

    #[test]
    fn quantising_twice_changes_nothing() {
        let values: Vec<f32> = (0..64)
            .map(|i| ((i * 29 % 61) as f32 - 30.0) * 0.013)
            .collect();
        let once = Q8Matrix::quantise(&values, 1, 64);
        let mut row = vec![0.0; 64];
        once.dequantise_row(0, &mut row);
        let mut again = vec![0.0; 64];
        Q8Matrix::quantise(&row, 1, 64).dequantise_row(0, &mut again);
        assert_eq!(row, again);
    }
}
