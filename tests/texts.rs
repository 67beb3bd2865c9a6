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

/// `"slice.past_participle"` in the files of that slice: the kinds of events, as the audit log shows them. The demo
/// plays others' and has none of its own.
#[test]
fn every_kind_of_event_has_its_words() {
    let (known, mut sources) = (keys("nl"), Vec::new());
    files(&root().join("src"), "rs", &mut sources);
    let (mut missing, mut count) = (BTreeSet::new(), 0);
    for file in sources {
        let inside = file.strip_prefix(root().join("src")).unwrap().to_owned();
        let slice = inside.iter().next().unwrap().to_str().unwrap();
        if slice == "demo" {
            continue;
        }
        for line in fs::read_to_string(&file).unwrap().lines() {
            // Kinds of tasks and names of chores look alike, and nobody is shown them.
            if line.contains("const KIND") || line.trim_start().starts_with("name: ") {
                continue;
            }
            for (at, _) in line.match_indices(&format!("\"{slice}.")) {
                let kind = line[at + 1..].split('"').next().unwrap();
                let is_kind = kind
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_'));
                let key = format!("event-{}", kind.replace(['.', '_'], "-"));
                count += usize::from(is_kind);
                if is_kind && !known.contains(&key) {
                    missing.insert(format!("{}: {key}", file.display()));
                }
            }
        }
    }
    assert!(count > 50, "only {count} kinds of events were found");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_notice_has_its_texts() {
    let (known, mut sources) = (keys("nl"), Vec::new());
    files(&root().join("src"), "rs", &mut sources);
    let mut missing = BTreeSet::new();
    for file in sources {
        let text = fs::read_to_string(&file).unwrap();
        let calls = text
            .match_indices("Notice::new(\"")
            .chain(text.match_indices(".notice(\""));
        for (at, call) in calls {
            let kind = text[at + call.len()..].split('"').next().unwrap();
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
