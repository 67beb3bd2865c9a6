//! Evaluation as a job: figures as events, a report to read.

use job_contract::{JobEvent, Outcome, Suite};
use serde_json::{Value, json};

use crate::support::{Portal, chats, remains};

#[actix_web::test]
async fn an_adapter_is_measured_and_the_report_holds_no_text() {
    let portal = Portal::with_data(&chats()).await;
    assert_eq!(portal.run().await, 0);
    let mut portal = portal;
    portal.evaluate(&json!({
        "suites": ["held_out", "dutch_tasks", "bias", "memorisation"],
        "most_items": 6,
    }));
    assert_eq!(portal.run().await, 0, "{:?}", portal.outcome());
    let Outcome::Succeeded(result) = portal.outcome() else {
        unreachable!("{:?}", portal.outcome());
    };
    assert_eq!(result.artifacts.len(), 1);
    assert_eq!(result.files_read.len(), 4, "base, adapter's two, data");
    assert!(!remains(&portal.work_dir()));
    let world = portal.world.lock().unwrap();
    let report = &world.artifacts["evaluation.json"];
    let text = String::from_utf8_lossy(report);
    assert!(!text.contains("depot"), "no text of the data is in it");
    let report: Value = serde_json::from_slice(report).unwrap();
    assert_eq!(report["has_adapter"], true);
    let told: Vec<(Suite, &str, u64)> = world
        .events
        .iter()
        .filter_map(|event| match &event.event {
            JobEvent::Measured {
                suite,
                measure,
                items,
                ..
            } => Some((*suite, measure.as_str(), *items)),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), report["measures"].as_array().unwrap().len());
    let names: Vec<&str> = told.iter().map(|(_, name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "loss",
            "perplexity",
            "accuracy",
            "sentiment",
            "acceptability",
            "reading",
            "entities",
            "open_accuracy",
            "told_accuracy",
            "open_bias",
            "told_bias",
            "extracted",
            "longest_match",
            "mean_match",
        ]
    );
    assert!(told.iter().all(|(.., items)| *items > 0));
}
