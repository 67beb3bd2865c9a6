//! The recipe with two processes of PyTorch, where it is there (`scripts/peers/setup` makes it).

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use language_model::{ModelFile, inference::Adapter, synthetic::Synthetic};
use serde_json::Value;

/// A Python with PyTorch and PEFT; none, with a word about it, where there is none.
fn python() -> Option<PathBuf> {
    let home = std::env::home_dir()?;
    let python = home.join(".cache/virtual-faculty/peers/bin/python");
    if !python.exists() {
        eprintln!("NOT TESTED: there is no PyTorch; scripts/peers/setup would install it");
        return None;
    }
    Some(python)
}

fn finetune(folder: &Path, out: &str, more: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
    command.current_dir(folder).env_clear().args([
        "finetune",
        "--base",
        "tiny.gguf",
        "--data",
        "tekst.txt",
        "--precision",
        "full",
        "--out",
        out,
        "--epochs",
        "3",
        "--batch-size",
        "5",
        "--accumulate",
        "2",
        "--packing",
        "--sequence-length",
        "64",
        "--schedule",
        "cosine",
        "--learning-rate",
        "0.005",
        "--weight-decay",
        "0.01",
    ]);
    let output = command.args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let summary = fs::read(folder.join(out).join("summary.json")).unwrap();
    serde_json::from_slice(&summary).unwrap()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    let lines = (0..60).map(|n| format!("In het oude huis aan de gracht staat kast {n}.\n\n"));
    fs::write(folder.path().join("tekst.txt"), lines.collect::<String>()).unwrap();
    folder
}

fn two_processes_give_what_one_program_gives(more: &[&str]) {
    let Some(python) = python() else { return };
    let folder = folder();
    let own = finetune(folder.path(), "own", &[]);
    let python = python.display().to_string();
    let arguments = [&["--torchrun", "2", "--python", &python], more].concat();
    let theirs = finetune(folder.path(), "theirs", &arguments);
    assert_eq!(own["steps"], theirs["steps"]);
    assert_eq!(own["tokens_trained"], theirs["tokens_trained"]);
    let loss = |summary: &Value, key: &str| summary[key].as_f64().unwrap();
    for key in ["held_out_loss_before", "held_out_loss_after"] {
        let (own, theirs) = (loss(&own, key), loss(&theirs, key));
        assert!(
            (own / theirs - 1.0).abs() < 0.01,
            "{key}: {own} and {theirs}"
        );
    }
    assert!(loss(&theirs, "held_out_loss_after") < loss(&theirs, "held_out_loss_before") - 0.5);
    let config = ModelFile::open(&folder.path().join("tiny.gguf"))
        .unwrap()
        .config;
    Adapter::open(&folder.path().join("theirs"), &config).unwrap();
    assert!(
        !folder.path().join("theirs/torchrun").exists(),
        "nothing is left behind"
    );
}

#[test]
fn data_parallel_processes_learn_alike() {
    two_processes_give_what_one_program_gives(&[]);
}

#[test]
fn sharded_processes_learn_alike() {
    two_processes_give_what_one_program_gives(&["--fsdp"]);
}
