//! The written cases: a policy and a use on one side, the verdict and its rules on the other.

use std::{collections::BTreeSet, fs, path::Path};

use permission_policy::{
    Confidentiality, Layer, Moment, Policy, RecordedPolicy, Rule, Terms, decide, first,
    is_in_force, sha256_hex,
};

use crate::support::{Case, cases, duties_told, told};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn all() -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| cases(file, &fs::read_to_string(folder().join(file)).unwrap()))
        .collect()
}

#[test]
fn every_written_case_gets_its_verdict() {
    let mut wrong = Vec::new();
    for case in all() {
        let verdict = decide(&case.facts, &case.permissions, &case.wanted, case.at);
        if told(&verdict) != case.expected {
            wrong.push(format!(
                "{}\n  expected {}\n  got      {}",
                case.name,
                case.expected,
                told(&verdict)
            ));
        }
        if let Some(duties) = case.duties
            && duties_told(&verdict.duties) != duties
        {
            wrong.push(format!(
                "{}\n  expected {duties}\n  got      {}",
                case.name,
                duties_told(&verdict.duties)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn there_are_more_than_300_and_no_two_have_the_same_name() {
    let cases = all();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert!(cases.len() >= 300, "{}", cases.len());
    assert_eq!(names.len(), cases.len());
}

#[test]
fn every_rule_speaks_in_some_case() {
    let spoken: BTreeSet<Rule> = all()
        .iter()
        .flat_map(|case| decide(&case.facts, &case.permissions, &case.wanted, case.at).reasons)
        .map(|reason| reason.rule)
        .collect();
    assert_eq!(spoken, Rule::ALL.iter().copied().collect());
}

/// A rule of the licence names the licence, one of personal data the assessment, one of terms the permission.
#[test]
fn every_reason_names_what_it_read() {
    for case in all() {
        let verdict = decide(&case.facts, &case.permissions, &case.wanted, case.at);
        for reason in verdict.reasons {
            let name = reason.rule.name();
            if name.starts_with("licence-") {
                assert_eq!(
                    reason.licence.as_ref(),
                    Some(&case.facts.licence.label),
                    "{}",
                    case.name
                );
                assert_eq!(reason.layer, Some(Layer::Copyright), "{}", case.name);
            } else if name == "assessment-missing" {
                assert_eq!(
                    (reason.assessment, reason.layer),
                    (None, Some(Layer::PersonalData))
                );
            } else if name.starts_with("assessment-") || name.ends_with("-basis-missing") {
                let assessment = case.facts.privacy.assessment.as_ref().unwrap();
                assert_eq!(reason.assessment, Some(assessment.id), "{}", case.name);
                assert_eq!(reason.layer, Some(Layer::PersonalData), "{}", case.name);
            } else if name != "not-approved" && name != "no-permission" {
                let read = reason.permission.unwrap();
                let permission = case.permissions.iter().find(|p| p.id == read).unwrap();
                assert_eq!(reason.layer, Some(permission.layer), "{}", case.name);
            }
        }
    }
}

#[test]
fn a_kept_policy_gives_the_same_verdict_again() {
    for case in all() {
        let verdict = decide(&case.facts, &case.permissions, &case.wanted, case.at);
        let policy = Policy::of(&case.facts, &case.permissions, &case.wanted);
        let text = policy.canonical().unwrap();
        let again = RecordedPolicy::parse(&text).unwrap();
        assert_eq!(again.decide(case.at), verdict, "{}", case.name);
        assert_eq!(again, RecordedPolicy::Second(policy));
    }
}

/// The story of domain.md 1.6 as an auditor sees it: the verdict of August is made again from its own text, and
/// stays no, whatever is known since.
#[test]
fn a_licence_that_changed_later_leaves_the_earlier_verdict_as_it_was() {
    let stories = all();
    let of = |name: &str| {
        stories
            .iter()
            .find(|case| case.name.contains(name))
            .unwrap()
    };
    let (august, september) = (of("training asked in August"), of("asked after the change"));
    let text = |case: &Case| {
        Policy::of(&case.facts, &case.permissions, &case.wanted)
            .canonical()
            .unwrap()
    };
    assert_ne!(sha256_hex(&text(august)), sha256_hex(&text(september)));
    let kept = RecordedPolicy::parse(&text(august)).unwrap();
    assert_eq!(told(&kept.decide(august.at)), "no licence-unknown");
    // Not even when it is asked again, months after the change.
    assert_eq!(told(&kept.decide(september.at)), "no licence-unknown");
    assert_eq!(
        told(
            &RecordedPolicy::parse(&text(september))
                .unwrap()
                .decide(september.at)
        ),
        "yes covered#1"
    );
}

/// A case in the words of rule set 1, which knew less.
fn first_policy(case: &Case) -> first::Policy {
    let permissions = case
        .permissions
        .iter()
        .map(|permission| first::Permission {
            id: permission.id,
            layer: permission.layer,
            state: permission.state,
            terms: first::Terms {
                rule_set: if permission.terms.rule_set == 2
                    && !case.name.contains("another rule set")
                {
                    1
                } else {
                    permission.terms.rule_set
                },
                purposes: permission.terms.purposes.clone(),
                recipients: permission.terms.recipients,
                allows_commercial_use: permission.terms.allows_commercial_use,
                model_families: permission.terms.model_families.clone(),
                valid_from: permission.terms.valid_from,
                valid_until: permission.terms.valid_until,
                evidence: permission.terms.evidence.note.clone(),
                delete_within_days: permission.terms.duties.delete_within_days,
            },
            terms_sha256: permission.terms_sha256.clone(),
        })
        .collect();
    first::Policy {
        facts: first::DatasetFacts {
            is_approved: case.facts.is_approved,
            license: case.facts.licence.label.clone(),
            has_personal_data: case.facts.privacy.has_personal_data,
            confidentiality: case.facts.confidentiality.name().to_owned(),
        },
        permissions,
        rule_set: first::RULE_SET,
        wanted: first::Use {
            purpose: case.wanted.purpose,
            recipients: case.wanted.recipients,
            is_commercial: case.wanted.is_commercial,
            model_family: case.wanted.model_family.clone(),
        },
    }
}

#[test]
fn rule_set_1_answers_as_it_always_did() {
    let text = fs::read_to_string(folder().join("rule-set-1.txt")).unwrap();
    let cases = cases("rule-set-1.txt", &text);
    assert!(cases.len() > 20);
    for case in cases {
        let policy = first_policy(&case);
        assert_eq!(
            told(&policy.decide(case.at)),
            case.expected,
            "{}",
            case.name
        );
        let text = serde_json::to_string(&policy).unwrap();
        let again = RecordedPolicy::parse(&text).unwrap();
        assert_eq!(told(&again.decide(case.at)), case.expected, "{}", case.name);
    }
}

/// The name under which a verdict of rule set 1 was stored, computed once outside this code:
/// `printf '%s' '[1,{"is_approved":…},{"purpose":…},[["…","copyright","0000…","given"]]]' | sha256sum`.
#[test]
fn a_policy_of_rule_set_1_keeps_its_name() {
    let text = fs::read_to_string(folder().join("rule-set-1.txt")).unwrap();
    let cases = cases("rule-set-1.txt", &text);
    let given = cases
        .iter()
        .find(|case| case.name.ends_with(": given"))
        .unwrap();
    assert_eq!(
        first_policy(given).sha256().unwrap(),
        "3e2db9cdc7331ef1e34c2f22be9d87e11a45978f5144483222af17b930f51c3d"
    );
}

#[test]
fn terms_of_rule_set_1_are_read_as_what_they_mean() {
    let text = r#"{"rule_set":1,"purposes":["fine_tuning"],"recipients":"public","allows_commercial_use":true,"model_families":["gpt-nl"],"valid_from":"2026-01-01","valid_until":"2028-12-31","evidence":"CCA 12","delete_within_days":14}"#;
    let terms = Terms::parse(text).unwrap();
    assert_eq!(
        terms.canonical().unwrap(),
        r#"{"allows_commercial_use":true,"duties":{"attribution":null,"compensate":false,"delete_within_days":14,"report_use":false},"evidence":{"document_sha256":null,"note":"CCA 12"},"model_families":["gpt-nl"],"needs_human":[],"on_withdrawal":"retire","processing_locations":[],"prohibited":[],"purposes":["fine_tuning"],"recipients":"public","rule_set":2,"territories":[],"valid_from":"2026-01-01","valid_until":"2028-12-31"}"#
    );
}

#[test]
fn terms_of_a_later_rule_set_allow_nothing_and_terms_that_are_none_are_refused() {
    let later = Terms::parse(r#"{"rule_set":7,"moons":["Titan"]}"#).unwrap();
    assert_eq!((later.rule_set, later.purposes.len()), (7, 0));
    assert!(Terms::parse(r#"{"rule_set":2}"#).is_err());
    assert!(Terms::parse(r#"{"rule_set":1,"purposes":[]}"#).is_err());
    assert!(Terms::parse("").is_err());
    let unknown = r#"{"rule_set":7}"#;
    assert_eq!(
        RecordedPolicy::parse(unknown).unwrap_err().to_string(),
        "rule set 7 is not known"
    );
}

#[test]
fn closed_words_are_read_as_they_are_written() {
    for one in Confidentiality::ALL {
        assert_eq!(one.to_string().parse(), Ok(*one));
    }
    assert!("secret".parse::<Confidentiality>().is_err());
}

#[test]
fn a_permission_is_in_force_from_its_first_day_up_to_and_including_its_last() {
    let permission = crate::support::permissions_of("C from:2026-05-05 until:2026-05-07").remove(0);
    let is = |day: &str| is_in_force(&permission, &Moment::of(crate::support::moment(day)));
    let days = [
        "2026-05-04",
        "2026-05-05",
        "2026-05-06",
        "2026-05-07",
        "2026-05-08",
    ];
    assert_eq!(days.map(is), [false, true, true, true, false]);
    let withdrawn = crate::support::permissions_of("C withdrawn").remove(0);
    assert!(!is_in_force(
        &withdrawn,
        &Moment::of(crate::support::moment("-"))
    ));
}
