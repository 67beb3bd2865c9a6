//! What is left of a job that goes on from a checkpoint. Pure.

use std::mem::discriminant;

use job_contract::{Recipe, Task};

use super::compute::{Compute, Site};

/// Starting, fetching, measuring and exporting come again with each attempt: of no job less is left than one part in so many.
const LEAST_PART: u64 = 20;

/// The newest checkpoint of a job that waits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// Steps that are done.
    pub(super) step: u64,
    /// Steps of the whole; none where no attempt told.
    pub(super) total_steps: Option<u64>,
    /// Where the attempt ran that stored it.
    pub(super) place: String,
    pub(super) task: Task,
}

impl Kept {
    /// What is left at `site` of a job that takes so many seconds from the start.
    pub(super) fn left_at(&self, compute: &Compute, site: &Site, seconds: u64) -> u64 {
        let trainer = |place: &str| compute.recipe(place).for_task(&self.task);
        self.left((&trainer(&self.place), &trainer(site.id())), seconds)
    }

    /// All of it where the two trainers differ: each leaves a checkpoint of the other, and begins anew.
    fn left(&self, (wrote, reads): (&Recipe, &Recipe), seconds: u64) -> u64 {
        let Some(total) = self.total_steps.filter(|total| *total > 0) else {
            return seconds;
        };
        if discriminant(wrote) != discriminant(reads) {
            return seconds;
        }
        let steps_left = total.saturating_sub(self.step);
        seconds
            .saturating_mul(steps_left)
            .div_ceil(total)
            .max(seconds.div_ceil(LEAST_PART))
    }
}

#[cfg(test)]
mod tests {
    use job_contract::{Strategy, TrainingSettings};

    use super::*;

    fn kept(step: u64, total_steps: Option<u64>) -> Kept {
        Kept {
            step,
            total_steps,
            place: "local@here".to_owned(),
            task: Task::FineTuneFull {
                training: TrainingSettings::default(),
            },
        }
    }

    fn processes(processes: u32) -> Recipe {
        Recipe::Torchrun {
            processes,
            nodes: 1,
            strategy: Strategy::Ddp,
        }
    }

    #[test]
    fn what_was_done_is_not_reckoned_again() {
        const EIGHT_HOURS: u64 = 8 * 3600;
        let own = (&Recipe::Own, &Recipe::Own);
        for (step, total, left) in [
            (875, Some(1000), 3600),
            (1, Some(3), 2 * EIGHT_HOURS / 3),
            (0, Some(1000), EIGHT_HOURS),
            // The end is written and uploaded by each attempt.
            (1000, Some(1000), EIGHT_HOURS / 20),
            (2000, Some(1000), EIGHT_HOURS / 20),
            // Nobody knows how much that is of the whole.
            (875, None, EIGHT_HOURS),
            (875, Some(0), EIGHT_HOURS),
        ] {
            assert_eq!(
                kept(step, total).left(own, EIGHT_HOURS),
                left,
                "{step} of {total:?}"
            );
        }
        assert_eq!(kept(999, Some(1000)).left(own, 1), 1, "never nothing");
    }

    #[test]
    fn what_a_place_cannot_take_up_is_done_again() {
        let half = kept(500, Some(1000));
        for (wrote, reads, left) in [
            (Recipe::Own, processes(2), 100),
            (processes(2), Recipe::Own, 100),
            (processes(2), processes(4), 50),
            (Recipe::Own, Recipe::Own, 50),
        ] {
            assert_eq!(
                half.left((&wrote, &reads), 100),
                left,
                "{wrote:?} {reads:?}"
            );
        }
    }
}
