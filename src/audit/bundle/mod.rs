//! The bundle for an auditor: what happened, what was signed, and the proofs, in one file that holds without us.
//!
//! A ZIP archive. `MANIFEST` is a signed note that names every other file with its SHA-256, so that no byte can be
//! changed unseen; what the files say is then checked for itself. `docs/transparency-log.md` lists them.

mod documents;
mod facts;
mod make;
mod open;
mod verify;

use serde::{Deserialize, Serialize};

pub use self::{
    make::{Made, MakeError, make},
    verify::{Report, verify},
};

const MANIFEST: &str = "MANIFEST";
const ABOUT: &str = "bundle.json";
const README: &str = "README.txt";
const KEYS: &str = "keys.json";
const EVENTS: &str = "events.jsonl";
const PROOFS: &str = "proofs.jsonl";
const CHECKPOINTS: &str = "checkpoints.jsonl";
const PERMISSIONS: &str = "permissions.jsonl";
const VERDICTS: &str = "verdicts.jsonl";
const POLICIES: &str = "policies.jsonl";
const RECEIPTS: &str = "receipts/";
const STATEMENTS: &str = "statements/";
/// Payload type of a monthly statement.
pub const STATEMENT_TYPE: &str = "application/vnd.virtual-faculty.statement+json";
/// First line of the text of the manifest.
const TITLE: &str = "faculty audit bundle v1";

/// What a bundle is about, `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    format: u32,
    /// Name of the log.
    origin: String,
    /// Whose lines; none for all.
    institution: Option<uuid::Uuid>,
    made_at: chrono::DateTime<chrono::Utc>,
    /// Lines of the checkpoint that everything is proven under.
    size: u64,
    /// Lines in `events.jsonl`.
    events: u64,
}

/// A line of `checkpoints.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    note: String,
    /// That it continues the checkpoint on the line before.
    consistency: Vec<String>,
}

/// A line of `proofs.jsonl`, for the line of `events.jsonl` with the same number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofLine {
    seq: i64,
    proof: Vec<String>,
}

/// A line of `permissions.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionLine {
    id: uuid::Uuid,
    dataset: uuid::Uuid,
    layer: String,
    created_at: chrono::DateTime<chrono::Utc>,
    /// The canonical text of the terms.
    terms: String,
    terms_sha256: String,
}

/// A line of `verdicts.jsonl`: a use of data that was decided on, with the hash of the exact policy that was read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictLine {
    id: uuid::Uuid,
    attempt: uuid::Uuid,
    dataset_version: uuid::Uuid,
    decided_at: chrono::DateTime<chrono::Utc>,
    policy_sha256: String,
    verdict: serde_json::Value,
}

/// A line of `policies.jsonl`: everything that a verdict was made from, as the text that was hashed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyLine {
    sha256: String,
    canonical: String,
}

/// The README for whoever opens the file.
const README_TEXT: &str = include_str!("readme.txt");

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn written(line: &impl Serialize) -> String {
        serde_json::to_string(line).unwrap()
    }

    #[test]
    fn the_lines_of_a_bundle_keep_their_form() {
        let (at, id) = (DateTime::UNIX_EPOCH, Uuid::from_u128(7));
        let name = "00000000-0000-0000-0000-000000000007";
        let about = About {
            format: 1,
            origin: "portaal.example/log".into(),
            institution: Some(id),
            made_at: at,
            size: 9,
            events: 2,
        };
        assert_eq!(
            written(&about),
            format!(
                r#"{{"format":1,"origin":"portaal.example/log","institution":"{name}","made_at":"1970-01-01T00:00:00Z","size":9,"events":2}}"#
            )
        );
        let checkpoint = CheckpointLine {
            note: "n\n".into(),
            consistency: vec!["aGFzaA==".into()],
        };
        assert_eq!(
            written(&checkpoint),
            r#"{"note":"n\n","consistency":["aGFzaA=="]}"#
        );
        let proof = ProofLine {
            seq: 4,
            proof: vec!["aGFzaA==".into()],
        };
        assert_eq!(written(&proof), r#"{"seq":4,"proof":["aGFzaA=="]}"#);
        let permission = PermissionLine {
            id,
            dataset: id,
            layer: "copyright".into(),
            created_at: at,
            terms: "{}".into(),
            terms_sha256: "ab".into(),
        };
        assert_eq!(
            written(&permission),
            format!(
                r#"{{"id":"{name}","dataset":"{name}","layer":"copyright","created_at":"1970-01-01T00:00:00Z","terms":"{{}}","terms_sha256":"ab"}}"#
            )
        );
        let verdict = VerdictLine {
            id,
            attempt: id,
            dataset_version: id,
            decided_at: at,
            policy_sha256: "ab".into(),
            verdict: json!({"is_allowed": true}),
        };
        assert_eq!(
            written(&verdict),
            format!(
                r#"{{"id":"{name}","attempt":"{name}","dataset_version":"{name}","decided_at":"1970-01-01T00:00:00Z","policy_sha256":"ab","verdict":{{"is_allowed":true}}}}"#
            )
        );
        let policy = PolicyLine {
            sha256: "ab".into(),
            canonical: "{}".into(),
        };
        assert_eq!(written(&policy), r#"{"sha256":"ab","canonical":"{}"}"#);
    }
}
