//! Rebuilds when a migration, a text or a static file is added, and notes the commit that a release is built from. A
//! development build says so instead: it would have to be made anew at each commit.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-env-changed=BUILT_FROM_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    for folder in ["migrations", "locales", "static"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    println!("cargo:rustc-env=BUILT_FROM_COMMIT={}", commit());
}

fn commit() -> String {
    let is_release = env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    let given = env::var_os("BUILT_FROM_COMMIT").and_then(|commit| commit.into_string().ok());
    given
        .or_else(|| is_release.then(head).flatten())
        .unwrap_or_else(|| "development".to_owned())
}

fn head() -> Option<String> {
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    (done.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
