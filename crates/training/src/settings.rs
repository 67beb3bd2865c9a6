//! Settings that come from outside, checked before work is spent on them.

use job_contract::{LoraSettings, TrainingSettings};
use language_model::{Config, Target};

/// Settings that do not fit the model or each other.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BadSettings {
    #[error(
        "the target module {0:?} is not known; known are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj"
    )]
    UnknownTarget(String),
    #[error("{0}")]
    Lora(String),
    #[error("{name} is {value}, expected {expected}")]
    OutOfRange {
        /// Which setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        expected: String,
    },
}

/// The projections that the settings name.
///
/// # Errors
/// [`BadSettings::UnknownTarget`] with the first name that is not one.
pub fn targets(lora: &LoraSettings) -> Result<Vec<Target>, BadSettings> {
    let known = |name: &String| {
        Target::from_name(name).ok_or_else(|| BadSettings::UnknownTarget(name.clone()))
    };
    lora.target_modules.iter().map(known).collect()
}

/// Checks every number against the model.
///
/// # Errors
/// [`BadSettings`] with the first one that does not fit.
pub fn validate(
    training: &TrainingSettings,
    lora: &LoraSettings,
    config: &Config,
) -> Result<(), BadSettings> {
    targets(lora)?;
    let within = |name, value: u32, least: u32, most: u32| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(BadSettings::OutOfRange {
            name,
            value: value.to_string(),
            expected: format!("{least} to {most}"),
        })
    };
    let context = u32::try_from(config.context_length).unwrap_or(u32::MAX);
    within("rank", lora.rank, 1, 256)?;
    within("epochs", training.epochs, 1, 1000)?;
    within("batch_size", training.batch_size, 1, 1024)?;
    within("sequence_length", training.sequence_length, 8, context)?;
    if let Some(steps) = training.max_steps {
        within("max_steps", steps, 1, u32::MAX)?;
    }
    let number = |name, value: f32, is_fine: bool, expected: &str| {
        if is_fine {
            return Ok(());
        }
        Err(BadSettings::OutOfRange {
            name,
            value: value.to_string(),
            expected: expected.to_owned(),
        })
    };
    let rate = training.learning_rate;
    number(
        "learning_rate",
        rate,
        rate > 0.0 && rate <= 1.0,
        "above 0 and at most 1",
    )?;
    let share = training.held_out_share;
    number(
        "held_out_share",
        share,
        (0.0..=0.5).contains(&share),
        "0.0 to 0.5",
    )?;
    let alpha = lora.alpha;
    number(
        "alpha",
        alpha,
        alpha.is_finite() && alpha > 0.0,
        "a number above 0",
    )
}
