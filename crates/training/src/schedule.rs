//! The learning rate from step to step.

use std::f64::consts::PI;

use job_contract::Schedule;

/// The rate at `step` (from 1 to `total`): rises in a straight line over `warmup` steps, then follows the schedule.
///
/// Linear and cosine come near zero at the last step and never reach it, so that no step is without effect.
pub fn learning_rate(schedule: Schedule, peak: f32, step: u32, warmup: u32, total: u32) -> f32 {
    if step <= warmup {
        return peak * step as f32 / warmup as f32;
    }
    let left = total.saturating_sub(step) + 1;
    let all = total.saturating_sub(warmup).max(1);
    match schedule {
        Schedule::Linear => peak * left as f32 / all as f32,
        Schedule::Cosine => {
            let done = 1.0 - f64::from(left) / f64::from(all);
            let share = 0.5 * (1.0 + (PI * done).cos());
            (f64::from(peak) * share) as f32
        }
        Schedule::Constant => peak,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule) -> Vec<f32> {
        (1..=6)
            .map(|step| learning_rate(schedule, 1.0, step, 2, 6))
            .collect()
    }

    #[test]
    fn the_rate_rises_then_falls_to_nearly_nothing() {
        assert_eq!(rates(Schedule::Linear), [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]);
        assert_eq!(rates(Schedule::Constant), [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let cosine = rates(Schedule::Cosine);
        for (found, expected) in cosine.iter().zip([0.5, 1.0, 1.0, 0.853_55, 0.5, 0.146_45]) {
            assert!((found - expected).abs() < 1e-4, "{cosine:?}");
        }
        assert!(learning_rate(Schedule::Linear, 1.0, 1, 0, 1) > 0.0);
    }
}
