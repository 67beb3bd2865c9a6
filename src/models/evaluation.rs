//! What was measured of a model: figures as a program reports them, read with bounds. Pure.

use std::{collections::BTreeSet, str::FromStr};

use chrono::{DateTime, Utc};
use job_contract::{DatasetMemorisation, Suite};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{AttemptId, DatasetId, EvaluationId, JobId, ModelId};

/// The name of the report among the files of an attempt.
pub const REPORT_NAME: &str = "evaluation.json";
/// Bytes of a report, at most.
pub const LARGEST_REPORT: u64 = 256 * 1024;
const MOST_FIGURES: usize = 100;
/// More than a job reads.
const MOST_DATASETS: usize = 100;
const LONGEST_NAME: usize = 50;
const LONGEST_PROGRAM: usize = 200;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The group it belongs to.
    pub suite: Suite,
    /// For example `perplexity` or `extracted`.
    pub name: String,
    /// What was found.
    pub value: f64,
    /// The interval that holds the true value in 95 of 100 cases, where items are a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How many items it stands on.
    pub items: u64,
    /// What a model that knows nothing would get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
}

/// A report as a program left it. What else is in it is of no use here and is left aside.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report {
    /// Which program measured.
    pub program: String,
    /// All figures, in its order.
    #[serde(rename = "measures")]
    pub figures: Vec<Figure>,
    /// What was found of each dataset version; empty in reports of programs that do not tell, where nothing is known of
    /// any.
    #[serde(default)]
    pub datasets: Vec<DatasetMemorisation>,
}

/// Why a report is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BadReport {
    #[error("the report cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the report is too large")]
    TooLarge,
    #[error("the report has no figures, or more than {MOST_FIGURES}")]
    Count,
    #[error("the report names its program with nothing, or too long")]
    Program,
    #[error("the figure {0} is named badly or twice")]
    Name(String),
    #[error("the figure {0} is no number, or its interval is none")]
    Value(String),
    #[error("what is said of the dataset version {0} cannot be, or is said twice")]
    Dataset(Uuid),
    #[error("it tells of more than {MOST_DATASETS} dataset versions")]
    Datasets,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// [`BadReport`] naming the first thing that is out of bounds.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadReport> {
        if bytes.len() as u64 > LARGEST_REPORT {
            return Err(BadReport::TooLarge);
        }
        let report: Self = serde_json::from_slice(bytes)?;
        if !(1..=MOST_FIGURES).contains(&report.figures.len()) {
            return Err(BadReport::Count);
        }
        if !(1..=LONGEST_PROGRAM).contains(&report.program.chars().count()) {
            return Err(BadReport::Program);
        }
        let mut seen = BTreeSet::new();
        for figure in &report.figures {
            let name = || figure.name.chars().take(LONGEST_NAME).collect();
            let is_plain = (1..=LONGEST_NAME).contains(&figure.name.len())
                && figure
                    .name
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
            if !is_plain || !seen.insert((figure.suite, &figure.name)) {
                return Err(BadReport::Name(name()));
            }
            let is_interval = figure
                .interval
                .is_none_or(|(low, high)| low.is_finite() && high.is_finite() && low <= high);
            let is_number = figure.value.is_finite() && figure.chance.is_none_or(f64::is_finite);
            if !is_number || !is_interval || i64::try_from(figure.items).is_err() {
                return Err(BadReport::Value(name()));
            }
        }
        report.check_datasets()?;
        Ok(report)
    }

    fn check_datasets(&self) -> Result<(), BadReport> {
        if self.datasets.len() > MOST_DATASETS {
            return Err(BadReport::Datasets);
        }
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let mut seen = BTreeSet::new();
        for of in &self.datasets {
            let is_interval = of
                .interval
                .is_none_or(|(low, high)| is_share(low) && is_share(high) && low <= high);
            let is_count = |count: u64| i64::try_from(count).is_ok();
            let holds = is_share(of.extracted)
                && is_interval
                && of.items <= of.documents
                && is_count(of.documents)
                && is_count(of.longest_match);
            if !holds || !seen.insert(of.dataset_version) {
                return Err(BadReport::Dataset(of.dataset_version));
            }
        }
        Ok(())
    }
}

/// The word of a suite, in the database and in keys of texts (`evaluation-suite-{name}`).
#[must_use]
pub fn suite_name(suite: Suite) -> &'static str {
    match suite {
        Suite::HeldOut => "held_out",
        Suite::DutchTasks => "dutch_tasks",
        Suite::Bias => "bias",
        Suite::Memorisation => "memorisation",
    }
}

pub(super) fn parse_suite(text: &str) -> Option<Suite> {
    [
        Suite::HeldOut,
        Suite::DutchTasks,
        Suite::Bias,
        Suite::Memorisation,
    ]
    .into_iter()
    .find(|suite| suite_name(*suite) == text)
}

/// An evaluation on record.
#[derive(Debug, Clone)]
pub struct Evaluation {
    pub id: EvaluationId,
    pub model: ModelId,
    pub job: JobId,
    pub attempt: AttemptId,
    /// Which program measured.
    pub program: String,
    /// Of `evaluation.json`.
    pub report_sha256: String,
    /// Of the signed statement.
    pub statement_sha256: String,
    pub created_at: DateTime<Utc>,
    /// In the order of the report.
    pub figures: Vec<Figure>,
    /// Of each dataset version by itself, by title; empty where the report does not tell.
    pub datasets: Vec<DatasetFigures>,
}

/// What an evaluation found of one dataset version.
#[derive(Debug, Clone, PartialEq)]
pub struct DatasetFigures {
    pub dataset: DatasetId,
    /// The dataset's title.
    pub title: String,
    /// Which version of it.
    pub number: i32,
    pub found: DatasetMemorisation,
}

impl Evaluation {
    /// Whether it tells how much the model keeps by heart.
    #[must_use]
    pub fn measures_memorisation(&self) -> bool {
        self.figures.iter().any(|figure| {
            figure.suite == Suite::Memorisation && figure.name == "extracted" && figure.items > 0
        })
    }
}

/// How much of its training data a model may keep by heart, by the word of the institution of one dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct MemorisationLimit {
    pub dataset: DatasetId,
    /// The dataset's title.
    pub title: String,
    /// The largest share of the tried documents that may come out word for word.
    pub most_extracted: Option<f64>,
    /// The most tokens in a row that may come out.
    pub longest_match: Option<i32>,
    /// Whether documents of it were tried, of each version that the model learnt from.
    pub is_tried: bool,
}

/// How a model stands to the limits of its datasets; the database's own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MemorisationStanding {
    /// No dataset sets one.
    NoLimit,
    /// A dataset sets one and none of its documents was tried: held back.
    NotMeasured,
    /// Within the strictest over all data, and within each dataset's own over its own.
    Within,
    /// Beyond one of them: held back.
    Exceeded,
}

impl MemorisationStanding {
    /// The word in the database and in keys of texts (`memorisation-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoLimit => "no_limit",
            Self::NotMeasured => "not_measured",
            Self::Within => "within",
            Self::Exceeded => "exceeded",
        }
    }

    /// Whether a release is refused.
    #[must_use]
    pub fn holds_back(self) -> bool {
        matches!(self, Self::NotMeasured | Self::Exceeded)
    }
}

/// A word that names no standing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no such standing")]
pub struct UnknownStanding;

impl FromStr for MemorisationStanding {
    type Err = UnknownStanding;

    fn from_str(text: &str) -> Result<Self, UnknownStanding> {
        [
            Self::NoLimit,
            Self::NotMeasured,
            Self::Within,
            Self::Exceeded,
        ]
        .into_iter()
        .find(|one| one.name() == text)
        .ok_or(UnknownStanding)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn report(change: impl FnOnce(&mut Value)) -> Result<Report, BadReport> {
        let mut report = json!({
            "program": "faculty-training 0.1.0", "parameters": 1, "has_adapter": true,
            "measures": [
                { "suite": "held_out", "name": "loss", "value": 2.5, "interval": [2.0, 3.0], "items": 10, "meaning": "x" },
                { "suite": "memorisation", "name": "extracted", "value": 0.0, "items": 4, "meaning": "x" },
            ],
        });
        change(&mut report);
        Report::parse(&serde_json::to_vec(&report).unwrap())
    }

    #[test]
    fn a_report_is_read_and_its_meaning_in_english_left_aside() {
        let read = report(|_| {}).unwrap();
        assert_eq!(read.figures.len(), 2);
        // As a program writes it that tells of no dataset.
        assert!(read.datasets.is_empty());
        assert_eq!(read.figures[0].interval, Some((2.0, 3.0)));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        assert!(matches!(
            report(|r| r["measures"] = json!([])),
            Err(BadReport::Count)
        ));
        assert!(matches!(
            report(|r| r["measures"][1] = r["measures"][0].clone()),
            Err(BadReport::Name(_))
        ));
        assert!(matches!(
            report(|r| r["measures"][0]["name"] = json!("Loss!")),
            Err(BadReport::Name(_))
        ));
        assert!(matches!(
            report(|r| r["measures"][0]["interval"] = json!([3.0, 2.0])),
            Err(BadReport::Value(_))
        ));
        assert!(matches!(
            report(|r| r["measures"][0]["value"] = Value::Null),
            Err(BadReport::Unreadable(_))
        ));
        assert!(matches!(
            report(|r| r["measures"][0]["suite"] = json!("luck")),
            Err(BadReport::Unreadable(_))
        ));
        assert!(matches!(
            report(|r| r["program"] = json!("")),
            Err(BadReport::Program)
        ));
        let of = |version: u128, items: u64, extracted: f64| {
            json!({
                "dataset_version": Uuid::from_u128(version), "documents": 50, "items": items,
                "extracted": extracted, "longest_match": 7, "told_by_a_newer_program": 1,
            })
        };
        let told = report(|r| r["datasets"] = json!([of(1, 25, 0.04), of(2, 0, 0.0)])).unwrap();
        assert_eq!(told.datasets.len(), 2);
        for wrong in [
            json!([of(1, 51, 0.0)]),
            json!([of(1, 25, 1.5)]),
            json!([of(1, 25, 0.0), of(1, 25, 0.0)]),
        ] {
            assert!(matches!(
                report(|r| r["datasets"] = wrong),
                Err(BadReport::Dataset(version)) if version == Uuid::from_u128(1)
            ));
        }
        let long = vec![b' '; usize::try_from(LARGEST_REPORT).unwrap() + 1];
        assert!(matches!(Report::parse(&long), Err(BadReport::TooLarge)));
    }
}
