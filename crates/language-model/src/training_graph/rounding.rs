//! Two numbers in one word, rounded to bfloat16: to nearest, ties to even; the first in the low half.

use super::{
    form::Half,
    kernels::{self, SIDE, vectorised},
};
use crate::matrix::Matrix;

/// Numbers of a row that are rounded at once.
pub(super) const ROW: usize = 2 * SIDE;

/// The pairs of up to 32 neighbours; zeros follow where there are fewer.
pub(super) fn round_row(row: &[f32], half: Half, words: &mut [f32; SIDE]) {
    if let Ok(row) = <&[f32; ROW]>::try_from(row) {
        kernels::round_row(row, half, words);
    } else {
        let mut whole = [0.0; ROW];
        whole[..row.len()].copy_from_slice(row);
        kernels::round_row(&whole, half, words);
    }
}

/// Without instructions of its own.
pub(super) fn round_row_plainly(row: &[f32; ROW], half: Half, words: &mut [f32; SIDE]) {
    let (numbers, _) = row.as_chunks::<2>();
    for (word, numbers) in words.iter_mut().zip(numbers) {
        *word = pair(numbers[0], numbers[1], half);
    }
}

vectorised! {
    /// Joins every two neighbouring rows of `rows` from `row` on, some columns from `first` on, as many pairs of rows
    /// as `words` has rows of `width`; each row gets `lanes` words, and what has no partner is joined with zero.
    pub(super) fn join_rows(rows: Matrix<'_>, place: [usize; 2], shape: [usize; 2], half: Half, words: &mut [f32]) {
        let ([row, first], [width, lanes]) = (place, shape);
        for (step, words) in words.chunks_exact_mut(width).enumerate() {
            let row = row + 2 * step;
            if row >= rows.rows() {
                return;
            }
            let low = &rows.row(row)[first..first + lanes];
            let high = if row + 1 < rows.rows() {
                &rows.row(row + 1)[first..first + lanes]
            } else {
                &[0.0; 2 * SIDE][..lanes]
            };
            match (half, lanes == 2 * SIDE) {
                (Half::Rounded, true) => join_whole::<false>(low, high, words),
                (Half::Rest, true) => join_whole::<true>(low, high, words),
                (half, false) => {
                    for ((low, high), word) in low.iter().zip(high).zip(words) {
                        *word = pair(*low, *high, half);
                    }
                }
            }
        }
    }
}

/// Rows of 32, a number that the compiler knows.
#[inline(always)]
fn join_whole<const REST: bool>(low: &[f32], high: &[f32], words: &mut [f32]) {
    let half = if REST { Half::Rest } else { Half::Rounded };
    let (low, high) = (low.first_chunk::<ROW>(), high.first_chunk::<ROW>());
    if let (Some(low), Some(high), Some(words)) = (low, high, words.first_chunk_mut::<ROW>()) {
        for lane in 0..ROW {
            words[lane] = pair(low[lane], high[lane], half);
        }
    }
}

#[inline(always)]
fn pair(low: f32, high: f32, half: Half) -> f32 {
    let [low, high] = match half {
        Half::Rounded => [low, high],
        Half::Rest => [rest(low), rest(high)],
    };
    f32::from_bits((upper_half(low) >> 16) | (upper_half(high) & 0xffff_0000))
}

/// What rounding leaves of a number: exact in f32.
#[inline(always)]
fn rest(number: f32) -> f32 {
    number - f32::from_bits(upper_half(number) & 0xffff_0000)
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
    use crate::{quantised::to_bf16, synthetic::Noise};

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

    #[test]
    fn a_number_and_its_rest_are_the_number_but_for_its_last_bits() {
        let mut noise = Noise::new(6);
        for number in noise.samples(1000, 100.0) {
            let rounded = f32::from_bits(upper_half(number) & 0xffff_0000);
            let rest = f32::from_bits(upper_half(rest(number)) & 0xffff_0000);
            let off = (f64::from(number) - f64::from(rounded) - f64::from(rest)).abs();
            assert!(
                off <= f64::from(number.abs()) * 2f64.powi(-17),
                "{number}: {off}"
            );
        }
    }

    #[test]
    fn rows_are_rounded_alike_with_and_without_instructions() {
        let mut row = [0.0; ROW];
        row.copy_from_slice(&Noise::new(7).samples(ROW, 3.0));
        (row[3], row[8], row[9]) = (f32::NAN, f32::INFINITY, -0.0);
        for half in [Half::Rounded, Half::Rest] {
            let (mut plain, mut found) = ([0.0; SIDE], [0.0; SIDE]);
            round_row_plainly(&row, half, &mut plain);
            round_row(&row, half, &mut found);
            assert_eq!(plain.map(f32::to_bits), found.map(f32::to_bits));
            let columns = Matrix::new(&row, ROW, 1);
            let mut joined = [0.0; SIDE];
            join_rows(columns, [0, 0], [1, 1], half, &mut joined);
            assert_eq!(plain.map(f32::to_bits), joined.map(f32::to_bits));
        }
    }
}
