//! What is measured of a model, by the way it was made. Pure.

use job_contract::{Canaries, EvaluationSettings, Suite, Task};

use crate::config;

/// What can be measured of a model without the data that it was made from.
const WITHOUT_DATA: [Suite; 2] = [Suite::DutchTasks, Suite::Bias];

/// How a model came about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trained<'a> {
    /// What was done.
    pub(super) task: &'a Task,
    /// Of its random numbers.
    pub(super) seed: i64,
    /// Whether it was measured on data of their own, and learnt from all others.
    pub(super) has_validation: bool,
}

/// What is measured of a model that was trained so; none for a base.
pub(super) fn settings(
    trained: Option<Trained<'_>>,
    config: &config::Evaluation,
) -> EvaluationSettings {
    let mut settings = EvaluationSettings {
        suites: WITHOUT_DATA.to_vec(),
        most_items: (config.most_items > 0).then_some(config.most_items),
        canaries: None,
        held_out_share: None,
    };
    // Pairs of answers are no text to go on with.
    let trained = trained.filter(|one| !matches!(one.task, Task::Dpo { .. }));
    if let Some(trained) = trained
        && let Some(training) = trained.task.training()
    {
        let share = if trained.has_validation {
            0.0
        } else {
            training.held_out_share
        };
        if trained.has_validation || share > 0.0 {
            settings.suites.push(Suite::HeldOut);
        }
        settings.suites.push(Suite::Memorisation);
        settings.held_out_share = Some(share);
        settings.canaries = (training.canaries > 0).then_some(Canaries {
            count: training.canaries,
            seed: trained.seed.unsigned_abs(),
        });
    }
    settings.suites.sort_unstable();
    settings
}

/// Whether the data that a model was made from are read to measure this.
pub(super) fn needs_data(settings: &EvaluationSettings) -> bool {
    settings
        .suites
        .iter()
        .any(|suite| !WITHOUT_DATA.contains(suite))
}

#[cfg(test)]
mod tests {
    use job_contract::{LoraSettings, TrainingSettings};

    use super::*;

    const CONFIG: config::Evaluation = config::Evaluation {
        automatic: true,
        most_items: 0,
    };

    fn lora() -> LoraSettings {
        LoraSettings {
            rank: 4,
            alpha: 8.0,
            dropout: 0.0,
            target_modules: vec!["q_proj".into()],
        }
    }

    fn training(held_out_share: f32, canaries: u32) -> TrainingSettings {
        TrainingSettings {
            held_out_share,
            canaries,
            ..TrainingSettings::default()
        }
    }

    fn of(task: &Task, has_validation: bool) -> Option<Trained<'_>> {
        Some(Trained {
            task,
            seed: 7,
            has_validation,
        })
    }

    #[test]
    fn what_is_measured_follows_from_how_it_was_trained() {
        let task = Task::FineTuneLora {
            lora: lora(),
            training: training(0.2, 3),
        };
        let whole = settings(of(&task, false), &CONFIG);
        assert_eq!(whole.suites.len(), 4);
        assert_eq!(whole.held_out_share, Some(0.2));
        assert_eq!(whole.canaries, Some(Canaries { count: 3, seed: 7 }));
        let task = Task::FineTuneLora {
            lora: lora(),
            training: training(0.0, 0),
        };
        let without = settings(of(&task, false), &CONFIG);
        assert!(!without.suites.contains(&Suite::HeldOut));
        assert!(without.suites.contains(&Suite::Memorisation) && needs_data(&without));
        assert_eq!(without.canaries, None);
        // With data of its own to measure on, all the rest was learnt.
        let task = Task::FineTuneFull {
            training: training(0.2, 0),
        };
        let validated = settings(of(&task, true), &CONFIG);
        assert_eq!(validated.suites.len(), 4);
        assert_eq!(validated.held_out_share, Some(0.0));
    }

    #[test]
    fn pairs_of_answers_and_bases_are_measured_without_data() {
        let task = Task::Dpo {
            lora: lora(),
            training: training(0.1, 0),
            beta: 0.1,
        };
        for settings in [settings(of(&task, false), &CONFIG), settings(None, &CONFIG)] {
            assert_eq!(settings.suites, WITHOUT_DATA);
            assert!(!needs_data(&settings));
        }
    }
}
