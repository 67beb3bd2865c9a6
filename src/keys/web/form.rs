//! From what was typed to what is asked for.

use std::net::IpAddr;

use chrono::TimeDelta;
use ipnet::IpNet;
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
    /// `infer`, `tune`.
    #[serde(default)]
    pub(super) abilities: Vec<String>,
    /// Networks, divided by white space or commas.
    #[serde(default)]
    pub(super) networks: String,
    #[serde(default)]
    pub(super) models: Vec<String>,
    /// Empty: right under the institution.
    #[serde(default)]
    pub(super) project: String,
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
const MOST_NETWORKS: usize = 20;

impl Form {
    /// What a form begins with.
    pub(super) fn fresh(manager_tokens_per_day: i64) -> Self {
        Self {
            commercial: "no".into(),
            abilities: vec!["infer".into()],
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
        let project = match self.project.trim() {
            "" => None,
            id => errors.choice("project", id.parse().ok()),
        };
        let may = |word: &str| self.abilities.iter().any(|ability| ability == word);
        if !may("infer") && !may("tune") {
            errors.add("abilities", Say::new("key-abilities-none"));
        }
        let allowed_networks = self.networks(&mut errors);
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
            may_infer: may("infer"),
            may_fine_tune: may("tune"),
            allowed_networks,
            models,
            project,
            limits: Limits {
                tokens_per_day,
                requests_per_minute,
            },
            lifetime: TimeDelta::days(days),
        })
    }

    fn networks(&self, errors: &mut FieldErrors) -> Vec<IpNet> {
        let texts: Vec<&str> = self
            .networks
            .split([' ', ',', ';', '\n', '\r', '\t'])
            .filter(|text| !text.is_empty())
            .collect();
        if texts.len() > MOST_NETWORKS {
            let say = Say::new("key-networks-many").with("most", MOST_NETWORKS);
            errors.add("networks", say);
            return Vec::new();
        }
        let mut networks = Vec::new();
        for text in texts {
            match network(text) {
                Some(network) if !networks.contains(&network) => networks.push(network),
                Some(_) => {}
                None => {
                    let shown: String = text.chars().take(60).collect();
                    errors.add(
                        "networks",
                        Say::new("key-network-wrong").with("network", shown),
                    );
                    break;
                }
            }
        }
        networks
    }
}

/// A network, or one address; bits after the prefix are left out, as databases of networks want it.
fn network(text: &str) -> Option<IpNet> {
    let network: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().into(),
        Err(_) => text.parse().ok()?,
    };
    Some(network.trunc())
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
        assert!(new.may_infer);
        assert!(new.allowed_networks.is_empty(), "from everywhere");
        assert_eq!(new.project, None, "right under the institution");
    }

    #[test]
    fn networks_are_read_as_people_write_them() {
        let form = Form {
            networks: "192.0.2.7, 198.51.100.9/24\n2001:db8::1/32\r\n192.0.2.7".into(),
            ..filled()
        };
        let texts: Vec<String> = form
            .parse()
            .unwrap()
            .allowed_networks
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(texts, ["192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32"]);
        for wrong in ["192.0.2.0/33", "example.org", "192.0.2"] {
            let form = Form {
                networks: wrong.into(),
                ..filled()
            };
            assert!(
                form.parse().unwrap_err().of("networks").is_some(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let form = Form {
            tokens_per_day: "0".into(),
            requests_per_minute: "many".into(),
            models: vec!["x".into()],
            project: "x".into(),
            ..Form::default()
        };
        let errors = form.parse().unwrap_err();
        for field in [
            "name",
            "purpose",
            "commercial",
            "models",
            "project",
            "abilities",
            "tokens_per_day",
            "requests_per_minute",
            "days",
        ] {
            assert!(errors.of(field).is_some(), "{field}");
        }
    }
}
