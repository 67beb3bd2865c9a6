//! What an evaluation leaves to read: `evaluation.json`.

use job_contract::{DatasetMemorisation, Suite};
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
    /// How much of each dataset version is kept by heart; empty where that was not measured, and for files of one's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<DatasetMemorisation>,
}

impl Report {
    pub(super) fn new(subject: &Subject) -> Self {
        Self {
            program: program(),
            parameters: subject.config().parameters(),
            has_adapter: subject.has_adapter(),
            measures: Vec::new(),
            datasets: Vec::new(),
        }
    }

    /// The figure of this name.
    pub fn measure(&self, suite: Suite, name: &str) -> Option<&Measure> {
        self.measures
            .iter()
            .find(|measure| measure.suite == suite && measure.name == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    /// As programs wrote it that did not tell of single datasets.
    #[test]
    fn a_report_without_datasets_can_be_read_and_looks_as_it_did() {
        let old = json!({
            "program": "faculty-training 0.1.0", "parameters": 1, "has_adapter": true,
            "measures": [{ "suite": "memorisation", "name": "extracted", "value": 0.0, "items": 4, "meaning": "x" }],
        });
        let mut report: Report = serde_json::from_value(old.clone()).unwrap();
        assert!(report.datasets.is_empty());
        assert_eq!(serde_json::to_value(&report).unwrap(), old);
        report.datasets.push(DatasetMemorisation {
            dataset_version: Uuid::from_u128(7),
            documents: 50,
            items: 25,
            extracted: 0.04,
            interval: Some((0.0, 0.2)),
            longest_match: 12,
        });
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(
            written["datasets"],
            json!([{
                "dataset_version": "00000000-0000-0000-0000-000000000007", "documents": 50, "items": 25,
                "extracted": 0.04, "interval": [0.0, 0.2], "longest_match": 12,
            }])
        );
        let read: Report = serde_json::from_value(written).unwrap();
        assert_eq!(read, report);
    }
}
