//! What the processor offers for training: the tile of a matrix product, and plain loops compiled for it.
//!
//! A product is made of tiles of 12 rows and 32 columns. Both factors come packed in words of 32 bits, as f32, `[steps][12]`
//! and `[steps][32]`: a word is one single, or two neighbours of the inner dimension rounded to bfloat16 (the first
//! in the low half). Sums are f32 in any case.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod lanes;
mod scalar;

use std::sync::OnceLock;

/// Rows of a tile.
pub(super) const ROWS: usize = 12;
/// Columns of a tile.
pub(super) const COLUMNS: usize = 32;
/// The sums of a tile, row-major.
pub(super) type Sums = [f32; ROWS * COLUMNS];
/// `sums += a b` for `a` (12 words a step) and `b` (32 words a step).
pub(super) type Tile = fn(&[f32], &[f32], &mut Sums);

/// A set of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Tier {
    /// The fastest tier of this processor, or the one that `FACULTY_KERNELS` names (`scalar`, `avx2`, `avx512`),
    /// where the processor has it.
    pub(super) fn current() -> Self {
        static CURRENT: OnceLock<Tier> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let wanted = match std::env::var_os("FACULTY_KERNELS") {
                Some(name) if name == "scalar" => Self::Scalar,
                Some(name) if name == "avx2" => Self::Avx2,
                _ => Self::Avx512,
            };
            Self::supported()
                .into_iter()
                .rev()
                .find(|tier| *tier <= wanted)
                .unwrap_or(Self::Scalar)
        })
    }

    /// What this processor has, the slowest first.
    pub(super) fn supported() -> Vec<Self> {
        let mut tiers = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                tiers.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                tiers.push(Self::Avx512);
            }
        }
        tiers
    }

    /// The tile product of singles.
    pub(super) fn single_tile(self) -> Tile {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::single,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::single,
            _ => scalar::single,
        }
    }

    /// The tile product of pairs of bfloat16.
    pub(super) fn pair_tile(self) -> Tile {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if has_bf16() => avx512::pairs,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => avx2::pairs,
            _ => scalar::pairs,
        }
    }
}

/// True where the processor multiplies bfloat16 itself.
pub(super) fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512bf16") && Tier::current() == Tier::Avx512
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Defines a function that is compiled for each tier; which one runs is chosen at run time.
///
/// The body is plain code that the compiler turns into vector instructions. It adds and multiplies in the order in
/// which it is written, so every tier gives the same bits.
macro_rules! vectorised {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$doc])*
        $vis fn $name($($argument: $kind),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $kind),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $kind),*) $(-> $result)? {
                plain($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($argument: $kind),*) $(-> $result)? {
                plain($($argument),*)
            }

            match $crate::training_graph::kernels::Tier::current() {
                #[cfg(target_arch = "x86_64")]
                $crate::training_graph::kernels::Tier::Avx512 => {
                    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
                    // SAFETY: this tier is current only where the processor has its instructions.
                    unsafe { avx512($($argument),*) }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::training_graph::kernels::Tier::Avx2 => {
                    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
                    // SAFETY: this tier is current only where the processor has its instructions.
                    unsafe { avx2($($argument),*) }
                }
                _ => plain($($argument),*),
            }
        }
    };
}
pub(super) use vectorised;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{quantised::to_bf16, synthetic::Noise};

    #[test]
    fn every_tier_gives_what_plain_arithmetic_gives() {
        let mut noise = Noise::new(4);
        for steps in [0, 1, 2, 37, 300] {
            let mut words = |count: usize, is_pair: bool| -> Vec<f32> {
                (0..count)
                    .map(|_| {
                        let (x, y) = (noise.sample(), noise.sample());
                        if is_pair {
                            f32::from_bits(u32::from(to_bf16(x)) | (u32::from(to_bf16(y)) << 16))
                        } else {
                            x
                        }
                    })
                    .collect()
            };
            for is_pair in [false, true] {
                let (a, b) = (
                    words(steps * ROWS, is_pair),
                    words(steps * COLUMNS, is_pair),
                );
                let tile = |tier: Tier| {
                    let mut sums = [0.5; ROWS * COLUMNS];
                    let tile = if is_pair {
                        tier.pair_tile()
                    } else {
                        tier.single_tile()
                    };
                    tile(&a, &b, &mut sums);
                    sums
                };
                let plain = tile(Tier::Scalar);
                for tier in Tier::supported() {
                    for (found, plain) in tile(tier).iter().zip(plain) {
                        let off = (found - plain).abs();
                        assert!(
                            off < 1e-5 * (steps as f32 + 1.0),
                            "{tier:?}: {found}, {plain}"
                        );
                    }
                }
            }
        }
    }
}
