//! Settings that come from outside, checked before work is spent on them.

use job_contract::{
    LoraSettings, ModelShape, Precision as Wanted, Recompute, Task, TrainingSettings,
};
use language_model::{
    Config, RotaryScaling, Target,
    training_graph::{Precision, Recomputation},
};

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
    #[error("the shape of the new model cannot be: {0}")]
    Shape(String),
    #[error("{0}")]
    Together(&'static str),
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

/// How exactly to multiply: as the settings say, or else as the place does.
pub fn precision(training: &TrainingSettings, of_place: Precision) -> Precision {
    match training.precision {
        Wanted::Auto => of_place,
        Wanted::F32 => Precision::Full,
        Wanted::Bf16 => Precision::Mixed,
    }
}

/// Whether activations are kept, in the graph's words.
pub fn recomputation(training: &TrainingSettings) -> Recomputation {
    match training.recompute {
        Recompute::Auto => Recomputation::Auto,
        Recompute::Always => Recomputation::Always,
        Recompute::Never => Recomputation::Never,
    }
}

/// The shape of a new model in the graph's words; the vocabulary is what the tokenizer will have at most.
///
/// # Errors
/// [`BadSettings`] where the numbers make no model.
pub fn shape(shape: &ModelShape) -> Result<Config, BadSettings> {
    within("vocabulary", shape.vocabulary, 300, 100_000)?;
    let heads = shape.heads.max(1);
    if !shape.width.is_multiple_of(heads) {
        return Err(out_of_range(
            "width",
            shape.width,
            format!("a multiple of heads ({heads})"),
        ));
    }
    let config = Config {
        vocab_size: shape.vocabulary as usize,
        hidden_size: shape.width as usize,
        intermediate_size: shape.inner_width as usize,
        layers: shape.layers as usize,
        heads: shape.heads as usize,
        kv_heads: shape.key_value_heads as usize,
        head_dim: (shape.width / heads) as usize,
        rope_theta: 10_000.0,
        rope_scaling: RotaryScaling::None,
        norm_epsilon: 1e-5,
        context_length: shape.context_length as usize,
        is_embedding_tied: shape.tied_embeddings,
    };
    config
        .validate()
        .map_err(|error| BadSettings::Shape(error.to_string()))?;
    Ok(config)
}

fn out_of_range(name: &'static str, value: impl ToString, expected: String) -> BadSettings {
    BadSettings::OutOfRange {
        name,
        value: value.to_string(),
        expected,
    }
}

fn within(name: &'static str, value: u32, least: u32, most: u32) -> Result<(), BadSettings> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(out_of_range(name, value, format!("{least} to {most}")))
}

fn number(
    name: &'static str,
    value: f32,
    is_fine: bool,
    expected: &str,
) -> Result<(), BadSettings> {
    if is_fine {
        return Ok(());
    }
    Err(out_of_range(name, value, expected.to_owned()))
}

/// Checks every number of a task against the model; `has_validation` where files are given to measure on.
///
/// # Errors
/// [`BadSettings`] with the first one that does not fit.
pub fn validate(task: &Task, config: &Config, has_validation: bool) -> Result<(), BadSettings> {
    if let Some(lora) = task.lora() {
        validate_lora(lora)?;
    }
    if let Task::Dpo { beta, .. } = task {
        number(
            "beta",
            *beta,
            *beta > 0.0 && *beta <= 100.0,
            "above 0 and at most 100",
        )?;
    }
    match task.training() {
        Some(training) => validate_training(training, config, has_validation),
        None => Ok(()),
    }
}

fn validate_lora(lora: &LoraSettings) -> Result<(), BadSettings> {
    targets(lora)?;
    within("rank", lora.rank, 1, 256)?;
    let alpha = lora.alpha;
    let is_fine = alpha.is_finite() && alpha > 0.0;
    number("alpha", alpha, is_fine, "a number above 0")?;
    let dropout = lora.dropout;
    let is_fine = (0.0..=0.9).contains(&dropout);
    number("dropout", dropout, is_fine, "0.0 to 0.9")
}

fn validate_training(
    training: &TrainingSettings,
    config: &Config,
    has_validation: bool,
) -> Result<(), BadSettings> {
    let context = u32::try_from(config.context_length).unwrap_or(u32::MAX);
    within("epochs", training.epochs, 1, 1000)?;
    within("batch_size", training.batch_size, 1, 1024)?;
    within("sequence_length", training.sequence_length, 8, context)?;
    within("accumulate", training.accumulate, 1, training.batch_size)?;
    within("canaries", training.canaries, 0, 100)?;
    if let Some(steps) = training.max_steps {
        within("max_steps", steps, 1, u32::MAX)?;
    }
    if let Some(steps) = training.evaluate_every_steps {
        within("evaluate_every_steps", steps, 1, u32::MAX)?;
    }
    let rate = training.learning_rate;
    let is_fine = rate > 0.0 && rate <= 1.0;
    number("learning_rate", rate, is_fine, "above 0 and at most 1")?;
    let share = training.held_out_share;
    number(
        "held_out_share",
        share,
        (0.0..=0.5).contains(&share),
        "0.0 to 0.5",
    )?;
    let decay = training.weight_decay;
    number(
        "weight_decay",
        decay,
        (0.0..=1.0).contains(&decay),
        "0.0 to 1.0",
    )?;
    let clip = training.clip_norm;
    let is_fine = clip.is_finite() && clip > 0.0;
    number("clip_norm", clip, is_fine, "a number above 0")?;
    let measures = has_validation || share > 0.0;
    if training.keep_best && !measures {
        return Err(BadSettings::Together(
            "keep_best needs something to measure on: give validation files or a held_out_share above 0",
        ));
    }
    let Some(stop) = training.early_stop else {
        return Ok(());
    };
    within("early_stop.patience", stop.patience, 1, 1000)?;
    let gain = stop.min_gain;
    let is_fine = (0.0..=100.0).contains(&gain);
    number("early_stop.min_gain", gain, is_fine, "0.0 to 100.0")?;
    if !measures {
        return Err(BadSettings::Together(
            "early_stop needs something to measure on: give validation files or a held_out_share above 0",
        ));
    }
    Ok(())
}
