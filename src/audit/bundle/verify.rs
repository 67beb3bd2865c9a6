//! Checking a bundle with nothing but the published keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Seek},
};

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use transparency_log::{Hash, TreeBuilder, leaf_hash, verify_consistency, verify_inclusion};

use super::{
    ABOUT, About, CHECKPOINTS, CheckpointLine, EVENTS, KEYS, MANIFEST, PERMISSIONS, PROOFS,
    PermissionLine, ProofLine, README, RECEIPTS, STATEMENTS, TITLE, VERDICTS, VerdictLine, open,
};
use crate::{
    audit::checkpoint::{Signed, check_checkpoint, check_note},
    models::verify_envelope,
    signing::{self, Envelope, PublishedKeys, VerifyError},
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
    /// Signed documents.
    pub documents: usize,
    /// Name of the log.
    pub origin: String,
}

impl Report {
    fn must<E: std::fmt::Display>(&mut self, place: &str, outcome: Result<(), E>) {
        if let Err(problem) = outcome {
            self.problems.push(format!("{place}: {problem}"));
        }
    }
}

/// The files of a bundle under check.
struct Check<'a> {
    files: BTreeMap<String, Vec<u8>>,
    keys: &'a PublishedKeys,
    report: Report,
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
    check.permissions();
    check.verdicts();
    check.report
}

impl Check<'_> {
    fn text(&mut self, name: &str) -> Option<String> {
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
    fn lines<T: DeserializeOwned>(&mut self, name: &str) -> Vec<(usize, T)> {
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

    /// Every receipt and statement is signed.
    fn documents(&mut self) {
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
            let outcome = if name.starts_with(RECEIPTS) {
                verify_envelope(&text, self.keys)
                    .map(|_| ())
                    .map_err(|problem| problem.to_string())
            } else {
                undated(&text, self.keys).map_err(|problem| problem.to_string())
            };
            self.report.must(&name, outcome);
            self.report.documents += 1;
        }
    }

    fn permissions(&mut self) {
        for (number, line) in self.lines::<PermissionLine>(PERMISSIONS) {
            if HEXLOWER.encode(&Sha256::digest(&line.terms)) != line.terms_sha256 {
                self.report.must(
                    &format!("{PERMISSIONS}, line {number}"),
                    Err("the terms do not fit their hash"),
                );
            }
        }
    }

    fn verdicts(&mut self) {
        // Their policies are bound by the receipts; here it is enough that they can be read.
        let _ = self.lines::<VerdictLine>(VERDICTS);
        let _ = (self.text(README), self.text(KEYS));
    }
}

/// What a line of the log says of itself that matters here.
#[derive(Default, serde::Deserialize)]
struct Said {
    seq: i64,
    institution: Option<uuid::Uuid>,
}

fn hashes(proof: &[String]) -> Option<Vec<Hash>> {
    proof.iter().map(|hash| Hash::from_base64(hash)).collect()
}

/// Checks an envelope that does not say when it was signed: its key must have held once and not be revoked.
fn undated(text: &str, keys: &PublishedKeys) -> Result<(), VerifyError> {
    let envelope = Envelope::parse(text)?;
    let signer = envelope
        .signatures
        .first()
        .and_then(|signature| keys.keys.iter().find(|key| key.keyid == signature.keyid));
    let at = signer.map_or_else(chrono::DateTime::default, |key| {
        key.revoked_at.unwrap_or(key.valid_from)
    });
    signing::verify(&envelope, keys, at).map(|_| ())
}
