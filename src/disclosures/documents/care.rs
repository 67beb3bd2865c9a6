//! Fields that state what was done with care for the data: what the source says of rights, how the files were
//! curated, on what basis personal data were used.

use serde_json::{Value, json};

use super::{
    data::{all_of, category_of, is_named, title_for, version_source},
    date,
};
use crate::{
    datasets::SourceCategory,
    disclosures::{
        document::{Field, Item, Source, Words, decimal},
        ledger::{CurationRecord, Ledger, SourceCheck, UsedDataset},
    },
    policy::Role,
    privacy::Filed,
    web::Lang,
};

/// Sources that anybody may have reserved: they have to be looked at.
fn must_be_looked_at(used: &UsedDataset) -> bool {
    [SourceCategory::PublicDataset, SourceCategory::Crawled]
        .iter()
        .any(|category| category.name() == category_of(used))
}

/// What is on record of each dataset's licence and of reservations at its source; `by_name` for readers who may know
/// every name. Missing where a source that is public was never looked at.
pub(super) fn rights_at_source(ledger: &Ledger, by_name: bool) -> Field {
    let datasets = ledger.datasets();
    let unseen = datasets
        .iter()
        .find(|(used, _)| must_be_looked_at(used) && used.check.is_none());
    if let Some((used, _)) = unseen {
        return Field::missing(
            "rights-at-source",
            Role::LegalReviewer,
            format!("/datasets/{}/rights", used.dataset),
        );
    }
    let items = datasets
        .iter()
        .map(|(used, _)| rights_of(used, by_name || is_named(used), by_name))
        .collect();
    all_of(ledger, "rights-at-source", items)
}

fn rights_of(used: &UsedDataset, may_name: bool, by_name: bool) -> Item {
    let page = format!("/datasets/{}/rights", used.dataset);
    let mut source = vec![version_source(used)];
    let mut value = json!({ "licence": Value::Null, "check": Value::Null });
    // An agreement's name may give away whose data they are.
    let licence = used.licence.as_ref().filter(|_| may_name);
    if let Some(licence) = licence {
        source.push(Source::record("licence_fact", licence.id, page.clone()));
        value["licence"] = json!({ "licence": licence.license, "since": licence.said_at });
    }
    if let Some(check) = &used.check {
        source.push(Source::record("rights_check", check.id, page));
        if may_name {
            source.push(Source::evidence(&check.source_url));
        }
        value["check"] = json!({
            "since": check.checked_at,
            "outcome": check.outcome,
            "licence": check.license_label.as_ref().filter(|_| may_name),
            "reservation": check.reservation,
            "robots": check.robots,
        });
    }
    let text = Words::with("disclosure-say-of-dataset", |lang| {
        let mut said = Vec::new();
        if let Some(licence) = licence {
            said.push(lang.t_with(
                "disclosure-say-licence-on-record",
                &[
                    ("licence", licence.license.clone()),
                    ("date", date(lang, licence.said_at)),
                ],
            ));
        }
        said.push(match &used.check {
            Some(check) => seen(lang, check),
            None => lang.t("disclosure-say-not-looked-at"),
        });
        let label = used
            .check
            .as_ref()
            .and_then(|check| check.license_label.clone());
        if let Some(label) = label.filter(|_| may_name) {
            said.push(lang.t_with("disclosure-say-licence-there", &[("licence", label)]));
        }
        vec![
            ("title", title_for(lang, used, by_name)),
            ("text", said.join(" ")),
        ]
    });
    Item {
        key: used.version.to_string(),
        text,
        value,
        source,
    }
}

/// What was seen at the source, in words.
fn seen(lang: Lang, check: &SourceCheck) -> String {
    if check.outcome != "read" {
        return lang.t_with(
            "disclosure-say-source-not-read",
            &[
                ("date", date(lang, check.checked_at)),
                (
                    "outcome",
                    lang.t(&format!("rights-outcome-{}", check.outcome)),
                ),
            ],
        );
    }
    let reservation = check.reservation.replace('_', "-");
    lang.t_with(
        "disclosure-say-source-read",
        &[
            ("date", date(lang, check.checked_at)),
            (
                "reservation",
                lang.t(&format!("rights-reservation-{reservation}")),
            ),
            ("robots", lang.t(&format!("rights-robots-{}", check.robots))),
        ],
    )
}

/// What was done with the files before they were read: the check of each, and the runs that the version came out of.
pub(super) fn curation(ledger: &Ledger) -> Field {
    let items = ledger
        .datasets()
        .iter()
        .map(|(used, _)| {
            let mut source = vec![version_source(used)];
            source.extend(used.curation.iter().map(|run| {
                Source::record(
                    "curation_run",
                    run.id,
                    format!("/lineage/curation_run/{}", run.id),
                )
            }));
            let runs: Vec<_> = used.curation.iter().map(run_value).collect();
            Item {
                key: used.version.to_string(),
                text: Words::with("disclosure-say-of-dataset", |lang| {
                    let mut said = vec![lang.t_with(
                        "disclosure-say-checked",
                        &[("files", used.files.to_string())],
                    )];
                    if used.curation.is_empty() {
                        said.push(lang.t("disclosure-say-as-supplied"));
                    }
                    said.extend(used.curation.iter().map(|run| run_words(lang, run)));
                    vec![
                        ("title", title_for(lang, used, true)),
                        ("text", said.join(" ")),
                    ]
                }),
                value: json!({
                    "files": used.files, "manifest_sha256": used.manifest_sha256, "runs": runs,
                }),
                source,
            }
        })
        .collect();
    all_of(ledger, "curation", items)
}

fn run_value(run: &CurationRecord) -> Value {
    json!({
        "kind": run.kind,
        "config_sha256": run.config_sha256,
        "code_commit": run.code_commit,
        "statistics": run.statistics,
        "at": run.created_at,
    })
}

fn run_words(lang: Lang, run: &CurationRecord) -> String {
    let excluded = run.statistics["documents_excluded_from_dataset"].as_i64();
    let what = match (run.kind.as_str(), excluded) {
        ("exclusion", Some(count)) => lang.t_with(
            "disclosure-say-run-excluded",
            &[("count", count.to_string())],
        ),
        ("exclusion", None) => lang.t("disclosure-say-run-exclusion"),
        _ => lang.t("disclosure-say-run-curation"),
    };
    lang.t_with(
        "disclosure-say-run",
        &[
            ("date", date(lang, run.created_at)),
            ("what", what),
            ("settings", run.config_sha256.clone()),
            ("code", run.code_commit.clone()),
        ],
    )
}

/// On what basis personal data were used, by the assessment that the privacy officer signed; missing where there are
/// such data and nothing is signed.
pub(super) fn personal_data(ledger: &Ledger) -> Field {
    let datasets = ledger.datasets();
    let unsigned = datasets
        .iter()
        .find(|(used, _)| used.said.personal_data_basis.is_some() && used.assessment.is_none());
    if let Some((used, _)) = unsigned {
        return Field::missing(
            "personal-data",
            Role::PrivacyOfficer,
            format!("/datasets/{}/privacy", used.dataset),
        );
    }
    let items = datasets
        .iter()
        .map(|(used, _)| match &used.assessment {
            Some(filed) => assessed(used, filed),
            None => Item {
                key: used.version.to_string(),
                text: Words::with("disclosure-say-no-personal-data", |_| {
                    vec![("title", used.said.title.clone())]
                }),
                value: json!({ "basis": Value::Null, "assessment": Value::Null }),
                source: vec![version_source(used)],
            },
        })
        .collect();
    all_of(ledger, "personal-data", items)
}

/// What a signed assessment says. Its texts stay with it: this states the choices and the figures.
fn assessed(used: &UsedDataset, filed: &Filed) -> Item {
    let assessment = &filed.assessment;
    let signed_at = filed.signature.as_ref().map(|signature| signature.at);
    let recall = assessment.measurement.and_then(|one| one.recall());
    let text = Words::with("disclosure-say-of-dataset", |lang| {
        let joined = |words: Vec<String>| words.join("; ");
        let mut said = vec![
            lang.t_with(
                "disclosure-say-assessed",
                &[
                    (
                        "bases",
                        joined(
                            assessment
                                .bases
                                .iter()
                                .map(|basis| lang.t(&format!("assessment-basis-{}", basis.name())))
                                .collect(),
                        ),
                    ),
                    (
                        "date",
                        signed_at.map_or_else(String::new, |at| date(lang, at)),
                    ),
                    (
                        "result",
                        lang.t(&format!(
                            "assessment-result-{}",
                            assessment.result.name().replace('_', "-")
                        )),
                    ),
                ],
            ),
        ];
        if !assessment.special.is_empty() {
            said.push(
                lang.t_with(
                    "disclosure-say-special",
                    &[(
                        "special",
                        joined(
                            assessment
                                .special
                                .iter()
                                .map(|one| {
                                    let name = one.name().replace('_', "-");
                                    lang.t(&format!("assessment-special-{name}"))
                                })
                                .collect(),
                        ),
                    )],
                ),
            );
        }
        said.push(match (assessment.method.is_empty(), recall) {
            (true, _) => lang.t("disclosure-say-unmasked"),
            (false, None) => lang.t("disclosure-say-masked"),
            (false, Some(recall)) => lang.t_with(
                "disclosure-say-masked-measured",
                &[
                    ("share", decimal(lang, recall.share * 100.0, 1)),
                    ("low", decimal(lang, recall.low * 100.0, 1)),
                    ("high", decimal(lang, recall.high * 100.0, 1)),
                ],
            ),
        });
        vec![
            ("title", title_for(lang, used, true)),
            ("text", said.join(" ")),
        ]
    });
    Item {
        key: used.version.to_string(),
        text,
        value: json!({
            "basis": used.said.personal_data_basis,
            "assessment": {
                "sha256": filed.text_sha256,
                "bases": assessment.bases,
                "special": assessment.special,
                "special_basis": assessment.special_basis,
                "result": assessment.result,
                "is_masked": !assessment.method.is_empty(),
                "recall": recall,
                "signed_at": signed_at,
            },
        }),
        source: vec![
            version_source(used),
            Source::record(
                "privacy_assessment",
                filed.id,
                format!("/datasets/{}/privacy", used.dataset),
            ),
        ],
    }
}
