//! Checking what a bundle holds besides the log: receipts, statements, permissions and verdicts, each against the
//! proven lines that tell of it.

use std::collections::BTreeMap;

use attestation::{ReceiptError, Statement};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::{
    KEYS, PERMISSIONS, POLICIES, PermissionLine, PolicyLine, README, RECEIPTS, STATEMENT_TYPE,
    STATEMENTS, VERDICTS, VerdictLine,
    verify::{Check, Logged},
};
use crate::{
    permissions::RecordedPolicy,
    signing::{self, Envelope, PublishedKeys, VerifyError},
};

/// Why a document does not hold.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error(transparent)]
    Signature(#[from] VerifyError),
    #[error("its name is not that of a model")]
    Name,
    #[error("the payload is of the type {0}")]
    Type(String),
    #[error("no proven line of the log tells of it")]
    NotLogged,
    #[error("the log tells of another receipt of this model, {0}")]
    OtherLogged(String),
}

impl Check<'_> {
    /// Everything that is not the log itself.
    pub(super) fn documents(&mut self) {
        let names: Vec<String> = self
            .files
            .keys()
            .filter(|name| name.starts_with(RECEIPTS) || name.starts_with(STATEMENTS))
            .cloned()
            .collect();
        for name in names {
            let Some(text) = self.text(&name) else {
                continue;
            };
            let outcome = match name.strip_prefix(RECEIPTS) {
                Some(model) => receipt(model, &text, self.keys, &self.logged),
                None => statement(&text, self.keys, &self.logged),
            };
            self.report.must(&name, outcome);
            self.report.documents += 1;
        }
        self.permissions();
        self.verdicts();
        // For people, and a copy of what the reader fetched: there is nothing in them to check but their hash.
        let _ = (self.text(README), self.text(KEYS));
    }

    fn permissions(&mut self) {
        for (number, line) in self.lines::<PermissionLine>(PERMISSIONS) {
            self.named_by_hash(PERMISSIONS, number, (&line.terms, &line.terms_sha256));
        }
    }

    /// Each verdict is made again from the policy that it names.
    fn verdicts(&mut self) {
        let mut policies = BTreeMap::new();
        for (number, line) in self.lines::<PolicyLine>(POLICIES) {
            self.named_by_hash(POLICIES, number, (&line.canonical, &line.sha256));
            policies.insert(line.sha256, line.canonical);
        }
        for (number, line) in self.lines::<VerdictLine>(VERDICTS) {
            let again = policies
                .get(&line.policy_sha256)
                .ok_or_else(|| "its policy is not in the bundle".to_owned())
                .and_then(|text| RecordedPolicy::parse(text).map_err(|error| error.to_string()))
                .map(|policy| policy.decide(line.decided_at));
            let outcome = again.and_then(|again| {
                let is_same = serde_json::to_value(&again).is_ok_and(|again| again == line.verdict);
                is_same
                    .then_some(())
                    .ok_or_else(|| "made again from its policy it comes out otherwise".to_owned())
            });
            self.report.verdicts += usize::from(outcome.is_ok());
            self.report
                .must(&format!("{VERDICTS}, line {number}"), outcome);
        }
    }

    fn named_by_hash(&mut self, file: &str, number: usize, (text, sha256): (&str, &str)) {
        if HEXLOWER.encode(&Sha256::digest(text)) != sha256 {
            self.report.must(
                &format!("{file}, line {number}"),
                Err("the text does not fit its hash"),
            );
        }
    }
}

/// A receipt is signed, and is the one that the line of the model's registration tells of where that line is here.
fn receipt(
    name: &str,
    text: &str,
    keys: &PublishedKeys,
    logged: &Logged,
) -> Result<(), DocumentError> {
    let model = name
        .strip_suffix(".json")
        .and_then(|model| model.parse().ok())
        .ok_or(DocumentError::Name)?;
    let envelope = Envelope::parse(text)?;
    let statement = Statement::parse(&envelope)?;
    let payload = signing::verify(&envelope, keys, statement.signed_at()?)?;
    match logged.receipts.get(&model) {
        Some(Some(sha256)) if *sha256 != HEXLOWER.encode(&Sha256::digest(&payload)) => {
            Err(DocumentError::OtherLogged(sha256.clone()))
        }
        Some(None) => Err(DocumentError::NotLogged),
        // Another institution's model, made from this institution's data: its line is in their bundle.
        _ => Ok(()),
    }
}

/// A statement is signed, by a key that held when the line that tells of it was written.
fn statement(text: &str, keys: &PublishedKeys, logged: &Logged) -> Result<(), DocumentError> {
    let envelope = Envelope::parse(text)?;
    if envelope.payload_type != STATEMENT_TYPE {
        return Err(DocumentError::Type(envelope.payload_type));
    }
    let payload = envelope.payload_bytes()?;
    let at = logged
        .statements
        .get(&HEXLOWER.encode(&Sha256::digest(&payload)))
        .ok_or(DocumentError::NotLogged)?;
    signing::verify(&envelope, keys, *at)?;
    Ok(())
}
