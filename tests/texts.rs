//! Every text is there in both languages, and nothing is shown that has none.

#![expect(clippy::unwrap_used, reason = "a check that cannot look should fail")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, into);
        } else if path.extension().is_some_and(|found| found == ending) {
            into.push(path);
        }
    }
}

/// The keys of a language.
fn keys(lang: &str) -> BTreeSet<String> {
    let mut found = Vec::new();
    files(&root().join("locales").join(lang), "ftl", &mut found);
    let mut keys = BTreeSet::new();
    for file in found {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let is_key = line.starts_with(|c: char| c.is_ascii_lowercase());
            if let (true, Some((key, _))) = (is_key, line.split_once(" =")) {
                assert!(keys.insert(key.to_owned()), "{key} stands twice in {lang}");
            }
        }
    }
    keys
}

#[test]
fn both_languages_have_the_same_keys() {
    let (nl, en) = (keys("nl"), keys("en"));
    assert_eq!(
        nl.difference(&en).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "missing in en"
    );
    assert_eq!(
        en.difference(&nl).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "missing in nl"
    );
}

#[test]
fn templates_use_only_keys_that_are_there() {
    let (known, mut templates) = (keys("nl"), Vec::new());
    files(&root().join("templates"), "html", &mut templates);
    let mut missing = BTreeSet::new();
    for file in templates {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("\"|t") {
            let key = text[..at].rsplit('"').next().unwrap();
            if !known.contains(key) {
                missing.insert(format!("{}: {key}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn code_uses_only_keys_that_are_there() {
    let (known, mut sources) = (keys("nl"), Vec::new());
    files(&root().join("src"), "rs", &mut sources);
    let mut missing = BTreeSet::new();
    for file in sources {
        let text = fs::read_to_string(&file).unwrap();
        for call in [
            ".t(\"",
            ".t_with(\"",
            "Say::new(\"",
            "::invalid(\"",
            "::conflict(\"",
            "\"good\", \"",
            "\"bad\", \"",
            "\"info\", \"",
        ] {
            for (at, _) in text.match_indices(call) {
                let key = text[at + call.len()..].split('"').next().unwrap();
                if !key.contains('{') && !known.contains(key) {
                    missing.insert(format!("{}: {key}", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_notice_has_its_texts() {
    let (known, mut sources) = (keys("nl"), Vec::new());
    files(&root().join("src"), "rs", &mut sources);
    let mut missing = BTreeSet::new();
    for file in sources {
        let text = fs::read_to_string(&file).unwrap();
        for (at, call) in text.match_indices("Notice::new(") {
            let kind = text[at + call.len()..].split('"').nth(1).unwrap();
            for part in ["title", "text"] {
                let key = format!("notice-{kind}-{part}");
                if !known.contains(&key) {
                    missing.insert(format!("{}: {key}", file.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
