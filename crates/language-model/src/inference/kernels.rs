//! The product of packed weights and 8-bit activations, for what the processor offers.
//!
//! Every tier sums the integers of a block exactly, multiplies the sum by the scale of the weights, and adds blocks in
//! the same order with fused multiply-add, so all tiers give the same bits; so does a row alone and the same row in a
//! batch.
#![expect(
    unsafe_code,
    reason = "vector instructions, and rows written from several threads at once"
)]

use std::{ops::Range, sync::OnceLock};

use super::{
    activations::{Activations, HIGH, Q8Rows, TALL},
    packed::{BLOCK, Bits, GROUPS, PANEL, PackedMatrix},
    team::Team,
};

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod low_rank;
mod scalar;
pub(super) mod vector;
#[cfg(target_arch = "x86_64")]
mod wide_attention;
#[cfg(target_arch = "x86_64")]
mod wide_rounding;

/// A set of instructions that the product can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    Scalar,
    /// AVX2, F16C and FMA.
    Avx2,
    /// AVX-512 with VNNI.
    Avx512Vnni,
    /// The same, and AMX for bytes where there are rows enough.
    Amx,
}

impl Tier {
    /// The slowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512Vnni, Self::Amx];

    /// The fastest tier of this processor, or the one that `FACULTY_KERNELS` names (`scalar`, `avx2`, `avx512`,
    /// `amx`), where the processor has it.
    pub fn best() -> Self {
        static BEST: OnceLock<Tier> = OnceLock::new();
        *BEST.get_or_init(|| {
            let wanted = match std::env::var_os("FACULTY_KERNELS") {
                Some(name) if name == "scalar" => Self::Scalar,
                Some(name) if name == "avx2" => Self::Avx2,
                Some(name) if name == "avx512" => Self::Avx512Vnni,
                _ => Self::Amx,
            };
            let tiers = Self::ALL.into_iter().rev();
            tiers
                .skip_while(|tier| *tier > wanted)
                .find(|tier| tier.is_supported())
                .unwrap_or(Self::Scalar)
        })
    }

    /// Whether this processor has the instructions.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Avx512Vnni.is_supported() && amx::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512Vnni | Self::Amx => false,
        }
    }
}

/// `out[row][output] = input[row] · weights[output]`, `out` `[rows, outputs]` row-major, f32.
///
/// # Panics
/// Where the shapes do not fit, or the processor does not support `tier`.
pub fn multiply(tier: Tier, team: &Team, weights: &PackedMatrix, input: &Q8Rows, out: &mut [f32]) {
    // Asking for AMX costs a call of the system; the best tier has been asked for.
    assert!(
        tier == Tier::best() || tier.is_supported(),
        "this processor lacks the instructions"
    );
    assert_eq!(
        weights.blocks(),
        input.blocks,
        "the inner dimensions differ"
    );
    assert_eq!(
        out.len(),
        input.rows * weights.outputs(),
        "the output has another shape"
    );
    let (bits, places) = (weights.bits(), weights.panels() * weights.blocks());
    assert_eq!(weights.lines.len(), places * bits.lines());
    assert_eq!(weights.halves.len(), places * bits.halves());
    let parts = input.activations.parts();
    let padded = input.rows.next_multiple_of(TALL) * input.blocks;
    assert_eq!(input.quants().len(), padded * parts * BLOCK);
    assert!(
        input.scales.len() == padded && input.sums.len() == padded && input.shifts.len() == padded
    );
    let target = Target(out.as_mut_ptr());
    let run = |panels: Range<usize>| {
        let product = Product {
            weights,
            input,
            out: &target,
        };
        match (input.activations, bits) {
            (Activations::Bits8, Bits::Eight) => product.run::<1, false>(tier, panels),
            (Activations::Bits8, Bits::Four) => product.run::<1, true>(tier, panels),
            (Activations::Bits16, Bits::Eight) => product.run::<2, false>(tier, panels),
            (Activations::Bits16, Bits::Four) => product.run::<2, true>(tier, panels),
        }
    };
    let panels = weights.panels();
    // Under about ten microseconds of work, sharing costs more than it gives.
    let work = panels * input.rows * input.blocks * parts;
    let threads = team.threads();
    if threads == 1 || work < 1024 {
        run(0..panels);
        return;
    }
    // A few pieces a thread even the load out; multiples of four panels keep the widest tiles whole.
    let piece = panels.div_ceil(threads * 4).next_multiple_of(4);
    team.run(panels.div_ceil(piece), &|index| {
        run(index * piece..((index + 1) * piece).min(panels));
    });
}

/// Quantises a block of a row: `highs` and `lows` are its bytes in both parts, or in one.
///
/// Returns the scale and the sum of the quantised values; none where no instructions are better than plain loops.
#[inline]
pub(super) fn round_block(
    values: &[f32; BLOCK],
    highs: &mut [i8; BLOCK],
    lows: Option<&mut [i8; BLOCK]>,
) -> Option<(f32, i32)> {
    #[cfg(target_arch = "x86_64")]
    if Tier::best() >= Tier::Avx512Vnni {
        // SAFETY: the tier is supported.
        return Some(unsafe {
            match lows {
                None => wide_rounding::one_part(values, highs),
                Some(lows) => wide_rounding::two_parts(values, highs, lows),
            }
        });
    }
    None
}

/// Operands whose shapes `multiply` has checked.
struct Product<'a> {
    weights: &'a PackedMatrix,
    input: &'a Q8Rows,
    out: &'a Target,
}

/// Where the product goes. Pieces of work own disjoint panels, hence disjoint columns.
struct Target(*mut f32);

// SAFETY: the pointer is written at disjoint places only, see `Product::store`.
unsafe impl Sync for Target {}

impl Product<'_> {
    /// The product for these panels, of activations in `PARTS` parts with weights of four bits or eight; the tier is
    /// supported and the shapes fit.
    fn run<const PARTS: usize, const FOUR: bool>(&self, tier: Tier, panels: Range<usize>) {
        match tier {
            Tier::Scalar => scalar::multiply::<PARTS>(self, panels),
            // SAFETY: `multiply` has asserted that the tier is supported and that the shapes fit.
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => unsafe { avx2::multiply::<PARTS, FOUR>(self, panels) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Tier::Amx if self.input.rows >= amx::LEAST_ROWS => unsafe {
                amx::multiply::<PARTS, FOUR>(self, panels);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512Vnni | Tier::Amx => unsafe {
                avx512::multiply::<PARTS, FOUR>(self, panels);
            },
            #[cfg(not(target_arch = "x86_64"))]
            Tier::Avx2 | Tier::Avx512Vnni | Tier::Amx => unreachable!("not supported here"),
        }
    }

    /// Writes the sixteen results of `panel` for `row`, without those of the padding.
    fn store(&self, row: usize, panel: usize, values: &[f32; PANEL]) {
        let outputs = self.weights.outputs();
        let first = panel * PANEL;
        assert!(row < self.input.rows && first < outputs);
        let count = PANEL.min(outputs - first);
        // SAFETY: `out` has `rows * outputs` places (asserted in `multiply`), and `row < rows` and
        // `first + count <= outputs` (asserted here). No other piece of work has this panel.
        unsafe {
            let place = self.out.0.add(row * outputs + first);
            if count == PANEL {
                // A known length is a store or two, not a call.
                place.cast::<[f32; PANEL]>().write_unaligned(*values);
            } else {
                std::ptr::copy_nonoverlapping(values.as_ptr(), place, count);
            }
        }
    }
}

impl Q8Rows {
    /// Where the quantised values of a part of a block of a row begin.
    #[inline(always)]
    fn quant_place(&self, row: usize, block: usize, part: usize) -> usize {
        let parts = self.activations.parts();
        (((row / TALL * self.blocks + block) * parts + part) * TALL + row % TALL) * BLOCK
    }

    /// Where the numbers of a block of a row are.
    #[inline(always)]
    fn place(&self, row: usize, block: usize) -> usize {
        (row / TALL * self.blocks + block) * TALL + row % TALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7919 + seed * 104_729) % 1999) as f32 / 999.0 - 1.0)
            .collect()
    }

    const BOTH: [Activations; 2] = [Activations::Bits8, Activations::Bits16];

    fn quantised(activations: Activations, values: &[f32], inner: usize) -> Q8Rows {
        let mut rows = Q8Rows::new(activations);
        rows.quantise(values, inner);
        rows
    }

    /// The same shape in 8 bits, and in 4 bits where the width allows it.
    fn matrices(outputs: usize, inner: usize) -> Vec<PackedMatrix> {
        let mut all = vec![PackedMatrix::quantise(
            &values(outputs * inner, 1),
            outputs,
            inner,
        )];
        if inner.is_multiple_of(BLOCK) {
            all.push(PackedMatrix::sample_four_bits(outputs, inner));
        }
        all
    }

    #[test]
    fn all_tiers_give_the_same_bits_for_all_shapes() {
        let team = Team::new(2);
        for (rows, outputs, inner) in [
            (1, 16, 32),
            (1, 100, 96),
            (2, 64, 64),
            (5, 33, 40),
            (6, 48, 576),
            (13, 960, 576),
            (35, 50, 160),
            (16, 16, 32),
            (3, 7, 31),
        ] {
            for weights in matrices(outputs, inner) {
                for activations in BOTH {
                    let input = quantised(activations, &values(rows * inner, 2), inner);
                    let mut expected = vec![0.0; rows * outputs];
                    multiply(Tier::Scalar, &team, &weights, &input, &mut expected);
                    for tier in Tier::ALL.into_iter().filter(|tier| tier.is_supported()) {
                        let mut out = vec![f32::NAN; rows * outputs];
                        multiply(tier, &team, &weights, &input, &mut out);
                        let bits = weights.bits();
                        assert_eq!(
                            out, expected,
                            "{tier:?} {activations:?} {bits:?} {rows}x{outputs}x{inner}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_alone_gives_the_bits_it_gives_in_a_batch() {
        let team = Team::new(2);
        let (rows, outputs, inner) = (11, 320, 192);
        let x = values(rows * inner, 4);
        for weights in matrices(outputs, inner) {
            for activations in BOTH {
                let mut together = vec![0.0; rows * outputs];
                let input = quantised(activations, &x, inner);
                multiply(Tier::best(), &team, &weights, &input, &mut together);
                for (row, expected) in together.chunks(outputs).enumerate() {
                    let input = quantised(activations, &x[row * inner..(row + 1) * inner], inner);
                    let mut alone = vec![0.0; outputs];
                    multiply(Tier::best(), &team, &weights, &input, &mut alone);
                    assert_eq!(alone, expected);
                }
            }
        }
    }

    #[test]
    fn the_product_is_near_that_of_exact_activations() {
        let team = Team::new(1);
        let (outputs, inner) = (50, 256);
        // One value in each block dwarfs the others, as in real activations.
        let mut x = values(inner, 6);
        x.iter_mut().step_by(32).for_each(|x| *x *= 300.0);
        let mut row = vec![0.0; inner];
        for weights in matrices(outputs, inner) {
            for (activations, bound) in [(Activations::Bits8, 5e-2), (Activations::Bits16, 1e-4)] {
                let mut out = vec![0.0; outputs];
                let input = quantised(activations, &x, inner);
                multiply(Tier::best(), &team, &weights, &input, &mut out);
                for (output, value) in out.iter().enumerate() {
                    weights.dequantise_row(output, &mut row);
                    let terms = row
                        .iter()
                        .zip(&x)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b));
                    let (exact, size) = terms.fold((0.0, 0.0), |(sum, size), term| {
                        (sum + term, size + term.abs())
                    });
                    assert!(
                        (f64::from(*value) - exact).abs() < bound * size,
                        "{value} for {exact}, {activations:?}"
                    );
                }
            }
        }
    }
}
