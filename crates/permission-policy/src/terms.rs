//! What a permission says, in the canonical form of rule set 2.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{Purpose, RULE_SET, Recipients, Territory, first, word::words};

words! {
    /// What happens to models that learnt from the data, once the permission is withdrawn.
    OnWithdrawal {
        /// They stay, marked; no new use.
        Keep = "keep",
        /// They are out of use until it is decided whether they are made anew without the data, or go.
        Retrain = "retrain",
        /// They are no longer served.
        Retire = "retire",
    }
}

/// What proves that the right holder said so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// SHA-256 of the signed document, in hexadecimal, where there is one.
    pub document_sha256: Option<String>,
    /// For people: the agreement, its clause.
    pub note: String,
}

/// What whoever uses the data has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duties {
    /// Name the source with this text.
    pub attribution: Option<String>,
    /// Pay, as agreed.
    pub compensate: bool,
    /// Days within which copies go after a withdrawal.
    pub delete_within_days: u32,
    /// Tell the right holder what it was used for.
    pub report_use: bool,
}

/// The terms of one permission.
///
/// Fields stand in the order of their names, which makes [`Terms::canonical`] the form of RFC 8785.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Whether the result may be used for profit.
    pub allows_commercial_use: bool,
    /// What has to be done in return.
    pub duties: Duties,
    /// What proves it.
    pub evidence: Evidence,
    /// Model families; empty: all.
    pub model_families: Vec<String>,
    /// Terms that could not be coded, in their own words. Any of them keeps the answer at no.
    pub needs_human: Vec<String>,
    /// What happens to models on a withdrawal.
    pub on_withdrawal: OnWithdrawal,
    /// Where the data may be processed; empty: anywhere.
    pub processing_locations: Vec<Territory>,
    /// What is forbidden, whatever any other permission says.
    pub prohibited: Vec<Purpose>,
    /// What is allowed.
    pub purposes: Vec<Purpose>,
    /// The widest circle that may receive resulting weights.
    pub recipients: Recipients,
    /// Version of the rules that read these terms.
    pub rule_set: u32,
    /// Where the result may be used; empty: anywhere.
    pub territories: Vec<Territory>,
    /// First day on which it holds, in the Netherlands.
    pub valid_from: NaiveDate,
    /// Last day on which it holds.
    pub valid_until: NaiveDate,
}

/// Why terms cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TermsError {
    /// Not terms at all, or a term that this rule set does not have.
    #[error("the terms cannot be read: {0}")]
    Json(#[from] serde_json::Error),
}

impl Terms {
    /// Reads terms as they were recorded, of any rule set.
    ///
    /// Terms of rule set 1 come as what they mean in rule set 2; those of a rule set that is not known here
    /// come as terms that allow nothing and say which rule set they are of.
    ///
    /// # Errors
    /// [`TermsError`] where the text is not what its rule set says it is.
    pub fn parse(text: &str) -> Result<Self, TermsError> {
        #[derive(Deserialize)]
        struct Version {
            rule_set: u32,
        }
        let version: Version = serde_json::from_str(text)?;
        match version.rule_set {
            1 => Ok(serde_json::from_str::<first::Terms>(text)?.into()),
            RULE_SET => Ok(serde_json::from_str(text)?),
            unknown => Ok(Self {
                rule_set: unknown,
                ..Self::nothing()
            }),
        }
    }

    /// Terms that allow nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            allows_commercial_use: false,
            duties: Duties::default(),
            evidence: Evidence::default(),
            model_families: Vec::new(),
            needs_human: Vec::new(),
            on_withdrawal: OnWithdrawal::Retire,
            processing_locations: Vec::new(),
            prohibited: Vec::new(),
            purposes: Vec::new(),
            recipients: Recipients::Consortium,
            rule_set: RULE_SET,
            territories: Vec::new(),
            valid_from: NaiveDate::default(),
            valid_until: NaiveDate::default(),
        }
    }

    /// The same terms with every list sorted and without doubles.
    #[must_use]
    pub fn normal(&self) -> Self {
        let mut terms = self.clone();
        sort(&mut terms.purposes);
        sort(&mut terms.prohibited);
        sort(&mut terms.territories);
        sort(&mut terms.processing_locations);
        sort(&mut terms.model_families);
        sort(&mut terms.needs_human);
        terms
    }

    /// The canonical text: what is stored and hashed. JSON by RFC 8785, lists sorted and without doubles.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.normal())
    }
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// What terms of rule set 1 mean in rule set 2. They said nothing about places, prohibitions and models that
/// exist: places stay open as they were, and of models the answer is the one that protects the right holder.
impl From<first::Terms> for Terms {
    fn from(old: first::Terms) -> Self {
        Self {
            allows_commercial_use: old.allows_commercial_use,
            duties: Duties {
                delete_within_days: old.delete_within_days,
                ..Duties::default()
            },
            evidence: Evidence {
                document_sha256: None,
                note: old.evidence,
            },
            model_families: old.model_families,
            purposes: old.purposes,
            recipients: old.recipients,
            valid_from: old.valid_from,
            valid_until: old.valid_until,
            ..Self::nothing()
        }
    }
}
