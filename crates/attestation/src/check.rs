//! Checking a receipt with everything that an auditor has at hand, and naming each place that does not fit.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::{Envelope, Material, PublishedKeys, ReceiptError, Statement, verify};

/// What is compared with the receipt. Nothing of it is needed; what is not given is not checked.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// A folder with every file of the model, under the names in the receipt, and nothing else but the receipt itself.
    pub model: Option<PathBuf>,
    /// Manifests of dataset versions, as downloaded.
    pub manifests: Vec<PathBuf>,
    /// A folder with the files of the datasets, under their paths in the receipt.
    pub data: Option<PathBuf>,
    /// Terms of permissions, as downloaded.
    pub permissions: Vec<PathBuf>,
    /// The files of the base model.
    pub base: Vec<PathBuf>,
    /// The training program.
    pub program: Option<PathBuf>,
    /// The report of an evaluation.
    pub report: Option<PathBuf>,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A file, a field (JSON pointer into the statement), or a signature.
    pub place: String,
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What the receipt states, where it can be read.
    pub statement: Option<Statement>,
    /// What holds, a sentence each.
    pub holds: Vec<String>,
    /// What does not. Empty: the receipt holds.
    pub findings: Vec<Finding>,
}

/// One line of a manifest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestLine {
    path: String,
    sha256: String,
    #[expect(dead_code, reason = "part of the form, and so of the hash")]
    size: i64,
}

/// Checks a receipt, or the statement of an evaluation, against keys and evidence. Goes on after the first thing that does not hold, so that a changed
/// field is named by what it should agree with, even where the signature already tells that something was changed.
#[must_use]
pub fn check(receipt: &str, keys: &PublishedKeys, evidence: &Evidence) -> Report {
    let mut report = Report::default();
    let envelope = match Envelope::parse(receipt) {
        Ok(envelope) => envelope,
        Err(error) => {
            report.fault("the receipt", error.to_string());
            return report;
        }
    };
    let statement = match Statement::parse_any(&envelope) {
        Ok(statement) => statement,
        Err(error) => {
            report.fault("the statement", error.to_string());
            return report;
        }
    };
    match statement
        .signed_at()
        .and_then(|at| Ok(verify(&envelope, keys, at)?))
    {
        Ok(_) => {
            let by: Vec<_> = envelope
                .signatures
                .iter()
                .map(|s| s.keyid.as_str())
                .collect();
            report.hold(format!("the signature by {} holds", by.join(" and ")));
        }
        Err(ReceiptError::Signature(error)) => report.fault("the signature", error.to_string()),
        Err(error) => report.fault("the statement", error.to_string()),
    }
    let materials = statement.materials();
    if let Some(folder) = &evidence.model {
        check_model(&mut report, &statement, folder, receipt);
    }
    check_inputs(&mut report, &materials, evidence);
    report.statement = Some(statement);
    report
}

impl Report {
    fn hold(&mut self, sentence: String) {
        self.holds.push(sentence);
    }

    fn fault(&mut self, place: impl Into<String>, problem: String) {
        self.findings.push(Finding {
            place: place.into(),
            problem,
        });
    }

    /// The hash of a file, or a finding.
    fn hash(&mut self, path: &Path) -> Option<String> {
        hash_file(path)
            .inspect_err(|error| {
                self.fault(
                    path.display().to_string(),
                    format!("it cannot be read: {error}"),
                );
            })
            .ok()
    }
}

fn check_model(report: &mut Report, statement: &Statement, folder: &Path, receipt: &str) {
    let before = report.findings.len();
    for (number, subject) in statement.subject.iter().enumerate() {
        let Some(path) = within(folder, &subject.name) else {
            report.fault(
                format!("/subject/{number}/name"),
                "it leaves the folder".into(),
            );
            continue;
        };
        if let Some(found) = report.hash(&path)
            && found != subject.digest.sha256
        {
            report.fault(
                path.display().to_string(),
                format!(
                    "its SHA-256 is {found}; /subject/{number}/digest/sha256 of the receipt says {}",
                    subject.digest.sha256
                ),
            );
        }
    }
    let named: BTreeSet<PathBuf> = statement
        .subject
        .iter()
        .map(|subject| folder.join(&subject.name))
        .collect();
    let lying = match files_in(folder) {
        Ok(lying) => lying,
        Err(error) => {
            let problem = format!("it cannot be read: {error}");
            return report.fault(folder.display().to_string(), problem);
        }
    };
    for path in lying.difference(&named) {
        let is_receipt = fs::metadata(path).is_ok_and(|found| found.len() == receipt.len() as u64)
            && fs::read(path).is_ok_and(|bytes| bytes == receipt.as_bytes());
        if !is_receipt {
            let problem = "it is not in the receipt".to_owned();
            report.fault(path.display().to_string(), problem);
        }
    }
    if report.findings.len() == before {
        report.hold(format!(
            "all {} files of the model are those of the receipt",
            statement.subject.len()
        ));
    }
}

fn check_inputs(report: &mut Report, materials: &[Material], evidence: &Evidence) {
    for path in &evidence.manifests {
        if let Some(version) = find(report, materials, "dataset_version", path) {
            check_manifest(report, materials, version, path);
        }
    }
    for path in &evidence.permissions {
        find(report, materials, "permission", path);
    }
    for path in &evidence.base {
        find(report, materials, "base_model_file", path);
    }
    if let Some(path) = &evidence.program {
        find(report, materials, "program", path);
    }
    if let Some(path) = &evidence.report {
        find(report, materials, "report", path);
    }
    if let Some(folder) = &evidence.data {
        for file in materials.iter().filter(|one| one.kind == "dataset_file") {
            let Some(path) = within(folder, &file.name) else {
                report.fault(
                    format!("{}/name", file.place),
                    "it leaves the folder".into(),
                );
                continue;
            };
            let Some(found) = report.hash(&path) else {
                continue;
            };
            let expected = file.digest.get("sha256").cloned().unwrap_or_default();
            if found == expected {
                report.hold(format!("{} is the file that was read", path.display()));
            } else {
                report.fault(
                    path.display().to_string(),
                    format!(
                        "its SHA-256 is {found}; {}/digest/sha256 of the receipt says {expected}",
                        file.place
                    ),
                );
            }
        }
    }
}

/// The material of that kind with the hash of the file.
fn find<'a>(
    report: &mut Report,
    materials: &'a [Material],
    kind: &str,
    path: &Path,
) -> Option<&'a Material> {
    let found = report.hash(path)?;
    let of_kind: Vec<_> = materials.iter().filter(|one| one.kind == kind).collect();
    if let Some(material) = of_kind
        .iter()
        .find(|one| one.digest.get("sha256") == Some(&found))
    {
        report.hold(format!("{} is {}", path.display(), material.place));
        return Some(material);
    }
    let named: Vec<_> = of_kind
        .iter()
        .map(|one| {
            let sha256 = one.digest.get("sha256").map_or("none", String::as_str);
            format!("{}/digest/sha256 is {sha256}", one.place)
        })
        .collect();
    let named = if named.is_empty() {
        "it names none".to_owned()
    } else {
        named.join(", ")
    };
    report.fault(
        path.display().to_string(),
        format!("no {kind} of the receipt has its SHA-256 {found}: {named}"),
    );
    None
}

/// Each file that was read of the version stands in its manifest with the hash that was read.
fn check_manifest(report: &mut Report, materials: &[Material], version: &Material, path: &Path) {
    let lines: Vec<ManifestLine> = match fs::read(path)
        .map_err(|e| e.to_string())
        .and_then(|text| serde_json::from_slice(&text).map_err(|e| e.to_string()))
    {
        Ok(lines) => lines,
        Err(problem) => return report.fault(path.display().to_string(), problem),
    };
    let id = version.uri.trim_start_matches("urn:uuid:");
    let of_version = |one: &&Material| {
        one.kind == "dataset_file"
            && one
                .annotations
                .get("dataset_version")
                .and_then(|v| v.as_str())
                == Some(id)
    };
    let read: Vec<_> = materials.iter().filter(of_version).collect();
    for file in &read {
        let sha256 = file.digest.get("sha256").cloned().unwrap_or_default();
        let is_there = lines
            .iter()
            .any(|line| line.path == file.name && line.sha256 == sha256);
        if !is_there {
            report.fault(
                format!("{}/digest/sha256", file.place),
                format!(
                    "the manifest {} has no {} with {sha256}",
                    path.display(),
                    file.name
                ),
            );
        }
    }
    for line in &lines {
        if !read.iter().any(|file| file.name == line.path) {
            report.fault(
                path.display().to_string(),
                format!("the receipt does not say that {} was read", line.path),
            );
        }
    }
}

/// The path of a name in a folder, where the name does not lead out of it.
fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = !name.is_empty()
        && !name.contains('\\')
        && name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
    is_plain.then(|| folder.join(name))
}

/// Everything that lies in a folder and in those within it, but for the folders.
fn files_in(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let (mut files, mut folders) = (BTreeSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // A link to a folder is not followed: it is one thing too many itself.
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.insert(entry.path());
            }
        }
    }
    Ok(files)
}

fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(HEXLOWER.encode(&hash.finalize())),
            n => hash.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}
