//! With local files and as a job: the same files, settings, seed and threads give the same bytes.

use std::fs;

use serde_json::json;
use tokio::process::Command;

use crate::support::{Portal, chats};

/// The settings of the job below, as a person types them. They use all that is drawn by seed: what is held out, the
/// order, the new adapter and what is dropped out.
const SETTINGS: &str = "--rank 4 --alpha 8 --dropout 0.1 --target-modules q_proj,v_proj,down_proj --epochs 3 \
    --batch-size 4 --accumulate 2 --sequence-length 128 --packing --learning-rate 0.01 --warmup-steps 2 \
    --schedule cosine --weight-decay 0.01 --held-out-share 0.1 --checkpoint-every-steps 5 --seed 11";

#[actix_web::test]
async fn local_files_give_the_adapter_of_the_job() {
    let data = chats();
    for threads in ["1", "2"] {
        let portal = Portal::with_data(&data).await;
        portal.spec(|spec| {
            assert_eq!(spec["seed"], 11);
            spec["task"]["lora"]["dropout"] = json!(0.1);
            let training = &mut spec["task"]["training"];
            training["accumulate"] = json!(2);
            training["packing"] = json!(true);
            training["schedule"] = json!("cosine");
            training["weight_decay"] = json!(0.01);
        });
        let mut job = portal.command();
        job.env("FACULTY_TRAINING_THREADS", threads);
        let status = job.status().await.unwrap();
        assert_eq!(status.code(), Some(0), "{:?}", portal.outcome());

        // The base model lies there already; the job calls it what its file is called.
        let folder = portal.folder.path();
        fs::write(folder.join("vragen.jsonl"), &data).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_faculty-training"))
            .args(["finetune", "--base", "tiny.gguf", "--data", "vragen.jsonl"])
            .args(["--out", "local"])
            .args(SETTINGS.split_whitespace())
            .current_dir(folder)
            .env_clear()
            .env("FACULTY_TRAINING_THREADS", threads)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let world = portal.world.lock().unwrap();
        for name in ["adapter_model.safetensors", "adapter_config.json"] {
            assert!(
                fs::read(folder.join("local").join(name)).unwrap() == world.artifacts[name],
                "{name} is another one with local files than by the job, on {threads} threads"
            );
        }
    }
}
