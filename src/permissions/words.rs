//! A permission in plain words, made from its terms, so that words and code cannot disagree.

use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use permission_policy::{Moment, is_in_force};

use super::{
    DatasetFacts, Duty, Layer, Obligation, OnWithdrawal, Permission, Purpose, Reason, Recipients,
    Terms, Territory, Use, Verdict, decide,
};
use crate::{
    ids::PermissionId,
    web::{Lang, moment, short_hash},
};

/// What the rights box of a dataset says.
#[derive(Debug, Clone, Default)]
pub struct RightsBox {
    /// What may be done; empty: nothing.
    pub yes: String,
    /// What may not.
    pub no: String,
    /// What has to be done in return.
    pub duties: Vec<String>,
    /// Said where nothing is decided yet, or what stands in the way.
    pub waiting: String,
    /// Who decided, and when.
    pub by: String,
    /// Every permission: its id, its layer and how it stands.
    pub permissions: Vec<(PermissionId, String)>,
}

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

/// What the permissions of a dataset come to, as statements. A reader who may not hear which person decided is told
/// `instead` who did: the institution.
#[must_use]
pub fn rights_box(
    lang: Lang,
    facts: &DatasetFacts,
    permissions: &[Permission],
    (now, instead): (DateTime<Utc>, Option<&str>),
) -> RightsBox {
    let newest = permissions.iter().max_by_key(|p| (p.decided_at, p.id));
    let Some(newest) = newest else {
        return RightsBox {
            waiting: lang.t("rights-nothing-decided"),
            ..RightsBox::default()
        };
    };
    let said = RightsBox {
        by: lang.t_with(
            if newest.state.counts() {
                "rights-given-by"
            } else {
                "rights-withdrawn-by"
            },
            &[
                ("name", instead.unwrap_or(&newest.decided_by).to_owned()),
                ("when", moment(lang, now, newest.decided_at)),
            ],
        ),
        permissions: permissions
            .iter()
            .map(|one| (one.id, link_words(lang, one)))
            .collect(),
        ..RightsBox::default()
    };
    let today = Moment::of(now);
    let Some(permission) = permissions.iter().find(|p| is_in_force(p, &today)) else {
        return RightsBox {
            no: lang.t("rights-nothing-allowed"),
            ..said
        };
    };
    // Review is another question: here only what the right holder and the licence say.
    let facts = DatasetFacts {
        is_approved: true,
        ..facts.clone()
    };
    let probe = Probe {
        facts: &facts,
        permissions,
        now,
        like: permission,
    };
    let allowed: Vec<_> = Purpose::ALL
        .iter()
        .copied()
        .filter(|purpose| {
            probe
                .may(*purpose, Recipients::Consortium, false)
                .is_allowed
        })
        .collect();
    let Some(first) = allowed.first().copied() else {
        let purpose = permission.terms.purposes.first().copied();
        let verdict = probe.may(
            purpose.unwrap_or(Purpose::FineTuning),
            Recipients::Consortium,
            false,
        );
        return RightsBox {
            waiting: in_the_way(lang, &verdict),
            ..said
        };
    };
    let widest = Recipients::ALL
        .iter()
        .copied()
        .rfind(|recipients| probe.may(first, *recipients, false).is_allowed)
        .unwrap_or(Recipients::Consortium);
    let is_commercial = probe.may(first, Recipients::Consortium, true).is_allowed;
    let duties = duties(
        lang,
        &probe.may(first, Recipients::Consortium, false).duties,
    );
    let terms = Terms {
        purposes: allowed.clone(),
        recipients: widest,
        allows_commercial_use: is_commercial,
        ..permission.terms.clone()
    };
    RightsBox {
        yes: sentence(lang, &terms),
        no: refused(lang, permissions, &today, &allowed, is_commercial),
        duties,
        ..said
    }
}

/// Asks the rules what may be done, in the place and with the model that `like` speaks of.
struct Probe<'a> {
    facts: &'a DatasetFacts,
    permissions: &'a [Permission],
    now: DateTime<Utc>,
    like: &'a Permission,
}

impl Probe<'_> {
    fn may(&self, purpose: Purpose, recipients: Recipients, is_commercial: bool) -> Verdict {
        let terms = &self.like.terms;
        let first =
            |places: &[Territory]| places.first().copied().unwrap_or(Territory::NETHERLANDS);
        let wanted = Use {
            is_commercial,
            model_family: terms.model_families.first().cloned().unwrap_or_default(),
            processing_location: first(&terms.processing_locations),
            purpose,
            recipients,
            territory: first(&terms.territories),
        };
        decide(self.facts, self.permissions, &wanted, self.now)
    }
}

/// What is forbidden in so many words, and the two things that people ask about most.
fn refused(
    lang: Lang,
    permissions: &[Permission],
    today: &Moment,
    allowed: &[Purpose],
    is_commercial: bool,
) -> String {
    let mut refused = Vec::new();
    let mut forbidden: Vec<_> = permissions
        .iter()
        .filter(|p| is_in_force(p, today))
        .flat_map(|p| p.terms.prohibited.iter().copied())
        .collect();
    forbidden.sort_unstable();
    forbidden.dedup();
    if !forbidden.is_empty() {
        refused.push(lang.t_with("rights-forbidden", &[("purposes", or(lang, &forbidden))]));
    }
    if !allowed.iter().any(|purpose| purpose.redistributes())
        && !forbidden.contains(&Purpose::RedistributeOriginal)
    {
        refused.push(lang.t("rights-not-redistributed"));
    }
    if !is_commercial {
        refused.push(lang.t("rights-not-commercial"));
    }
    refused.join(" ")
}

fn in_the_way(lang: Lang, verdict: &Verdict) -> String {
    let mut reasons: Vec<_> = verdict
        .reasons
        .iter()
        .map(|one| reason(lang, false, one))
        .collect();
    reasons.dedup();
    format!("{} {}", lang.t("rights-layer-missing"), reasons.join(" "))
}

/// "Auteursrecht: gegeven": how a link to a permission reads.
fn link_words(lang: Lang, permission: &Permission) -> String {
    format!(
        "{}: {}",
        layer_name(lang, permission.layer),
        lang.t(&format!("permission-state-{}", permission.state))
    )
}

fn key(name: &str) -> String {
    name.replace('_', "-")
}

fn purpose(lang: Lang, purpose: Purpose) -> String {
    lang.t(&format!("purpose-{}", key(purpose.name())))
}

fn purposes(lang: Lang, purposes: &[Purpose]) -> String {
    let words: Vec<_> = purposes.iter().map(|one| purpose(lang, *one)).collect();
    list(lang, &words)
}

/// As [`purposes`], for what is not allowed: joined with "or".
fn or(lang: Lang, purposes: &[Purpose]) -> String {
    let words: Vec<_> = purposes.iter().map(|one| purpose(lang, *one)).collect();
    joined(&words, &lang.t("list-or"))
}

fn recipients(lang: Lang, recipients: Recipients) -> String {
    lang.t(&format!("recipients-{}", key(recipients.name())))
}

/// A place by its name where it has one in the texts, else by its code.
#[must_use]
pub fn place(lang: Lang, place: Territory) -> String {
    let code = place.to_string();
    let key = format!("territory-{}", code.to_lowercase());
    let name = lang.t(&key);
    if name.contains(&key) { code } else { name }
}

fn places(lang: Lang, places: &[Territory]) -> String {
    let words: Vec<_> = places.iter().map(|one| place(lang, *one)).collect();
    list(lang, &words)
}

fn within(lang: Lang, allowed: &[Territory]) -> String {
    if allowed.is_empty() {
        lang.t("permission-anywhere")
    } else {
        lang.t_with("permission-within", &[("places", places(lang, allowed))])
    }
}

fn list(lang: Lang, words: &[String]) -> String {
    joined(words, &lang.t("list-and"))
}

fn joined(words: &[String], last_word: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {last_word} {last}", first.join(", ")),
    }
}

fn date(lang: Lang, date: NaiveDate) -> String {
    let month = lang.t(&format!("month-{}", date.month()));
    format!("{} {month} {}", date.day(), date.year())
}

#[cfg(test)]
mod tests {
    use permission_policy::{Confidentiality, LicenceFacts, PrivacyFacts, Rule, State};
    use uuid::Uuid;

    use super::*;

    fn terms() -> Terms {
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

    fn facts(licence: &str) -> DatasetFacts {
        DatasetFacts {
            confidentiality: Confidentiality::Public,
            is_approved: false,
            licence: LicenceFacts::registered(licence),
            privacy: PrivacyFacts::default(),
        }
    }

    fn given(terms: Terms) -> Permission {
        Permission {
            id: PermissionId(Uuid::nil()),
            version: None,
            layer: Layer::Copyright,
            terms,
            terms_sha256: String::new(),
            state: State::Given,
            decided_by: "Saskia".into(),
            decided_at: now(),
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_435_200, 0).unwrap()
    }

    #[test]
    fn the_box_says_what_the_rules_say() {
        let mut terms = terms();
        terms.prohibited.push(Purpose::Evaluation);
        terms.territories.push(Territory::Eu);
        terms.processing_locations.push("BE".parse().unwrap());
        let said = rights_box(Lang::Nl, &facts("CC0-1.0"), &[given(terms)], (now(), None));
        assert_eq!(
            said.yes,
            "Mag gebruikt worden om taalmodellen te finetunen, door partners van GPT-NL, zonder winstoogmerk, \
             binnen de Europese Unie, tot en met 31 december 2028."
        );
        assert_eq!(
            said.no,
            "Niet om taalmodellen te evalueren. Niet om de teksten zelf door te geven. Niet met winstoogmerk."
        );
        assert!(said.by.starts_with("Besloten door Saskia"), "{}", said.by);
    }

    #[test]
    fn who_may_not_hear_of_the_person_hears_of_the_institution() {
        let withdrawn = Permission {
            state: State::Withdrawn,
            ..given(terms())
        };
        for (permission, begin) in [
            (given(terms()), "Besloten door Archief"),
            (withdrawn, "Ingetrokken door Archief"),
        ] {
            let reader = (now(), Some("Archief"));
            let said = rights_box(Lang::Nl, &facts("CC0-1.0"), &[permission], reader);
            assert!(said.by.starts_with(begin), "{}", said.by);
        }
    }

    #[test]
    fn a_licence_in_the_way_is_named() {
        let said = rights_box(
            Lang::En,
            &facts("unknown"),
            &[given(terms())],
            (now(), None),
        );
        assert_eq!(said.yes, "");
        assert!(said.waiting.contains("unknown"), "{}", said.waiting);
    }
}
