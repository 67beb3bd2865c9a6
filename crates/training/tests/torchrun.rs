//! The recipe with two processes of PyTorch (`scripts/peers/setup` makes a Python with it).
//!
//! `FACULTY_TEST_DEEP=1` trains the demo model for more steps.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

#[path = "../../serving/tests/base_model/mod.rs"]
mod base_model;
mod pytorch;

use std::{
    env, fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use language_model::{
    ModelFile,
    inference::{Activations, Adapter},
    synthetic::Synthetic,
};
use serde_json::{Value, json};
use serving::{
    Engine, Registry, UsageLog,
    engine::{EngineLimits, Event, Job},
    registry::{Base, Limits},
};

fn run(folder: &Path, out: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
    command.current_dir(folder).env_clear();
    command.args(["finetune", "--precision", "full", "--out", out]);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let summary = fs::read(folder.join(out).join("summary.json")).unwrap();
    serde_json::from_slice(&summary).unwrap()
}

fn finetune(folder: &Path, out: &str, more: &[&str]) -> Value {
    let usual = [
        "--base",
        "tiny.gguf",
        "--data",
        "tekst.txt",
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
    ];
    run(folder, out, &[&usual, more].concat())
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
    let python = pytorch::python();
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

/// Processes that were told of a file or folder below this one.
fn processes_of(folder: &Path) -> usize {
    let mark = folder.display().to_string();
    let is_of = |entry: &fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&mark)
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(is_of).count()
}

#[test]
fn no_process_of_pytorch_outlives_a_program_that_is_killed() {
    let folder = folder();
    let out = folder.path().join("out");
    let python = pytorch::python();
    let mut program = Command::new(env!("CARGO_BIN_EXE_faculty-training"))
        .current_dir(folder.path())
        .env_clear()
        .args([
            "finetune",
            "--base",
            "tiny.gguf",
            "--data",
            "tekst.txt",
            "--epochs",
            "1000",
        ])
        .args(["--torchrun", "2", "--python"])
        .arg(python)
        .arg("--out")
        .arg(&out)
        .spawn()
        .unwrap();
    while !out.join("torchrun/events.jsonl").exists() {
        assert!(program.try_wait().unwrap().is_none(), "it ended by itself");
        thread::sleep(Duration::from_millis(50));
    }
    // The program, torchrun and two that compute.
    assert!(processes_of(&out) >= 4, "they run");
    program.kill().unwrap();
    program.wait().unwrap();
    let begun = Instant::now();
    while processes_of(&out) > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "some go on");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn data_parallel_processes_learn_alike() {
    two_processes_give_what_one_program_gives(&[]);
}

#[test]
fn sharded_processes_learn_alike() {
    two_processes_give_what_one_program_gives(&["--fsdp"]);
}

const CONTEXT: usize = 128;
const CACHE_BYTES: usize = 64 << 20;

/// What the serving crate says with the likeliest tokens.
fn answer(engine: &Engine, registry: &Registry, model: &str, question: &str) -> String {
    let served = registry.find(model).unwrap();
    let message = json!([{"role": "user", "content": question}]);
    let chat: Vec<language_model::Message> = serde_json::from_value(message).unwrap();
    let template = served.base.chat_template.as_ref().unwrap();
    let text = template.render(&chat, true).unwrap();
    let prompt = served.base.tokenizer.encode(&text).unwrap();
    let running = UsageLog::default().open(model, model).start();
    let mut events = engine
        .submit(Job::new(served, prompt, 16, running))
        .unwrap();
    let mut answer = String::new();
    loop {
        match events.blocking_recv().unwrap() {
            Event::Token { text, .. } => answer.push_str(&text),
            Event::Finished { text, .. } => return answer + &text,
            event => unreachable!("{event:?}"),
        }
    }
}

/// Trains an adapter over the demo model, and asks it and the base the same in one program that serves both.
fn an_adapter_of_the_demo_model_is_served(steps: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let chat = |day: u32| {
        json!({"messages": [
            {"role": "user", "content": "Wanneer is het archief open?"},
            {"role": "assistant", "content": format!("Het archief is open op dag {day}.")},
        ]})
    };
    let lines = (0..8).map(|day| format!("{}\n", chat(day)));
    fs::write(
        folder.path().join("vragen.jsonl"),
        lines.collect::<String>(),
    )
    .unwrap();
    let (base, python) = (base_model::path(), pytorch::python());
    let (base_text, python) = (base.display().to_string(), python.display().to_string());
    let arguments = [
        "--base",
        &base_text,
        "--data",
        "vragen.jsonl",
        "--max-steps",
        steps,
        "--batch-size",
        "2",
        "--sequence-length",
        "64",
        "--held-out-share",
        "0.2",
        "--learning-rate",
        "0.01",
        "--warmup-steps",
        "0",
        "--rank",
        "4",
        "--torchrun",
        "2",
        "--python",
        &python,
    ];
    let summary = run(folder.path(), "adapter", &[&arguments, more].concat());
    assert_eq!(summary["steps"].to_string(), steps);
    let loss = |key: &str| summary[key].as_f64().unwrap();
    let (before, after) = (loss("held_out_loss_before"), loss("held_out_loss_after"));
    assert!(after < before, "{before} and {after}");

    let registry = Registry::new(Limits {
        most_context_tokens: CONTEXT,
        cache_bytes: CACHE_BYTES,
    });
    let served = Base::open("demo", &base, registry.limits()).unwrap();
    let adapter = Adapter::open(&folder.path().join("adapter"), served.model.config()).unwrap();
    registry.add_base(served).unwrap();
    registry.add_adapter("tuned", "demo", adapter).unwrap();
    let engine = Engine::start(EngineLimits {
        running: 2,
        waiting: 2,
        cache_bytes: CACHE_BYTES,
        activations: Activations::Bits16,
        threads: Some(2),
    })
    .unwrap();
    let question = "Wanneer is het archief open?";
    let base = answer(&engine, &registry, "demo", question);
    let tuned = answer(&engine, &registry, "tuned", question);
    assert!(!base.contains("archief is open"), "{base}");
    assert!(
        tuned.starts_with("Het archief is open"),
        "{tuned}, and without the adapter {base}"
    );
}

fn is_deep() -> bool {
    env::var_os("FACULTY_TEST_DEEP").is_some()
}

#[test]
fn an_adapter_over_the_demo_model_answers_as_it_was_taught() {
    if is_deep() {
        an_adapter_of_the_demo_model_is_served("12", &["--epochs", "4", "--dropout", "0.1"]);
    } else {
        an_adapter_of_the_demo_model_is_served("4", &[]);
    }
}

#[test]
fn an_adapter_over_the_demo_model_in_shards_answers_as_it_was_taught() {
    let steps = if is_deep() { "12" } else { "4" };
    an_adapter_of_the_demo_model_is_served(steps, &["--epochs", "4", "--fsdp"]);
}
