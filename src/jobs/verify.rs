//! Makes every verdict again from the policy it was read from, and names what differs.

use std::fmt;

use super::store::{self, KeptVerdict};
use crate::{
    db::{Db, StoreError},
    permissions::{self, RecordedPolicy, sha256_hex},
};

/// What came of making all verdicts again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Verdicts made again with the same result.
    pub same: u64,
    /// Verdicts of rule set 1 from before texts were kept.
    pub without_text: u64,
    /// Each verdict that comes out otherwise, and how.
    pub different: Vec<Difference>,
}

/// A verdict that comes out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub id: uuid::Uuid,
    /// What differs.
    pub problem: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.table, self.id, self.problem)
    }
}

/// Makes every verdict that attempts were started on and every leave to read again.
///
/// # Errors
/// Where the database is away.
pub async fn verify_verdicts(db: &Db) -> Result<Verification, StoreError> {
    let mut conn = db.read().await?;
    let mut found = Verification::default();
    let mut after = uuid::Uuid::nil();
    loop {
        let page = store::verdicts_after(&mut conn, after).await?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = last.id;
        let names: Vec<_> = page.iter().map(|kept| kept.policy_sha256.clone()).collect();
        let texts = permissions::kept_policies(&mut conn, &names).await?;
        for kept in &page {
            match texts.get(&kept.policy_sha256) {
                None => found.without_text += 1,
                Some(text) => match difference(kept, text) {
                    None => found.same += 1,
                    Some(problem) => found.different.push(Difference {
                        table: kept.table(),
                        id: kept.id,
                        problem,
                    }),
                },
            }
        }
    }
}

/// How a verdict differs from what its policy's text gives; none where it does not.
fn difference(kept: &KeptVerdict, text: &str) -> Option<String> {
    if sha256_hex(text) != kept.policy_sha256 {
        return Some("its policy's text was changed".into());
    }
    let policy = match RecordedPolicy::parse(text) {
        Ok(policy) => policy,
        Err(error) => return Some(error.to_string()),
    };
    let again = policy.decide(kept.decided_at);
    match &kept.verdict {
        Some(verdict) if *verdict == serde_json::to_value(&again).unwrap_or_default() => None,
        Some(verdict) => Some(format!(
            "kept as {verdict}, made again as {}",
            serde_json::to_string(&again).unwrap_or_default()
        )),
        // Leave may also be refused because the job was told to stop; it is never given against the rules.
        None if kept.is_allowed && !again.is_allowed => {
            Some("leave was given where the rules say no".into())
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    const TEXT: &str = r#"{"rule_set":1,"facts":{"is_approved":true,"license":"CC0-1.0","has_personal_data":false,"confidentiality":"public"},"permissions":[],"use":{"purpose":"fine_tuning","recipients":"consortium","is_commercial":false,"model_family":"x"}}"#;

    fn kept(verdict: Option<serde_json::Value>, is_allowed: bool) -> KeptVerdict {
        KeptVerdict {
            id: uuid::Uuid::nil(),
            verdict,
            is_allowed,
            policy_sha256: sha256_hex(TEXT),
            decided_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_verdict_that_was_changed_is_named() {
        let no = json!({ "is_allowed": false, "reasons": [{ "rule": "no-permission", "layer": "copyright", "permission": null }] });
        assert_eq!(difference(&kept(Some(no), false), TEXT), None);
        let yes = json!({ "is_allowed": true, "reasons": [] });
        let problem = difference(&kept(Some(yes), true), TEXT).unwrap();
        assert!(problem.contains("no-permission"), "{problem}");
    }

    #[test]
    fn leave_against_the_rules_is_named_and_a_refusal_is_not() {
        assert!(difference(&kept(None, true), TEXT).is_some());
        assert_eq!(difference(&kept(None, false), TEXT), None);
    }

    #[test]
    fn a_text_that_was_changed_is_named() {
        let problem = difference(&kept(None, false), &TEXT.replace("CC0", "CC1")).unwrap();
        assert!(problem.contains("changed"), "{problem}");
    }
}
