//! Fields that state what the model is, where it comes from and who gets it.

use serde_json::json;

use super::{date_words, evidence_of_base};
use crate::{
    disclosures::{
        base_facts::BaseFacts,
        document::{Field, Item, Source, Words, scientific},
        ledger::{Ledger, Recorded},
    },
    policy::Role,
};

pub(super) fn model_source(ledger: &Ledger) -> Source {
    Source::record(
        "model",
        ledger.model.id,
        format!("/models/{}", ledger.model.id),
    )
}

/// A field that states a fact of the base model; missing where none are on record.
pub(super) fn of_base(
    ledger: &Ledger,
    id: &str,
    make: impl Fn(&Recorded<BaseFacts>, Vec<Source>) -> Field,
) -> Field {
    match &ledger.base.facts {
        Some(recorded) => make(recorded, evidence_of_base(ledger, recorded)),
        None => Field::missing(
            id,
            Role::Operator,
            format!("/models/{}/base-facts", ledger.base.id),
        ),
    }
}

pub(super) fn name(ledger: &Ledger) -> Field {
    let name = &ledger.model.name;
    Field::stated(
        "model-name",
        name.clone(),
        Words::verbatim(name),
        vec![model_source(ledger)],
    )
}

/// The hash that tells this version from every other, and the receipt that says where it comes from.
pub(super) fn authenticity(ledger: &Ledger) -> Field {
    let weights = &ledger.model.weights_sha256;
    let mut source = vec![model_source(ledger)];
    let (key, receipt) = match &ledger.model.receipt_sha256 {
        Some(receipt) => {
            source.push(Source::record(
                "receipt",
                receipt,
                format!("/models/{}", ledger.model.id),
            ));
            ("disclosure-say-authenticity", receipt.as_str())
        }
        None => ("disclosure-say-authenticity-bare", ""),
    };
    Field::stated(
        "model-authenticity",
        json!({ "weights_sha256": weights, "receipt_sha256": ledger.model.receipt_sha256 }),
        Words::with(key, |_| {
            vec![
                ("weights", weights.clone()),
                ("receipt", receipt.to_owned()),
            ]
        }),
        source,
    )
}

/// What it was made from: models of ours first, then the base with its maker.
pub(super) fn dependencies(ledger: &Ledger) -> Field {
    let Some(facts) = &ledger.base.facts else {
        return of_base(ledger, "model-dependencies", |_, source| {
            Field::stated("model-dependencies", "", Words::default(), source)
        });
    };
    let mut items: Vec<Item> = ledger
        .chain
        .iter()
        .skip(1)
        .map(|made| Item {
            key: made.model.to_string(),
            text: Words::verbatim(&made.model_name),
            value: json!({ "name": made.model_name }),
            source: vec![Source::record(
                "model",
                made.model,
                format!("/models/{}", made.model),
            )],
        })
        .collect();
    let base = &ledger.base;
    items.push(Item {
        key: base.id.to_string(),
        text: Words::with("disclosure-say-base", |_| {
            vec![
                ("name", base.name.clone()),
                ("provider", facts.facts.provider.clone()),
                ("url", facts.facts.evidence_url.clone()),
            ]
        }),
        value: json!({
            "name": base.name,
            "provider": facts.facts.provider,
            "url": facts.facts.evidence_url,
            "weights_sha256": base.weights_sha256,
        }),
        source: evidence_of_base(ledger, facts),
    });
    Field::listed("model-dependencies", items, Words::default())
}

/// Where the base's own training content is summarised, which this document does not repeat.
pub(super) fn base_summary(ledger: &Ledger) -> Field {
    of_base(ledger, "base-summary", |recorded, source| {
        let facts = &recorded.facts;
        match &facts.summary_url {
            Some(url) => Field::stated(
                "base-summary",
                url.clone(),
                Words::with("disclosure-say-base-summary", |_| {
                    vec![("url", url.clone())]
                }),
                source,
            ),
            None => Field::stated(
                "base-summary",
                serde_json::Value::Null,
                Words::with("disclosure-say-no-base-summary", |_| {
                    vec![
                        ("provider", facts.provider.clone()),
                        ("url", facts.evidence_url.clone()),
                    ]
                }),
                source,
            ),
        }
    })
}

pub(super) fn release(ledger: &Ledger) -> Field {
    match ledger.model.released_at {
        Some(at) => Field::stated(
            "release-date",
            json!(at),
            date_words(at),
            vec![model_source(ledger)],
        ),
        None => Field::missing(
            "release-date",
            Role::Operator,
            format!("/models/{}", ledger.model.id),
        ),
    }
}

/// To whom it goes and under what terms: as it was released, within what its lineage allows.
pub(super) fn distribution(ledger: &Ledger) -> Field {
    let scope = &ledger.model.scope;
    let recipients = scope.recipients.name().replace('_', "-");
    let text = Words::with("disclosure-say-distribution", |lang| {
        let profit = if scope.allows_commercial_use {
            "disclosure-say-commercial"
        } else {
            "disclosure-say-not-commercial"
        };
        let places = match &scope.territories {
            None => lang.t("disclosure-say-anywhere"),
            Some(codes) if codes.is_empty() => lang.t("disclosure-say-nowhere"),
            Some(codes) => {
                let codes: Vec<_> = codes.iter().cloned().collect();
                lang.t_with("disclosure-say-places", &[("codes", codes.join(", "))])
            }
        };
        vec![
            ("recipients", lang.t(&format!("recipients-{recipients}"))),
            ("profit", lang.t(profit)),
            ("places", places),
        ]
    });
    let text = if scope.is_share_alike {
        Words::each(|lang| format!("{} {}", text.of_lang(lang), lang.t("scope-share-alike")))
    } else {
        text
    };
    Field::stated(
        "distribution",
        json!(scope),
        text,
        vec![model_source(ledger)],
    )
}

pub(super) fn licence(ledger: &Ledger) -> Field {
    let licence = &ledger.model.license;
    Field::stated(
        "licence",
        licence.clone(),
        Words::verbatim(licence),
        vec![model_source(ledger)],
    )
}

/// The base's architecture and what was added to it.
pub(super) fn architecture(ledger: &Ledger) -> Field {
    of_base(ledger, "architecture", |recorded, mut source| {
        let mut text = recorded.facts.architecture.clone();
        let mut added = Vec::new();
        for made in &ledger.chain {
            let Some(lora) = made.task.lora() else {
                continue;
            };
            let words = Words::with("disclosure-say-adapter", |_| {
                vec![
                    ("rank", lora.rank.to_string()),
                    ("alpha", lora.alpha.to_string()),
                    ("modules", lora.target_modules.join(", ")),
                ]
            });
            text.nl = format!("{} {}", text.nl, words.nl);
            text.en = format!("{} {}", text.en, words.en);
            added.push(
                json!({ "rank": lora.rank, "alpha": lora.alpha, "modules": lora.target_modules }),
            );
            source.push(Source::record(
                "job",
                made.job,
                format!("/jobs/{}", made.job),
            ));
        }
        let value = json!({ "base": recorded.facts.architecture, "adapters": added });
        Field::stated("architecture", value, text, source)
    })
}

pub(super) fn parameters(ledger: &Ledger) -> Field {
    of_base(ledger, "parameters", |recorded, source| {
        let parameters = recorded.facts.parameters;
        let text = Words::with("disclosure-say-parameters", |lang| {
            vec![("number", scientific(lang, parameters as f64))]
        });
        Field::stated("parameters", parameters, text, source)
    })
}

pub(super) fn modalities(ledger: &Ledger) -> Field {
    of_base(ledger, "modalities", |recorded, source| {
        let facts = &recorded.facts;
        let text = Words::with("disclosure-say-modalities", |lang| {
            let named = |names: &[String]| {
                names
                    .iter()
                    .map(|name| lang.t(&format!("disclosure-modality-{name}")))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            vec![
                ("input", named(&facts.input_modalities)),
                ("output", named(&facts.output_modalities)),
            ]
        });
        let value = json!({ "input": facts.input_modalities, "output": facts.output_modalities });
        Field::stated("modalities", value, text, source)
    })
}

pub(super) fn max_input(ledger: &Ledger) -> Field {
    of_base(ledger, "max-input", |recorded, source| {
        let length = recorded.facts.context_length;
        let text = Words::with("disclosure-say-max-input", |lang| {
            vec![("tokens", crate::web::number(lang, i64::from(length)))]
        });
        Field::stated("max-input", length, text, source)
    })
}

/// What the model was asked for, in the words of who asked.
pub(super) fn intended_use(ledger: &Ledger) -> Field {
    let items = ledger
        .chain
        .iter()
        .map(|made| {
            let purpose = made.purpose.replace('_', "-");
            Item {
                key: made.job.to_string(),
                text: Words::with("disclosure-say-intended-use", |lang| {
                    vec![
                        ("purpose", lang.t(&format!("disclosure-purpose-{purpose}"))),
                        ("motivation", made.motivation.clone()),
                    ]
                }),
                value: json!({ "purpose": made.purpose, "motivation": made.motivation }),
                source: vec![Source::record(
                    "job",
                    made.job,
                    format!("/jobs/{}", made.job),
                )],
            }
        })
        .collect();
    Field::listed("intended-use", items, Words::default())
}
