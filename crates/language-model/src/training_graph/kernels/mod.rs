//! What the processor offers for training: the tile of a matrix product, and plain loops compiled for it.
//!
//! A product is made of tiles of 12 rows (32 with AMX) and 32 columns. Both factors come packed in words of 32 bits, as
//! f32: a word is one single, or two neighbours of the inner dimension rounded to bfloat16 (the first in the low half).
//! The right one is `[steps][32]`. The left one is `[steps][12]`, with AMX `[steps / 16][32][16]`. Sums are f32 in any
//! case.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod lanes;
mod scalar;

use std::sync::OnceLock;

/// Rows of a tile, unless its instructions ask for others.
pub(super) const ROWS: usize = 12;
/// Rows of the largest tile.
const MOST_ROWS: usize = 32;
/// Columns of a tile.
pub(super) const COLUMNS: usize = 32;
/// The sums of a tile, row-major; those of a smaller tile are at the start.
#[repr(C, align(64))]
#[derive(Debug, Clone)]
pub(super) struct Sums(pub(super) [f32; MOST_ROWS * COLUMNS]);

impl Sums {
    pub(super) fn zeros() -> Self {
        Self([0.0; MOST_ROWS * COLUMNS])
    }
}

/// How tiles are multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Rows of a tile.
    pub(super) rows: usize,
    /// Steps of a block of the left factor, in which come first the rows, then for each row these steps.
    pub(super) block: usize,
    multiply: Multiply,
    /// The same for a whole tile that lies where the product goes, if the instructions can write it there.
    into: Option<Into>,
}

/// `sums = a b`, or `sums += a b` where the last argument says so.
type Multiply = fn(&[f32], &[f32], &mut Sums, bool);
/// The same for rows so many numbers apart.
type Into = fn(&[f32], &[f32], &mut [f32], usize, bool);

impl Tile {
    fn of_lanes(multiply: Multiply) -> Self {
        Self {
            rows: ROWS,
            block: 1,
            multiply,
            into: None,
        }
    }

    /// `sums = a b`, or `sums += a b`.
    pub(super) fn multiply(self, a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
        (self.multiply)(a, b, sums, adds);
    }

    /// How to write whole tiles where they go, rows so many numbers apart.
    pub(super) fn into(self) -> Option<Into> {
        self.into
    }
}

/// A set of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
    /// The same, and AMX for products of bfloat16.
    Amx,
}

impl Tier {
    /// The fastest tier of this processor, or the one that `FACULTY_KERNELS` names (`scalar`, `avx2`, `avx512`,
    /// `amx`), where the processor has it.
    pub(super) fn current() -> Self {
        static CURRENT: OnceLock<Tier> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let wanted = match std::env::var_os("FACULTY_KERNELS") {
                Some(name) if name == "scalar" => Self::Scalar,
                Some(name) if name == "avx2" => Self::Avx2,
                Some(name) if name == "avx512" => Self::Avx512,
                _ => Self::Amx,
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
                if amx::is_available() {
                    tiers.push(Self::Amx);
                }
            }
        }
        tiers
    }

    /// The tile of singles.
    pub(super) fn single_tile(self) -> Tile {
        Tile::of_lanes(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Amx => {
                return Tile {
                    into: Some(avx512::single_into),
                    ..Tile::of_lanes(avx512::single)
                };
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::single,
            _ => scalar::single,
        })
    }

    /// The tile of pairs of bfloat16.
    pub(super) fn pair_tile(self) -> Tile {
        Tile::of_lanes(match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => {
                return Tile {
                    rows: amx::ROWS,
                    block: amx::STEPS,
                    multiply: amx::pairs,
                    into: Some(amx::into),
                };
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if has_bf16() => avx512::pairs,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => avx2::pairs,
            _ => scalar::pairs,
        })
    }
}

/// True where the processor multiplies bfloat16 itself.
pub(super) fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512bf16") && Tier::current() >= Tier::Avx512
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
                $crate::training_graph::kernels::Tier::Avx512
                | $crate::training_graph::kernels::Tier::Amx => {
                    #[expect(unsafe_code, reason = "the instructions are checked for at run time")]
                    // SAFETY: these tiers are current only where the processor has the instructions.
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

/// Side of the squares that [`turn`] turns over.
pub(super) const SIDE: usize = 16;

/// Writes the columns of a square of 16 by 16 words as rows. In `source` and `out` a row comes every so many words.
pub(super) fn turn(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    #[cfg(target_arch = "x86_64")]
    if Tier::current() >= Tier::Avx512 {
        avx512::turn(source, stride, out, out_stride);
        return;
    }
    turn_plainly(source, stride, out, out_stride);
}

fn turn_plainly(source: &[f32], stride: usize, out: &mut [f32], out_stride: usize) {
    for (row, source) in source.chunks(stride).take(SIDE).enumerate() {
        for (word, out) in source[..SIDE].iter().zip(out.chunks_mut(out_stride)) {
            out[row] = *word;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{quantised::to_bf16, synthetic::Noise};

    #[test]
    fn every_tier_gives_what_plain_arithmetic_gives() {
        let mut noise = Noise::new(4);
        for steps in [1, 2, 37, 300] {
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
                // Rows for three plain tiles, `[rows][steps]`; each tier wants its own rows in its own order.
                let (a, b) = (
                    words(3 * ROWS * steps, is_pair),
                    words(steps * COLUMNS, is_pair),
                );
                let tile = |tier: Tier, first: usize| {
                    let tile = if is_pair {
                        tier.pair_tile()
                    } else {
                        tier.single_tile()
                    };
                    let whole = steps.next_multiple_of(tile.block);
                    let mut packed = vec![0.0; whole * tile.rows];
                    let mut b = b.clone();
                    b.resize(whole * COLUMNS, 0.0);
                    for row in 0..tile.rows {
                        for step in 0..steps {
                            let (block, place) = (step / tile.block, step % tile.block);
                            packed[(block * tile.rows + row) * tile.block + place] =
                                a[(first + row) * steps + step];
                        }
                    }
                    let mut sums = Sums([0.5; MOST_ROWS * COLUMNS]);
                    tile.multiply(&packed, &b, &mut sums, true);
                    sums.0[..tile.rows * COLUMNS].to_vec()
                };
                let plain = [0, 1, 2]
                    .map(|part| tile(Tier::Scalar, part * ROWS))
                    .concat();
                for tier in Tier::supported() {
                    for (found, plain) in tile(tier, 0).iter().zip(&plain) {
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

    #[test]
    fn squares_are_turned_over() {
        let source: Vec<f32> = (0..SIDE * 32).map(|number| number as f32).collect();
        for (stride, out_stride) in [(16, 16), (32, 20), (20, 32)] {
            let (mut plain, mut found) = (vec![-1.0; 512], vec![-1.0; 512]);
            turn_plainly(&source, stride, &mut plain, out_stride);
            turn(&source, stride, &mut found, out_stride);
            assert_eq!(plain, found);
            assert_eq!(plain[3 * out_stride + 5], source[5 * stride + 3]);
        }
    }
}
