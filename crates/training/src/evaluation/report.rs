//! What an evaluation leaves to read: `evaluation.json`.

use job_contract::Suite;
use serde::{Deserialize, Serialize};

use super::subject::Subject;
use crate::fingerprint::program;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    pub suite: Suite,
    /// For example `perplexity` or `sentiment`.
    pub name: String,
    pub value: f64,
    /// The interval that holds the true value in 95 of 100 cases, where items are a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How many items it stands on.
    pub items: u64,
    /// What a model that knows nothing would get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// What the figure says; English.
    pub meaning: String,
}

/// All figures of an evaluation. It holds no text of the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub program: String,
    /// Numbers of the model that was measured, without its adapter.
    pub parameters: u64,
    pub has_adapter: bool,
    pub measures: Vec<Measure>,
}

impl Report {
    pub(super) fn new(subject: &Subject) -> Self {
        Self {
            program: program(),
            parameters: subject.config().parameters(),
            has_adapter: subject.has_adapter(),
            measures: Vec::new(),
        }
    }

    /// The figure of this name.
    pub fn measure(&self, suite: Suite, name: &str) -> Option<&Measure> {
        self.measures
            .iter()
            .find(|measure| measure.suite == suite && measure.name == name)
    }
}
