//! What is asked, and the answer.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Layer, OnWithdrawal, PermissionId, Purpose, Recipients, Territory, word::words};

/// What somebody wants to do with a dataset version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// Whether for profit.
    pub is_commercial: bool,
    /// Family of the model that learns from it.
    pub model_family: String,
    /// Where the data are processed.
    pub processing_location: Territory,
    /// For what.
    pub purpose: Purpose,
    /// Who may receive the weights.
    pub recipients: Recipients,
    /// Where the result is used.
    pub territory: Territory,
}

words! {
    /// A rule; its sentence is the text `rule-{name}`. Reasons are told in this order.
    Rule {
        /// Yes: this permission covers the use in this layer.
        Covered = "covered",
        NotApproved = "not-approved",
        Prohibited = "prohibited",
        NeedsHuman = "needs-human",
        UnknownRuleSet = "unknown-rule-set",
        LicenceNotYetFound = "licence-not-yet-found",
        LicenceUnknown = "licence-unknown",
        LicenceNoTraining = "licence-no-training",
        LicenceNoDerivatives = "licence-no-derivatives",
        LicenceShareAlike = "licence-share-alike",
        LicenceNonCommercial = "licence-non-commercial",
        LicenceNoRedistribution = "licence-no-redistribution",
        AssessmentMissing = "assessment-missing",
        AssessmentNotSigned = "assessment-not-signed",
        LegalBasisMissing = "legal-basis-missing",
        SpecialBasisMissing = "special-basis-missing",
        NoPermission = "no-permission",
        PermissionWithdrawn = "permission-withdrawn",
        NotYetValid = "not-yet-valid",
        Expired = "expired",
        PurposeNotCovered = "purpose-not-covered",
        RecipientsTooWide = "recipients-too-wide",
        CommercialNotCovered = "commercial-not-covered",
        TerritoryNotCovered = "territory-not-covered",
        ProcessingLocationNotCovered = "processing-location-not-covered",
        ModelFamilyNotCovered = "model-family-not-covered",
        ContractNotProven = "contract-not-proven",
        TdmReserved = "tdm-reserved",
    }
}

/// A rule that spoke, and what it read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// The rule.
    pub rule: Rule,
    /// The layer that it is about, if it is about one.
    pub layer: Option<Layer>,
    /// The permission that it read.
    pub permission: Option<PermissionId>,
    /// The licence that it read, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The privacy assessment that it read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<Uuid>,
}

/// What whoever uses the data has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "duty", rename_all = "snake_case")]
pub enum Duty {
    /// Name the source; with this text, where the right holder gave one.
    Attribute { text: Option<String> },
    /// Pass adaptations on under the same licence only.
    ShareAlike,
    /// Pass the licence's text along.
    KeepNotice,
    /// Tell the right holder what it was used for.
    ReportUse,
    /// Pay, as agreed.
    Compensate,
    /// Have no copies left so many days after a withdrawal.
    DeleteWithin { days: u32 },
    /// Do this with models after a withdrawal.
    OnWithdrawal { models: OnWithdrawal },
}

impl Duty {
    /// The word in keys of texts (`duty-{name}`).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Attribute { .. } => "attribute",
            Self::ShareAlike => "share-alike",
            Self::KeepNotice => "keep-notice",
            Self::ReportUse => "report-use",
            Self::Compensate => "compensate",
            Self::DeleteWithin { .. } => "delete-within",
            Self::OnWithdrawal { .. } => "on-withdrawal",
        }
    }
}

/// A duty, and who lays it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obligation {
    /// What has to be done.
    #[serde(flatten)]
    pub duty: Duty,
    /// The permission that asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<PermissionId>,
    /// The licence that asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// The answer, with every rule that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Yes or no.
    pub is_allowed: bool,
    /// Why: for a yes one permission a layer, for a no everything that stands in the way.
    pub reasons: Vec<Reason>,
    /// What a yes asks in return; empty for a no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duties: Vec<Obligation>,
}
