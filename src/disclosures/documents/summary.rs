//! Section 1.3 of the Commission's template: the data as a whole.

use serde_json::json;

use super::{
    data::{content_words, language_words, over_stated, sources, stated_source, title_for},
    model::model_source,
};
use crate::{
    datasets::PublicFacts,
    disclosures::{
        document::{Field, Item, Source, Words},
        ledger::{Ledger, UsedDataset},
    },
    ids::JobId,
    web::number,
};

const BILLION: i64 = 1_000_000_000;

/// A dataset version with the jobs that read it.
pub(super) type Used = (UsedDataset, Vec<JobId>);

pub(super) fn all_sources(datasets: &[Used]) -> Vec<Source> {
    let mut source: Vec<Source> = datasets
        .iter()
        .flat_map(|(used, jobs)| sources(used, jobs))
        .collect();
    source.sort();
    source.dedup();
    source
}

/// Which kinds of data were read: the portal takes text alone, and checks that each file is.
pub(super) fn data_modalities(ledger: &Ledger) -> Field {
    Field::stated(
        "data-modalities",
        json!({ "text": true, "image": false, "audio": false, "video": false, "other": false }),
        Words::of("disclosure-say-text-alone"),
        all_sources(&ledger.datasets()),
    )
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
        let text = Words::verbatim(&month);
        Field::stated("acquired-until", month, text, all_sources(datasets))
    })
}

/// Whether training goes on with newer data: it does not, for a version is its weights.
pub(super) fn continues(ledger: &Ledger) -> Field {
    Field::stated(
        "training-continues",
        false,
        Words::of("disclosure-say-training-ended"),
        vec![model_source(ledger)],
    )
}

/// What else marks the data, in the words of who supplied them.
pub(super) fn other_characteristics(ledger: &Ledger) -> Field {
    let has = |facts: &PublicFacts| !facts.characteristics.is_empty();
    over_stated(ledger, "other-characteristics", has, |datasets| {
        let items = datasets
            .iter()
            .filter_map(|(used, _)| {
                let stated = used.public.as_ref()?;
                let said = &stated.facts.characteristics;
                Some(Item {
                    key: used.version.to_string(),
                    text: Words::with("disclosure-say-of-dataset", |lang| {
                        vec![
                            ("title", title_for(lang, used, false)),
                            ("text", said.clone()),
                        ]
                    }),
                    value: said.clone().into(),
                    source: vec![stated_source(used, stated.id)],
                })
            })
            .collect();
        Field::listed(
            "other-characteristics",
            items,
            Words::of("disclosure-say-no-datasets"),
        )
        .resting_on(vec![model_source(ledger)])
    })
}
