//! What "auto" comes to, and the job that is asked for then. Pure; the rules stand in docs/fine-tuning-api.md.

use job_contract::{LoraSettings, Task, TrainingSettings};
use openai_api::{Auto, Hyperparameters, Method};

use super::{ask::Wish, job::TuningJob};
use crate::jobs::Draft;

const EPOCHS: u32 = 3;
const BETA: f32 = 0.1;
/// What a multiplier of 1 stands for.
const RATE_SUPERVISED: f32 = 1e-3;
const RATE_DPO: f32 = 1e-4;
const HIGHEST_RATE: f32 = 0.1;
const LOWEST_RATE: f32 = 1e-6;

/// The numbers for this many examples.
pub(super) fn resolve(method: &Method, documents: i64) -> Hyperparameters {
    let asked = method.hyperparameters();
    // About 250 steps an epoch, within what small and large data learn well from.
    let batch = u32::try_from(documents / 250).unwrap_or(16).clamp(4, 16);
    Hyperparameters {
        n_epochs: Auto::Whole(asked.n_epochs.whole().unwrap_or(EPOCHS)),
        batch_size: Auto::Whole(asked.batch_size.whole().unwrap_or(batch)),
        learning_rate_multiplier: Auto::Number(
            asked.learning_rate_multiplier.number().unwrap_or(1.0),
        ),
        beta: asked
            .beta
            .map(|beta| Auto::Number(beta.number().unwrap_or(BETA))),
    }
}

/// The request that is made once the data may be used.
pub(super) fn draft(job: &TuningJob, resolved: &Hyperparameters) -> Draft {
    let wish = &job.wish;
    let mut versions = vec![job.training_version];
    versions.extend(job.validation_version);
    versions.sort_unstable();
    Draft {
        title: wish.title.clone(),
        motivation: wish.motivation.clone(),
        purpose: wish.purpose,
        is_commercial: wish.is_commercial,
        recipients: wish.recipients,
        territory: wish.territory,
        base: Some(job.base),
        versions,
        task: task(wish, &job.method, resolved),
        place: wish.place.clone(),
        time_limit_seconds: wish.time_limit_seconds,
        seed: None,
    }
}

fn task(wish: &Wish, method: &Method, resolved: &Hyperparameters) -> Task {
    let is_dpo = matches!(method, Method::Dpo { .. });
    let usual = if is_dpo { RATE_DPO } else { RATE_SUPERVISED };
    let multiplier = resolved.learning_rate_multiplier.number().unwrap_or(1.0);
    let rate = wish.learning_rate.unwrap_or(usual) * multiplier;
    let lora = LoraSettings {
        rank: wish.rank,
        alpha: wish.alpha,
        dropout: wish.dropout,
        target_modules: wish.target_modules.clone(),
    };
    let training = TrainingSettings {
        epochs: resolved.n_epochs.whole().unwrap_or(EPOCHS),
        max_steps: wish.max_steps,
        batch_size: resolved.batch_size.whole().unwrap_or(4),
        sequence_length: wish.sequence_length,
        learning_rate: rate.clamp(LOWEST_RATE, HIGHEST_RATE),
        ..TrainingSettings::default()
    };
    if is_dpo {
        Task::Dpo {
            lora,
            training,
            beta: resolved.beta.and_then(Auto::number).unwrap_or(BETA),
        }
    } else {
        Task::FineTuneLora { lora, training }
    }
}

#[cfg(test)]
mod tests {
    use openai_api::Settings;

    use super::*;

    #[test]
    fn auto_follows_the_data_and_what_was_given_stays() {
        let auto = Method::Supervised {
            supervised: Settings::default(),
        };
        for (documents, batch) in [(10, 4), (2_500, 10), (1_000_000, 16)] {
            let resolved = resolve(&auto, documents);
            assert_eq!(resolved.batch_size, Auto::Whole(batch), "{documents}");
            assert_eq!(resolved.n_epochs, Auto::Whole(3));
            assert_eq!(resolved.beta, None);
        }
        let given = auto.with(Hyperparameters {
            n_epochs: Auto::Whole(7),
            learning_rate_multiplier: Auto::Number(0.5),
            ..Hyperparameters::default()
        });
        let resolved = resolve(&given, 10);
        assert_eq!(resolved.n_epochs, Auto::Whole(7));
        assert_eq!(resolved.learning_rate_multiplier, Auto::Number(0.5));
    }
}
