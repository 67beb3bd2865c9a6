//! A request for a job as programs write it.

use serde::Deserialize;
use uuid::Uuid;

use super::super::{RawDraft, RawSettings};
use crate::{
    error::{AppError, Say},
    web::{FieldErrors, Lang},
};

/// A request as programs write it; what is left out takes its default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewJob {
    #[serde(default)]
    title: String,
    #[serde(default)]
    motivation: String,
    /// What permissions are asked for; that of the method where it is left out.
    purpose: Option<String>,
    #[serde(default)]
    is_commercial: bool,
    #[serde(default)]
    recipients: String,
    /// Where the result is used: a country, `EU`, `EEA` or `world`; `NL` where it is left out.
    territory: Option<String>,
    /// None where a model is trained from nothing.
    base_model: Option<Uuid>,
    dataset_versions: Vec<Uuid>,
    epochs: Option<i64>,
    max_steps: Option<i64>,
    rank: Option<i64>,
    learning_rate: Option<f64>,
    sequence_length: Option<i64>,
    batch_size: Option<i64>,
    /// The name of a place where it is to run; any, where it is left out.
    place: Option<String>,
    time_limit_seconds: Option<i64>,
    /// `lora`, `full`, `continued`, `pretrain` or `dpo`.
    method: Option<Word>,
    beta: Option<Word>,
    alpha: Option<Word>,
    dropout: Option<Word>,
    target_modules: Option<Vec<String>>,
    shape: Option<Word>,
    schedule: Option<Word>,
    warmup_steps: Option<Word>,
    weight_decay: Option<Word>,
    clip_norm: Option<Word>,
    accumulate: Option<Word>,
    packing: Option<Word>,
    precision: Option<Word>,
    recompute: Option<Word>,
    held_out_share: Option<Word>,
    evaluate_every_steps: Option<Word>,
    early_stop: Option<Word>,
    keep_best: Option<Word>,
    canaries: Option<Word>,
    seed: Option<Word>,
}

/// A word, number or yes or no; read as in a form.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
}

impl Word {
    fn text(word: Option<Self>) -> String {
        match word {
            None => String::new(),
            Some(Self::Text(text)) => text,
            Some(Self::Whole(number)) => number.to_string(),
            Some(Self::Number(number)) => number.to_string(),
            Some(Self::Flag(flag)) => if flag { "yes" } else { "no" }.to_owned(),
        }
    }
}

impl From<NewJob> for RawDraft {
    fn from(new: NewJob) -> Self {
        let text = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
        Self {
            title: new.title,
            motivation: new.motivation,
            purpose: new.purpose.unwrap_or_default(),
            is_commercial: if new.is_commercial { "yes" } else { "no" }.into(),
            recipients: new.recipients,
            territory: new.territory.unwrap_or_default(),
            base_model: new.base_model.map(|id| id.to_string()).unwrap_or_default(),
            dataset_versions: new.dataset_versions.iter().map(Uuid::to_string).collect(),
            epochs: text(new.epochs),
            max_steps: text(new.max_steps),
            rank: text(new.rank),
            learning_rate: new.learning_rate.map(|n| n.to_string()).unwrap_or_default(),
            sequence_length: text(new.sequence_length),
            batch_size: text(new.batch_size),
            place: new.place.unwrap_or_default(),
            time_limit_seconds: text(new.time_limit_seconds),
            settings: RawSettings {
                method: Word::text(new.method),
                beta: Word::text(new.beta),
                alpha: Word::text(new.alpha),
                dropout: Word::text(new.dropout),
                target_modules: new.target_modules.unwrap_or_default(),
                shape: Word::text(new.shape),
                schedule: Word::text(new.schedule),
                warmup_steps: Word::text(new.warmup_steps),
                weight_decay: Word::text(new.weight_decay),
                clip_norm: Word::text(new.clip_norm),
                accumulate: Word::text(new.accumulate),
                packing: Word::text(new.packing),
                precision: Word::text(new.precision),
                recompute: Word::text(new.recompute),
                held_out_share: Word::text(new.held_out_share),
                evaluate_every_steps: Word::text(new.evaluate_every_steps),
                early_stop: Word::text(new.early_stop),
                keep_best: Word::text(new.keep_best),
                canaries: Word::text(new.canaries),
                seed: Word::text(new.seed),
            },
        }
    }
}

/// The first field that cannot be used, and why.
pub(super) fn field_wrong(errors: &FieldErrors) -> AppError {
    let (field, problem) = errors
        .iter()
        .next()
        .map_or(("", String::new()), |(field, say)| {
            (*field, Lang::En.say(say))
        });
    AppError::Invalid(
        Say::new("jobs-field-wrong")
            .with("field", field)
            .with("problem", problem),
    )
}
