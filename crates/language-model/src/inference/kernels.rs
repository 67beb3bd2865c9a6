//! The product of 8-bit weights and 8-bit activations, for what the processor offers.
//!
//! Every tier sums the integers of a block exactly and adds the scaled blocks in the same order with fused
//! multiply-add, so all tiers give the same bits; so does a row alone and the same row in a batch.
#![expect(
    unsafe_code,
    reason = "vector instructions, and rows written from several threads at once"
)]

use std::{ops::Range, sync::OnceLock};

use rayon::prelude::*;

use super::q8::{Activations, BLOCK, GROUPS, HIGH, PANEL, Q8Matrix, Q8Rows};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
pub(super) mod vector;

/// A set of instructions that the product can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 with VNNI.
    Avx512Vnni,
}

impl Tier {
    /// The fastest tier of this processor.
    pub fn best() -> Self {
        static BEST: OnceLock<Tier> = OnceLock::new();
        *BEST.get_or_init(|| {
            let fastest = [Self::Avx512Vnni, Self::Avx2]
                .into_iter()
                .find(|tier| tier.is_supported());
            fastest.unwrap_or(Self::Scalar)
        })
    }

    /// Whether this processor has the instructions.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512Vnni => false,
        }
    }
}

/// `out[row][output] = input[row] · weights[output]`, `out` `[rows, outputs]` row-major, f32.
///
/// # Panics
/// Where the shapes do not fit, or the processor does not support `tier`.
pub fn multiply(tier: Tier, weights: &Q8Matrix, input: &Q8Rows, out: &mut [f32]) {
    assert!(tier.is_supported(), "this processor lacks the instructions");
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
    assert_eq!(
        weights.lines.len(),
        weights.panels() * weights.blocks() * GROUPS
    );
    assert_eq!(weights.scales.len(), weights.panels() * weights.blocks());
    let parts = input.activations.parts();
    assert_eq!(
        input.quants.len(),
        input.rows * input.blocks * parts * BLOCK
    );
    assert!(
        input.scales.len() >= input.rows * input.blocks
            && input.offsets.len() >= input.rows * input.blocks
    );
    let target = Target(out.as_mut_ptr());
    let run = |panels: Range<usize>| {
        let product = Product {
            weights,
            input,
            out: &target,
        };
        match input.activations {
            Activations::Bits8 => product.run::<1>(tier, panels),
            Activations::Bits16 => product.run::<2>(tier, panels),
        }
    };
    let panels = weights.panels();
    // Under about 30 µs of work, waking another thread costs more than it gives.
    let work = panels * input.rows * input.blocks * parts;
    let threads = rayon::current_num_threads();
    if threads == 1 || work < 4096 {
        run(0..panels);
        return;
    }
    // A few pieces a thread even the load out; multiples of four panels keep the widest tiles whole.
    let piece = panels.div_ceil(threads * 2).next_multiple_of(4);
    (0..panels.div_ceil(piece))
        .into_par_iter()
        .for_each(|index| {
            run(index * piece..((index + 1) * piece).min(panels));
        });
}

/// Operands whose shapes `multiply` has checked.
struct Product<'a> {
    weights: &'a Q8Matrix,
    input: &'a Q8Rows,
    out: &'a Target,
}

/// Where the product goes. Pieces of work own disjoint panels, hence disjoint columns.
struct Target(*mut f32);

// SAFETY: the pointer is written at disjoint places only, see `Product::store`.
unsafe impl Sync for Target {}

impl Product<'_> {
    /// The product for these panels, of activations in `PARTS` parts; the tier is supported and the shapes fit.
    fn run<const PARTS: usize>(&self, tier: Tier, panels: Range<usize>) {
        match tier {
            Tier::Scalar => scalar::multiply::<PARTS>(self, panels),
            // SAFETY: `multiply` has asserted that the tier is supported and that the shapes fit.
            #[cfg(target_arch = "x86_64")]
            Tier::Avx2 => unsafe { avx2::multiply::<PARTS>(self, panels) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512Vnni => unsafe { avx512::multiply::<PARTS>(self, panels) },
            #[cfg(not(target_arch = "x86_64"))]
            Tier::Avx2 | Tier::Avx512Vnni => unreachable!("not supported here"),
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
            std::ptr::copy_nonoverlapping(values.as_ptr(), place, count);
        }
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

    #[test]
    fn all_tiers_give_the_same_bits_for_all_shapes() {
        for (rows, outputs, inner) in [
            (1, 16, 32),
            (1, 100, 96),
            (2, 64, 64),
            (5, 33, 40),
            (6, 48, 576),
            (13, 960, 576),
            (3, 7, 31),
        ] {
            let weights = Q8Matrix::quantise(&values(outputs * inner, 1), outputs, inner);
            for activations in BOTH {
                let input = quantised(activations, &values(rows * inner, 2), inner);
                let mut expected = vec![0.0; rows * outputs];
                multiply(Tier::Scalar, &weights, &input, &mut expected);
                for tier in [Tier::Avx2, Tier::Avx512Vnni] {
                    if tier.is_supported() {
                        let mut out = vec![f32::NAN; rows * outputs];
                        multiply(tier, &weights, &input, &mut out);
                        assert_eq!(
                            out, expected,
                            "{tier:?} {activations:?} {rows}x{outputs}x{inner}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_alone_gives_the_bits_it_gives_in_a_batch() {
        let (rows, outputs, inner) = (11, 320, 192);
        let weights = Q8Matrix::quantise(&values(outputs * inner, 3), outputs, inner);
        let x = values(rows * inner, 4);
        for activations in BOTH {
            let mut together = vec![0.0; rows * outputs];
            multiply(
                Tier::best(),
                &weights,
                &quantised(activations, &x, inner),
                &mut together,
            );
            for (row, expected) in together.chunks(outputs).enumerate() {
                let input = quantised(activations, &x[row * inner..(row + 1) * inner], inner);
                let mut alone = vec![0.0; outputs];
                multiply(Tier::best(), &weights, &input, &mut alone);
                assert_eq!(alone, expected);
            }
        }
    }

    #[test]
    fn the_product_is_near_that_of_exact_activations() {
        let (outputs, inner) = (50, 256);
        let weights = Q8Matrix::quantise(&values(outputs * inner, 5), outputs, inner);
        // One value in each block dwarfs the others, as in real activations.
        let mut x = values(inner, 6);
        x.iter_mut().step_by(32).for_each(|x| *x *= 300.0);
        let mut row = vec![0.0; inner];
        for (activations, bound) in [(Activations::Bits8, 5e-2), (Activations::Bits16, 1e-4)] {
            let mut out = vec![0.0; outputs];
            multiply(
                Tier::best(),
                &weights,
                &quantised(activations, &x, inner),
                &mut out,
            );
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
