//! One line of the audit log as a leaf of the Merkle tree: the exact bytes that are hashed.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use data_encoding::HEXLOWER;
use transparency_log::{Hash, leaf_hash};
use uuid::Uuid;

/// What a leaf says.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// Its number, from 1; its place in the tree is one less.
    pub seq: i64,
    /// When, in the microseconds that Postgres keeps.
    pub at: DateTime<Utc>,
    /// Who; nil for the portal itself.
    pub actor: Uuid,
    /// Who may read it.
    pub institution: Uuid,
    /// About what kind of thing.
    pub subject_kind: &'a str,
    /// About which.
    pub subject: Uuid,
    /// What happened.
    pub kind: &'a str,
    /// 16 random bytes.
    pub salt: &'a [u8],
    /// The rest, as JSON text on one line.
    pub payload: &'a str,
}

impl Leaf<'_> {
    /// Writes the leaf to the end of `text`: one line of JSON, fields in this order, no spaces of ours, the payload
    /// as it was written. The migration that made the tree writes the same in SQL.
    pub fn write(&self, text: &mut String) {
        let mut id = Uuid::encode_buffer();
        let at = self.at;
        // Writing to a string does not fail.
        let _ = write!(
            text,
            r#"{{"v":1,"seq":{},"at":"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z","#,
            self.seq,
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.timestamp_subsec_micros(),
        );
        let mut field = |name: &str, value: &str| {
            for part in ["\"", name, "\":\"", value, "\","] {
                text.push_str(part);
            }
        };
        field("actor", self.actor.hyphenated().encode_lower(&mut id));
        field(
            "institution",
            self.institution.hyphenated().encode_lower(&mut id),
        );
        field("subject_kind", self.subject_kind);
        field("subject", self.subject.hyphenated().encode_lower(&mut id));
        field("kind", self.kind);
        field("salt", &HEXLOWER.encode(self.salt));
        text.push_str("\"payload\":");
        text.push_str(self.payload);
        text.push('}');
    }

    /// The leaf as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(400 + self.payload.len());
        self.write(&mut text);
        text
    }

    /// Its hash in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        leaf_hash(self.text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leaf_is_one_line_of_json_in_a_fixed_form() {
        let leaf = Leaf {
            seq: 7,
            at: DateTime::from_timestamp_micros(1_795_475_400_000_042).unwrap(),
            actor: Uuid::nil(),
            institution: Uuid::max(),
            subject_kind: "dataset_version",
            subject: Uuid::from_u128(5),
            kind: "datasets.approved",
            salt: &[0xab; 16],
            payload: r#"{"title":"é\n"}"#,
        };
        let text = leaf.text();
        assert_eq!(
            text,
            r#"{"v":1,"seq":7,"at":"2026-11-23T23:10:00.000042Z","actor":"00000000-0000-0000-0000-000000000000","institution":"ffffffff-ffff-ffff-ffff-ffffffffffff","subject_kind":"dataset_version","subject":"00000000-0000-0000-0000-000000000005","kind":"datasets.approved","salt":"abababababababababababababababab","payload":{"title":"é\n"}}"#
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["payload"]["title"], "é\n");
        assert_eq!(leaf.hash(), leaf_hash(text.as_bytes()));
    }
}
