//! What is asked for beside OpenAI's own fields: `gptnl` in the body.

use openai_api::{ApiError, CreateJob};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::TIME_LIMITS,
    keys::Holder,
    permissions::{Purpose, Recipients, Territory},
};

const MODULES: [&str; 7] = [
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
];

/// All of it, with defaults in the place of what was left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) title: String,
    pub(super) motivation: String,
    pub(super) suffix: Option<String>,
    pub(super) seed: Option<i64>,
    pub(super) purpose: Purpose,
    pub(super) is_commercial: bool,
    pub(super) recipients: Recipients,
    pub(super) territory: Territory,
    pub(super) rank: u32,
    pub(super) alpha: f32,
    pub(super) dropout: f32,
    pub(super) target_modules: Vec<String>,
    pub(super) sequence_length: u32,
    pub(super) max_steps: Option<u32>,
    /// Instead of the usual one; the multiplier still counts.
    pub(super) learning_rate: Option<f32>,
    /// As asked for in the wizard; none: what the place has.
    #[serde(default)]
    pub(super) time_limit_seconds: Option<u32>,
    /// The name of the place where it is to run; none: any.
    #[serde(default)]
    pub(super) place: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Extra {
    title: Option<String>,
    motivation: Option<String>,
    purpose: Option<String>,
    is_commercial: Option<bool>,
    recipients: Option<String>,
    territory: Option<String>,
    lora: Lora,
    sequence_length: Option<u32>,
    max_steps: Option<u32>,
    learning_rate: Option<f32>,
    time_limit_seconds: Option<u32>,
    place: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lora {
    rank: Option<u32>,
    alpha: Option<f32>,
    dropout: Option<f32>,
    target_modules: Option<Vec<String>>,
}

impl Wish {
    /// Reads `gptnl`. Unlike OpenAI's fields, an unknown one is refused here: it would be one of ours, misspelt.
    ///
    /// # Errors
    /// 400 that names the field; 403 for use for profit with a key that is not for that.
    pub(super) fn of(asked: &CreateJob, holder: &Holder) -> Result<Self, ApiError> {
        let extra: Extra =
            serde_json::from_value(Value::Object(asked.gptnl.clone())).map_err(|error| {
                let text: String = error.to_string().chars().take(300).collect();
                ApiError::invalid_param("gptnl", format!("'gptnl' cannot be read: {text}."))
            })?;
        // For tools that cannot send fields of their own.
        let purpose = extra
            .purpose
            .or_else(|| asked.metadata.get("gptnl.purpose").cloned());
        let purpose = word("purpose", purpose, Purpose::FineTuning)?;
        if purpose != Purpose::FineTuning {
            return Err(wrong("purpose", "must be 'fine_tuning'"));
        }
        let is_commercial = extra.is_commercial.unwrap_or(holder.is_commercial);
        if is_commercial && !holder.is_commercial {
            let message = "This key is not for use for profit. Request a key that is.";
            let error = ApiError::permission_denied("purpose_not_permitted", message);
            return Err(error.with_param("gptnl.is_commercial"));
        }
        let rank = within("lora.rank", extra.lora.rank.unwrap_or(8), 1, 64)?;
        #[expect(clippy::cast_precision_loss, reason = "at most 128")]
        let usual_alpha = (rank * 2) as f32;
        let alpha = extra.lora.alpha.unwrap_or(usual_alpha);
        if !(0.01..=1024.0).contains(&alpha) {
            return Err(wrong("lora.alpha", "must be between 0.01 and 1024"));
        }
        let dropout = extra.lora.dropout.unwrap_or(0.0);
        if !(0.0..=0.9).contains(&dropout) {
            return Err(wrong("lora.dropout", "must be between 0 and 0.9"));
        }
        let learning_rate = extra.learning_rate;
        if learning_rate.is_some_and(|rate| !(1e-6..=0.1).contains(&rate)) {
            return Err(wrong("learning_rate", "must be between 0.000001 and 0.1"));
        }
        let name = asked.suffix.clone().or(extra.title);
        Ok(Self {
            title: text("title", name, "API", 200)?,
            motivation: text(
                "motivation",
                extra.motivation,
                "Requested through the fine-tuning API.",
                2000,
            )?,
            suffix: asked.suffix.clone(),
            seed: asked.seed,
            purpose,
            is_commercial,
            recipients: word("recipients", extra.recipients, Recipients::Consortium)?,
            territory: word("territory", extra.territory, Territory::NETHERLANDS)?,
            rank,
            alpha,
            dropout,
            target_modules: modules(extra.lora.target_modules)?,
            sequence_length: within(
                "sequence_length",
                extra.sequence_length.unwrap_or(256),
                16,
                2048,
            )?,
            max_steps: extra
                .max_steps
                .map(|steps| within("max_steps", steps, 1, 100_000))
                .transpose()?,
            learning_rate,
            time_limit_seconds: extra
                .time_limit_seconds
                .map(|seconds| {
                    let (least, most) = (*TIME_LIMITS.start(), *TIME_LIMITS.end());
                    within("time_limit_seconds", seconds, least, most)
                })
                .transpose()?,
            place: extra.place,
        })
    }
}

fn wrong(field: &str, what: &str) -> ApiError {
    ApiError::invalid_param(
        &format!("gptnl.{field}"),
        format!("'gptnl.{field}' {what}."),
    )
}

fn word<T: std::str::FromStr>(
    field: &str,
    given: Option<String>,
    default: T,
) -> Result<T, ApiError> {
    let Some(given) = given else {
        return Ok(default);
    };
    given.parse().map_err(|_| wrong(field, "is not known"))
}

fn within(field: &str, number: u32, least: u32, most: u32) -> Result<u32, ApiError> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(wrong(field, &format!("must be between {least} and {most}")))
    }
}

fn text(
    field: &str,
    given: Option<String>,
    default: &str,
    most: usize,
) -> Result<String, ApiError> {
    let text = given.unwrap_or_else(|| default.into()).trim().to_owned();
    let is_fit = (1..=most).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() && c != '\n');
    if is_fit {
        Ok(text)
    } else {
        Err(wrong(
            field,
            &format!("must have between 1 and {most} characters"),
        ))
    }
}

fn modules(given: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let Some(given) = given else {
        return Ok(MODULES.map(str::to_owned).to_vec());
    };
    let is_known = given.iter().all(|one| MODULES.contains(&one.as_str()));
    let mut kept = given.clone();
    kept.sort_unstable();
    kept.dedup();
    if given.is_empty() || !is_known || kept.len() != given.len() {
        let what = format!("must name some of {}, each once", MODULES.join(", "));
        return Err(wrong("lora.target_modules", &what));
    }
    Ok(given)
}
