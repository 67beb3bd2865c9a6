//! The estimate against what processes really held.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

use std::{fs, path::Path, process::Command};

use job_contract::{LoraSettings, Recompute, Task, TrainingSettings};
use language_model::{ModelFile, synthetic::Synthetic, training_graph::Precision};
use training::estimate::{settings, shape};
use training_estimate::memory;

/// Texts that fill sequences, so that the settings' sizes are the real ones.
fn write_data(path: &Path) -> u64 {
    let line = |n: usize| format!("De schipper van boot {n} vaart over het water. ").repeat(40);
    let text: String = (0..12).map(|n| line(n) + "\n\n").collect();
    fs::write(path, &text).unwrap();
    text.len() as u64
}

fn lora(rank: u32, modules: &[&str]) -> LoraSettings {
    LoraSettings {
        rank,
        alpha: 16.0,
        dropout: 0.0,
        target_modules: modules.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn training(batch_size: u32, sequence_length: u32) -> TrainingSettings {
    TrainingSettings {
        epochs: 1,
        max_steps: Some(1),
        batch_size,
        sequence_length,
        ..TrainingSettings::default()
    }
}

/// The peak of a process that does the task with one thread.
fn peak(folder: &Path, number: usize, task: &Task, precision: &str) -> u64 {
    let out = format!("out-{number}");
    let training = task.training().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_faculty-training"));
    command.current_dir(folder).env_clear().arg("finetune");
    let mut set = |name: &str, value: &dyn ToString| {
        command.arg(name).arg(value.to_string());
    };
    set("--threads", &1);
    set("--base", &"model.gguf");
    set("--data", &"tekst.txt");
    set("--out", &out);
    set("--precision", &precision);
    set("--max-steps", &1);
    set("--epochs", &1);
    set("--batch-size", &training.batch_size);
    set("--sequence-length", &training.sequence_length);
    if training.recompute == Recompute::Always {
        set("--recompute", &"always");
    }
    match task.lora() {
        Some(lora) => {
            set("--rank", &lora.rank);
            set("--target-modules", &lora.target_modules.join(","));
        }
        None => set("--method", &"full"),
    }
    if training.keep_best {
        command.arg("--keep-best");
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let summary = fs::read(folder.join(out).join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    summary["peak_memory_bytes"].as_u64().unwrap()
}

#[test]
fn the_estimate_is_within_fifteen_percent_of_what_was_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let model = Synthetic {
        hidden_size: 384,
        intermediate_size: 1024,
        layers: 8,
        heads: 6,
        kv_heads: 2,
        context_length: 1024,
        ..Synthetic::default()
    };
    model.write_gguf(&path).unwrap();
    let base_bytes = fs::metadata(&path).unwrap().len();
    let data_bytes = write_data(&folder.path().join("tekst.txt"));
    let config = ModelFile::open(&path).unwrap().config;
    let all = [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ];
    let of_lora = |lora, training| Task::FineTuneLora { lora, training };
    let recomputed = TrainingSettings {
        recompute: Recompute::Always,
        ..training(4, 512)
    };
    let best = TrainingSettings {
        keep_best: true,
        ..training(2, 128)
    };
    let tasks = [
        (of_lora(lora(8, &all), training(4, 128)), "full"),
        (
            of_lora(lora(8, &["q_proj", "v_proj"]), training(2, 1024)),
            "full",
        ),
        (of_lora(lora(64, &all), recomputed), "full"),
        (of_lora(lora(8, &all), training(4, 128)), "mixed"),
        (
            Task::FineTuneFull {
                training: training(4, 128),
            },
            "full",
        ),
        (Task::FineTuneFull { training: best }, "mixed"),
    ];
    let mut wrong = Vec::new();
    for (number, (task, precision)) in tasks.iter().enumerate() {
        let of_place = match *precision {
            "full" => Precision::Full,
            _ => Precision::Mixed,
        };
        let settings = settings(task, of_place, (base_bytes, data_bytes)).unwrap();
        let estimate = memory(&shape(&config), &settings);
        let held = peak(folder.path(), number, task, precision);
        let ratio = estimate.total() as f64 / held as f64;
        eprintln!(
            "{number} {precision}: held {held}, estimated {}, ratio {ratio:.3}: {estimate:?}",
            estimate.total()
        );
        if !(0.85..=1.15).contains(&ratio) {
            wrong.push((number, ratio));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
