//! The stock SDK of three generations against the fine-tuning API: only address, key and model are ours.

use crate::support::{Script, TestApp, Tuner, decide_data, given, sdk_pythons};

#[actix_web::test]
async fn the_stock_sdk_tunes_from_file_to_model() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let pythons = sdk_pythons();
    assert!(!pythons.is_empty());
    for (n, python) in pythons.iter().enumerate() {
        let tuner = Tuner::of(&app, "manager.harderwijk", "tiny", true).await;
        let file = app.folder.path().join(format!("chats-{n}.jsonl"));
        std::fs::write(&file, given::corpus(40)).unwrap();
        let mut script = Script::start((python, "tune.py"), &app, &tuner, &file);
        while let Some(line) = script.line().await {
            if let Some(waiting) = line.strip_prefix("waiting ") {
                let (job, dataset) = waiting.split_once(' ').unwrap();
                decide_data(&app, dataset).await;
                tuner.let_run(&app, job).await;
            }
        }
        script.succeeded().await;
    }
}
