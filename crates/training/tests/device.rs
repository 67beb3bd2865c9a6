//! A GPU that is demanded and cannot be had is refused in words, before any work.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{fs, path::Path, process::Command};

use language_model::synthetic::Synthetic;

/// Runs the program with a GPU hidden, if there is one; whether it succeeded, and what it said.
fn run(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
    command.current_dir(folder).env_clear();
    command.env("CUDA_VISIBLE_DEVICES", "");
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

/// What the program says where no GPU can be had.
fn is_refusal(said: &str) -> bool {
    if cfg!(feature = "cuda") {
        said.contains("there is no NVIDIA driver here")
            || said.contains("the NVIDIA driver shows no GPU here")
    } else {
        said.contains("this build has no CUDA; build with --features cuda")
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    let text = "De gracht ligt achter het oude huis.\n\n".repeat(12);
    fs::write(folder.path().join("tekst.txt"), text).unwrap();
    folder
}

const FINETUNE: [&str; 11] = [
    "finetune",
    "--base",
    "tiny.gguf",
    "--out",
    "out",
    "--data",
    "tekst.txt",
    "--sequence-length",
    "64",
    "--max-steps",
    "1",
];

#[test]
fn a_gpu_that_is_demanded_and_not_there_is_refused_in_words() {
    let folder = folder();
    let (succeeded, said) = run(
        folder.path(),
        &[&FINETUNE[..], &["--device", "cuda"]].concat(),
    );
    assert!(!succeeded && is_refusal(&said), "{said}");
    assert!(!folder.path().join("out").exists(), "before any work");
    let evaluate = ["evaluate", "--base", "tiny.gguf", "--data", "tekst.txt"];
    let (succeeded, said) = run(
        folder.path(),
        &[&evaluate[..], &["--device", "cuda"]].concat(),
    );
    assert!(!succeeded && is_refusal(&said), "{said}");
}

#[test]
fn a_gpu_is_refused_where_nothing_is_frozen() {
    let folder = folder();
    let more = ["--device", "cuda", "--method", "full"];
    let (succeeded, said) = run(folder.path(), &[&FINETUNE[..], &more].concat());
    assert!(!succeeded && said.contains("frozen weights only"), "{said}");
}

#[test]
fn without_a_gpu_the_processor_computes_unless_one_is_demanded() {
    let folder = folder();
    let (succeeded, said) = run(folder.path(), &FINETUNE);
    assert!(succeeded, "{said}");
    // It says why, where it could have had one.
    assert_eq!(
        is_refusal(&said) && said.contains("computing on the processor"),
        cfg!(feature = "cuda"),
        "{said}"
    );
}
