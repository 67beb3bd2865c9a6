//! Small Dutch tasks with answers to choose from, written for this project.

use job_contract::Suite;
use serde::Deserialize;

use super::{
    EvaluateError, Order, choice::likeliest, report::Measure, statistics::share, subject::Subject,
};
use crate::training_loop::Observer;

/// Name, items and what is measured of each task.
const TASKS: [(&str, &str, &str); 4] = [
    (
        "sentiment",
        include_str!("../../evaluation/nl/sentiment.jsonl"),
        "share of short reviews whose judgement is told right",
    ),
    (
        "acceptability",
        include_str!("../../evaluation/nl/acceptability.jsonl"),
        "share of pairs of sentences of which the grammatical one is found likelier",
    ),
    (
        "reading",
        include_str!("../../evaluation/nl/reading.jsonl"),
        "share of questions about a short text that are answered right",
    ),
    (
        "entities",
        include_str!("../../evaluation/nl/entities.jsonl"),
        "share of names in a sentence whose kind is told right",
    ),
];

/// One item: what is asked, and what can be answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) prompt: String,
    pub(super) answers: Vec<String>,
    /// The place of the right one.
    pub(super) right: usize,
}

pub(super) fn items(file: &'static str, text: &str) -> Result<Vec<Item>, EvaluateError> {
    let wrong = |problem: String| EvaluateError::Items { file, problem };
    let read = text.lines().enumerate().map(|(number, line)| {
        let item: Item = serde_json::from_str(line)
            .map_err(|error| wrong(format!("line {}: {error}", number + 1)))?;
        if item.right >= item.answers.len() {
            return Err(wrong(format!("line {}: no such answer", number + 1)));
        }
        Ok(item)
    });
    read.collect()
}

pub(super) fn measure(
    subject: &mut Subject,
    order: Order<'_>,
    observer: &mut dyn Observer,
) -> Result<Vec<Measure>, EvaluateError> {
    let most = order.settings.most_items.unwrap_or(u32::MAX) as usize;
    let mut measures = Vec::new();
    for (name, text, meaning) in TASKS {
        let all = items(name, text)?;
        let all = all.get(..most.min(all.len())).unwrap_or_default();
        let mut hits = 0;
        for item in all {
            observer.may_go_on()?;
            hits += u64::from(likeliest(subject, &item.prompt, &item.answers)? == item.right);
        }
        let count = all.len() as u64;
        let guessed: f64 = all.iter().map(|item| 1.0 / item.answers.len() as f64).sum();
        measures.push(Measure {
            suite: Suite::DutchTasks,
            name: name.to_owned(),
            value: hits as f64 / count.max(1) as f64,
            interval: share(hits, count),
            items: count,
            chance: Some(guessed / count.max(1) as f64),
            meaning: meaning.to_owned(),
        });
    }
    Ok(measures)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_task_has_a_hundred_items_without_doubles_and_no_answer_wins_by_its_place() {
        for (name, text, _) in TASKS {
            let items = items(name, text).unwrap();
            assert!(items.len() >= 100, "{name} has {} items", items.len());
            let distinct: HashSet<String> = items
                .iter()
                .map(|item| format!("{}{:?}", item.prompt, item.answers))
                .collect();
            assert_eq!(distinct.len(), items.len(), "{name}");
            let most = items.iter().map(|item| item.answers.len()).max().unwrap();
            for place in 0..most {
                let right = items.iter().filter(|item| item.right == place).count();
                let share = right as f64 / items.len() as f64;
                assert!(
                    share < 1.35 / most as f64,
                    "{name}: answer {place} is right in {share}"
                );
            }
        }
    }
}
