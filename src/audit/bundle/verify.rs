//! Checking a bundle with nothing but the published keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
};

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use transparency_log::{Hash, TreeBuilder, leaf_hash, verify_consistency, verify_inclusion};

use super::{
    ABOUT, About, CHECKPOINTS, CheckpointLine, EVENTS, MANIFEST, PROOFS, ProofLine, TITLE, open,
};
use crate::{
    audit::checkpoint::{Signed, check_checkpoint, check_note, follows},
    signing::PublishedKeys,
};

/// What holds and what does not.
#[derive(Debug, Default)]
pub struct Report {
    /// Each place that fails, a sentence each; empty where everything holds.
    pub problems: Vec<String>,
    /// Lines of the log that are proven.
    pub events: u64,
    /// Checkpoints, each continuing the one before.
    pub checkpoints: usize,
    /// Receipts and statements that were signed, and are those that the log tells of.
    pub documents: usize,
    /// Verdicts that come out the same when they are made again from their policies.
    pub verdicts: usize,
    /// Name of the log.
    pub origin: String,
}

impl Report {
    pub(super) fn must<E: std::fmt::Display>(&mut self, place: &str, outcome: Result<(), E>) {
        if let Err(problem) = outcome {
            self.problems.push(format!("{place}: {problem}"));
        }
    }
}

/// The files of a bundle under check.
pub(super) struct Check<'a> {
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) keys: &'a PublishedKeys,
    pub(super) logged: Logged,
    pub(super) report: Report,
}

/// Checks a bundle against keys that the reader fetched from the portal.
///
/// Never fails half-way: every place that does not hold is in the report.
#[must_use]
pub fn verify(file: impl Read + Seek, keys: &PublishedKeys) -> Report {
    let mut report = Report::default();
    let files = match open::open(file) {
        Ok(files) => files,
        Err(error) => {
            report
                .problems
                .push(format!("the archive cannot be read: {error}"));
            return report;
        }
    };
    for (name, problem) in files.broken {
        report.problems.push(format!("{name}: {problem}"));
    }
    let mut check = Check {
        files: files.whole,
        keys,
        logged: Logged::default(),
        report,
    };
    let about = check.about();
    check.manifest(&about);
    if let Some(about) = &about {
        check.report.origin.clone_from(&about.origin);
        let newest = check.checkpoints(about);
        check.events(about, newest.as_ref());
    }
    check.documents();
    check.report
}

impl Check<'_> {
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let Some(bytes) = self.files.get(name) else {
            self.report.problems.push(format!("{name}: it is missing"));
            return None;
        };
        match String::from_utf8(bytes.clone()) {
            Ok(text) => Some(text),
            Err(error) => {
                self.report.problems.push(format!("{name}: {error}"));
                None
            }
        }
    }

    /// The lines of a file, each with its number from 1.
    pub(super) fn lines<T: DeserializeOwned>(&mut self, name: &str) -> Vec<(usize, T)> {
        let text = self.text(name).unwrap_or_default();
        let mut lines = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            match serde_json::from_str(line) {
                Ok(value) => lines.push((number, value)),
                Err(error) => self
                    .report
                    .problems
                    .push(format!("{name}, line {number}: {error}")),
            }
        }
        lines
    }

    fn about(&mut self) -> Option<About> {
        let text = self.text(ABOUT)?;
        let about = serde_json::from_str::<About>(&text);
        match about {
            Ok(about) => Some(about),
            Err(error) => {
                self.report.problems.push(format!("{ABOUT}: {error}"));
                None
            }
        }
    }

    /// Every file is named in the signed manifest, and is the one that is named.
    fn manifest(&mut self, about: &Option<About>) {
        let Some(note) = self.text(MANIFEST) else {
            return;
        };
        // The log's name is in a file of its own; where that was changed, so is the name of the signer.
        let origin = about.as_ref().map_or("", |about| about.origin.as_str());
        let text = match check_note(self.keys, origin, &note) {
            Ok(text) => text,
            Err(problem) => {
                self.report.must(MANIFEST, Err(problem));
                // Without a signature it still tells which file is another one.
                note
            }
        };
        if text.lines().next() != Some(TITLE) {
            self.report
                .must(MANIFEST, Err("it is not the manifest of a bundle"));
        }
        let mut named = BTreeSet::from([MANIFEST]);
        for line in text.lines() {
            let Some((hash, name)) = line.split_once("  ").filter(|(hash, _)| hash.len() == 64)
            else {
                continue;
            };
            named.insert(name);
            match self.files.get(name) {
                Some(bytes) if HEXLOWER.encode(&Sha256::digest(bytes)) == hash => {}
                Some(_) => self.report.problems.push(format!(
                    "{name}: it is not the file that the manifest names"
                )),
                None => self.report.problems.push(format!("{name}: it is missing")),
            }
        }
        let added = self
            .files
            .keys()
            .filter(|name| !named.contains(name.as_str()));
        for name in added {
            self.report
                .problems
                .push(format!("{name}: the manifest does not name it"));
        }
    }

    /// Every checkpoint is signed and continues the one before; answers the newest.
    fn checkpoints(&mut self, about: &About) -> Option<Signed> {
        let mut before: Option<Signed> = None;
        for (number, line) in self.lines::<CheckpointLine>(CHECKPOINTS) {
            let place = format!("{CHECKPOINTS}, line {number}");
            let signed = match check_checkpoint(self.keys, &about.origin, &line.note) {
                Ok(signed) => signed,
                Err(problem) => {
                    self.report.must(&place, Err(problem));
                    continue;
                }
            };
            let (from, old_root) = before
                .as_ref()
                .map_or((0, transparency_log::empty_root()), |before| {
                    (before.size, before.root)
                });
            let outcome = match hashes(&line.consistency) {
                Some(proof) => {
                    verify_consistency((from, signed.size), &old_root, &signed.root, &proof)
                        .map_err(|problem| problem.to_string())
                }
                None => Err("the proof is not made of hashes".into()),
            };
            self.report.must(&place, outcome);
            let note_before = before.as_ref().map(|before| before.note.as_str());
            self.report.must(&place, follows(&line.note, note_before));
            self.report.checkpoints += 1;
            before = Some(signed);
        }
        let newest = before.as_ref().map(|newest| newest.size);
        if newest != Some(about.size) {
            self.report.must(
                CHECKPOINTS,
                Err(format!("the newest is not of {} lines", about.size)),
            );
        }
        before
    }

    /// Every line is in the log: each by its proof, or all of them by making the tree anew.
    fn events(&mut self, about: &About, newest: Option<&Signed>) {
        let (Some(text), Some(newest)) = (self.text(EVENTS), newest) else {
            return;
        };
        let mut proofs = if about.institution.is_some() {
            self.lines::<ProofLine>(PROOFS).into_iter()
        } else {
            Vec::new().into_iter()
        };
        let mut tree = TreeBuilder::new();
        for (number, line) in (1..).zip(text.lines()) {
            let place = format!("{EVENTS}, line {number}");
            let leaf = leaf_hash(line.as_bytes());
            self.report.events += 1;
            let said = serde_json::from_str::<Said>(line);
            let said = match said {
                Ok(said) => said,
                Err(error) => {
                    self.report.must(&place, Err(error));
                    Said::default()
                }
            };
            if about.institution.is_none() {
                if said.seq != number {
                    self.report
                        .must(&place, Err(format!("it is numbered {}", said.seq)));
                }
                tree.push(leaf, |_, _| {});
                said.note_document(&mut self.logged);
                continue;
            }
            if about.institution != said.institution {
                self.report
                    .must(&place, Err("it is of another institution"));
            }
            let outcome = match proofs.next() {
                Some((_, proof)) if proof.seq == said.seq => hashes(&proof.proof)
                    .ok_or_else(|| "its proof is not made of hashes".to_owned())
                    .and_then(|proof| {
                        let index = u64::try_from(said.seq).unwrap_or(0).wrapping_sub(1);
                        verify_inclusion((index, newest.size), &leaf, &proof, &newest.root).map_err(
                            |problem| format!("it is not the line that was logged: {problem}"),
                        )
                    }),
                _ => Err("it has no proof".into()),
            };
            if outcome.is_ok() {
                said.note_document(&mut self.logged);
            }
            self.report.must(&place, outcome);
        }
        if self.report.events != about.events {
            self.report.must(
                EVENTS,
                Err(format!(
                    "it has not the {} lines that {ABOUT} names",
                    about.events
                )),
            );
        }
        if about.institution.is_none() && (tree.size() != newest.size || tree.root() != newest.root)
        {
            self.report.must(
                EVENTS,
                Err("its lines are not those that were logged: they lead to another root"),
            );
        }
    }
}

/// What a line of the log says of itself that matters here.
#[derive(Default, serde::Deserialize)]
struct Said {
    seq: i64,
    institution: Option<uuid::Uuid>,
    at: Option<DateTime<Utc>>,
    kind: String,
    subject: uuid::Uuid,
    payload: serde_json::Value,
}

impl Said {
    /// Keeps what the line says of a document that was signed.
    fn note_document(self, logged: &mut Logged) {
        let text = |field: &str| self.payload.get(field)?.as_str().map(str::to_owned);
        match (self.kind.as_str(), self.at) {
            ("models.registered", _) => {
                logged.receipts.insert(self.subject, text("receipt_sha256"));
            }
            ("ledger.statement_made", Some(at)) => {
                logged
                    .statements
                    .extend(text("body_sha256").map(|sha256| (sha256, at)));
            }
            _ => {}
        }
    }
}

/// What proven lines say of documents.
#[derive(Default)]
pub(super) struct Logged {
    /// SHA-256 of the statement in each model's receipt; none where it has no receipt.
    pub(super) receipts: BTreeMap<uuid::Uuid, Option<String>>,
    /// When each monthly statement was signed, by its SHA-256.
    pub(super) statements: BTreeMap<String, DateTime<Utc>>,
}

fn hashes(proof: &[String]) -> Option<Vec<Hash>> {
    proof.iter().map(|hash| Hash::from_base64(hash)).collect()
}
