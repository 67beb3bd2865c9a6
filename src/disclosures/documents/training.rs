//! Fields that state how the model was trained, with what compute and energy, and how far that modifies its base.

use job_contract::Task;
use serde_json::json;

use super::model::{model_source, of_base};
use crate::{
    disclosures::{
        base_facts::Compute,
        document::{Field, Item, Source, Words, decimal, scientific},
        ledger::{Ledger, Modification},
        ratio::{BaseCompute, Ratio, Standing},
    },
    policy::Role,
    web::number,
};

fn job(made: &Modification) -> Source {
    Source::record("job", made.job, format!("/jobs/{}", made.job))
}

fn attempt(made: &Modification) -> Source {
    Source::record("attempt", made.attempt, format!("/jobs/{}", made.job))
}

/// One item for each training job of the chain.
fn each(
    ledger: &Ledger,
    id: &str,
    make: impl Fn(&Modification) -> (Words, serde_json::Value, Vec<Source>),
) -> Field {
    let items = ledger
        .chain
        .iter()
        .map(|made| {
            let (text, value, source) = make(made);
            Item {
                key: made.job.to_string(),
                text,
                value,
                source,
            }
        })
        .collect();
    Field::listed(id, items, Words::default())
}

pub(super) fn method(ledger: &Ledger) -> Field {
    each(ledger, "training-method", |made| {
        let training = made.task.training().cloned().unwrap_or_default();
        let (kind, words) = method_of(&made.task);
        let text = Words::with(words, |lang| {
            vec![
                ("steps", number(lang, i64::from(made.result.steps))),
                ("epochs", training.epochs.to_string()),
                ("program", made.result.program.clone()),
            ]
        });
        let value = json!({
            "kind": kind, "steps": made.result.steps, "program": made.result.program,
        });
        (text, value, vec![job(made), attempt(made)])
    })
}

/// The method's name in the contract, and the sentence that says it.
fn method_of(task: &Task) -> (&'static str, &'static str) {
    match task {
        Task::FineTuneLora { .. } => ("fine_tune_lora", "disclosure-say-method"),
        Task::FineTuneFull { .. } => ("fine_tune_full", "disclosure-say-method-full"),
        Task::Pretrain { .. } => ("pretrain", "disclosure-say-method-pretrain"),
        Task::Dpo { .. } => ("dpo", "disclosure-say-method-dpo"),
        Task::Evaluate { .. } => ("evaluate", "disclosure-say-method-none"),
    }
}

pub(super) fn hyperparameters(ledger: &Ledger) -> Field {
    each(ledger, "hyperparameters", |made| {
        let training = made.task.training().cloned().unwrap_or_default();
        let lora = made.task.lora();
        let words = match lora {
            Some(_) => "disclosure-say-hyperparameters",
            None => "disclosure-say-hyperparameters-whole",
        };
        let text = Words::with(words, |lang| {
            let mut values = vec![
                ("rate", decimal_of(lang, training.learning_rate)),
                ("batch", training.batch_size.to_string()),
                ("length", number(lang, i64::from(training.sequence_length))),
                ("warmup", training.warmup_steps.to_string()),
            ];
            if let Some(lora) = lora {
                values.push(("rank", lora.rank.to_string()));
                values.push(("alpha", decimal_of(lang, lora.alpha)));
            }
            values
        });
        (text, json!(made.task), vec![job(made)])
    })
}

fn decimal_of(lang: crate::web::Lang, value: f32) -> String {
    let text = value.to_string();
    match lang {
        crate::web::Lang::Nl => text.replace('.', ","),
        crate::web::Lang::En => text,
    }
}

/// Held-out loss before and after; missing where nothing was held out.
pub(super) fn evaluation(ledger: &Ledger) -> Field {
    let unmeasured = ledger.chain.iter().find(|made| {
        made.result.held_out_loss_before.is_none() || made.result.held_out_loss_after.is_none()
    });
    if let Some(made) = unmeasured {
        return Field::missing("evaluation", Role::Operator, format!("/jobs/{}", made.job));
    }
    each(ledger, "evaluation", |made| {
        let training = made.task.training().cloned().unwrap_or_default();
        let before = f64::from(made.result.held_out_loss_before.unwrap_or_default());
        let after = f64::from(made.result.held_out_loss_after.unwrap_or_default());
        let share = f64::from(training.held_out_share) * 100.0;
        let text = Words::with("disclosure-say-evaluation", |lang| {
            vec![
                ("before", decimal(lang, before, 3)),
                ("after", decimal(lang, after, 3)),
                ("share", decimal(lang, share, 0)),
            ]
        });
        let value = json!({
            "measure": "cross_entropy_nats_per_target_token",
            "held_out_share": training.held_out_share,
            "before": made.result.held_out_loss_before,
            "after": made.result.held_out_loss_after,
        });
        (text, value, vec![attempt(made)])
    })
}

pub(super) fn time(ledger: &Ledger) -> Field {
    each(ledger, "training-time", |made| {
        let seconds = made.result.wall_seconds;
        let text = Words::with("disclosure-say-time", |lang| {
            vec![
                ("minutes", decimal(lang, seconds / 60.0, 1)),
                ("ended", super::date(lang, made.ended_at)),
            ]
        });
        (
            text,
            json!({ "seconds": seconds, "ended_at": made.ended_at }),
            vec![attempt(made)],
        )
    })
}

/// Operations of each job with the formula of the program that counted them.
pub(super) fn compute(ledger: &Ledger) -> Field {
    each(ledger, "training-compute", |made| {
        let flop = made.result.flop;
        let text = Words::with("disclosure-say-compute", |lang| {
            vec![
                ("flop", scientific(lang, flop)),
                (
                    "tokens",
                    number(
                        lang,
                        i64::try_from(made.result.tokens_trained).unwrap_or(i64::MAX),
                    ),
                ),
            ]
        });
        let value = json!({
            "flop": flop,
            "tokens": made.result.tokens_trained,
            "formula": "(4 * base_parameters + 6 * adapter_parameters) * tokens_trained \
                        + 2 * base_parameters * tokens_measured",
        });
        (text, value, vec![attempt(made)])
    })
}

/// Measured by the machine, else estimated from its power; missing where neither is known.
pub(super) fn energy(ledger: &Ledger) -> Field {
    let is_measured = |made: &Modification| made.result.energy_joules.is_some();
    let Some(provider) = &ledger.provider else {
        if !ledger.chain.iter().all(is_measured) {
            return Field::missing("energy", Role::Admin, "/admin/provider".to_owned());
        }
        return each(ledger, "energy", |made| {
            measured(made, made.result.energy_joules.unwrap_or_default())
        });
    };
    each(ledger, "energy", |made| {
        if let Some(joules) = made.result.energy_joules {
            return measured(made, joules);
        }
        let watts = provider.facts.compute_watts;
        let kwh = made.result.wall_seconds * f64::from(watts) / 3.6e6;
        let text = Words::with("disclosure-say-energy-estimated", |lang| {
            vec![
                ("kwh", decimal(lang, kwh, 4)),
                ("watts", number(lang, i64::from(watts))),
                ("minutes", decimal(lang, made.result.wall_seconds / 60.0, 1)),
                ("source", provider.facts.compute_watts_source.clone()),
            ]
        });
        let value = json!({ "kwh": kwh, "method": "power_times_time", "watts": watts });
        let power = Source::record("provider_facts", provider.id, "/admin/provider".to_owned());
        (text, value, vec![attempt(made), power])
    })
}

fn measured(made: &Modification, joules: f64) -> (Words, serde_json::Value, Vec<Source>) {
    let kwh = joules / 3.6e6;
    let text = Words::with("disclosure-say-energy-measured", |lang| {
        vec![("kwh", decimal(lang, kwh, 4))]
    });
    (
        text,
        json!({ "kwh": kwh, "method": "rapl" }),
        vec![attempt(made)],
    )
}

/// Operations of this model's own training, for the ratio.
pub(super) fn own_compute(ledger: &Ledger) -> Field {
    let flop = ledger.ratio().own_flop;
    let source = ledger.chain.first().map(attempt).into_iter().collect();
    Field::stated("own-compute", flop, flop_words(flop), source)
}

pub(super) fn cumulative_compute(ledger: &Ledger) -> Field {
    let flop = ledger.ratio().cumulative_flop;
    let text = Words::with("disclosure-say-cumulative", |lang| {
        vec![
            ("flop", scientific(lang, flop)),
            ("count", ledger.chain.len().to_string()),
        ]
    });
    let source = ledger.chain.iter().map(attempt).collect();
    Field::stated("cumulative-compute", flop, text, source)
}

fn flop_words(flop: f64) -> Words {
    Words::with("disclosure-say-flop", |lang| {
        vec![("flop", scientific(lang, flop))]
    })
}

pub(super) fn base_compute(ledger: &Ledger) -> Field {
    of_base(ledger, "base-compute", |recorded, source| {
        let facts = &recorded.facts;
        let text = match facts.compute {
            Compute::Known { flop } => Words::with("disclosure-say-base-known", |lang| {
                vec![("flop", scientific(lang, flop))]
            }),
            Compute::Estimated { flop } => Words::with("disclosure-say-base-estimated", |lang| {
                vec![
                    ("flop", scientific(lang, flop)),
                    ("parameters", scientific(lang, facts.parameters as f64)),
                    (
                        "tokens",
                        scientific(lang, facts.training_tokens.unwrap_or_default() as f64),
                    ),
                ]
            }),
            Compute::Unknown => Words::of("disclosure-say-base-unknown"),
        };
        Field::stated("base-compute", json!(facts.compute), text, source)
    })
}

fn percent(lang: crate::web::Lang, ratio: &Ratio) -> String {
    let percent = ratio.ratio * 100.0;
    if percent < 0.01 {
        let least = decimal(lang, 0.01, 2);
        return lang.t_with("disclosure-say-less-than", &[("percent", least)]);
    }
    format!("{}%", decimal(lang, percent, 2))
}

pub(super) fn ratio(ledger: &Ledger) -> Field {
    let ratio = ledger.ratio();
    let text = Words::with("disclosure-say-ratio", |lang| {
        vec![
            ("percent", percent(lang, &ratio)),
            ("reference", scientific(lang, ratio.reference_flop)),
        ]
    });
    let mut source: Vec<Source> = ledger.chain.iter().map(attempt).collect();
    if let (Some(facts), BaseCompute::Known(_) | BaseCompute::Estimated(_)) =
        (&ledger.base.facts, ratio.base)
    {
        source.push(Source::record(
            "base_facts",
            facts.id,
            format!("/models/{}/base-facts", ledger.base.id),
        ));
    }
    let value = json!({
        "cumulative_flop": ratio.cumulative_flop,
        "reference_flop": ratio.reference_flop,
        "ratio": ratio.ratio,
    });
    Field::stated("ratio", value, text, source)
}

/// What follows: nothing, a warning, or the decision of a legal reviewer, which is missing until it is there.
pub(super) fn conclusion(ledger: &Ledger) -> Field {
    let standing = ledger.ratio().standing();
    match (standing, ledger.counting_decision()) {
        (Standing::Small | Standing::Notable, _) => Field::stated(
            "modification-conclusion",
            standing.name(),
            Words::of(&format!("disclosure-standing-{}", standing.name())),
            ledger
                .chain
                .iter()
                .map(attempt)
                .chain([model_source(ledger)])
                .collect(),
        ),
        (Standing::Decisive, Some(decision)) => {
            let conclusion = decision.conclusion.replace('_', "-");
            Field::stated(
                "modification-conclusion",
                json!({ "standing": "decisive", "conclusion": decision.conclusion, "reason": decision.reason }),
                Words::with("disclosure-say-decided", |lang| {
                    vec![
                        (
                            "conclusion",
                            lang.t(&format!("disclosure-conclusion-{conclusion}")),
                        ),
                        ("reason", decision.reason.clone()),
                    ]
                }),
                vec![Source::record(
                    "modification_decision",
                    decision.id,
                    format!("/models/{}/disclosures", ledger.model.id),
                )],
            )
        }
        (Standing::Decisive, None) => Field::missing(
            "modification-conclusion",
            Role::LegalReviewer,
            format!("/models/{}/disclosures#decision", ledger.model.id),
        ),
    }
}
