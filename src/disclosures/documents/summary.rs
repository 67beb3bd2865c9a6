//! Fields of the Commission's template that say to everybody which data were read: what is not public is
//! described and not named.

use serde_json::{Value, json};

use super::data::{
    category_of, content_words, has_category, language_words, named, over_stated, sources,
};
use crate::{
    datasets::{PublicFacts, SourceCategory},
    disclosures::{
        document::{Field, Item, Source, Words},
        ledger::{Ledger, UsedDataset},
    },
    ids::JobId,
    web::number,
};

/// Public datasets of at least this share of the public ones are named one by one.
const LARGE_SHARE: f64 = 0.03;
const BILLION: i64 = 1_000_000_000;

type Used = (UsedDataset, Vec<JobId>);

fn all_sources(datasets: &[Used]) -> Vec<Source> {
    let mut source: Vec<Source> = datasets
        .iter()
        .flat_map(|(used, jobs)| sources(used, jobs))
        .collect();
    source.sort();
    source.dedup();
    source
}

/// Which of the template's bands of size the text read falls in.
pub(super) fn size(ledger: &Ledger) -> Field {
    let tokens = ledger.tokens();
    let band = if tokens < BILLION {
        "under-billion"
    } else if tokens <= 10_000 * BILLION {
        "billions"
    } else {
        "over-ten-trillion"
    };
    let text = Words::with("disclosure-say-size", |lang| {
        vec![
            ("band", lang.t(&format!("disclosure-band-{band}"))),
            ("tokens", number(lang, tokens)),
        ]
    });
    Field::stated(
        "size",
        json!({ "modality": "text", "band": band, "tokens_read": tokens }),
        text,
        all_sources(&ledger.datasets()),
    )
}

pub(super) fn content_types(ledger: &Ledger) -> Field {
    let has = |facts: &PublicFacts| !facts.content_types.is_empty();
    over_stated(ledger, "content-types", has, |datasets| {
        let all = merged(datasets, |facts| &facts.content_types);
        let stated = PublicFacts {
            content_types: all.clone(),
            ..PublicFacts::default()
        };
        Field::stated(
            "content-types",
            json!(all),
            Words::each(|lang| content_words(lang, &stated)),
            all_sources(datasets),
        )
    })
}

pub(super) fn languages(ledger: &Ledger) -> Field {
    let has = |facts: &PublicFacts| !facts.languages.is_empty();
    over_stated(ledger, "languages", has, |datasets| {
        let all = merged(datasets, |facts| &facts.languages);
        Field::stated(
            "languages",
            json!(all),
            Words::each(|lang| language_words(lang, &all)),
            all_sources(datasets),
        )
    })
}

fn merged(datasets: &[Used], of: impl Fn(&PublicFacts) -> &Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = datasets
        .iter()
        .filter_map(|(used, _)| used.public.as_ref())
        .flat_map(|stated| of(&stated.facts).clone())
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The month in which the last of it was acquired.
pub(super) fn acquired_until(ledger: &Ledger) -> Field {
    let has = |facts: &PublicFacts| facts.acquired_until.is_some();
    over_stated(ledger, "acquired-until", has, |datasets| {
        let latest = datasets
            .iter()
            .filter_map(|(used, _)| used.public.as_ref()?.facts.acquired_until)
            .max();
        let month = latest.map_or_else(String::new, |day| day.format("%m/%Y").to_string());
        let text = Words::with("disclosure-say-acquired", |_| {
            vec![("month", month.clone())]
        });
        Field::stated("acquired-until", month, text, all_sources(datasets))
    })
}

/// Section 2.1: the large public datasets by name, the rest together.
pub(super) fn public_datasets(ledger: &Ledger) -> Field {
    over_stated(ledger, "public-datasets", has_category, |datasets| {
        let of_it = in_category(datasets, SourceCategory::PublicDataset);
        let total: i64 = of_it.iter().map(|(used, _)| used.tokens).sum();
        let is_large = |used: &UsedDataset| used.tokens as f64 >= total as f64 * LARGE_SHARE;
        let mut items: Vec<Item> = of_it
            .iter()
            .filter(|(used, _)| is_large(used))
            .map(|(used, jobs)| told(used, jobs))
            .collect();
        let rest: Vec<Used> = of_it
            .iter()
            .filter(|(used, _)| !is_large(used))
            .cloned()
            .collect();
        if !rest.is_empty() {
            let tokens: i64 = rest.iter().map(|(used, _)| used.tokens).sum();
            items.push(Item {
                key: "rest".to_owned(),
                text: Words::with("disclosure-say-rest", |lang| {
                    vec![
                        ("count", rest.len().to_string()),
                        ("tokens", number(lang, tokens)),
                    ]
                }),
                value: json!({ "count": rest.len(), "tokens_read": tokens }),
                source: all_sources(&rest),
            });
        }
        Field::listed("public-datasets", items, none_of_it()).resting_on(all_sources(datasets))
    })
}

/// One of the sections 2.2.1 to 2.6: what was used of a category, or that none was.
pub(super) fn of_category(ledger: &Ledger, id: &str, category: SourceCategory) -> Field {
    over_stated(ledger, id, has_category, |datasets| {
        let items = in_category(datasets, category)
            .iter()
            .map(|(used, jobs)| told(used, jobs))
            .collect();
        Field::listed(id, items, none_of_it()).resting_on(all_sources(datasets))
    })
}

fn none_of_it() -> Words {
    Words::of("disclosure-say-none-used")
}

fn in_category(datasets: &[Used], category: SourceCategory) -> Vec<Used> {
    let mut found: Vec<Used> = datasets
        .iter()
        .filter(|(used, _)| category_of(used) == category.name())
        .cloned()
        .collect();
    // The largest first; of two as large, the older.
    found.sort_by_key(|(used, _)| (std::cmp::Reverse(used.tokens), used.version));
    found
}

/// A dataset as everybody may know it.
fn told(used: &UsedDataset, jobs: &[JobId]) -> Item {
    let facts = used
        .public
        .as_ref()
        .map(|stated| stated.facts.clone())
        .unwrap_or_default();
    let mut item = if used.said.is_public() {
        named(used, jobs)
    } else {
        described(used, jobs, &facts)
    };
    if !facts.collection.is_empty() {
        let collection = Words::with("disclosure-say-collection", |_| {
            vec![("text", facts.collection.clone())]
        });
        item.text.nl = format!("{} {}", item.text.nl, collection.nl);
        item.text.en = format!("{} {}", item.text.en, collection.en);
        if let Value::Object(members) = &mut item.value {
            members.insert("collection".to_owned(), facts.collection.into());
        }
    }
    item
}

fn described(used: &UsedDataset, jobs: &[JobId], facts: &PublicFacts) -> Item {
    Item {
        key: used.version.to_string(),
        text: Words::with("disclosure-say-dataset-described", |lang| {
            vec![
                ("content", content_words(lang, facts)),
                ("languages", language_words(lang, &facts.languages)),
                ("tokens", number(lang, used.tokens)),
                ("documents", number(lang, used.documents)),
            ]
        }),
        value: json!({
            "content_types": facts.content_types,
            "languages": facts.languages,
            "tokens_read": used.tokens,
            "documents": used.documents,
        }),
        source: sources(used, jobs),
    }
}
