use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};

use crate::{ApiError, fields};

/// A fine-tuning job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuningJob {
    /// `ftjob-…`
    pub id: String,
    /// Always `fine_tuning.job`.
    pub object: String,
    /// Seconds since 1970.
    pub created_at: i64,
    pub finished_at: Option<i64>,
    pub model: String,
    pub fine_tuned_model: Option<String>,
    pub organization_id: String,
    /// One of the six words that typed clients know.
    pub status: String,
    pub training_file: String,
    pub validation_file: Option<String>,
    pub result_files: Vec<String>,
    /// Also there for methods that have their own.
    pub hyperparameters: Hyperparameters,
    pub method: Method,
    pub seed: i64,
    pub trained_tokens: Option<u64>,
    pub estimated_finish: Option<i64>,
    pub integrations: Vec<Value>,
    pub metadata: BTreeMap<String, String>,
    pub error: Option<JobProblem>,
    /// What OpenAI has no field for: phase, approvals, permission, datasets.
    pub gptnl: Value,
}

impl FineTuningJob {
    /// The word in `object`.
    pub const OBJECT: &'static str = "fine_tuning.job";
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProblem {
    pub code: String,
    pub message: String,
    pub param: Option<String>,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuningEvent {
    /// `ftevent-…`
    pub id: String,
    /// Always `fine_tuning.job.event`.
    pub object: String,
    pub created_at: i64,
    /// `info`, `warn` or `error`.
    pub level: String,
    pub message: String,
    /// `message` or `metrics`.
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Option<Value>,
}

impl FineTuningEvent {
    /// The word in `object`.
    pub const OBJECT: &'static str = "fine_tuning.job.event";
}

/// What a job had reached at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuningCheckpoint {
    /// `ftckpt_…`
    pub id: String,
    /// Always `fine_tuning.job.checkpoint`.
    pub object: String,
    pub created_at: i64,
    pub fine_tuning_job_id: String,
    pub fine_tuned_model_checkpoint: String,
    pub step_number: u32,
    pub metrics: CheckpointMetrics,
}

impl FineTuningCheckpoint {
    /// The word in `object`.
    pub const OBJECT: &'static str = "fine_tuning.job.checkpoint";
}

/// The figures of a checkpoint; those that were not measured are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointMetrics {
    pub step: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_mean_token_accuracy: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_loss: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_mean_token_accuracy: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_valid_loss: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_valid_mean_token_accuracy: Option<f32>,
}

/// Leave for a project to use a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointPermission {
    /// `cp_…`
    pub id: String,
    /// Always `checkpoint.permission`.
    pub object: String,
    pub created_at: i64,
    pub project_id: String,
}

/// A number, or `auto`: what suits the data.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Auto {
    #[default]
    Auto,
    Whole(u32),
    Number(f32),
}

impl Serialize for Auto {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Whole(number) => to.serialize_u32(*number),
            Self::Number(number) => to.serialize_f32(*number),
        }
    }
}

impl<'a> Deserialize<'a> for Auto {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        if value == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(number) = value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            return Ok(Self::Whole(number));
        }
        value
            .as_f64()
            .map(|number| Self::Number(number as f32))
            .ok_or_else(|| D::Error::custom("expected a number or \"auto\""))
    }
}

impl Auto {
    /// The whole number, where one was given.
    pub fn whole(self) -> Option<u32> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Auto | Self::Number(_) => None,
        }
    }

    /// The number, where one was given.
    pub fn number(self) -> Option<f32> {
        match self {
            Self::Auto => None,
            #[expect(clippy::cast_precision_loss, reason = "within bounds that floats hold")]
            Self::Whole(number) => Some(number as f32),
            Self::Number(number) => Some(number),
        }
    }
}

/// How long and how fast to train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameters {
    pub n_epochs: Auto,
    pub batch_size: Auto,
    pub learning_rate_multiplier: Auto,
    /// Of preference optimisation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<Auto>,
}

/// How to tune, with the settings of that way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Method {
    Supervised { supervised: Settings },
    Dpo { dpo: Settings },
}

/// The settings of a method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub hyperparameters: Hyperparameters,
}

impl Method {
    /// Its settings.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        match self {
            Self::Supervised { supervised } => &supervised.hyperparameters,
            Self::Dpo { dpo } => &dpo.hyperparameters,
        }
    }

    /// The same way with other settings.
    #[must_use]
    pub fn with(self, hyperparameters: Hyperparameters) -> Self {
        let settings = Settings { hyperparameters };
        match self {
            Self::Supervised { .. } => Self::Supervised {
                supervised: settings,
            },
            Self::Dpo { .. } => Self::Dpo { dpo: settings },
        }
    }
}

/// Pairs of `metadata`.
pub const MAX_METADATA: usize = 16;
const MAX_METADATA_KEY: usize = 64;
const MAX_METADATA_VALUE: usize = 512;
const MAX_SUFFIX: usize = 64;
const MAX_NAME: usize = 300;
const MAX_EPOCHS: i64 = 1000;
const MAX_BATCH: i64 = 64;
const RATES: (f64, f64) = (0.001, 100.0);
const BETAS: (f64, f64) = (0.001, 10.0);

/// A request for a fine-tuning job.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateJob {
    pub model: String,
    pub training_file: String,
    pub validation_file: Option<String>,
    pub suffix: Option<String>,
    pub seed: Option<i64>,
    pub metadata: BTreeMap<String, String>,
    pub method: Method,
    /// Our own settings, as they came.
    pub gptnl: Map<String, Value>,
}

impl CreateJob {
    /// Reads a body. Fields that are not known are left alone: SDKs add some.
    ///
    /// # Errors
    /// 400 that names the field that does not fit.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let map = fields::object(body)?;
        let required = |name: &str| -> Result<String, ApiError> {
            let text = fields::string(&map, name)?.ok_or_else(|| fields::missing(name))?;
            bounded(name, text, 1, MAX_NAME)
        };
        let optional = |name: &str, most: usize| -> Result<Option<String>, ApiError> {
            fields::string(&map, name)?
                .map(|text| bounded(name, text, 1, most))
                .transpose()
        };
        let integrations = fields::given(&map, "integrations");
        if integrations.is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
            let message =
                "Integrations are not supported; the job's page and its events show the curves.";
            return Err(ApiError::unsupported_param("integrations", message));
        }
        let gptnl = match fields::given(&map, "gptnl") {
            None => Map::new(),
            Some(Value::Object(settings)) => settings.clone(),
            Some(_) => return Err(fields::wrong_type("gptnl", "an object")),
        };
        Ok(Self {
            model: required("model")?,
            training_file: required("training_file")?,
            validation_file: optional("validation_file", MAX_NAME)?,
            suffix: optional("suffix", MAX_SUFFIX)?,
            seed: fields::integer(&map, "seed", 0..=i64::from(i32::MAX))?,
            metadata: metadata(&map)?,
            method: method(&map)?,
            gptnl,
        })
    }
}

fn bounded(name: &str, text: String, least: usize, most: usize) -> Result<String, ApiError> {
    let length = text.chars().count();
    if !(least..=most).contains(&length) || text.chars().any(char::is_control) {
        let message = format!("'{name}' must have between {least} and {most} characters.");
        return Err(ApiError::invalid_param(name, message));
    }
    Ok(text)
}

fn metadata(map: &Map<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(value) = fields::given(map, "metadata") else {
        return Ok(BTreeMap::new());
    };
    let Value::Object(pairs) = value else {
        return Err(fields::wrong_type("metadata", "an object"));
    };
    if pairs.len() > MAX_METADATA {
        let message = format!("'metadata' must have at most {MAX_METADATA} pairs.");
        return Err(ApiError::invalid_param("metadata", message));
    }
    let mut kept = BTreeMap::new();
    for (key, value) in pairs {
        let Value::String(value) = value else {
            return Err(fields::wrong_type("metadata", "an object of strings"));
        };
        let fits = (1..=MAX_METADATA_KEY).contains(&key.chars().count())
            && value.chars().count() <= MAX_METADATA_VALUE
            && !key.contains('\0')
            && !value.contains('\0');
        if !fits {
            let message = format!(
                "A key of 'metadata' has 1 to {MAX_METADATA_KEY} characters, a value at most {MAX_METADATA_VALUE}."
            );
            return Err(ApiError::invalid_param("metadata", message));
        }
        kept.insert(key.clone(), value.clone());
    }
    Ok(kept)
}

/// `method`, or the older `hyperparameters` of supervised tuning.
fn method(map: &Map<String, Value>) -> Result<Method, ApiError> {
    let older = match fields::given(map, "hyperparameters") {
        None => None,
        Some(Value::Object(settings)) => Some(hyperparameters(settings, "hyperparameters", false)?),
        Some(_) => return Err(fields::wrong_type("hyperparameters", "an object")),
    };
    let Some(value) = fields::given(map, "method") else {
        return Ok(Method::Supervised {
            supervised: Settings {
                hyperparameters: older.unwrap_or_default(),
            },
        });
    };
    let Value::Object(method) = value else {
        return Err(fields::wrong_type("method", "an object"));
    };
    let kind = fields::string(method, "type")?.ok_or_else(|| fields::missing("method.type"))?;
    let is_dpo = match kind.as_str() {
        "supervised" => false,
        "dpo" => true,
        _ => {
            let shown: String = kind.chars().take(50).collect();
            let message =
                format!("The method '{shown}' is not supported; use 'supervised' or 'dpo'.");
            let mut error = ApiError::invalid_param("method.type", message);
            error.body.code = Some("unsupported_method".to_owned());
            return Err(error);
        }
    };
    let path = format!("method.{kind}.hyperparameters");
    let given = match fields::given(method, &kind) {
        None => None,
        Some(Value::Object(settings)) => match fields::given(settings, "hyperparameters") {
            None => None,
            Some(Value::Object(settings)) => Some(hyperparameters(settings, &path, is_dpo)?),
            Some(_) => return Err(fields::wrong_type(&path, "an object")),
        },
        Some(_) => return Err(fields::wrong_type(&format!("method.{kind}"), "an object")),
    };
    let mut hyperparameters = given.or(older).unwrap_or_default();
    Ok(if is_dpo {
        hyperparameters.beta = hyperparameters.beta.or(Some(Auto::Auto));
        Method::Dpo {
            dpo: Settings { hyperparameters },
        }
    } else {
        Method::Supervised {
            supervised: Settings { hyperparameters },
        }
    })
}

fn hyperparameters(
    map: &Map<String, Value>,
    path: &str,
    is_dpo: bool,
) -> Result<Hyperparameters, ApiError> {
    let whole = |name: &str, most: i64| -> Result<Auto, ApiError> {
        match fields::given(map, name) {
            None => Ok(Auto::Auto),
            Some(Value::String(text)) if text == "auto" => Ok(Auto::Auto),
            Some(value) => value
                .as_i64()
                .filter(|number| (1..=most).contains(number))
                .and_then(|number| u32::try_from(number).ok())
                .map(Auto::Whole)
                .ok_or_else(|| {
                    let message =
                        format!("'{name}' must be 'auto' or a whole number from 1 to {most}.");
                    ApiError::invalid_param(&format!("{path}.{name}"), message)
                }),
        }
    };
    let number = |name: &str, (low, high): (f64, f64)| -> Result<Auto, ApiError> {
        match fields::given(map, name) {
            None => Ok(Auto::Auto),
            Some(Value::String(text)) if text == "auto" => Ok(Auto::Auto),
            Some(value) => value
                .as_f64()
                .filter(|number| (low..=high).contains(number))
                .map(|number| Auto::Number(number as f32))
                .ok_or_else(|| {
                    let message =
                        format!("'{name}' must be 'auto' or a number from {low} to {high}.");
                    ApiError::invalid_param(&format!("{path}.{name}"), message)
                }),
        }
    };
    Ok(Hyperparameters {
        n_epochs: whole("n_epochs", MAX_EPOCHS)?,
        batch_size: whole("batch_size", MAX_BATCH)?,
        learning_rate_multiplier: number("learning_rate_multiplier", RATES)?,
        beta: is_dpo.then(|| number("beta", BETAS)).transpose()?,
    })
}
