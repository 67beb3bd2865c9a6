//! Fields that state which data were read, for readers who may know every name.

use serde_json::{Value, json};

use crate::{
    datasets::{PublicFacts, SourceCategory},
    disclosures::{
        document::{Field, Item, Source, Words},
        ledger::{Ledger, UsedDataset},
    },
    ids::JobId,
    policy::Role,
    web::{Lang, number},
};

/// The records that say that a dataset version was read, and by what leave.
pub(super) fn sources(used: &UsedDataset, jobs: &[JobId]) -> Vec<Source> {
    let mut source = vec![version_source(used)];
    if let Some(stated) = &used.public {
        source.push(stated_source(used, stated.id));
    }
    for job in jobs {
        source.push(Source::record("job", job, format!("/jobs/{job}")));
    }
    if let (Some(verdict), Some(job)) = (used.verdict, jobs.first()) {
        source.push(Source::record("verdict", verdict, format!("/jobs/{job}")));
    }
    for permission in &used.permissions {
        let page = format!("/permissions/{permission}");
        source.push(Source::record("permission", permission, page));
    }
    source
}

pub(super) fn stated_source(used: &UsedDataset, statement: crate::ids::FactId) -> Source {
    Source::record(
        "dataset_facts",
        statement,
        format!("/datasets/{}/public-facts", used.dataset),
    )
}

/// Whether everybody may know its name: its institution says so, or that anybody can get it.
pub(super) fn is_named(used: &UsedDataset) -> bool {
    used.said.is_public() || category_of(used) == SourceCategory::PublicDataset.name()
}

/// Its title in quotes; that it is not public where that is not for these readers.
pub(super) fn title_for(lang: Lang, used: &UsedDataset, by_name: bool) -> String {
    if by_name || is_named(used) {
        lang.t_with(
            "disclosure-say-title",
            &[("title", used.said.title.clone())],
        )
    } else {
        lang.t("disclosure-say-unnamed")
    }
}

/// The record of a dataset version.
pub(super) fn version_source(used: &UsedDataset) -> Source {
    Source::record(
        "dataset_version",
        used.version,
        format!("/datasets/{}", used.dataset),
    )
}

/// A field over all datasets; missing where one of them has not stated what the field needs.
pub(super) fn over_stated(
    ledger: &Ledger,
    id: &str,
    has: impl Fn(&PublicFacts) -> bool,
    make: impl Fn(&[(UsedDataset, Vec<JobId>)]) -> Field,
) -> Field {
    let datasets = ledger.datasets();
    let silent = datasets.iter().find(|(used, _)| {
        !used
            .public
            .as_ref()
            .is_some_and(|stated| has(&stated.facts))
    });
    match silent {
        Some((used, _)) => Field::missing(
            id,
            Role::Contributor,
            format!("/datasets/{}/public-facts", used.dataset),
        ),
        None => make(&datasets),
    }
}

/// Whether the category is stated.
pub(super) fn has_category(facts: &PublicFacts) -> bool {
    facts.source_category.is_some()
}

/// What a statement says, in words.
pub(super) fn content_words(lang: Lang, facts: &PublicFacts) -> String {
    join(facts.content_types.iter(), |name| {
        lang.t(&format!("content-type-{name}"))
    })
}

/// Names of languages; the code where there is no name.
pub(super) fn language_words(lang: Lang, codes: &[String]) -> String {
    join(codes.iter(), |code| {
        let key = format!("datasets-language-{code}");
        let name = lang.t(&key);
        if name.contains(&key) {
            code.clone()
        } else {
            name
        }
    })
}

fn join<T>(items: impl Iterator<Item = T>, word: impl Fn(T) -> String) -> String {
    items.map(word).collect::<Vec<_>>().join(", ")
}

/// A field with an item for each dataset; that there are none rests on the jobs.
pub(super) fn all_of(ledger: &Ledger, id: &str, items: Vec<Item>) -> Field {
    let jobs = ledger
        .chain
        .iter()
        .map(|made| Source::record("job", made.job, format!("/jobs/{}", made.job)))
        .collect();
    Field::listed(id, items, Words::of("disclosure-say-no-datasets")).resting_on(jobs)
}

/// A dataset version by its name.
pub(super) fn named(used: &UsedDataset, jobs: &[JobId]) -> Item {
    let category = category_of(used);
    Item {
        key: used.version.to_string(),
        text: Words::with("disclosure-say-dataset", |lang| {
            vec![
                ("title", used.said.title.clone()),
                ("version", used.number.to_string()),
                ("holder", used.said.right_holder.clone()),
                ("licence", used.said.license.clone()),
                ("category", lang.t(&format!("source-category-{category}"))),
                ("tokens", number(lang, used.tokens)),
                ("documents", number(lang, used.documents)),
            ]
        }),
        value: json!({
            "title": used.said.title,
            "version": used.number,
            "right_holder": used.said.right_holder,
            "licence": used.said.license,
            "category": category,
            "manifest_sha256": used.manifest_sha256,
            "tokens_read": used.tokens,
            "documents": used.documents,
            "bytes": used.bytes,
        }),
        source: sources(used, jobs),
    }
}

/// The word of its category; `none` where none is stated, which only drafts may show.
pub(super) fn category_of(used: &UsedDataset) -> &'static str {
    used.public
        .as_ref()
        .and_then(|stated| stated.facts.source_category)
        .map_or("none", SourceCategory::name)
}

pub(super) fn datasets(ledger: &Ledger) -> Field {
    over_stated(ledger, "datasets", has_category, |datasets| {
        let items = datasets
            .iter()
            .map(|(used, jobs)| named(used, jobs))
            .collect();
        all_of(ledger, "datasets", items)
    })
}

pub(super) fn data_points(ledger: &Ledger) -> Field {
    let datasets = ledger.datasets();
    let documents = datasets.iter().map(|(used, _)| used.documents).sum::<i64>();
    let tokens = ledger.tokens();
    let text = Words::with("disclosure-say-data-points", |lang| {
        vec![
            ("documents", number(lang, documents)),
            ("tokens", number(lang, tokens)),
        ]
    });
    let source = datasets
        .iter()
        .flat_map(|(used, jobs)| {
            std::iter::once(version_source(used)).chain(
                jobs.iter()
                    .map(|job| Source::record("job", job, format!("/jobs/{job}"))),
            )
        })
        .collect();
    let value = json!({ "documents": documents, "tokens_read": tokens });
    Field::stated("data-points", value, text, source)
}

/// By what leave and after which reviews each was used.
pub(super) fn selection(ledger: &Ledger) -> Field {
    let items = ledger
        .datasets()
        .iter()
        .map(|(used, jobs)| {
            let mut source = sources(used, jobs);
            source.extend(used.reviews.iter().map(|review| {
                Source::record("review", review, format!("/datasets/{}", used.dataset))
            }));
            Item {
                key: used.version.to_string(),
                text: Words::with("disclosure-say-selection", |_| {
                    vec![
                        ("title", used.said.title.clone()),
                        ("reviews", used.reviews.len().to_string()),
                        ("permissions", used.permissions.len().to_string()),
                    ]
                }),
                value: json!({
                    "reviews": used.reviews.len(),
                    "permissions": used.permissions.len(),
                }),
                source,
            }
        })
        .collect();
    all_of(ledger, "selection", items)
}

/// What the data are: kinds of text and languages.
pub(super) fn characteristics(ledger: &Ledger) -> Field {
    let has = |facts: &PublicFacts| !facts.content_types.is_empty() && !facts.languages.is_empty();
    over_stated(ledger, "characteristics", has, |datasets| {
        let items = datasets
            .iter()
            .filter_map(|(used, _)| {
                let stated = used.public.as_ref()?;
                let facts = &stated.facts;
                Some(Item {
                    key: used.version.to_string(),
                    text: Words::with("disclosure-say-characteristics", |lang| {
                        vec![
                            ("title", used.said.title.clone()),
                            ("content", content_words(lang, facts)),
                            ("languages", language_words(lang, &facts.languages)),
                        ]
                    }),
                    value: json!({
                        "content_types": facts.content_types, "languages": facts.languages,
                    }),
                    source: vec![stated_source(used, stated.id)],
                })
            })
            .collect();
        all_of(ledger, "characteristics", items)
    })
}

/// What was withdrawn after the model was trained on it; `by_name` for readers who may know every name.
pub(super) fn withdrawals(ledger: &Ledger, by_name: bool) -> Field {
    let versions = ledger
        .datasets()
        .iter()
        .map(|(used, _)| version_source(used))
        .collect();
    let items = ledger
        .datasets()
        .iter()
        .filter_map(|(used, _)| {
            let (withdrawal, at) = used.withdrawn?;
            let text = Words::with("disclosure-say-withdrawn", |lang| {
                vec![
                    ("title", title_for(lang, used, by_name)),
                    ("date", super::date(lang, at)),
                ]
            });
            Some(Item {
                key: used.version.to_string(),
                text,
                value: json!({ "withdrawn_at": at }),
                source: vec![Source::record(
                    "withdrawal",
                    withdrawal,
                    format!("/datasets/{}", used.dataset),
                )],
            })
        })
        .collect();
    Field::listed(
        "withdrawals",
        items,
        Words::of("disclosure-say-no-withdrawals"),
    )
    .resting_on(versions)
}

/// Tokens of each category, for the share of each.
pub(super) fn provenance(ledger: &Ledger) -> Field {
    over_stated(ledger, "provenance", has_category, |datasets| {
        let items = SourceCategory::ALL
            .into_iter()
            .filter_map(|category| {
                let of_it: Vec<_> = datasets
                    .iter()
                    .filter(|(used, _)| category_of(used) == category.name())
                    .collect();
                if of_it.is_empty() {
                    return None;
                }
                let tokens: i64 = of_it.iter().map(|(used, _)| used.tokens).sum();
                Some(Item {
                    key: category.name().to_owned(),
                    text: Words::with("disclosure-say-provenance", |lang| {
                        vec![
                            (
                                "category",
                                lang.t(&format!("source-category-{}", category.name())),
                            ),
                            ("count", of_it.len().to_string()),
                            ("tokens", number(lang, tokens)),
                        ]
                    }),
                    value: Value::from(tokens),
                    source: of_it
                        .iter()
                        .flat_map(|(used, jobs)| sources(used, jobs))
                        .collect(),
                })
            })
            .collect();
        all_of(ledger, "provenance", items)
    })
}
