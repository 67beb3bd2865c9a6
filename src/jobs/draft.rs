//! From what a person or program sent to a request that can be trusted.

use std::str::FromStr;

use job_contract::Task;
use serde::{Deserialize, Serialize};

use super::{method::Method, raw_settings::RawSettings, settings};
use crate::{
    config::TIME_LIMITS,
    error::Say,
    ids::{DatasetVersionId, ModelId},
    permissions::{Purpose, Recipients, Territory},
    web::{FieldErrors, Text},
};

/// What one job may read from.
const MOST_VERSIONS: usize = 20;

/// The fields as they came; empty numbers take their defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawDraft {
    pub title: String,
    pub motivation: String,
    pub purpose: String,
    /// `yes` or `no`.
    pub is_commercial: String,
    pub recipients: String,
    /// Where the result is used: a country, `EU`, `EEA` or `world`.
    pub territory: String,
    pub base_model: String,
    pub dataset_versions: Vec<String>,
    pub epochs: String,
    pub max_steps: String,
    pub rank: String,
    pub learning_rate: String,
    pub sequence_length: String,
    pub batch_size: String,
    /// The name of a place; empty: any.
    pub place: String,
    /// Empty: what the settings say.
    pub time_limit_seconds: String,
    /// The method, and what is seldom changed.
    pub settings: RawSettings,
}

impl RawDraft {
    /// The same with words where a request has some that say nothing of what it needs: what it is called, for what and for
    /// whom it is.
    #[must_use]
    pub fn for_estimate(&self) -> Self {
        let some = |text: &String, word: &str| {
            if text.is_empty() {
                word.to_owned()
            } else {
                text.clone()
            }
        };
        Self {
            title: "-".to_owned(),
            motivation: "-".to_owned(),
            recipients: some(&self.recipients, Recipients::Consortium.name()),
            ..self.clone()
        }
    }

    /// A form as it is first shown.
    #[must_use]
    pub fn fresh() -> Self {
        Self {
            purpose: Purpose::FineTuning.name().into(),
            is_commercial: "no".into(),
            recipients: Recipients::Consortium.name().into(),
            territory: Territory::NETHERLANDS.to_string(),
            epochs: "3".into(),
            rank: "8".into(),
            sequence_length: "256".into(),
            batch_size: "4".into(),
            ..Self::default()
        }
    }
}

/// A request for a training job.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub title: String,
    pub motivation: String,
    pub purpose: Purpose,
    pub is_commercial: bool,
    pub recipients: Recipients,
    pub territory: Territory,
    /// None where a model is trained from nothing.
    pub base: Option<ModelId>,
    /// Sorted, without doubles; at least one.
    pub versions: Vec<DatasetVersionId>,
    pub task: Task,
    /// The name of a place; none: any.
    pub place: Option<String>,
    /// None: what the settings say.
    pub time_limit_seconds: Option<u32>,
    /// Of the program's random numbers; none: a new one.
    pub seed: Option<i64>,
}

impl Draft {
    /// Reads every field.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(raw: &RawDraft) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let title = errors.text(
            "title",
            &raw.title,
            Text {
                least: 1,
                most: 200,
            },
        );
        let most = Text {
            least: 1,
            most: 2000,
        };
        let motivation = errors.text("motivation", &raw.motivation, most);
        let method = settings::method(raw);
        if method.is_none() && !raw.settings.method.is_empty() {
            errors.add("method", Say::new("field-choice"));
        }
        let method = method.unwrap_or(Method::Lora);
        let purpose = errors.choice("purpose", purpose(&raw.purpose, method));
        let is_commercial = errors.choice("is_commercial", yes_no(&raw.is_commercial));
        let recipients = errors.choice("recipients", raw.recipients.parse().ok());
        let territory = errors.choice("territory", territory(&raw.territory));
        let base = base(&mut errors, method, &raw.base_model);
        let versions = versions(&mut errors, &raw.dataset_versions);
        let task = settings::task(&mut errors, method, raw);
        let seed = settings::seed(&mut errors, raw);
        let place = place(&mut errors, &raw.place);
        let time_limit_seconds = time_limit(&mut errors, &raw.time_limit_seconds);
        let (Some(purpose), Some(is_commercial), Some(recipients), Some(territory)) =
            (purpose, is_commercial, recipients, territory)
        else {
            return Err(errors);
        };
        errors.into_result(Self {
            title,
            motivation,
            purpose,
            is_commercial,
            recipients,
            territory,
            base,
            versions,
            task,
            place,
            time_limit_seconds,
            seed,
        })
    }
}

/// What a job is for: what its method does. Nothing else may be said of it, since permissions are asked for that.
fn purpose(text: &str, method: Method) -> Option<Purpose> {
    match text {
        "" => Some(method.purpose()),
        text => text
            .parse()
            .ok()
            .filter(|purpose| *purpose == method.purpose()),
    }
}

fn base(errors: &mut FieldErrors, method: Method, text: &str) -> Option<ModelId> {
    const FIELD: &str = "base_model";
    if method.has_base() {
        return errors.choice(FIELD, text.parse().ok());
    }
    if !text.is_empty() {
        errors.add(FIELD, Say::new("jobs-base-not-wanted"));
    }
    None
}

pub(super) fn territory(text: &str) -> Option<Territory> {
    match text.trim() {
        "" => Some(Territory::NETHERLANDS),
        text => text.parse().ok(),
    }
}

pub(super) fn yes_no(text: &str) -> Option<bool> {
    match text {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    }
}

fn versions(errors: &mut FieldErrors, raw: &[String]) -> Vec<DatasetVersionId> {
    const FIELD: &str = "dataset_versions";
    if raw.is_empty() {
        errors.add(FIELD, Say::new("jobs-needs-dataset"));
    } else if raw.len() > MOST_VERSIONS {
        errors.add(
            FIELD,
            Say::new("jobs-too-many-datasets").with("most", MOST_VERSIONS),
        );
    }
    let mut versions = Vec::new();
    for text in raw.iter().take(MOST_VERSIONS) {
        match DatasetVersionId::from_str(text) {
            Ok(version) => versions.push(version),
            Err(_) => errors.add(FIELD, Say::new("field-choice")),
        }
    }
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// A name such as settings give; whether there is such a place is seen when the job is asked for.
fn place(errors: &mut FieldErrors, raw: &str) -> Option<String> {
    let name = raw.trim();
    let is_name = name.len() <= 100
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_name {
        errors.add("place", Say::new("jobs-unknown-place"));
    }
    (!name.is_empty() && is_name).then(|| name.to_owned())
}

fn time_limit(errors: &mut FieldErrors, raw: &str) -> Option<u32> {
    if raw.trim().is_empty() {
        return None;
    }
    let (least, most) = (
        i64::from(*TIME_LIMITS.start()),
        i64::from(*TIME_LIMITS.end()),
    );
    u32::try_from(errors.number("time_limit_seconds", raw, least, most)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> RawDraft {
        RawDraft {
            title: " Archiefassistent ".into(),
            motivation: "Onderzoek".into(),
            base_model: ModelId::fresh().to_string(),
            dataset_versions: vec![DatasetVersionId::fresh().to_string()],
            ..RawDraft::fresh()
        }
    }

    fn wrong(change: impl FnOnce(&mut RawDraft)) -> Vec<&'static str> {
        let mut raw = raw();
        change(&mut raw);
        match Draft::parse(&raw) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(|(field, _)| *field).collect(),
        }
    }

    #[test]
    fn a_fresh_form_has_good_defaults() {
        let draft = Draft::parse(&raw()).unwrap();
        let (Some(lora), Some(training)) = (draft.task.lora(), draft.task.training()) else {
            panic!("no fine-tuning with adapters: {:?}", draft.task);
        };
        assert_eq!((lora.rank, lora.alpha), (8, 16.0));
        assert_eq!(lora.target_modules.len(), 7);
        assert_eq!((training.epochs, training.batch_size), (3, 4));
        assert_eq!((training.sequence_length, training.max_steps), (256, None));
        assert_eq!(draft.title, "Archiefassistent");
    }

    #[test]
    fn numbers_left_empty_take_their_defaults() {
        let mut raw = raw();
        for field in [&mut raw.epochs, &mut raw.rank, &mut raw.learning_rate] {
            field.clear();
        }
        assert_eq!(
            Draft::parse(&raw).unwrap().task,
            Draft::parse(&self::raw()).unwrap().task
        );
    }

    #[test]
    fn every_field_is_bounded() {
        assert_eq!(wrong(|raw| raw.title = "x".repeat(201)), ["title"]);
        assert_eq!(wrong(|raw| raw.motivation.clear()), ["motivation"]);
        assert_eq!(wrong(|raw| raw.purpose = "evaluation".into()), ["purpose"]);
        assert_eq!(
            wrong(|raw| raw.settings.method = "magic".into()),
            ["method"]
        );
        assert_eq!(
            wrong(|raw| {
                raw.settings.method = "full".into();
                raw.purpose = "pretraining".into();
            }),
            ["purpose"]
        );
        // From nothing: a base is one too many.
        assert_eq!(
            wrong(|raw| raw.purpose = "pretraining".into()),
            ["base_model"]
        );
        assert_eq!(
            wrong(|raw| raw.is_commercial = "maybe".into()),
            ["is_commercial"]
        );
        assert_eq!(wrong(|raw| raw.recipients = "all".into()), ["recipients"]);
        assert_eq!(wrong(|raw| raw.territory = "UK".into()), ["territory"]);
        assert_eq!(wrong(|raw| raw.base_model = "x".into()), ["base_model"]);
        assert_eq!(
            wrong(|raw| raw.dataset_versions.clear()),
            ["dataset_versions"]
        );
        let many = (0..21)
            .map(|_| DatasetVersionId::fresh().to_string())
            .collect();
        assert_eq!(
            wrong(|raw| raw.dataset_versions = many),
            ["dataset_versions"]
        );
        assert_eq!(wrong(|raw| raw.epochs = "0".into()), ["epochs"]);
        assert_eq!(wrong(|raw| raw.max_steps = "-1".into()), ["max_steps"]);
        assert_eq!(wrong(|raw| raw.rank = "65".into()), ["rank"]);
        assert_eq!(
            wrong(|raw| raw.sequence_length = "9999".into()),
            ["sequence_length"]
        );
        assert_eq!(wrong(|raw| raw.batch_size = "1.5".into()), ["batch_size"]);
        assert_eq!(wrong(|raw| raw.place = "../etc".into()), ["place"]);
        for limit in ["59", "2678401", "x"] {
            assert_eq!(
                wrong(|raw| raw.time_limit_seconds = limit.into()),
                ["time_limit_seconds"]
            );
        }
        for rate in ["0", "1", "NaN", "x"] {
            assert_eq!(
                wrong(|raw| raw.learning_rate = rate.into()),
                ["learning_rate"]
            );
        }
        assert!(wrong(|raw| raw.learning_rate = "0,0005".into()).is_empty());
    }

    #[test]
    fn the_same_dataset_twice_counts_once() {
        let mut raw = raw();
        raw.dataset_versions.push(raw.dataset_versions[0].clone());
        assert_eq!(Draft::parse(&raw).unwrap().versions.len(), 1);
    }
}
