//! From what was typed to what is asked for.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::{
    error::Say,
    ids::ModelId,
    keys::{Limits, NewKey},
    web::{FieldErrors, Text},
};

/// The form, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Form {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) purpose: String,
    #[serde(default)]
    pub(super) commercial: String,
    /// `yes` where the box was ticked.
    #[serde(default)]
    pub(super) fine_tuning: String,
    #[serde(default)]
    pub(super) models: Vec<String>,
    #[serde(default)]
    pub(super) tokens_per_day: String,
    #[serde(default)]
    pub(super) requests_per_minute: String,
    #[serde(default)]
    pub(super) days: String,
}

/// Tokens one key can be asked for a day.
const MOST_TOKENS_PER_DAY: i64 = 1_000_000_000;
const MOST_REQUESTS_PER_MINUTE: i64 = 6_000;
const MOST_DAYS: i64 = 365;
const MOST_MODELS: usize = 50;

impl Form {
    /// What a form begins with.
    pub(super) fn fresh(manager_tokens_per_day: i64) -> Self {
        Self {
            commercial: "no".into(),
            tokens_per_day: manager_tokens_per_day.min(50_000).to_string(),
            requests_per_minute: "30".into(),
            days: "90".into(),
            ..Self::default()
        }
    }

    /// Checks every field.
    pub(super) fn parse(&self) -> Result<NewKey, FieldErrors> {
        let mut errors = FieldErrors::default();
        let name = errors.text(
            "name",
            &self.name,
            Text {
                least: 1,
                most: 100,
            },
        );
        let bounds = Text {
            least: 1,
            most: 1000,
        };
        let purpose = errors.text("purpose", &self.purpose, bounds);
        let is_commercial = match self.commercial.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let is_commercial = errors.choice("commercial", is_commercial).unwrap_or(false);
        let models: Vec<ModelId> = self
            .models
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect();
        if models.is_empty() || models.len() != self.models.len() || models.len() > MOST_MODELS {
            errors.add("models", Say::new("field-choice"));
        }
        let tokens_per_day = errors.number(
            "tokens_per_day",
            &self.tokens_per_day,
            1,
            MOST_TOKENS_PER_DAY,
        );
        let requests_per_minute = errors.number(
            "requests_per_minute",
            &self.requests_per_minute,
            1,
            MOST_REQUESTS_PER_MINUTE,
        );
        let days = errors.number("days", &self.days, 1, MOST_DAYS);
        errors.into_result(NewKey {
            name,
            purpose,
            is_commercial,
            may_fine_tune: self.fine_tuning == "yes",
            models,
            limits: Limits {
                tokens_per_day,
                requests_per_minute: i32::try_from(requests_per_minute).unwrap_or(1),
            },
            lifetime: TimeDelta::days(days),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Form {
        Form {
            name: "chatbot".into(),
            purpose: "proef".into(),
            models: vec![ModelId::fresh().to_string()],
            ..Form::fresh(200_000)
        }
    }

    #[test]
    fn a_filled_form_holds_ninety_days() {
        let new = filled().parse().unwrap();
        assert_eq!(new.lifetime, TimeDelta::days(90));
        assert!(!new.is_commercial);
        assert!(!new.may_fine_tune, "not unless it is asked for");
    }

    #[test]
    fn every_wrong_field_is_named() {
        let form = Form {
            tokens_per_day: "0".into(),
            requests_per_minute: "many".into(),
            models: vec!["x".into()],
            ..Form::default()
        };
        let errors = form.parse().unwrap_err();
        for field in [
            "name",
            "purpose",
            "commercial",
            "models",
            "tokens_per_day",
            "requests_per_minute",
            "days",
        ] {
            assert!(errors.of(field).is_some(), "{field}");
        }
    }
}
