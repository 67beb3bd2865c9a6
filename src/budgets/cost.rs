//! What time on machines costs. Pure.

/// What an attempt has of a place, and what that costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// GPUs.
    pub gpus: u32,
    /// Cores.
    pub cores: u32,
    /// Thousandths of an SBU for an hour of a GPU.
    pub milli_sbu_per_gpu_hour: u64,
    /// Thousandths of an SBU for an hour of a core, where no GPU is used.
    pub milli_sbu_per_core_hour: u64,
    /// Power of a GPU under load.
    pub watts_per_gpu: u32,
    /// Power of a core under load.
    pub watts_per_core: u32,
}

/// What some time costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of the clock.
    pub seconds: u64,
    /// Thousandths of an SBU, begun ones in full.
    pub milli_sbu: u64,
    /// Of GPUs.
    pub gpu_seconds: u64,
    /// Of cores, where no GPU is used.
    pub core_seconds: u64,
    /// Energy, from the power that the settings state.
    pub joules: u64,
}

impl Rates {
    /// The cost of so many seconds.
    #[must_use]
    pub fn cost(&self, seconds: u64) -> Cost {
        let of = |count: u32| seconds.saturating_mul(u64::from(count));
        let gpu_seconds = of(self.gpus);
        let core_seconds = if self.gpus == 0 { of(self.cores) } else { 0 };
        let price = gpu_seconds
            .saturating_mul(self.milli_sbu_per_gpu_hour)
            .saturating_add(core_seconds.saturating_mul(self.milli_sbu_per_core_hour));
        let joules = gpu_seconds
            .saturating_mul(u64::from(self.watts_per_gpu))
            .saturating_add(of(self.cores).saturating_mul(u64::from(self.watts_per_core)));
        Cost {
            seconds,
            milli_sbu: price.div_ceil(3600),
            gpu_seconds,
            core_seconds,
            joules,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLUSTER: Rates = Rates {
        gpus: 1,
        cores: 18,
        milli_sbu_per_gpu_hour: 128_000,
        milli_sbu_per_core_hour: 1_000,
        watts_per_gpu: 400,
        watts_per_core: 5,
    };

    #[test]
    fn cores_beside_a_gpu_cost_nothing_more_and_still_draw_power() {
        let cost = CLUSTER.cost(3600);
        assert_eq!(
            (cost.milli_sbu, cost.gpu_seconds, cost.core_seconds),
            (128_000, 3600, 0)
        );
        assert_eq!(cost.joules, 3600 * (400 + 90));
        let without = Rates { gpus: 0, ..CLUSTER };
        assert_eq!(without.cost(3600).milli_sbu, 18_000);
        assert_eq!(without.cost(1).milli_sbu, 5);
        assert_eq!(without.cost(1).core_seconds, 18);
    }

    proptest! {
        #[test]
        fn more_time_never_costs_less(seconds in 0_u64..1_000_000_000, more in 0_u64..1_000_000) {
            let (before, after) = (CLUSTER.cost(seconds), CLUSTER.cost(seconds + more));
            prop_assert!(before.milli_sbu <= after.milli_sbu && before.joules <= after.joules);
        }
    }
}
