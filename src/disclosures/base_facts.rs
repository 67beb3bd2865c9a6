//! What documents say of a base model that was made elsewhere: stated by an operator with the evidence.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    canonical::canonical, document::Words, error::DisclosureError, provider::address,
    ratio::BaseCompute, store,
};
use crate::{
    db::{Db, Event, Subject},
    error::Say,
    ids::{FactId, InstitutionId, ModelId},
    models::{self, Kind},
    policy::{self, Action, Actor},
    web::{FieldErrors, Text},
};

/// Kinds of input and output; words are `disclosure-modality-{name}`.
pub const MODALITIES: [&str; 4] = ["text", "image", "audio", "video"];

/// What is stated of a base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseFacts {
    /// Who made it.
    pub provider: String,
    /// The page that all of this can be read on.
    pub evidence_url: String,
    /// Its provider's own summary of training content, if there is one.
    pub summary_url: Option<String>,
    /// SPDX id.
    pub license: String,
    pub released_on: NaiveDate,
    pub parameters: u64,
    pub architecture: Words,
    /// Tokens that it takes in at most.
    pub context_length: u32,
    pub input_modalities: Vec<String>,
    pub output_modalities: Vec<String>,
    /// That it was trained on, where known.
    pub training_tokens: Option<u64>,
    pub compute: Compute,
}

/// What is known of the compute it was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "basis", rename_all = "snake_case")]
pub enum Compute {
    /// Its provider says so.
    Known {
        flop: f64,
    },
    /// Six for each parameter and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
    Estimated {
        flop: f64,
    },
    Unknown,
}

impl Compute {
    /// For the ratio.
    #[must_use]
    pub fn base(self) -> BaseCompute {
        match self {
            Self::Known { flop } => BaseCompute::Known(flop),
            Self::Estimated { flop } => BaseCompute::Estimated(flop),
            Self::Unknown => BaseCompute::Unknown,
        }
    }

    fn flop(self) -> Option<f64> {
        match self {
            Self::Known { flop } | Self::Estimated { flop } => Some(flop),
            Self::Unknown => None,
        }
    }

    /// `known`, `estimated` or `unknown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Known { .. } => "known",
            Self::Estimated { .. } => "estimated",
            Self::Unknown => "unknown",
        }
    }
}

/// The same as it was typed or sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RawBaseFacts {
    pub provider: String,
    pub evidence_url: String,
    pub summary_url: String,
    pub license: String,
    /// `2024-11-01`.
    pub released_on: String,
    pub parameters: String,
    pub architecture_nl: String,
    pub architecture_en: String,
    pub context_length: String,
    pub input_modalities: Vec<String>,
    pub output_modalities: Vec<String>,
    pub training_tokens: String,
    /// `known`, `estimated` or `unknown`.
    pub compute_basis: String,
    /// Where known, for example `1.6e21`.
    pub training_flop: String,
}

const SHORT: Text = Text {
    least: 1,
    most: 300,
};
const MOST: i64 = 1_000_000_000_000_000_000;

fn modalities(errors: &mut FieldErrors, field: &'static str, raw: &[String]) -> Vec<String> {
    let is_known = |name: &String| MODALITIES.contains(&name.as_str());
    if raw.is_empty() || !raw.iter().all(is_known) {
        errors.add(field, Say::new("field-choice"));
    }
    MODALITIES
        .iter()
        .filter(|name| raw.iter().any(|given| given == *name))
        .map(|name| (*name).to_owned())
        .collect()
}

impl BaseFacts {
    /// Checks what was typed. An estimate is worked out here, from parameters and tokens.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn parse(raw: &RawBaseFacts) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let released_on = raw.released_on.trim().parse::<NaiveDate>().ok();
        if released_on.is_none() {
            errors.add("released_on", Say::new("disclosure-date-invalid"));
        }
        let parameters = errors.number("parameters", &raw.parameters, 1, MOST);
        let tokens = match raw.training_tokens.trim() {
            "" => None,
            text => Some(errors.number("training_tokens", text, 1, MOST)),
        };
        let compute = match raw.compute_basis.as_str() {
            "known" => {
                let flop = raw.training_flop.trim().replace(',', ".").parse::<f64>();
                let flop = flop.ok().filter(|flop| flop.is_finite() && *flop >= 1.0);
                if flop.is_none() {
                    errors.add("training_flop", Say::new("disclosure-flop-invalid"));
                }
                Some(Compute::Known {
                    flop: flop.unwrap_or(1.0),
                })
            }
            "estimated" => {
                if tokens.is_none() {
                    errors.add(
                        "training_tokens",
                        Say::new("disclosure-estimate-needs-tokens"),
                    );
                }
                Some(Compute::Estimated {
                    flop: 6.0 * parameters as f64 * tokens.unwrap_or(1) as f64,
                })
            }
            "unknown" => Some(Compute::Unknown),
            _ => None,
        };
        let summary_url = match raw.summary_url.trim() {
            "" => None,
            text => Some(address(&mut errors, "summary_url", text)),
        };
        let long = Text {
            least: 1,
            most: 2000,
        };
        let context_length = errors.number("context_length", &raw.context_length, 1, 1 << 30);
        let facts = Self {
            provider: errors.text("provider", &raw.provider, SHORT),
            evidence_url: address(&mut errors, "evidence_url", &raw.evidence_url),
            summary_url,
            license: errors.text("license", &raw.license, SHORT),
            released_on: released_on.unwrap_or_default(),
            parameters: parameters.unsigned_abs(),
            architecture: Words {
                nl: errors.text("architecture_nl", &raw.architecture_nl, long),
                en: errors.text("architecture_en", &raw.architecture_en, long),
            },
            context_length: u32::try_from(context_length).unwrap_or(u32::MAX),
            input_modalities: modalities(&mut errors, "input_modalities", &raw.input_modalities),
            output_modalities: modalities(&mut errors, "output_modalities", &raw.output_modalities),
            training_tokens: tokens.map(i64::unsigned_abs),
            compute: errors
                .choice("compute_basis", compute)
                .unwrap_or(Compute::Unknown),
        };
        errors.into_result(facts)
    }

    /// As it stands in the form.
    #[must_use]
    pub fn to_raw(&self) -> RawBaseFacts {
        RawBaseFacts {
            provider: self.provider.clone(),
            evidence_url: self.evidence_url.clone(),
            summary_url: self.summary_url.clone().unwrap_or_default(),
            license: self.license.clone(),
            released_on: self.released_on.to_string(),
            parameters: self.parameters.to_string(),
            architecture_nl: self.architecture.nl.clone(),
            architecture_en: self.architecture.en.clone(),
            context_length: self.context_length.to_string(),
            input_modalities: self.input_modalities.clone(),
            output_modalities: self.output_modalities.clone(),
            training_tokens: self
                .training_tokens
                .map_or_else(String::new, |tokens| tokens.to_string()),
            compute_basis: self.compute.name().to_owned(),
            training_flop: match self.compute {
                Compute::Known { flop } => format!("{flop:e}"),
                Compute::Estimated { .. } | Compute::Unknown => String::new(),
            },
        }
    }
}

#[derive(Serialize)]
struct Described {
    statement: FactId,
    facts_sha256: String,
    #[serde(skip)]
    model: ModelId,
    #[serde(skip)]
    platform: InstitutionId,
}

impl Event for Described {
    fn kind(&self) -> &'static str {
        "disclosures.base_described"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "model",
            id: self.model.0,
            institution: self.platform,
        }
    }
}

/// Puts facts of a base model on record; the same as the newest ones change nothing.
///
/// # Errors
/// [`DisclosureError::NotFound`] where there is no such base model, [`DisclosureError::Denied`] where the actor is
/// no operator or admin.
pub async fn describe_base(
    db: &Db,
    actor: &Actor,
    model: ModelId,
    facts: &BaseFacts,
) -> Result<(), DisclosureError> {
    let mut tx = db.write(actor).await?;
    let base = models::find(tx.conn(), model)
        .await?
        .filter(|model| model.kind == Kind::Base)
        .ok_or(DisclosureError::NotFound)?;
    let permit = policy::check(actor, Action::RegisterBaseModel, &base.scope())?;
    let now = tx.now();
    let known = store::base_facts(tx.conn(), model, now).await?;
    if known.is_some_and(|known| known.facts == *facts) {
        return Ok(());
    }
    let (statement, facts_sha256) =
        store::insert_base_facts(&mut tx, model, &canonical(facts)?, facts.compute.flop()).await?;
    tx.record(&Described {
        statement,
        facts_sha256,
        model,
        platform: base.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawBaseFacts {
        RawBaseFacts {
            provider: "Hugging Face".into(),
            evidence_url: "https://example.org/card".into(),
            license: "Apache-2.0".into(),
            released_on: "2024-11-01".into(),
            parameters: "134515008".into(),
            architecture_nl: "decoder".into(),
            architecture_en: "decoder".into(),
            context_length: "8192".into(),
            input_modalities: vec!["text".into()],
            output_modalities: vec!["text".into()],
            training_tokens: "2000000000000".into(),
            compute_basis: "estimated".into(),
            ..RawBaseFacts::default()
        }
    }

    #[test]
    fn an_estimate_is_six_for_each_parameter_and_token() {
        let facts = BaseFacts::parse(&raw()).unwrap();
        let flop = facts.compute.flop().unwrap();
        assert!((flop / 1.614_180_096e21 - 1.0).abs() < 1e-9, "{flop}");
        assert_eq!(BaseFacts::parse(&facts.to_raw()), Ok(facts));
    }

    #[test]
    fn an_estimate_without_tokens_and_a_known_figure_without_one_are_refused() {
        for (basis, field) in [("estimated", "training_tokens"), ("known", "training_flop")] {
            let wrong = RawBaseFacts {
                training_tokens: String::new(),
                compute_basis: basis.into(),
                ..raw()
            };
            let errors = BaseFacts::parse(&wrong).unwrap_err();
            assert!(errors.of(field).is_some(), "{basis}");
        }
    }
}
