//! How much of a dataset a model may keep by heart: set by its institution, at any time, also of a dataset that is
//! frozen. What was set before stays on record; the newest counts, for every version.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{check_edit, memorisation_store, register::EditError, store};
use crate::{
    db::{Db, Event, StoreError, Subject},
    error::Say,
    ids::{DatasetId, InstitutionId, MemorisationLimitId},
    policy::Actor,
    web::{FieldErrors, Text},
};

/// A limit; what is none is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct MemorisationLimit {
    /// The largest share of the tried documents that may come out word for word, 0 to 1.
    pub most_extracted: Option<f64>,
    /// The most tokens in a row that may come out.
    pub longest_match: Option<i32>,
}

impl MemorisationLimit {
    /// Whether it limits nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A limit as it was set.
#[derive(Debug, Clone, PartialEq)]
pub struct SetLimit {
    pub id: MemorisationLimitId,
    pub limit: MemorisationLimit,
    /// In the words of who set it.
    pub reason: String,
    pub by_name: String,
    pub at: DateTime<Utc>,
}

/// A limit as it was typed or sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawMemorisationLimit {
    /// In per cent, `0,5`; empty: no limit.
    pub most_extracted: String,
    /// In tokens; empty: no limit.
    pub longest_match: String,
    pub reason: String,
}

/// What is to be set, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMemorisationLimit {
    pub limit: MemorisationLimit,
    pub reason: String,
}

impl NewMemorisationLimit {
    /// Reads every field.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn parse(raw: &RawMemorisationLimit) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let most_extracted = match raw.most_extracted.trim().replace(',', ".").as_str() {
            "" => None,
            text => match text.parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Some(percent / 100.0),
                _ => {
                    errors.add("most_extracted", Say::new("memorisation-percent-bounds"));
                    None
                }
            },
        };
        let longest_match = match raw.longest_match.trim() {
            "" => None,
            text => i32::try_from(errors.number("longest_match", text, 0, 1_000_000)).ok(),
        };
        let bounds = Text {
            least: 1,
            most: 2000,
        };
        let reason = errors.text("reason", &raw.reason, bounds);
        errors.into_result(Self {
            limit: MemorisationLimit {
                most_extracted,
                longest_match,
            },
            reason,
        })
    }
}

impl RawMemorisationLimit {
    /// As it stands in the form, for another word on it.
    #[must_use]
    pub fn of(limit: &MemorisationLimit) -> Self {
        Self {
            most_extracted: limit.most_extracted.map_or_else(String::new, percent),
            longest_match: limit
                .longest_match
                .map_or_else(String::new, |tokens| tokens.to_string()),
            reason: String::new(),
        }
    }
}

/// A share in per cent, without more digits than it has.
#[must_use]
pub fn percent(share: f64) -> String {
    // Four digits behind the point: the share itself is a fraction of a hundred that was typed.
    let text = format!("{:.4}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[derive(Serialize)]
struct Limited<'a> {
    limit_id: MemorisationLimitId,
    limit: MemorisationLimit,
    reason: &'a str,
    #[serde(skip)]
    dataset: DatasetId,
    #[serde(skip)]
    institution: InstitutionId,
}

impl Event for Limited<'_> {
    fn kind(&self) -> &'static str {
        "datasets.memorisation_limited"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "dataset",
            id: self.dataset.0,
            institution: self.institution,
        }
    }
}

/// Sets the limit of a dataset of one's own institution, or lifts it. The same limit again changes nothing. It counts
/// for every release from then on; what is released stays so.
///
/// # Errors
/// [`EditError::NotFound`] where there is none, [`EditError::Denied`] where it is not the actor's to say.
pub async fn limit_memorisation(
    db: &Db,
    actor: &Actor,
    dataset: DatasetId,
    new: &NewMemorisationLimit,
) -> Result<(), EditError> {
    let mut tx = db.write(actor).await?;
    // A release that is being decided on holds a share of this lock.
    let found = store::lock(&mut tx, dataset)
        .await?
        .ok_or(EditError::NotFound(dataset))?;
    let permit = check_edit(actor, &found)?;
    let now = memorisation_store::history(tx.conn(), dataset).await?;
    let current = now.first().map_or_else(Default::default, |set| set.limit);
    if current == new.limit {
        return Ok(());
    }
    let id = memorisation_store::insert(&mut tx, dataset, new).await?;
    tx.record(&Limited {
        limit_id: id,
        limit: new.limit,
        reason: &new.reason,
        dataset,
        institution: found.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}

/// Every limit that was set on a dataset, newest first; the first one holds.
///
/// # Errors
/// Where the database is away.
pub async fn memorisation_history(
    conn: &mut PgConnection,
    dataset: DatasetId,
) -> Result<Vec<SetLimit>, StoreError> {
    memorisation_store::history(conn, dataset).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(most_extracted: &str, longest_match: &str, reason: &str) -> RawMemorisationLimit {
        RawMemorisationLimit {
            most_extracted: most_extracted.into(),
            longest_match: longest_match.into(),
            reason: reason.into(),
        }
    }

    #[test]
    fn a_limit_is_typed_in_per_cent_and_comes_back_so() {
        let new = NewMemorisationLimit::parse(&raw("0,5", " 20 ", "brieven")).unwrap();
        assert_eq!(new.limit.most_extracted, Some(0.005));
        assert_eq!(new.limit.longest_match, Some(20));
        let again = RawMemorisationLimit::of(&new.limit);
        assert_eq!(
            (again.most_extracted.as_str(), again.longest_match.as_str()),
            ("0.5", "20")
        );
        let lifted = NewMemorisationLimit::parse(&raw("", "", "niet nodig")).unwrap();
        assert!(lifted.limit.is_none());
        assert_eq!(percent(1.0), "100");
        assert_eq!(percent(0.0), "0");
    }

    #[test]
    fn what_is_no_limit_is_named_by_field() {
        let fields = |raw: &RawMemorisationLimit| -> Vec<_> {
            let errors = NewMemorisationLimit::parse(raw).unwrap_err();
            errors.iter().map(|(field, _)| *field).collect()
        };
        for text in ["-1", "101", "NaN", "inf", "x"] {
            assert_eq!(fields(&raw(text, "", "r")), ["most_extracted"], "{text}");
        }
        for text in ["-1", "1000001", "1.5", "x"] {
            assert_eq!(fields(&raw("", text, "r")), ["longest_match"], "{text}");
        }
        assert_eq!(fields(&raw("", "", " ")), ["reason"]);
    }
}
