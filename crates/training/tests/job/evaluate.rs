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

/// Two letters beside forty questions: fewer are tried of all together than would surely meet one of them.
#[actix_web::test]
async fn a_small_dataset_beside_a_large_one_is_tried_and_told_of_by_itself() {
    let portal = Portal::with_data(&chats()).await;
    let letters: String = (0..2)
        .map(|number| {
            let text =
                format!("Geachte heer {number}, uw brief heeft ons archief in goede orde bereikt.");
            format!("{}\n", json!({ "text": text }))
        })
        .collect();
    let small = portal.add_input("brieven.jsonl", letters.as_bytes());
    // Too short to be gone on with.
    let short = portal.add_input("kort.jsonl", b"{\"text\":\"ja\"}\n{\"text\":\"nee\"}\n");
    portal.spec(|spec| {
        let settings = json!({ "suites": ["memorisation"], "most_items": 3 });
        spec["task"] = json!({ "kind": "evaluate", "evaluation": settings });
    });
    assert_eq!(portal.run().await, 0, "{:?}", portal.outcome());
    let world = portal.world.lock().unwrap();
    let report: Value = serde_json::from_slice(&world.artifacts["evaluation.json"]).unwrap();
    let large = &world.spec["inputs"][0]["dataset_version"];
    let told: Vec<(&Value, u64, u64)> = report["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let number = |name: &str| of[name].as_u64().unwrap();
            assert!(number("longest_match") <= 50, "{report:#}");
            (&of["dataset_version"], number("documents"), number("items"))
        })
        .collect();
    assert_eq!(told.len(), 3, "{report:#}");
    for (version, documents, items) in
        [(large, 40, 3), (&json!(small), 2, 2), (&json!(short), 2, 0)]
    {
        assert!(told.contains(&(version, documents, items)), "{report:#}");
    }
    let figure = |name: &str| {
        let measures = report["measures"].as_array().unwrap();
        measures.iter().find(|one| one["name"] == name).unwrap()
    };
    assert_eq!(figure("extracted")["items"], 3, "{report:#}");
    assert_eq!(
        figure("longest_match")["items"],
        report["datasets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["items"].as_u64().unwrap())
            .sum::<u64>(),
        "{report:#}"
    );
}
