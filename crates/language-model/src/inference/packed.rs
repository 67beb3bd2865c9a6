//! Weights in 8 or 4 bits as they are computed with: packed for the processor, in blocks of 32 along the inner
//! dimension that share a scale.
//!
//! 4-bit weights keep the very bits that a GGUF file stores (`Q4_0`, `Q4_1`): `d q + m` with `q` from 0 to 15. All
//! others become ggml's `Q8_0`: `d q` with `d = max|x| / 127` rounded to half precision and `q = round(x / d)`.

use gemm::f16;

use crate::{Tensor, quantised::Format};

/// Values that share a scale.
pub const BLOCK: usize = 32;
/// Outputs that lie side by side in one panel.
pub(super) const PANEL: usize = 16;
/// Groups of four inner values in a block; one group of a panel fills one [`Line`] in 8 bits.
pub(super) const GROUPS: usize = BLOCK / 4;

/// Four inner values of sixteen outputs, `[output][inner]`, a signed byte each. In 4 bits two groups share a line: the
/// low halves of the bytes belong to group `i`, the high ones to group `i + 4`, as in ggml's blocks.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u8; 64]);

/// One half-precision number for each of the sixteen outputs of a panel.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Halves(pub(super) [u16; PANEL]);

/// How many bits a packed weight has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    Four,
    Eight,
}

impl Bits {
    /// Four where all are stored so.
    fn of(tensors: &[&Tensor]) -> Self {
        let has_four_bits =
            |tensor: &&Tensor| matches!(tensor.format(), Format::Q4_0 | Format::Q4_1);
        match tensors.iter().all(has_four_bits) {
            true => Self::Four,
            false => Self::Eight,
        }
    }

    /// Lines of one block of a panel.
    pub(super) const fn lines(self) -> usize {
        match self {
            Self::Four => GROUPS / 2,
            Self::Eight => GROUPS,
        }
    }

    /// [`Halves`] of one block of a panel: the scales, and in 4 bits the offsets after them.
    pub(super) const fn halves(self) -> usize {
        match self {
            Self::Four => 2,
            Self::Eight => 1,
        }
    }
}

/// A matrix `[outputs, inner]`, packed in panels of sixteen outputs.
///
/// Both dimensions are padded with zeros, `outputs` to 16 and `inner` to 32.
#[derive(Debug, Clone)]
pub struct PackedMatrix {
    bits: Bits,
    outputs: usize,
    inner: usize,
    /// `[panel][block][line]`.
    pub(super) lines: Vec<Line>,
    /// `[panel][block][scales, offsets]`.
    pub(super) halves: Vec<Halves>,
}

impl PackedMatrix {
    /// Puts stored matrices of the same width below each other, in 4 bits where all of them are stored so.
    ///
    /// Reads them once, row by row, and gives their pages back to the system.
    ///
    /// # Panics
    /// Where the widths differ.
    pub fn pack(tensors: &[&Tensor]) -> Self {
        if Bits::of(tensors) == Bits::Eight {
            return Self::pack_eight(tensors);
        }
        let mut matrix = Self::of_tensors(tensors, Bits::Four);
        let mut output = 0;
        for tensor in tensors {
            for row in 0..tensor.rows() {
                matrix.set_four_bits(output, tensor.row(row), tensor.format());
                output += 1;
            }
            tensor.forget_pages();
        }
        matrix
    }

    /// Bytes of what [`PackedMatrix::pack`] would make.
    pub fn packed_bytes(tensors: &[&Tensor]) -> usize {
        let bits = Bits::of(tensors);
        let inner = tensors.first().map_or(0, |tensor| tensor.columns());
        let outputs: usize = tensors.iter().map(|tensor| tensor.rows()).sum();
        let blocks = inner.div_ceil(BLOCK) * outputs.div_ceil(PANEL);
        blocks * (bits.lines() * size_of::<Line>() + bits.halves() * size_of::<Halves>())
    }

    /// As [`PackedMatrix::pack`], in 8 bits whatever the tensors are stored as.
    ///
    /// # Panics
    /// Where the widths differ.
    pub fn pack_eight(tensors: &[&Tensor]) -> Self {
        let mut matrix = Self::of_tensors(tensors, Bits::Eight);
        let mut values = vec![0.0; matrix.inner];
        let mut output = 0;
        for tensor in tensors {
            for row in 0..tensor.rows() {
                tensor.format().dequantise(tensor.row(row), &mut values);
                matrix.set_eight_bits(output, &values);
                output += 1;
            }
            tensor.forget_pages();
        }
        matrix
    }

    /// Rounds `values`, `[outputs, inner]` row-major, to 8 bits.
    ///
    /// # Panics
    /// Where `values` is shorter than `outputs * inner`.
    pub fn quantise(values: &[f32], outputs: usize, inner: usize) -> Self {
        assert!(
            values.len() >= outputs * inner,
            "the matrix is shorter than its shape"
        );
        let mut matrix = Self::zeros(Bits::Eight, outputs, inner);
        for (output, row) in values.chunks_exact(inner).take(outputs).enumerate() {
            matrix.set_eight_bits(output, row);
        }
        matrix
    }

    /// How many bits its weights have.
    pub fn bits(&self) -> Bits {
        self.bits
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
        size_of_val(&*self.lines) + size_of_val(&*self.halves)
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
            let lines = &self.lines[at * self.bits.lines()..];
            let halves = &self.halves[at * self.bits.halves()..];
            let scale = from_half(halves[0].0[lane]);
            for (index, value) in values.iter_mut().enumerate() {
                let (group, place) = (index / 4, lane * 4 + index % 4);
                *value = match self.bits {
                    Bits::Eight => f32::from(lines[group].0[place].cast_signed()) * scale,
                    Bits::Four => {
                        let byte = lines[group % 4].0[place];
                        let quant = (byte >> (group / 4 * 4)) & 0x0f;
                        f32::from(quant).mul_add(scale, from_half(halves[1].0[lane]))
                    }
                };
            }
        }
    }

    fn of_tensors(tensors: &[&Tensor], bits: Bits) -> Self {
        let inner = tensors.first().map_or(0, |tensor| tensor.columns());
        let fits = tensors.iter().all(|tensor| tensor.columns() == inner);
        assert!(fits, "matrices below each other have the same width");
        let outputs = tensors.iter().map(|tensor| tensor.rows()).sum();
        Self::zeros(bits, outputs, inner)
    }

    fn zeros(bits: Bits, outputs: usize, inner: usize) -> Self {
        let blocks = inner.div_ceil(BLOCK) * outputs.div_ceil(PANEL);
        Self {
            bits,
            outputs,
            inner,
            lines: vec![Line([0; 64]); blocks * bits.lines()],
            halves: vec![Halves([0; PANEL]); blocks * bits.halves()],
        }
    }

    fn set_eight_bits(&mut self, output: usize, row: &[f32]) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let blocks = self.blocks();
        for (block, values) in row.chunks(BLOCK).enumerate() {
            let at = panel * blocks + block;
            let largest = values
                .iter()
                .fold(0.0f32, |largest, value| largest.max(value.abs()));
            let scale = largest / 127.0;
            let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
            self.halves[at].0[lane] = to_half(scale);
            for (index, value) in values.iter().enumerate() {
                let quant = (value * inverse).round().clamp(-127.0, 127.0) as i8;
                self.lines[at * GROUPS + index / 4].0[lane * 4 + index % 4] = quant.cast_unsigned();
            }
        }
    }

    /// Takes over the bits of a stored row.
    fn set_four_bits(&mut self, output: usize, stored: &[u8], format: Format) {
        let (panel, lane) = (output / PANEL, output % PANEL);
        let blocks = self.blocks();
        for (block, stored) in stored.chunks_exact(format.block_bytes()).enumerate() {
            let at = panel * blocks + block;
            let scale = u16::from_le_bytes([stored[0], stored[1]]);
            let (offset, nibbles) = if format == Format::Q4_1 {
                (u16::from_le_bytes([stored[2], stored[3]]), &stored[4..])
            } else {
                // `d (q - 8)`; eight times a half-precision number is one, short of overflow.
                (to_half(-8.0 * from_half(scale)), &stored[2..])
            };
            self.halves[at * 2].0[lane] = scale;
            self.halves[at * 2 + 1].0[lane] = offset;
            for (line, bytes) in nibbles.chunks_exact(4).enumerate() {
                let line = &mut self.lines[at * Bits::Four.lines() + line].0;
                line[lane * 4..lane * 4 + 4].copy_from_slice(bytes);
            }
        }
    }
}

#[cfg(test)]
impl PackedMatrix {
    /// Some matrix of 4 bits, for tests.
    pub(super) fn sample_four_bits(outputs: usize, inner: usize) -> Self {
        let mut matrix = Self::zeros(Bits::Four, outputs, inner);
        for output in 0..outputs {
            let row: Vec<u8> = (0..inner / BLOCK)
                .flat_map(|block| {
                    let mut bytes = to_half(0.01 + 0.003 * (block % 7) as f32)
                        .to_le_bytes()
                        .to_vec();
                    bytes.extend(to_half(-0.09 - 0.01 * (output % 5) as f32).to_le_bytes());
                    bytes
                        .extend((0..16).map(|i| ((output * 31 + block * 17 + i * 73) % 256) as u8));
                    bytes
                })
                .collect();
            matrix.set_four_bits(output, &row, Format::Q4_1);
        }
        matrix
    }
}

pub(super) fn from_half(bits: u16) -> f32 {
    f16::from_bits(bits).to_f32()
}

/// Rounds to the nearest IEEE 754 half-precision number, ties to even; too large gives infinity.
pub(super) fn to_half(value: f32) -> u16 {
    f16::from_f32(value).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_comes_back_within_half_a_step() {
        let (outputs, inner) = (19, 40);
        let values: Vec<f32> = (0..outputs * inner)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0)
            .collect();
        let matrix = PackedMatrix::quantise(&values, outputs, inner);
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
        let once = PackedMatrix::quantise(&values, 1, 64);
        let mut row = vec![0.0; 64];
        once.dequantise_row(0, &mut row);
        let mut again = vec![0.0; 64];
        PackedMatrix::quantise(&row, 1, 64).dequantise_row(0, &mut again);
        assert_eq!(row, again);
    }

    #[test]
    fn four_bits_are_taken_over_as_they_are_stored() {
        for format in [Format::Q4_0, Format::Q4_1] {
            let stored: Vec<u8> = (0..3u8)
                .flat_map(|block| {
                    let mut bytes = to_half(0.25 + f32::from(block)).to_le_bytes().to_vec();
                    if format == Format::Q4_1 {
                        bytes.extend(to_half(-1.5).to_le_bytes());
                    }
                    bytes.extend((0..16u8).map(|i| i.wrapping_mul(37).wrapping_add(block)));
                    bytes
                })
                .collect();
            let mut expected = vec![0.0; 96];
            format.dequantise(&stored, &mut expected);
            let mut matrix = PackedMatrix::zeros(Bits::Four, 18, 96);
            matrix.set_four_bits(17, &stored, format);
            let mut row = vec![0.0; 96];
            matrix.dequantise_row(17, &mut row);
            assert_eq!(row, expected, "{format:?}");
        }
    }
}
