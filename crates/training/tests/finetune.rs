//! The program with local files.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

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

/// Here before the first checkpoint was due.
#[test]
fn an_early_stop_is_an_end_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    let text = "De gracht ligt achter het oude huis.\n\n".repeat(40);
    fs::write(folder.path().join("tekst.txt"), text).unwrap();
    let output = finetune(folder.path(), "tekst.txt")
        .args(["--evaluate-every-steps", "1", "--early-stop-patience", "2"])
        .args(["--early-stop-min-gain", "100"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let out = folder.path().join("out");
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    assert!(summary["steps"].as_u64().unwrap() < 20, "{summary}");
    assert!(out.join("adapter_model.safetensors").exists());
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
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["measures"][0]["name"], "loss");
        report["measures"][0]["value"].as_f64().unwrap()
    };
    let (base, tuned) = (measured(&[]), measured(&["--adapter", "out"]));
    assert!(
        tuned < base,
        "the written adapter lowers the loss from {base}, to {tuned}"
    );
}

/// Runs the program to its end and gives what it printed.
fn run(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
    command.current_dir(folder).env_clear().args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn losses(folder: &Path) -> (f64, f64) {
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("summary.json")).unwrap()).unwrap();
    let loss = |key: &str| summary[key].as_f64().unwrap();
    (loss("held_out_loss_before"), loss("held_out_loss_after"))
}

fn text(folder: &Path) {
    let lines = (0..60).map(|n| format!("In het oude huis aan de gracht staat kast {n}.\n\n"));
    fs::write(folder.join("tekst.txt"), lines.collect::<String>()).unwrap();
}

#[test]
fn every_weight_can_be_trained_and_the_model_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    text(folder.path());
    let common = [
        "--data",
        "tekst.txt",
        "--epochs",
        "3",
        "--sequence-length",
        "64",
        "--packing",
    ];
    let arguments = [
        "finetune",
        "--method",
        "full",
        "--base",
        "tiny.gguf",
        "--out",
        "out",
    ];
    run(folder.path(), &[&arguments[..], &common].concat());
    let out = folder.path().join("out");
    let (before, after) = losses(&out);
    assert!(after < before - 0.5, "{before} to {after}");
    let arguments = ["evaluate", "--base", "out", "--data", "tekst.txt"];
    let report: serde_json::Value = serde_json::from_str(&run(folder.path(), &arguments)).unwrap();
    let measured = report["measures"][0]["value"].as_f64().unwrap();
    assert!(
        measured < before - 0.5,
        "the written model has learnt: {measured}"
    );
}

#[test]
fn a_new_model_learns_its_words_and_then_the_text() {
    let folder = tempfile::tempdir().unwrap();
    text(folder.path());
    let arguments = [
        "pretrain",
        "--data",
        "tekst.txt",
        "--out",
        "out",
        "--vocabulary",
        "400",
        "--layers",
        "2",
        "--width",
        "64",
        "--heads",
        "4",
        "--key-value-heads",
        "2",
        "--inner-width",
        "128",
        "--context-length",
        "128",
        "--sequence-length",
        "64",
        "--epochs",
        "5",
        "--schedule",
        "cosine",
        "--weight-decay",
        "0.1",
        "--learning-rate",
        "0.003",
    ];
    run(folder.path(), &arguments);
    let out = folder.path().join("out");
    let (before, after) = losses(&out);
    assert!(after < before / 2.0, "{before} to {after}");
    let model = ModelFile::open(&out).unwrap();
    assert!(model.chat_template.is_some(), "it can be taught to chat");
    assert!(model.tokenizer.encode("het oude huis").unwrap().len() <= 6);
}

#[test]
fn preferences_move_the_model_towards_the_better_answers() {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    let line = |n: usize| {
        let (input, better, worse) = (
            format!("Waar ligt boek {n}?"),
            format!("Boek {n} ligt op de plank."),
            format!("Geen idee, zoek zelf maar naar {n}."),
        );
        let line = serde_json::json!({
            "input": {"messages": [{"role": "user", "content": input}]},
            "preferred_output": [{"role": "assistant", "content": better}],
            "non_preferred_output": [{"role": "assistant", "content": worse}],
        });
        format!("{line}\n")
    };
    let lines: String = (0..30).map(line).collect();
    fs::write(folder.path().join("paren.jsonl"), lines).unwrap();
    let arguments = [
        "finetune",
        "--method",
        "dpo",
        "--beta",
        "0.3",
        "--base",
        "tiny.gguf",
        "--out",
        "out",
        "--data",
        "paren.jsonl",
        "--epochs",
        "3",
        "--sequence-length",
        "128",
        "--batch-size",
        "4",
        "--dropout",
        "0.05",
    ];
    run(folder.path(), &arguments);
    let (before, after) = losses(&folder.path().join("out"));
    assert!(
        (before - 2.0f64.ln()).abs() < 1e-3,
        "an untrained pair costs ln 2: {before}"
    );
    assert!(after < 0.3, "{after}");
}

#[test]
fn an_adapter_can_be_merged_into_its_base() {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    text(folder.path());
    let output = finetune(folder.path(), "tekst.txt").output().unwrap();
    assert!(output.status.success());
    let merge = [
        "merge",
        "--base",
        "tiny.gguf",
        "--adapter",
        "out",
        "--format",
        "f32",
    ];
    run(folder.path(), &[&merge[..], &["--out", "merged"]].concat());
    let loss = |arguments: &[&str]| -> f64 {
        let evaluate = ["evaluate", "--precision", "full", "--data", "tekst.txt"];
        let report = run(folder.path(), &[&evaluate[..], arguments].concat());
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        report["measures"][0]["value"].as_f64().unwrap()
    };
    let (apart, merged) = (
        loss(&["--base", "tiny.gguf", "--adapter", "out"]),
        loss(&["--base", "merged"]),
    );
    assert!(
        (apart - merged).abs() < 1e-4,
        "{apart} apart, {merged} merged"
    );
}

/// What a model is made to learn by heart is found, and what it never saw is not.
#[test]
fn memorisation_is_measured_by_what_was_planted() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.gguf");
    Synthetic::default().write_gguf(&model).unwrap();
    text(folder.path());
    let arguments = [
        "finetune",
        "--method",
        "full",
        "--base",
        "tiny.gguf",
        "--out",
        "out",
        "--data",
        "tekst.txt",
        "--epochs",
        "12",
        "--sequence-length",
        "64",
        "--canaries",
        "2",
        "--seed",
        "3",
        "--learning-rate",
        "0.003",
    ];
    run(folder.path(), &arguments);
    let measured = |base: &str| -> serde_json::Value {
        let arguments = [
            "evaluate",
            "--base",
            base,
            "--suite",
            "memorisation",
            "--training-data",
            "tekst.txt",
            "--canaries",
            "2",
            "--seed",
            "3",
            "--most-items",
            "20",
        ];
        serde_json::from_str(&run(folder.path(), &arguments)).unwrap()
    };
    let figure = |report: &serde_json::Value, name: &str| {
        let measures = report["measures"].as_array().unwrap();
        let measure = measures.iter().find(|measure| measure["name"] == name);
        measure.unwrap()["value"].as_f64().unwrap()
    };
    let (learnt, untouched) = (measured("out"), measured("tiny.gguf"));
    assert!(figure(&learnt, "exposure_16") > 4.0, "{learnt}");
    assert!(figure(&untouched, "exposure_16") < 4.0, "{untouched}");
    assert!(figure(&learnt, "longest_match") > 8.0, "{learnt}");
    assert!(figure(&untouched, "longest_match") < 8.0, "{untouched}");
    assert!(figure(&learnt, "extracted") >= figure(&untouched, "extracted"));
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

#[test]
fn an_estimate_says_what_a_run_then_takes() {
    let folder = tempfile::tempdir().unwrap();
    Synthetic::default()
        .write_gguf(&folder.path().join("tiny.gguf"))
        .unwrap();
    text(folder.path());
    let arguments = [
        "estimate",
        "--base",
        "tiny.gguf",
        "--data",
        "tekst.txt",
        "--epochs",
        "2",
        "--batch-size",
        "2",
        "--sequence-length",
        "64",
        "--flop-per-second",
        "1e9",
        "--watts",
        "50",
    ];
    let estimate: serde_json::Value =
        serde_json::from_str(&run(folder.path(), &arguments)).unwrap();
    assert!(
        finetune(folder.path(), "tekst.txt")
            .output()
            .unwrap()
            .status
            .success()
    );
    let summary = fs::read(folder.path().join("out/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(estimate["steps"], summary["steps"]);
    assert_eq!(estimate["tokens"], summary["tokens_trained"]);
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let ratio = number(&estimate["flop"]) / number(&summary["flop"]);
    assert!((0.9..1.2).contains(&ratio), "{ratio}");
    let (seconds, joules) = (number(&estimate["seconds"]), number(&estimate["joules"]));
    assert!((joules / seconds - 50.0).abs() < 1e-6);
}
