//! Activations in 8 or 16 bits, made anew for each product, with one scale for each 32 values of a row.

use super::{
    kernels::{Tier, round_block, vector::quantise_rows},
    packed::BLOCK,
};

/// Rows that lie together: scales and sums are `[rows / 16][block][16]`, so that a tile of rows reads them at once.
pub(super) const TALL: usize = 16;

/// How finely activations are rounded before a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activations {
    /// 255 steps, as ggml's `Q8_0`: the fastest. Answers may drift by tenths of a nat, since a few activations of a
    /// language model are thousands of times larger than the others.
    Bits8,
    /// 64,769 steps, as two 8-bit parts: nearly that of exact activations.
    #[default]
    Bits16,
}

/// Steps of the high part in those of the low part.
pub(super) const HIGH: i32 = 254;

/// Steps of two parts to each side. One less than would fit: at 127.5 the high part would round up to 128.
pub(super) const STEPS: f32 = (127 * HIGH + 126) as f32;

impl Activations {
    pub(super) fn parts(self) -> usize {
        match self {
            Self::Bits8 => 1,
            Self::Bits16 => 2,
        }
    }
}

/// Rows of activations in one or two 8-bit parts.
#[derive(Debug, Default)]
pub struct Q8Rows {
    pub(super) activations: Activations,
    pub(super) rows: usize,
    pub(super) blocks: usize,
    inner: usize,
    /// `[row / 16][block][part][row % 16][32]`, signed; of two parts the first counts [`HIGH`] times. Whole tiles of
    /// rows, of which the last may hold anything past the rows.
    quants: Vec<Aligned>,
    /// `[row / 16][block][row % 16]`.
    pub(super) scales: Vec<f32>,
    /// As `scales`: the sum of the quantised values.
    pub(super) sums: Vec<i32>,
    /// As `scales`: `scale * sum`, what an offset of the weights counts.
    pub(super) shifts: Vec<f32>,
}

/// The start of a cache line: tiles that lie across two lines are read at a third of the speed.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Aligned([i8; 64]);

/// Sixteen rows of [`Q8Rows`] or less, to be filled apart from the others.
#[derive(Debug)]
pub(super) struct Tile<'a> {
    activations: Activations,
    quants: &'a mut [i8],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
    shifts: &'a mut [f32],
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
        for (mut tile, values) in self
            .tiles(values.len() / inner, inner)
            .zip(values.chunks(TALL * inner))
        {
            tile.fill(values, inner);
        }
    }

    /// Makes room for `rows` of `inner` values and gives it out by tiles.
    pub(super) fn tiles(&mut self, rows: usize, inner: usize) -> impl Iterator<Item = Tile<'_>> {
        (self.rows, self.inner, self.blocks) = (rows, inner, inner.div_ceil(BLOCK));
        let places = rows.next_multiple_of(TALL) * self.blocks;
        let width = BLOCK * self.activations.parts();
        let lines = (places * width).div_ceil(size_of::<Aligned>());
        self.quants.resize(lines, Aligned([0; 64]));
        self.scales.resize(places, 0.0);
        self.sums.resize(places, 0);
        self.shifts.resize(places, 0.0);
        let (activations, tile) = (self.activations, (TALL * self.blocks).max(1));
        let quants = bytes_mut(&mut self.quants).chunks_exact_mut(tile * width);
        let floats = self
            .scales
            .chunks_exact_mut(tile)
            .zip(self.shifts.chunks_exact_mut(tile));
        quants
            .zip(floats)
            .zip(self.sums.chunks_exact_mut(tile))
            .map(move |((quants, (scales, shifts)), sums)| Tile {
                activations,
                quants,
                scales,
                sums,
                shifts,
            })
    }
}

#[expect(unsafe_code, reason = "aligned bytes are bytes")]
fn bytes_mut(lines: &mut [Aligned]) -> &mut [i8] {
    // SAFETY: a line is 64 bytes without padding.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), size_of_val(lines)) }
}

impl Q8Rows {
    /// All quantised values, in the order of the tiles.
    #[expect(unsafe_code, reason = "aligned bytes are bytes")]
    pub(super) fn quants(&self) -> &[i8] {
        // SAFETY: a line is 64 bytes without padding.
        unsafe {
            std::slice::from_raw_parts(self.quants.as_ptr().cast(), size_of_val(&*self.quants))
        }
    }
}

impl Tile<'_> {
    /// Quantises up to sixteen rows.
    pub(super) fn fill(&mut self, values: &[f32], inner: usize) {
        if Tier::best() < Tier::Avx512Vnni {
            quantise_rows(self, values, inner);
        } else {
            self.fill_by(values, inner, round_wide);
        }
    }

    /// What [`Tile::fill`] does, to be compiled for each set of instructions.
    #[inline(always)]
    pub(super) fn fill_plainly(&mut self, values: &[f32], inner: usize) {
        self.fill_by(values, inner, round);
    }

    #[inline(always)]
    fn fill_by(
        &mut self,
        values: &[f32],
        inner: usize,
        round: impl Fn(Activations, &[f32; BLOCK], usize, &mut [i8]) -> (f32, i32),
    ) {
        let width = TALL * BLOCK * self.activations.parts();
        for (row, values) in values.chunks_exact(inner).take(TALL).enumerate() {
            for (block, values) in values.chunks(BLOCK).enumerate() {
                let quants = &mut self.quants[block * width..(block + 1) * width];
                let (scale, sum) = match <&[f32; BLOCK]>::try_from(values) {
                    Ok(values) => round(self.activations, values, row, quants),
                    Err(_) => {
                        // A short last block is filled up with zeros.
                        let mut full = [0.0; BLOCK];
                        full[..values.len()].copy_from_slice(values);
                        round(self.activations, &full, row, quants)
                    }
                };
                let at = block * TALL + row;
                self.scales[at] = scale;
                self.sums[at] = sum;
                self.shifts[at] = scale * sum as f32;
            }
        }
    }
}

/// Quantises a block of a row of a tile.
#[inline(always)]
fn round(
    activations: Activations,
    values: &[f32; BLOCK],
    row: usize,
    quants: &mut [i8],
) -> (f32, i32) {
    let place = row * BLOCK..(row + 1) * BLOCK;
    match activations {
        Activations::Bits8 => one_part(values, &mut quants[place]),
        Activations::Bits16 => {
            let (highs, lows) = quants.split_at_mut(TALL * BLOCK);
            two_parts(values, &mut highs[place.clone()], &mut lows[place])
        }
    }
}

/// As [`round`], with the instructions of the processor.
fn round_wide(
    activations: Activations,
    values: &[f32; BLOCK],
    row: usize,
    quants: &mut [i8],
) -> (f32, i32) {
    let (highs, lows) = match activations {
        Activations::Bits8 => (&mut *quants, None),
        Activations::Bits16 => {
            let (highs, lows) = quants.split_at_mut(TALL * BLOCK);
            (highs, Some(lows))
        }
    };
    let highs = highs[row * BLOCK..].first_chunk_mut::<BLOCK>();
    let lows = lows.and_then(|lows| lows[row * BLOCK..].first_chunk_mut::<BLOCK>());
    let rounded = highs.and_then(|highs| round_block(values, highs, lows));
    rounded.unwrap_or_default()
}

/// Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even, and vectorises.
const ROUND: f32 = 12_582_912.0;

/// Returns the scale and the sum of the quantised values.
#[inline(always)]
fn one_part(values: &[f32; BLOCK], quants: &mut [i8]) -> (f32, i32) {
    let largest = largest(values);
    let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
    let mut integers = [0i32; BLOCK];
    for (integer, value) in integers.iter_mut().zip(values) {
        *integer =
            ((value * inverse + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    }
    for (quant, integer) in quants.iter_mut().zip(integers) {
        *quant = integer as i8;
    }
    (largest / 127.0, integers.iter().sum())
}

/// As [`one_part`], in steps of which the largest value has `127 * HIGH + 126`.
#[inline(always)]
fn two_parts(values: &[f32; BLOCK], highs: &mut [i8], lows: &mut [i8]) -> (f32, i32) {
    let largest = largest(values);
    let inverse = if largest == 0.0 { 0.0 } else { STEPS / largest };
    let mut sums = [0i32; BLOCK];
    let mut uppers = [0i32; BLOCK];
    for ((sum, upper), value) in sums.iter_mut().zip(&mut uppers).zip(values) {
        let rounded = (value * inverse + ROUND) - ROUND;
        let high = rounded * (1.0 / HIGH as f32) + ROUND;
        *upper = (high.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
        *sum = rounded as i32;
    }
    for ((high, low), (upper, sum)) in highs.iter_mut().zip(lows).zip(uppers.iter().zip(sums)) {
        *high = *upper as i8;
        *low = (sum - upper * HIGH) as i8;
    }
    (largest / STEPS, sums.iter().sum())
}

#[inline(always)]
fn largest(values: &[f32; BLOCK]) -> f32 {
    let mut lanes = values.map(f32::abs);
    let mut width = BLOCK / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] = if other > lanes[lane] {
                other
            } else {
                lanes[lane]
            };
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Noise;

    #[test]
    fn rounding_with_wide_instructions_gives_the_bits_of_the_plain_loops() {
        for activations in [Activations::Bits8, Activations::Bits16] {
            let (rows, inner) = (5, 72);
            let mut values = Noise::new(2).samples(rows * inner, 3.0);
            values[7] = 1000.0;
            values[inner..inner + BLOCK].fill(0.0);
            let mut both = [Q8Rows::new(activations), Q8Rows::new(activations)];
            both[0].quantise(&values, inner);
            for mut tile in both[1].tiles(rows, inner) {
                tile.fill_plainly(&values, inner);
            }
            let [found, plain] = both;
            assert_eq!(found.quants(), plain.quants());
            assert_eq!(
                (found.scales, found.sums, found.shifts),
                (plain.scales, plain.sums, plain.shifts)
            );
        }
    }
}
