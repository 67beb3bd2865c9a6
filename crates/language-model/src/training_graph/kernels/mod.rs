//! What the processor offers for training: the tile of a matrix product, and plain loops compiled for it.
//!
//! A product is made of tiles of 12 rows (32 with AMX) and 32 columns. Both factors come packed in words of 32 bits, as
//! f32: a word is one single, or two neighbours of the inner dimension rounded to bfloat16 (the first in the low half).
//! The right one is `[steps][32]`. The left one is `[steps][12]`, with AMX `[steps / 16][32][16]`. Sums are f32 in any
//! case.
//!
//! With AMX a single is two numbers of bfloat16, itself rounded and the rest rounded (Henry, Tang and Heinecke 2019,
//! arXiv 1904.06376): both factors are cut into blocks of 32 numbers of the inner dimension, in which come first the
//! pairs of the rounded numbers, then the pairs of the rests, in the order of a block of pairs each.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod lanes;
#[cfg(target_arch = "x86_64")]
mod packing;
mod scalar;

use std::sync::OnceLock;

use super::{form::Half, rounding::round_row_plainly, turning::turn_pairs_plainly};

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

/// Words that stay in the first-level cache while the rows go past.
const NEAREST: usize = 10 << 10;

/// How tiles are multiplied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// Rows of a tile.
    pub(super) rows: usize,
    /// Steps of a block of the left factor, in which come first the rows, then for each row these steps.
    pub(super) block: usize,
    /// Words of a panel of the right factor that are worked on at once.
    pub(super) words: usize,
    /// True where words are pairs that are to be taken apart first: what is multiplied are singles.
    pub(super) takes_apart: bool,
    multiply: Multiply,
    /// The same for a whole tile that lies where the product goes, if the instructions can write it there.
    into: Option<Into>,
}

/// The words of a left and of a right factor that go together.
pub(super) type Factors<'a> = (&'a [f32], &'a [f32]);
/// `sums = a b`, or `sums += a b` where the last argument says so.
type Multiply = fn(&[f32], &[f32], &mut Sums, bool);
/// The same for two products at once, the second of which may be of nothing, and rows so many numbers apart.
type Into = fn([Factors<'_>; 2], &mut [f32], usize, bool);

impl Tile {
    fn of_lanes(multiply: Multiply, into: Option<Into>) -> Self {
        Self {
            rows: ROWS,
            block: 1,
            words: NEAREST,
            takes_apart: false,
            multiply,
            into,
        }
    }

    /// For pairs, which become twice as many words.
    #[cfg(target_arch = "x86_64")]
    fn after_taking_apart(self) -> Self {
        Self {
            words: self.words / 2,
            takes_apart: true,
            ..self
        }
    }

    /// For tiles that read half a row of the panel at a step: slow enough for the second-level cache to keep up, and
    /// the longer the stretch, the fewer times are sums fetched and written.
    #[cfg(target_arch = "x86_64")]
    fn with_long_stretches(self) -> Self {
        Self {
            words: 2 * NEAREST,
            ..self
        }
    }

    /// `sums = a b`, or `sums += a b`.
    pub(super) fn multiply(self, a: &[f32], b: &[f32], sums: &mut Sums, adds: bool) {
        (self.multiply)(a, b, sums, adds);
    }

    /// How to write whole tiles where they go.
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
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Amx => Tile::of_lanes(avx512::single, Some(avx512::single_into)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                Tile::of_lanes(avx2::single, Some(avx2::single_into)).with_long_stretches()
            }
            _ => Tile::of_lanes(scalar::single, None),
        }
    }

    /// The tile of pairs of bfloat16.
    pub(super) fn pair_tile(self) -> Tile {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Tile {
                rows: amx::ROWS,
                block: amx::STEPS,
                words: NEAREST,
                takes_apart: false,
                multiply: amx::pairs,
                into: Some(amx::pairs_into),
            },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if has_quick_bf16() => Tile::of_lanes(avx512::pairs, None),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx2 => self.single_tile().after_taking_apart(),
            _ => Tile::of_lanes(scalar::pairs, None),
        }
    }

    /// The tile of singles in two halves, where products of them are faster than of whole ones.
    pub(super) fn half_tile(self) -> Option<Tile> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Some(Tile {
                rows: amx::ROWS,
                block: 2 * amx::STEPS,
                words: NEAREST,
                takes_apart: false,
                multiply: amx::halves,
                into: Some(amx::halves_into),
            }),
            _ => None,
        }
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

/// True where a product of pairs by AVX512-BF16 is faster than two of singles. Intel's cores, up to Emerald Rapids at
/// least, do 80 GFLOP/s with the one and 164 with the other; AMD's do twice as much with the one.
#[cfg(target_arch = "x86_64")]
fn has_quick_bf16() -> bool {
    // In a virtual machine the question takes tens of microseconds.
    static QUICK: OnceLock<bool> = OnceLock::new();
    *QUICK.get_or_init(|| {
        let vendor = std::arch::x86_64::__cpuid(0);
        has_bf16() && vendor.ebx.to_le_bytes() == *b"Auth"
    })
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
    match Tier::current() {
        Tier::Avx512 | Tier::Amx => return packing::turn(source, stride, out, out_stride),
        Tier::Avx2 => return avx2::turn(source, stride, out, out_stride),
        Tier::Scalar => (),
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

/// Asks for words that will be read soon.
pub(super) fn ask_for(words: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in words.chunks(avx512::LANES) {
        avx512::ask_for(line.as_ptr());
    }
}

/// A block of pairs: 16 steps of 32 columns.
pub(super) type Block = [f32; SIDE * COLUMNS];

/// Turns a block over: the words of `source` hold two numbers of neighbouring rows, those of `words` two of
/// neighbouring columns.
pub(super) fn turn_pairs(source: &Block, words: &mut Block) {
    #[cfg(target_arch = "x86_64")]
    if Tier::current() >= Tier::Avx512 {
        packing::turn_pairs(source, words);
        return;
    }
    turn_pairs_plainly(source, words);
}

/// The pairs of 32 neighbours, the first of two in the low half of a word.
pub(super) fn round_row(row: &[f32; 2 * SIDE], half: Half, words: &mut [f32; SIDE]) {
    #[cfg(target_arch = "x86_64")]
    if Tier::current() >= Tier::Avx512 {
        packing::round_row(row, half, words);
        return;
    }
    round_row_plainly(row, half, words);
}

#[cfg(test)]
mod tests;
