//! The program with local files.

use std::{fs, path::Path, process::Command};

use language_model::{LoraAdapter, ModelFile, synthetic::Synthetic};

fn finetune(folder: &Path, data: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
    command
        .current_dir(folder)
        .env_clear()
        .args([
            "finetune",
            "--base",
            "tiny.gguf",
            "--out",
            "out",
            "--epochs",
            "2",
            "--batch-size",
            "2",
        ])
        .args(["--sequence-length", "64", "--data", data]);
    command
}

#[test]
fn a_text_file_becomes_an_adapter() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.gguf");
    Synthetic::default().write_gguf(&model).unwrap();
    let text = "De gracht ligt achter het oude huis.\n\n".repeat(12);
    fs::write(folder.path().join("tekst.txt"), text).unwrap();
    let output = finetune(folder.path(), "tekst.txt").output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let out = folder.path().join("out");
    let config = ModelFile::open(&model).unwrap().config;
    let adapter = LoraAdapter::from_peft(
        &config,
        &fs::read(out.join("adapter_config.json")).unwrap(),
        &fs::read(out.join("adapter_model.safetensors")).unwrap(),
    );
    assert_eq!(adapter.unwrap().rank(), 8);
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    let loss = |key: &str| summary[key].as_f64().unwrap();
    assert!(
        loss("held_out_loss_after") < loss("held_out_loss_before"),
        "{summary}"
    );
    assert!(!out.join("checkpoint.safetensors").exists());

    let measured = |adapter: &[&str]| -> f64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
        command.current_dir(folder.path()).env_clear();
        command
            .args(["evaluate", "--base", "tiny.gguf", "--data", "tekst.txt"])
            .args(adapter);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let score: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        score["loss"].as_f64().unwrap()
    };
    let (base, tuned) = (measured(&[]), measured(&["--adapter", "out"]));
    assert!(
        tuned < base,
        "the written adapter lowers the loss from {base}, to {tuned}"
    );
}

#[test]
fn mistakes_are_said_in_words_and_fail() {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    fs::write(
        folder.path().join("stuk.jsonl"),
        "{\"text\":\"een\"}\n{\"text\":\n",
    )
    .unwrap();
    for (data, problem) in [
        ("stuk.jsonl", "stuk.jsonl, line 2"),
        ("er-niet.txt", "er-niet.txt"),
        ("x.pdf", ".jsonl"),
    ] {
        let output = finetune(folder.path(), data).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(problem), "{said}");
    }
}
