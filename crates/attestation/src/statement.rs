//! What a receipt states: in-toto Statement v1 (<https://in-toto.io/Statement/v1>) with SLSA provenance v1
//! (<https://slsa.dev/provenance/v1>) as its predicate; and what was measured of a model, with a predicate of our own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Envelope, PublishedKeys, VerifyError, verify};

/// The media type of a statement in an envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The kind of statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The kind of predicate.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// The kind of predicate that says what was measured. Never a receipt: it does not say where a model comes from.
pub const EVALUATION_TYPE: &str = "urn:gptnl:virtual-faculty:evaluation:1";

/// An in-toto statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// Every file of the model.
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// SLSA provenance, or an evaluation.
    pub predicate: Value,
}

/// A file with its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    pub name: String,
    pub digest: Digest,
}

/// Hashes by name of the algorithm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Something that went in: a resolved dependency of SLSA, with its place in the statement.
#[derive(Debug, Clone)]
pub struct Material {
    /// JSON pointer of its place.
    pub place: String,
    /// `dataset_version`, `dataset_file`, `permission`, `base_model`, `base_model_file`, `program`, `report` or `portal`.
    pub kind: String,
    pub name: String,
    pub uri: String,
    /// By name of the algorithm.
    pub digest: BTreeMap<String, String>,
    pub annotations: Value,
}

/// Why a receipt does not hold for these files, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    #[error(transparent)]
    Signature(#[from] VerifyError),
    #[error("the statement cannot be read at {place}: {problem}")]
    Statement { place: String, problem: String },
    #[error("{place}: the file {name} has the SHA-256 {found}, the receipt says {expected}")]
    File {
        place: String,
        name: String,
        found: String,
        expected: String,
    },
    #[error("{place}: the file {name} of the receipt is missing")]
    Missing { place: String, name: String },
    #[error("the file {name} is not in the receipt")]
    Added { name: String },
}

impl Statement {
    /// Reads the payload of a receipt, whoever signed it.
    ///
    /// # Errors
    /// [`ReceiptError::Statement`] with the place; an evaluation is none.
    pub fn parse(envelope: &Envelope) -> Result<Self, ReceiptError> {
        let statement = Self::parse_any(envelope)?;
        if statement.predicate_type == PREDICATE_TYPE {
            return Ok(statement);
        }
        Err(ReceiptError::Statement {
            place: "/predicateType".into(),
            problem: format!("it is not {PREDICATE_TYPE}"),
        })
    }

    /// Whether it says what was measured, and not where a model comes from.
    #[must_use]
    pub fn is_evaluation(&self) -> bool {
        self.predicate_type == EVALUATION_TYPE
    }

    /// Reads the payload of a receipt or of an evaluation, whoever signed it.
    ///
    /// # Errors
    /// [`ReceiptError::Statement`] with the place.
    pub fn parse_any(envelope: &Envelope) -> Result<Self, ReceiptError> {
        let wrong = |place: &str, problem: String| ReceiptError::Statement {
            place: place.to_owned(),
            problem,
        };
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(wrong("payloadType", format!("it is not {PAYLOAD_TYPE}")));
        }
        let statement: Self = serde_json::from_slice(&envelope.payload_bytes()?)
            .map_err(|e| wrong("payload", e.to_string()))?;
        if statement.statement_type != STATEMENT_TYPE {
            return Err(wrong("/_type", format!("it is not {STATEMENT_TYPE}")));
        }
        if ![PREDICATE_TYPE, EVALUATION_TYPE].contains(&statement.predicate_type.as_str()) {
            return Err(wrong(
                "/predicateType",
                format!("it is neither {PREDICATE_TYPE} nor {EVALUATION_TYPE}"),
            ));
        }
        if statement.subject.is_empty() {
            return Err(wrong("/subject", "it names no file".into()));
        }
        Ok(statement)
    }

    /// When it says that it was signed.
    ///
    /// # Errors
    /// [`ReceiptError::Statement`] where it does not say.
    pub fn signed_at(&self) -> Result<DateTime<Utc>, ReceiptError> {
        let place = if self.is_evaluation() {
            "/metadata/finishedOn"
        } else {
            "/runDetails/metadata/finishedOn"
        };
        self.predicate
            .pointer(place)
            .and_then(|at| serde_json::from_value(at.clone()).ok())
            .ok_or_else(|| ReceiptError::Statement {
                place: format!("/predicate{place}"),
                problem: "there is no time".into(),
            })
    }

    /// Everything that went in.
    #[must_use]
    pub fn materials(&self) -> Vec<Material> {
        let all = if self.is_evaluation() {
            "/materials"
        } else {
            "/buildDefinition/resolvedDependencies"
        };
        let list = self.predicate.pointer(all).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .enumerate()
            .map(|(number, value)| {
                let text = |pointer: &str| {
                    let found = value.pointer(pointer).and_then(Value::as_str);
                    found.unwrap_or_default().to_owned()
                };
                Material {
                    place: format!("/predicate{all}/{number}"),
                    kind: text("/annotations/kind"),
                    name: text("/name"),
                    uri: text("/uri"),
                    digest: value
                        .get("digest")
                        .and_then(|digest| serde_json::from_value(digest.clone()).ok())
                        .unwrap_or_default(),
                    annotations: value.get("annotations").cloned().unwrap_or_default(),
                }
            })
            .collect()
    }

    /// Compares the files of a model, by name and SHA-256, with those that the statement is about.
    ///
    /// # Errors
    /// The first file that is missing, another one, or one too many.
    pub fn is_about(&self, files: &[(&str, &str)]) -> Result<(), ReceiptError> {
        for (number, subject) in self.subject.iter().enumerate() {
            let place = format!("/subject/{number}/digest/sha256");
            let name = subject.name.clone();
            let Some((_, found)) = files.iter().find(|(name, _)| *name == subject.name) else {
                return Err(ReceiptError::Missing { place, name });
            };
            if *found != subject.digest.sha256 {
                return Err(ReceiptError::File {
                    place,
                    name,
                    found: (*found).to_owned(),
                    expected: subject.digest.sha256.clone(),
                });
            }
        }
        let named: BTreeSet<_> = self.subject.iter().map(|one| one.name.as_str()).collect();
        match files.iter().find(|(name, _)| !named.contains(name)) {
            Some((name, _)) => Err(ReceiptError::Added {
                name: (*name).to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// Checks that a receipt, as text, is signed by a key that held then, and is about exactly these files.
///
/// # Errors
/// [`ReceiptError`] naming the first thing that does not hold.
pub fn verify_receipt(
    receipt: &str,
    keys: &PublishedKeys,
    files: &[(&str, &str)],
) -> Result<Statement, ReceiptError> {
    let envelope = Envelope::parse(receipt)?;
    let statement = Statement::parse(&envelope)?;
    verify(&envelope, keys, statement.signed_at()?)?;
    statement.is_about(files)?;
    Ok(statement)
}
