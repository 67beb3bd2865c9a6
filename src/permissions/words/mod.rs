//! A permission in plain words, made from its terms, so that words and code cannot disagree.

mod names;
mod rights_box;

use names::{date, key, list, or, places, purposes, recipients, within};

pub use self::{
    names::place,
    rights_box::{RightsBox, rights_box},
};
use super::{Duty, Layer, Obligation, OnWithdrawal, Reason, Terms};
use crate::web::{Lang, short_hash};

/// One term in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Sentence {
    /// The field of the terms.
    pub field: &'static str,
    /// What it says.
    pub text: String,
}

/// "Mag gebruikt worden om …": what the terms allow, as one sentence.
#[must_use]
pub fn sentence(lang: Lang, terms: &Terms) -> String {
    let profit = if terms.allows_commercial_use {
        "permission-with-profit"
    } else {
        "permission-without-profit"
    };
    lang.t_with(
        "permission-sentence",
        &[
            ("purposes", purposes(lang, &terms.purposes)),
            ("recipients", recipients(lang, terms.recipients)),
            ("profit", lang.t(profit)),
            ("where", within(lang, &terms.territories)),
            ("until", date(lang, terms.valid_until)),
        ],
    )
}

/// Every term as a sentence, none left out.
#[must_use]
pub fn sentences(lang: Lang, terms: &Terms) -> Vec<Sentence> {
    let mut all = Vec::new();
    let mut say = |field, text| all.push(Sentence { field, text });
    let t = |key: &str| lang.t(key);
    let with = |key: &str, name: &'static str, value: String| lang.t_with(key, &[(name, value)]);
    say(
        "purposes",
        if terms.purposes.is_empty() {
            t("terms-no-purposes")
        } else {
            with(
                "terms-purposes",
                "purposes",
                purposes(lang, &terms.purposes),
            )
        },
    );
    if !terms.prohibited.is_empty() {
        say(
            "prohibited",
            with("terms-prohibited", "purposes", or(lang, &terms.prohibited)),
        );
    }
    say(
        "recipients",
        with(
            "terms-recipients",
            "recipients",
            recipients(lang, terms.recipients),
        ),
    );
    say(
        "allows_commercial_use",
        t(if terms.allows_commercial_use {
            "terms-commercial-yes"
        } else {
            "terms-commercial-no"
        }),
    );
    for (field, places, anywhere, somewhere) in [
        (
            "territories",
            &terms.territories,
            "terms-territories-anywhere",
            "terms-territories",
        ),
        (
            "processing_locations",
            &terms.processing_locations,
            "terms-processing-anywhere",
            "terms-processing",
        ),
    ] {
        say(
            field,
            if places.is_empty() {
                t(anywhere)
            } else {
                with(somewhere, "places", self::places(lang, places))
            },
        );
    }
    say(
        "model_families",
        if terms.model_families.is_empty() {
            t("terms-families-any")
        } else {
            with(
                "terms-families",
                "families",
                list(lang, &terms.model_families),
            )
        },
    );
    say(
        "valid_until",
        lang.t_with(
            "terms-valid",
            &[
                ("from", date(lang, terms.valid_from)),
                ("until", date(lang, terms.valid_until)),
            ],
        ),
    );
    for text in own_duties(lang, terms) {
        say("duties", text);
    }
    say(
        "evidence",
        with("terms-evidence", "note", terms.evidence.note.clone()),
    );
    if let Some(sha256) = &terms.evidence.document_sha256 {
        say(
            "evidence",
            with("terms-document", "sha256", short_hash(sha256)),
        );
    }
    for passage in &terms.needs_human {
        say(
            "needs_human",
            with("terms-needs-human", "passage", passage.clone()),
        );
    }
    say(
        "rule_set",
        with("terms-rule-set", "number", terms.rule_set.to_string()),
    );
    all
}

/// What a verdict asks in return, a sentence each, without doubles.
#[must_use]
pub fn duties(lang: Lang, obligations: &[Obligation]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for obligation in obligations {
        let text = duty(lang, &obligation.duty);
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

fn own_duties(lang: Lang, terms: &Terms) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(text) = &terms.duties.attribution {
        all.push(Duty::Attribute {
            text: Some(text.clone()),
        });
    }
    if terms.duties.report_use {
        all.push(Duty::ReportUse);
    }
    if terms.duties.compensate {
        all.push(Duty::Compensate);
    }
    all.push(Duty::DeleteWithin {
        days: terms.duties.delete_within_days,
    });
    all.push(Duty::OnWithdrawal {
        models: terms.on_withdrawal,
    });
    all.iter().map(|one| duty(lang, one)).collect()
}

fn duty(lang: Lang, duty: &Duty) -> String {
    match duty {
        Duty::Attribute { text: Some(text) } => {
            lang.t_with("duty-attribute", &[("text", text.clone())])
        }
        Duty::DeleteWithin { days } => {
            lang.t_with("duty-delete-within", &[("days", days.to_string())])
        }
        Duty::OnWithdrawal { models } => lang.t(match models {
            OnWithdrawal::Keep => "duty-on-withdrawal-keep",
            OnWithdrawal::Retrain => "duty-on-withdrawal-retrain",
            OnWithdrawal::Retire => "duty-on-withdrawal-retire",
        }),
        Duty::Attribute { text: None } => lang.t("duty-attribute-licence"),
        Duty::ShareAlike | Duty::KeepNotice | Duty::ReportUse | Duty::Compensate => {
            lang.t(&format!("duty-{}", duty.name()))
        }
    }
}

/// A reason as a sentence, with the layer it is about before a no.
#[must_use]
pub fn reason(lang: Lang, is_allowed: bool, reason: &Reason) -> String {
    let mut text = lang.t(&format!("rule-{}", reason.rule));
    if let Some(licence) = &reason.licence {
        text = format!(
            "{text} {}",
            lang.t_with("rule-licence", &[("licence", licence.clone())])
        );
    }
    match reason.layer {
        Some(layer) if !is_allowed => format!("{}: {text}", layer_name(lang, layer)),
        _ => text,
    }
}

/// The name of a layer.
#[must_use]
pub(super) fn layer_name(lang: Lang, layer: Layer) -> String {
    lang.t(&format!("layer-{}", key(layer.name())))
}

#[cfg(test)]
mod tests {
    use permission_policy::{Rule, State};

    use chrono::NaiveDate;

    use super::*;
    use crate::permissions::{Purpose, Recipients, Territory};

    pub(super) fn terms() -> Terms {
        Terms {
            purposes: vec![Purpose::FineTuning, Purpose::Evaluation],
            valid_from: NaiveDate::from_ymd_opt(2026, 1, 1).unwrap(),
            valid_until: NaiveDate::from_ymd_opt(2028, 12, 31).unwrap(),
            ..Terms::nothing()
        }
    }

    fn all(lang: Lang, terms: &Terms) -> String {
        let lines: Vec<_> = sentences(lang, terms)
            .into_iter()
            .map(|one| one.text)
            .collect();
        lines.join("\n")
    }

    #[test]
    fn every_field_changes_the_words() {
        type Change = (&'static str, fn(&mut Terms));
        let changes: [Change; 19] = [
            ("purposes", |t| t.purposes.push(Purpose::Pretraining)),
            ("no purposes", |t| t.purposes.clear()),
            ("prohibited", |t| t.prohibited.push(Purpose::RetrievalIndex)),
            ("recipients", |t| t.recipients = Recipients::Public),
            ("allows_commercial_use", |t| t.allows_commercial_use = true),
            ("territories", |t| t.territories.push(Territory::Eu)),
            ("processing_locations", |t| {
                t.processing_locations.push(Territory::NETHERLANDS);
            }),
            ("model_families", |t| t.model_families.push("gpt-nl".into())),
            ("valid_from", |t| {
                t.valid_from = NaiveDate::from_ymd_opt(2026, 1, 2).unwrap();
            }),
            ("valid_until", |t| {
                t.valid_until = NaiveDate::from_ymd_opt(2027, 12, 31).unwrap();
            }),
            ("evidence.note", |t| t.evidence.note = "CCA 12".into()),
            ("evidence.document_sha256", |t| {
                t.evidence.document_sha256 = Some("ab".repeat(32));
            }),
            ("duties.attribution", |t| {
                t.duties.attribution = Some("Archief".into());
            }),
            ("duties.report_use", |t| t.duties.report_use = true),
            ("duties.compensate", |t| t.duties.compensate = true),
            ("duties.delete_within_days", |t| {
                t.duties.delete_within_days = 61;
            }),
            ("on_withdrawal", |t| t.on_withdrawal = OnWithdrawal::Keep),
            ("needs_human", |t| t.needs_human.push("zie bijlage".into())),
            ("rule_set", |t| t.rule_set = 3),
        ];
        for lang in Lang::ALL {
            let before = all(lang, &terms());
            for (field, change) in changes {
                let mut changed = terms();
                change(&mut changed);
                assert_ne!(all(lang, &changed), before, "{field} in {lang}");
            }
            assert!(!before.contains('⟨'), "{before}");
        }
    }

    /// Every field of the canonical form has a sentence: a new field fails here until it has one.
    #[test]
    fn every_field_of_the_canonical_form_is_told() {
        let mut full = terms();
        full.prohibited.push(Purpose::RetrievalIndex);
        full.needs_human.push("zie bijlage".into());
        let told: Vec<_> = sentences(Lang::Nl, &full)
            .into_iter()
            .map(|one| one.field)
            .collect();
        let canonical: serde_json::Value =
            serde_json::from_str(&full.canonical().unwrap()).unwrap();
        for field in canonical.as_object().unwrap().keys() {
            // One sentence tells the first and the last day; what happens on a withdrawal is one of the duties.
            let told_as = match field.as_str() {
                "valid_from" => "valid_until",
                "on_withdrawal" => "duties",
                other => other,
            };
            assert!(told.contains(&told_as), "{field}");
        }
    }

    #[test]
    fn every_rule_duty_purpose_and_circle_has_a_sentence_in_both_languages() {
        for lang in Lang::ALL {
            let keys = Rule::ALL
                .iter()
                .map(|rule| format!("rule-{rule}"))
                .chain(
                    Purpose::ALL
                        .iter()
                        .map(|one| format!("purpose-{}", key(one.name()))),
                )
                .chain(
                    Recipients::ALL
                        .iter()
                        .map(|one| format!("recipients-{}", key(one.name()))),
                )
                .chain(
                    Layer::ALL
                        .iter()
                        .map(|one| format!("layer-{}", key(one.name()))),
                )
                .chain(
                    State::ALL
                        .iter()
                        .map(|one| format!("permission-state-{one}")),
                )
                .chain(
                    OnWithdrawal::ALL
                        .iter()
                        .map(|one| format!("duty-on-withdrawal-{one}")),
                )
                .chain(
                    [
                        "attribute-licence",
                        "share-alike",
                        "keep-notice",
                        "report-use",
                        "compensate",
                    ]
                    .map(|one| format!("duty-{one}")),
                );
            for key in keys {
                assert!(!lang.t(&key).contains('⟨'), "{key} in {lang}");
            }
        }
    }
}
