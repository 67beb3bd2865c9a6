//! How the numbers of a factor lie in words of 32 bits.

use super::{
    frozen::Precision,
    kernels::{Tier, Tile},
};

/// What the words of a factor hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A single each.
    Singles,
    /// Two neighbours of the inner dimension each, rounded to bfloat16.
    Pairs,
    /// Of 32 singles first 16 pairs of them rounded, then 16 pairs of what rounding left: products of bfloat16 that
    /// are nearly those of singles (see `kernels`).
    Halves,
}

/// Which part of a number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// The nearest bfloat16.
    Rounded,
    /// The bfloat16 nearest to what is missing.
    Rest,
}

impl Form {
    /// The one in which this processor multiplies fastest at this precision.
    pub(super) fn of(precision: Precision) -> Self {
        match precision {
            Precision::Full if Tier::current().half_tile().is_some() => Self::Halves,
            Precision::Full => Self::Singles,
            Precision::Mixed => Self::Pairs,
        }
    }

    pub(super) fn tile(self) -> Tile {
        let tier = Tier::current();
        match self {
            Self::Singles => tier.single_tile(),
            Self::Pairs => tier.pair_tile(),
            Self::Halves => tier.half_tile().unwrap_or_else(|| tier.single_tile()),
        }
    }

    /// The halves that pairs are made of, in their order; none where words are no pairs.
    pub(super) fn halves(self) -> &'static [Half] {
        match self {
            Self::Singles => &[],
            Self::Pairs => &[Half::Rounded],
            Self::Halves => &[Half::Rounded, Half::Rest],
        }
    }

    /// Numbers of the inner dimension to a step.
    pub(super) fn numbers(self) -> usize {
        match self {
            Self::Singles | Self::Halves => 1,
            Self::Pairs => 2,
        }
    }

    /// Steps that an inner dimension takes: whole blocks.
    pub(super) fn steps(self, inner: usize) -> usize {
        inner
            .div_ceil(self.numbers())
            .next_multiple_of(self.tile().block)
    }
}
