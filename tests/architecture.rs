//! Which part of the portal may use which: each only what stands above it in this list.

#![expect(clippy::unwrap_used, reason = "a check that cannot look should fail")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the ground up. A part may use the parts before it, never one after it. Parts of one group may use
/// each other: `error` words what `db` and `objects` fail with, and `web` shows it.
const ORDER: [&[&str]; 26] = [
    &["ids", "clock"],
    &["policy"],
    &["config", "telemetry"],
    &["error", "db", "objects", "web"],
    &["worker", "signing"],
    &["institutions"],
    &["quota"],
    &["accounts"],
    &["notices"],
    &["permissions", "privacy", "rights_checks"],
    &["datasets"],
    &["agreements"],
    &["uploads"],
    &["documents"],
    &["models", "budgets", "safeguards"],
    &["serving"],
    // `jobs` and `gateway` are given the ports that `app` builds, and name their type.
    &["jobs", "keys", "gateway"],
    &["webhooks"],
    &["fine_tuning"],
    &["licensees", "evaluations"],
    &["withdrawals", "audit", "complaints", "ledger", "lineage"],
    &["disclosures"],
    &["home"],
    &["app", "tasks"],
    &["process", "bootstrap"],
    &["demo", "cli"],
];

/// Subjects that may name the composition's `Ports`, because their chores are given them.
const GIVEN_PORTS: [&str; 1] = ["jobs"];

fn rank(part: &str) -> Option<usize> {
    ORDER.iter().position(|group| group.contains(&part))
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            into.push(path);
        }
    }
}

/// The parts named by `use crate::{a::…, b::…}` and by `crate::a::…` in the text.
fn uses(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(rest.to_owned());
            continue;
        };
        let (mut depth, mut word) = (0, String::new());
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                _ if depth == 0 => word.push(c),
                _ => {}
            }
        }
        found.push(word);
    }
    found
        .iter()
        .map(|name| {
            name.trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn parts_use_only_the_parts_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    rust_files(&src, &mut files);
    for file in files {
        let within = file.strip_prefix(&src).unwrap();
        let first = within.components().next().unwrap().as_os_str();
        let part = first.to_str().unwrap().trim_end_matches(".rs");
        if ["lib", "main"].contains(&part) {
            continue;
        }
        let own = rank(part).unwrap_or_else(|| panic!("add `{part}` to ORDER"));
        for used in uses(&fs::read_to_string(&file).unwrap()) {
            let is_given = used == "app" && GIVEN_PORTS.contains(&part);
            if rank(&used).is_some_and(|used| used > own) && !is_given {
                wrong.push(format!("{} uses {used}", within.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_do_not_know_the_portal() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    for entry in fs::read_dir(crates).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(
            !text.contains("virtual-faculty"),
            "{} depends on the portal",
            manifest.display()
        );
    }
}
