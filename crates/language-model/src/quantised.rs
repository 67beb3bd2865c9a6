//! Number formats of stored weights, and how to read them as f32.
//!
//! Block formats are those of the ggml library: 32 weights share a half-precision scale (and, in some, an
//! offset). A row is a whole number of blocks.

use gemm::f16;

/// How the numbers of a tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// IEEE 754 single precision, little-endian.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of a single.
    Bf16,
    /// 18 bytes a block: f16 scale `d`, 32 nibbles `q`; weight `d (q - 8)`.
    Q4_0,
    /// 20 bytes a block: f16 scale `d`, f16 offset `m`, 32 nibbles `q`; weight `d q + m`.
    Q4_1,
    /// 22 bytes a block: f16 scale `d`, 32 fifth bits, 32 nibbles; weight `d (q - 16)`.
    Q5_0,
    /// 34 bytes a block: f16 scale `d`, 32 signed bytes `q`; weight `d q`.
    Q8_0,
}

/// The upper half of a single, rounded to nearest, ties to even. Numbers that are not finite stay so.
pub(crate) fn to_bf16(number: f32) -> u16 {
    let bits = number.to_bits();
    let upper = if number.is_nan() {
        (bits >> 16) | 0x40
    } else {
        bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
    };
    upper as u16
}

/// Weights in one block of the block formats.
pub const BLOCK: usize = 32;

impl Format {
    /// Weights that are stored together: 1, or [`BLOCK`].
    pub fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q8_0 => BLOCK,
        }
    }

    /// Bytes of [`Format::block_len`] weights.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q8_0 => 34,
        }
    }

    /// Bytes of a row of `columns` weights; none where they are no whole number of blocks.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        if !columns.is_multiple_of(self.block_len()) {
            return None;
        }
        (columns / self.block_len()).checked_mul(self.block_bytes())
    }

    /// Reads stored weights as f32.
    ///
    /// `stored` holds whole blocks and `weights` has one place for each weight in them; where the two do not fit,
    /// the shorter one counts.
    pub fn dequantise(self, stored: &[u8], weights: &mut [f32]) {
        let blocks = stored
            .chunks_exact(self.block_bytes())
            .zip(weights.chunks_exact_mut(self.block_len()));
        match self {
            Self::F32 => {
                blocks.for_each(|(s, w)| w[0] = f32::from_le_bytes([s[0], s[1], s[2], s[3]]));
            }
            Self::F16 => blocks.for_each(|(s, w)| w[0] = half(s)),
            Self::Bf16 => {
                blocks.for_each(|(s, w)| {
                    w[0] = f32::from_bits(u32::from_le_bytes([0, 0, s[0], s[1]]));
                });
            }
            Self::Q4_0 => blocks.for_each(|(s, w)| {
                let scale = half(s);
                nibbles(&s[2..], w, |_, q| scale * (f32::from(q) - 8.0));
            }),
            Self::Q4_1 => blocks.for_each(|(s, w)| {
                let (scale, offset) = (half(s), half(&s[2..]));
                nibbles(&s[4..], w, |_, q| scale * f32::from(q) + offset);
            }),
            Self::Q5_0 => blocks.for_each(|(s, w)| {
                let scale = half(s);
                let fifth = u32::from_le_bytes([s[2], s[3], s[4], s[5]]);
                nibbles(&s[6..], w, |i, q| {
                    let high = ((fifth >> i) & 1) as u8;
                    scale * (f32::from(q | (high << 4)) - 16.0)
                });
            }),
            Self::Q8_0 => blocks.for_each(|(s, w)| {
                let scale = half(s);
                for (weight, q) in w.iter_mut().zip(&s[2..]) {
                    *weight = scale * f32::from(q.cast_signed());
                }
            }),
        }
    }
}

fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// The first 16 weights are the low nibbles of the 16 bytes, the last 16 the high ones.
fn nibbles(packed: &[u8], weights: &mut [f32], weight: impl Fn(usize, u8) -> f32) {
    let (low, high) = weights.split_at_mut(BLOCK / 2);
    for (i, ((byte, low), high)) in packed.iter().zip(low).zip(high).enumerate() {
        *low = weight(i, byte & 0x0f);
        *high = weight(i + BLOCK / 2, byte >> 4);
    }
}

/// Stores a row as Q8_0 blocks, rounding each weight to the nearest of 255 steps.
///
/// `row` is a whole number of blocks; a rest is left out.
pub fn quantise_q8_0(row: &[f32]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(row.len() / BLOCK * Format::Q8_0.block_bytes());
    for block in row.chunks_exact(BLOCK) {
        let largest = block.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
        let scale = largest / 127.0;
        stored.extend(f16::from_f32(scale).to_le_bytes());
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        stored.extend(
            block
                .iter()
                .map(|x| ((x * inverse).round() as i8).cast_unsigned()),
        );
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_formats_follow_their_formula() {
        let mut weights = [0.0; BLOCK];
        let scale = f16::from_f32(0.5).to_le_bytes();
        let offset = f16::from_f32(-2.0).to_le_bytes();

        let q4_0 = [&scale[..], &[0x9f; 16]].concat();
        Format::Q4_0.dequantise(&q4_0, &mut weights);
        assert_eq!(
            (weights[0], weights[31]),
            (3.5, 0.5),
            "nibbles 15 and 9 less 8, halved"
        );

        let q4_1 = [&scale[..], &offset, &[0x21; 16]].concat();
        Format::Q4_1.dequantise(&q4_1, &mut weights);
        assert_eq!((weights[15], weights[16]), (-1.5, -1.0));

        let q5_0 = [&scale[..], &0x8000_0001u32.to_le_bytes(), &[0x21; 16]].concat();
        Format::Q5_0.dequantise(&q5_0, &mut weights);
        assert_eq!((weights[0], weights[1], weights[31]), (0.5, -7.5, 1.0));
    }

    #[test]
    fn eight_bits_keep_a_row_within_half_a_step() {
        let row: Vec<f32> = (0..64)
            .map(|i| ((i * 37) % 64) as f32 / 10.0 - 3.0)
            .collect();
        let mut back = vec![0.0; 64];
        Format::Q8_0.dequantise(&quantise_q8_0(&row), &mut back);
        for (x, y) in row.iter().zip(&back) {
            assert!((x - y).abs() <= 3.3 / 127.0 * 0.51, "{x} came back as {y}");
        }
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(Format::Q8_0.row_bytes(64), Some(68));
        assert_eq!(Format::Q8_0.row_bytes(33), None);
        assert_eq!(Format::F16.row_bytes(3), Some(6));
    }
}
