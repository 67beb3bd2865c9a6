//! Rotary frequencies, and how they are slowed down for a context longer than the one first trained on.

use std::f64::consts::TAU;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{
    config::{Config, ConfigError},
    export::decimal,
};

/// Wavelengths per context at which Llama 3.1 begins to slow frequencies down, and where it ends.
const LLAMA_3: (f32, f32) = (1.0, 4.0);
const LLAMA_3_CONTEXT: u32 = 8192;

/// How the frequencies of rotary embedding differ from those of their base.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum RotaryScaling {
    #[default]
    None,
    /// All are divided by one factor (position interpolation, Chen et al. 2023).
    Linear { factor: f32 },
    /// Llama 3.1's way, `rope_type` "llama3": waves longer than `original / low` are slowed down by `factor`, those
    /// shorter than `original / high` are left, between them the two are mixed.
    Llama3 {
        factor: f32,
        low: f32,
        high: f32,
        /// Positions that the model was first trained for.
        original: u32,
    },
}

/// `rope_scaling`, or what `rope_parameters` says besides the base of the frequencies.
#[derive(Deserialize)]
struct HubScaling {
    // Older files say `type`.
    #[serde(rename = "rope_type", alias = "type")]
    kind: Option<String>,
    factor: Option<f32>,
    low_freq_factor: Option<f32>,
    high_freq_factor: Option<f32>,
    original_max_position_embeddings: Option<u32>,
    partial_rotary_factor: Option<f32>,
}

impl RotaryScaling {
    /// Reads `rope_scaling` or `rope_parameters` of a `config.json`.
    ///
    /// # Errors
    /// [`ConfigError`] for another kind than "default", "linear" and "llama3", or a number that is missing or absurd.
    pub(crate) fn from_hub(settings: &Json) -> Result<Self, ConfigError> {
        let said: HubScaling = serde_json::from_value(settings.clone())
            .map_err(|error| ConfigError::Json(format!("rope scaling: {error}")))?;
        let number = |number: Option<f32>| number.unwrap_or(0.0);
        if said.partial_rotary_factor.is_some_and(|part| part != 1.0) {
            let what = "rotary embedding of a part of each head";
            return Err(ConfigError::Unsupported(what.to_owned()));
        }
        match said.kind.as_deref() {
            // Without a kind there is nothing that a factor could mean.
            None if said.factor.is_none() => Ok(Self::None),
            None => Err(unsupported("without a name")),
            Some("default") => Ok(Self::None),
            Some("linear") => Ok(Self::Linear {
                factor: number(said.factor),
            }),
            Some("llama3") => Ok(Self::Llama3 {
                factor: number(said.factor),
                low: number(said.low_freq_factor),
                high: number(said.high_freq_factor),
                original: said.original_max_position_embeddings.unwrap_or(0),
            }),
            Some(other) => Err(unsupported(other)),
        }
    }

    /// What [`Self::from_hub`] reads; nothing where frequencies are those of the base.
    pub(crate) fn to_hub(self) -> Option<Json> {
        match self {
            Self::None => None,
            Self::Linear { factor } => {
                Some(json!({"rope_type": "linear", "factor": decimal(factor)}))
            }
            Self::Llama3 {
                factor,
                low,
                high,
                original,
            } => Some(json!({
                "rope_type": "llama3",
                "factor": decimal(factor),
                "low_freq_factor": decimal(low),
                "high_freq_factor": decimal(high),
                "original_max_position_embeddings": original,
            })),
        }
    }

    /// Finds the scaling behind the divisors of a GGUF file's `rope_freqs.weight`, one a frequency.
    ///
    /// Such a file keeps what came out and not what it was made of, but an export has to name the latter.
    ///
    /// # Errors
    /// [`ConfigError::Unsupported`] where the divisors are not Llama 3.1's.
    pub(crate) fn from_divisors(config: &Config, divisors: &[f32]) -> Result<Self, ConfigError> {
        let found = Self::behind(config, divisors);
        let plain = Config {
            rope_scaling: Self::None,
            ..config.clone()
        };
        let fits = divisors.len() == config.head_dim / 2
            && plain
                .rotary_frequencies()
                .iter()
                .zip(divisors)
                .all(|(&plain, &divisor)| {
                    let wanted = plain / f64::from(divisor);
                    divisor >= 1.0 && (found.slowed(plain) - wanted).abs() <= 1e-4 * wanted
                });
        if fits {
            Ok(found)
        } else {
            Err(unsupported("of its own"))
        }
    }

    /// The only one that can give these divisors, if any does.
    fn behind(config: &Config, divisors: &[f32]) -> Self {
        let factor = divisors.iter().copied().fold(1.0, f32::max);
        if factor == 1.0 {
            return Self::None;
        }
        let (low, high) = LLAMA_3;
        let plain = config.base_frequencies();
        // A mixed one tells where the mixing begins; without any, every place between the two kinds gives the same.
        let mixed = plain
            .zip(divisors)
            .find(|(_, divisor)| **divisor > 1.001 && **divisor < factor * 0.999);
        let original = mixed.map_or(LLAMA_3_CONTEXT, |(plain, &divisor)| {
            let share = (1.0 / divisor - 1.0 / factor) / (1.0 - 1.0 / factor);
            (TAU / plain * f64::from(low + share * (high - low))).round() as u32
        });
        Self::Llama3 {
            factor,
            low,
            high,
            original,
        }
    }

    /// A frequency as it is after scaling; both in radians a position.
    fn slowed(self, frequency: f64) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / f64::from(factor),
            Self::Llama3 {
                factor,
                low,
                high,
                original,
            } => {
                let (low, high) = (f64::from(low), f64::from(high));
                let waves = f64::from(original) * frequency / TAU;
                let share = ((waves - low) / (high - low)).clamp(0.0, 1.0);
                frequency * (share + (1.0 - share) / f64::from(factor))
            }
        }
    }

    /// Checks the numbers, as [`Config::validate`] does the others.
    pub(crate) fn validate(self) -> Result<(), ConfigError> {
        let (factor, rest) = match self {
            Self::None => return Ok(()),
            Self::Linear { factor } => (factor, true),
            Self::Llama3 {
                factor,
                low,
                high,
                original,
            } => (
                factor,
                low > 0.0 && high > low && high.is_finite() && original > 0,
            ),
        };
        if rest && factor.is_finite() && factor >= 1.0 {
            return Ok(());
        }
        Err(ConfigError::OutOfRange {
            name: "rope_scaling",
            value: self.to_hub().unwrap_or_default().to_string(),
            expected: "a factor of 1 or more, high_freq_factor above low_freq_factor, an original context",
        })
    }
}

impl Config {
    /// The turn of each pair of a head's numbers a position, in radians: `theta^(-2i / head_dim)` (Su et al. 2021,
    /// eq. 15), scaled as the model wants it.
    pub fn rotary_frequencies(&self) -> Vec<f64> {
        self.base_frequencies()
            .map(|plain| self.rope_scaling.slowed(plain))
            .collect()
    }

    fn base_frequencies(&self) -> impl Iterator<Item = f64> {
        let (theta, width) = (f64::from(self.rope_theta), self.head_dim as f64);
        (0..self.head_dim / 2).map(move |pair| theta.powf(-2.0 * pair as f64 / width))
    }
}

fn unsupported(kind: &str) -> ConfigError {
    ConfigError::Unsupported(format!("rotary embedding scaled by a rule {kind:?}"))
}
