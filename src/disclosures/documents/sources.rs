//! Section 2 of the Commission's template: which data were read, by kind of source. What is not public is described
//! and not named.

use serde_json::{Value, json};

use super::{
    data::{
        category_of, content_words, has_category, is_named, language_words, named, over_stated,
        sources, stated_source, title_for,
    },
    summary::{Used, all_sources},
};
use crate::{
    datasets::{PublicFacts, SourceCategory},
    disclosures::{
        document::{Field, Item, Words},
        ledger::{Ledger, UsedDataset},
    },
    ids::JobId,
    policy::Role,
    web::number,
};

/// Public datasets of at least this share of the public ones are named one by one.
const LARGE_SHARE: f64 = 0.03;

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

/// The public datasets of at least 3 % of their text, and the others.
fn large_and_small(datasets: &[Used]) -> (Vec<Used>, Vec<Used>) {
    let of_it = in_category(datasets, SourceCategory::PublicDataset);
    let total: i64 = of_it.iter().map(|(used, _)| used.tokens).sum();
    of_it
        .into_iter()
        .partition(|(used, _)| used.tokens as f64 >= total as f64 * LARGE_SHARE)
}

fn none_of_it() -> Words {
    Words::of("disclosure-say-none-used")
}

/// Said of what is asked of data that were not used.
fn not_asked() -> Words {
    Words::of("disclosure-say-not-applicable")
}

/// Section 2.1: the large public datasets by name, with the address where anybody gets them.
pub(super) fn public_datasets(ledger: &Ledger) -> Field {
    let has = |facts: &PublicFacts| {
        facts.source_category.is_some_and(|category| {
            category != SourceCategory::PublicDataset || facts.details.address.is_some()
        })
    };
    over_stated(ledger, "public-datasets", has, |datasets| {
        let items = large_and_small(datasets)
            .0
            .iter()
            .map(|(used, jobs)| {
                let mut item = named(used, jobs);
                let address = facts_of(used).details.address.unwrap_or_default();
                item.text = Words::with("disclosure-say-available-at", |lang| {
                    let text = item.text.of_lang(lang).to_owned();
                    vec![("text", text), ("address", address.clone())]
                });
                with_member(&mut item.value, "address", address.into());
                item
            })
            .collect();
        Field::listed("public-datasets", items, none_of_it()).resting_on(all_sources(datasets))
    })
}

/// Section 2.1: what the smaller public datasets are; each has to be described.
pub(super) fn public_rest(ledger: &Ledger) -> Field {
    over_stated(ledger, "public-rest", has_category, |datasets| {
        let small = large_and_small(datasets).1;
        let silent = small
            .iter()
            .find(|(used, _)| facts_of(used).collection.is_empty());
        if let Some((used, _)) = silent {
            return Field::missing("public-rest", Role::Contributor, supplied_at(used));
        }
        let items = small
            .iter()
            .map(|(used, jobs)| {
                let said = facts_of(used).collection;
                Item {
                    key: used.version.to_string(),
                    text: Words::with("disclosure-say-rest", |lang| {
                        vec![
                            ("text", said.clone()),
                            ("tokens", number(lang, used.tokens)),
                        ]
                    }),
                    value: json!({ "description": said, "tokens_read": used.tokens }),
                    source: sources(used, jobs),
                }
            })
            .collect();
        Field::listed("public-rest", items, Words::of("disclosure-say-no-rest"))
            .resting_on(all_sources(datasets))
    })
}

/// One of the sections 2.2.1 to 2.6: what was used of a category, or that none was. Described where that is asked.
pub(super) fn of_category(ledger: &Ledger, id: &str, category: SourceCategory) -> Field {
    let has = |facts: &PublicFacts| {
        facts.source_category.is_some_and(|of| {
            of != category || !category.needs_collection() || !facts.collection.is_empty()
        })
    };
    over_stated(ledger, id, has, |datasets| {
        let items = in_category(datasets, category)
            .iter()
            .map(|(used, jobs)| told(used, jobs))
            .collect();
        Field::listed(id, items, none_of_it()).resting_on(all_sources(datasets))
    })
}

/// In which form data of a category are: text, or none of it was used.
pub(super) fn modalities(ledger: &Ledger, id: &str, category: SourceCategory) -> Field {
    over_stated(ledger, id, has_category, |datasets| {
        let of_it = in_category(datasets, category);
        if of_it.is_empty() {
            let none: [&str; 0] = [];
            return Field::stated(id, json!(none), not_asked(), all_sources(datasets));
        }
        let text = Words::of("disclosure-modality-text");
        Field::stated(id, json!(["text"]), text, all_sources(&of_it))
    })
}

/// What the data of one category are asked alone: missing where one of them has not said it, and said to be about
/// nothing where none of that category was read.
fn asked(
    ledger: &Ledger,
    (id, category): (&str, SourceCategory),
    has: impl Fn(&PublicFacts) -> bool,
    say: impl Fn(&PublicFacts) -> (Words, Value),
) -> Field {
    let is_said = |facts: &PublicFacts| {
        facts
            .source_category
            .is_some_and(|of| of != category || has(facts))
    };
    over_stated(ledger, id, is_said, |datasets| {
        let items = in_category(datasets, category)
            .iter()
            .filter_map(|(used, _)| {
                let stated = used.public.as_ref()?;
                let (said, value) = say(&stated.facts);
                Some(Item {
                    key: used.version.to_string(),
                    text: Words::with("disclosure-say-of-dataset", |lang| {
                        let said = said.of_lang(lang).to_owned();
                        vec![("title", title_for(lang, used, false)), ("text", said)]
                    }),
                    value,
                    source: vec![stated_source(used, stated.id)],
                })
            })
            .collect();
        Field::listed(id, items, not_asked()).resting_on(all_sources(datasets))
    })
}

/// One text of section 2.3.
fn crawl_text(ledger: &Ledger, id: &str, text: impl Fn(&PublicFacts) -> &String) -> Field {
    let of = (id, SourceCategory::Crawled);
    asked(
        ledger,
        of,
        |facts| !text(facts).is_empty(),
        |facts| {
            let said = text(facts);
            (Words::verbatim(said), said.clone().into())
        },
    )
}

/// Section 2.3, a field for each thing that is asked.
pub(super) fn crawled(ledger: &Ledger) -> Vec<Field> {
    let of = |id| (id, SourceCategory::Crawled);
    vec![
        of_category(ledger, "crawled-data", SourceCategory::Crawled),
        modalities(ledger, "crawled-modalities", SourceCategory::Crawled),
        crawl_text(ledger, "crawlers", |facts| &facts.details.crawl.crawlers),
        crawl_text(ledger, "crawl-purpose", |facts| {
            &facts.details.crawl.purpose
        }),
        crawl_text(ledger, "crawl-conduct", |facts| {
            &facts.details.crawl.conduct
        }),
        asked(
            ledger,
            of("crawl-period"),
            |facts| facts.details.crawl.from.is_some() && facts.details.crawl.until.is_some(),
            |facts| {
                let month = |day: Option<chrono::NaiveDate>| {
                    day.map_or_else(String::new, |day| day.format("%m/%Y").to_string())
                };
                let (from, until) = (
                    month(facts.details.crawl.from),
                    month(facts.details.crawl.until),
                );
                let text = Words::with("disclosure-say-period", |_| {
                    vec![("from", from.clone()), ("until", until.clone())]
                });
                (text, json!({ "from": from, "until": until }))
            },
        ),
        crawl_text(ledger, "crawl-sites", |facts| &facts.details.crawl.sites),
        asked(
            ledger,
            of("crawl-domains"),
            |facts| facts.details.crawl.names_largest(),
            |facts| {
                let crawl = &facts.details.crawl;
                let count = i64::from(crawl.domain_count.unwrap_or_default());
                let text = Words::with("disclosure-say-domains", |lang| {
                    vec![
                        ("domains", crawl.domains.join(", ")),
                        ("count", number(lang, count)),
                    ]
                });
                (text, json!({ "domains": crawl.domains, "of": count }))
            },
        ),
    ]
}

/// Section 2.4.
pub(super) fn from_users(ledger: &Ledger) -> Vec<Field> {
    let answer = |id, of: fn(&PublicFacts) -> Option<bool>| {
        let say = |facts: &PublicFacts| {
            let is_so = of(facts).unwrap_or_default();
            let key = if is_so {
                "disclosure-say-yes"
            } else {
                "disclosure-say-no"
            };
            (Words::of(key), Value::from(is_so))
        };
        asked(
            ledger,
            (id, SourceCategory::UserData),
            |facts| of(facts).is_some(),
            say,
        )
    };
    vec![
        of_category(ledger, "user-data", SourceCategory::UserData),
        answer("users-of-models", |facts| facts.details.users.of_models),
        answer("users-of-services", |facts| facts.details.users.of_services),
        modalities(ledger, "user-modalities", SourceCategory::UserData),
    ]
}

/// Section 2.5.
pub(super) fn synthetic(ledger: &Ledger) -> Vec<Field> {
    vec![
        of_category(ledger, "synthetic-data", SourceCategory::Synthetic),
        modalities(ledger, "synthetic-modalities", SourceCategory::Synthetic),
        asked(
            ledger,
            ("synthetic-models", SourceCategory::Synthetic),
            |facts| !facts.details.models.is_empty(),
            |facts| {
                let models = &facts.details.models;
                let named: Vec<_> = models
                    .iter()
                    .map(|model| format!("{} ({})", model.name, model.url))
                    .collect();
                (Words::verbatim(&named.join(", ")), json!(models))
            },
        ),
    ]
}

fn facts_of(used: &UsedDataset) -> PublicFacts {
    used.public
        .as_ref()
        .map(|stated| stated.facts.clone())
        .unwrap_or_default()
}

fn supplied_at(used: &UsedDataset) -> String {
    format!("/datasets/{}/public-facts", used.dataset)
}

fn with_member(value: &mut Value, name: &str, member: Value) {
    if let Value::Object(members) = value {
        members.insert(name.to_owned(), member);
    }
}

/// A dataset as everybody may know it.
fn told(used: &UsedDataset, jobs: &[JobId]) -> Item {
    let facts = facts_of(used);
    let mut item = if is_named(used) {
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
        with_member(&mut item.value, "collection", facts.collection.into());
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
