//! What the report of an evaluation says of each dataset.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How much of one dataset version a model repeats by heart: an entry of `datasets` in `evaluation.json`.
///
/// The report has no version of its own. Who reads it leaves fields aside that it does not know, and takes `datasets`
/// for empty where it is missing, as in reports of programs that did not tell of single datasets: then nothing is known
/// of any, which is not the same as nothing found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DatasetMemorisation {
    pub dataset_version: Uuid,
    /// Documents of it that the training learnt from.
    pub documents: u64,
    /// Those of them that were tried.
    pub items: u64,
    /// Share of the tried ones that came out word for word, 0.0 to 1.0; 0.0 where none was tried.
    pub extracted: f64,
    /// The interval that holds the share over all its documents in 95 of 100 cases; none where none was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// Tokens of the longest stretch of its text in anything that the model wrote, whatever document that went on with.
    pub longest_match: u64,
}
