//! How far a model was modified: the compute of all modifications together, against that of the base. Pure.
//!
//! The Commission's guidelines on general-purpose AI models (July 2025) take a modifier for the provider of a new
//! model where the modification took more than a third of the original's training compute; where that is not
//! known, a third of the 1e23 FLOP from which a model counts as general-purpose. They are silent on modifications
//! that follow each other; we add them up.

use serde::Serialize;

/// What is known of the compute that the base was trained with, in floating-point operations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "basis", content = "flop", rename_all = "snake_case")]
pub enum BaseCompute {
    /// Its provider said so.
    Known(f64),
    /// Worked out by a stated formula.
    Estimated(f64),
    /// Nobody knows.
    Unknown,
}

/// From here a model counts as general-purpose, and what an unknown base is taken for.
pub const GENERAL_PURPOSE_FLOP: f64 = 1e23;

/// What a modification amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// Of this model's own training.
    pub own_flop: f64,
    /// Of all modifications since the base, this one included.
    pub cumulative_flop: f64,
    pub base: BaseCompute,
    /// What the modifications are compared with.
    pub reference_flop: f64,
    /// `cumulative_flop / reference_flop`.
    pub ratio: f64,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Below a tenth: the same model.
    Small,
    /// From a tenth: worth watching.
    Notable,
    /// From a third: a legal reviewer decides whether it is a new model.
    Decisive,
}

impl Standing {
    /// The word in texts (`disclosure-standing-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Notable => "notable",
            Self::Decisive => "decisive",
        }
    }
}

impl Ratio {
    /// Of a model whose own training took `own` operations, after `earlier` modifications of the same base.
    #[must_use]
    pub fn of(own: f64, earlier: &[f64], base: BaseCompute) -> Self {
        let reference_flop = match base {
            BaseCompute::Known(flop) | BaseCompute::Estimated(flop) => flop,
            BaseCompute::Unknown => GENERAL_PURPOSE_FLOP,
        };
        let cumulative_flop = own + earlier.iter().sum::<f64>();
        Self {
            own_flop: own,
            cumulative_flop,
            base,
            reference_flop,
            ratio: cumulative_flop / reference_flop,
        }
    }

    /// What follows from it. The third itself counts, so that a doubtful case is looked at.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.cumulative_flop * 3.0 >= self.reference_flop {
            Standing::Decisive
        } else if self.cumulative_flop * 10.0 >= self.reference_flop {
            Standing::Notable
        } else {
            Standing::Small
        }
    }

    /// Whether a decision on `cumulative` operations against `reference` was about this much or more.
    #[must_use]
    pub fn is_covered_by(&self, cumulative: f64, reference: f64) -> bool {
        cumulative >= self.cumulative_flop * 0.999_999
            && reference <= self.reference_flop * 1.000_001
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flops() -> impl Strategy<Value = f64> {
        (0_u32..27, 1.0_f64..10.0).prop_map(|(exponent, m)| m * 10_f64.powi(exponent as i32))
    }

    fn base() -> impl Strategy<Value = BaseCompute> {
        prop_oneof![
            flops().prop_map(BaseCompute::Known),
            flops().prop_map(BaseCompute::Estimated),
            Just(BaseCompute::Unknown),
        ]
    }

    proptest! {
        #[test]
        fn modifications_add_up_along_the_chain(own in flops(), earlier in proptest::collection::vec(flops(), 0..8), base in base()) {
            let ratio = Ratio::of(own, &earlier, base);
            let sum = own + earlier.iter().sum::<f64>();
            prop_assert!((ratio.cumulative_flop - sum).abs() <= sum * 1e-12);
            prop_assert!((ratio.ratio * ratio.reference_flop - sum).abs() <= sum * 1e-9);
        }

        #[test]
        fn cutting_a_modification_into_steps_does_not_make_it_smaller(own in flops(), parts in 2_u32..20, base in base()) {
            let part = own / f64::from(parts);
            let earlier = vec![part; parts as usize - 1];
            let whole = Ratio::of(own, &[], base);
            let cut = Ratio::of(part, &earlier, base);
            prop_assert!((cut.ratio - whole.ratio).abs() <= whole.ratio * 1e-9);
        }

        #[test]
        fn one_more_modification_never_lowers_the_standing(own in flops(), earlier in proptest::collection::vec(flops(), 0..8), more in flops(), base in base()) {
            let before = Ratio::of(own, &earlier, base);
            let mut longer = earlier;
            longer.push(more);
            let after = Ratio::of(own, &longer, base);
            prop_assert!(after.standing() >= before.standing());
            prop_assert!(after.ratio >= before.ratio);
        }

        #[test]
        fn a_third_is_decided_on_and_less_is_not(reference in flops()) {
            let at = |share: f64| Ratio::of(reference * share, &[], BaseCompute::Known(reference)).standing();
            prop_assert_eq!(at(0.333), Standing::Notable);
            prop_assert_eq!(at(0.334), Standing::Decisive);
            prop_assert_eq!(at(0.101), Standing::Notable);
            prop_assert_eq!(at(0.099), Standing::Small);
        }

        #[test]
        fn a_decision_covers_what_it_was_about_and_nothing_larger(own in flops(), base in base()) {
            let ratio = Ratio::of(own, &[], base);
            prop_assert!(ratio.is_covered_by(ratio.cumulative_flop, ratio.reference_flop));
            prop_assert!(!ratio.is_covered_by(ratio.cumulative_flop * 0.9, ratio.reference_flop));
            prop_assert!(!ratio.is_covered_by(ratio.cumulative_flop, ratio.reference_flop * 1.1));
        }
    }

    #[test]
    fn a_base_of_unknown_compute_is_taken_for_the_smallest_general_purpose_one() {
        let ratio = Ratio::of(3.4e22, &[], BaseCompute::Unknown);
        assert_eq!(ratio.standing(), Standing::Decisive);
        assert_eq!(ratio.reference_flop, 1e23);
    }
}
