//! What the documents say, as files to read.

use reqwest::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;
use virtual_faculty::{demo, web::Lang};

use super::{Tuned, Wanted, schema, tuned};

const KINDS: [&str; 6] = [
    "training_summary",
    "annex_xi",
    "annex_xii",
    "model_documentation",
    "copyright_policy",
    "modification",
];

/// Takes out what differs each time: ids, hashes, moments, the end of the model's name.
fn redact(value: &Value) -> Value {
    match value {
        Value::String(text) => redact_text(text).into(),
        Value::Array(items) => items.iter().map(redact).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), redact(member)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn redact_text(text: &str) -> String {
    if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return "[moment]".into();
    }
    let (mut out, mut word) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || c == '-' {
            word.push(c);
            continue;
        }
        let is_hex = |word: &str| word.chars().all(|c| c.is_ascii_hexdigit());
        if Uuid::parse_str(&word).is_ok() && word.len() == 36 {
            out.push_str("[id]");
        } else if word.len() == 64 && is_hex(&word) {
            out.push_str("[sha256]");
        } else if out.ends_with(":proef:") {
            out.push_str("[end]");
        } else {
            out.push_str(&word);
        }
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    redact_dates(&out)
}

/// "25 november 2026" in either language.
fn redact_dates(text: &str) -> String {
    let months: Vec<String> = (1..=12)
        .flat_map(|n| Lang::ALL.map(|lang| lang.t(&format!("month-{n}"))))
        .collect();
    let words: Vec<&str> = text.split(' ').collect();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let is_date = word.parse::<u32>().is_ok()
            && words
                .get(at + 1)
                .is_some_and(|month| months.iter().any(|m| m == month));
        if is_date {
            let rest = words
                .get(at + 2)
                .map_or("", |year| year.get(4..).unwrap_or(""));
            out.push(format!("[date]{rest}"));
            at += 3;
        } else {
            out.push((*word).to_owned());
            at += 1;
        }
    }
    out.join(" ")
}

/// Each line of a document for reading: section, label, text, sources.
fn told(document: &Value, lang: &str) -> String {
    let mut out = format!(
        "{}\n{}\n",
        document["title"][lang].as_str().unwrap(),
        document["based_on"][lang].as_str().unwrap()
    );
    let sources = |list: &Value| -> String {
        let kinds: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|source| source["kind"].as_str().unwrap())
            .collect();
        format!("[{}]", kinds.join(", "))
    };
    for section in document["sections"].as_array().unwrap() {
        let title = section["title"][lang].as_str().unwrap();
        out.push_str(&format!("\n{} {title}\n", section["id"].as_str().unwrap()));
        for field in section["fields"].as_array().unwrap() {
            let label = field["label"][lang].as_str().unwrap();
            let content = &field["content"];
            match content["is"].as_str().unwrap() {
                "stated" => {
                    let text = content["text"][lang].as_str().unwrap();
                    out.push_str(&format!(
                        "  {label}: {text} {}\n",
                        sources(&content["source"])
                    ));
                }
                "listed" => {
                    out.push_str(&format!("  {label}:\n"));
                    let items = content["items"].as_array().unwrap();
                    if items.is_empty() {
                        out.push_str(&format!(
                            "    {} {}\n",
                            content["none"][lang].as_str().unwrap(),
                            sources(&content["source"])
                        ));
                    }
                    for item in items {
                        let text = item["text"][lang].as_str().unwrap();
                        out.push_str(&format!("    - {text} {}\n", sources(&item["source"])));
                    }
                }
                "missing" => out.push_str(&format!(
                    "  {label}: MISSING, {} at {}\n",
                    content["who"].as_str().unwrap(),
                    content["href"].as_str().unwrap()
                )),
                other => panic!("{other}"),
            }
        }
    }
    out
}

/// The fields that say something without naming a record.
fn without_a_record(document: &Value) -> Vec<String> {
    let is_bare = |of: &Value| of["source"].as_array().is_none_or(Vec::is_empty);
    let sections = document["sections"].as_array().unwrap();
    sections
        .iter()
        .flat_map(|section| section["fields"].as_array().unwrap())
        .filter(|field| {
            let content = &field["content"];
            match content["items"].as_array() {
                Some(items) if !items.is_empty() => items.iter().any(is_bare),
                Some(_) | None => is_bare(content),
            }
        })
        .map(|field| field["id"].to_string())
        .collect()
}

fn snapshot(name: &str, document: &Value) {
    let document = redact(document);
    insta::with_settings!({ snapshot_path => "golden", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!(format!("{name}.json"), document);
        for lang in ["nl", "en"] {
            insta::assert_snapshot!(format!("{name}.{lang}"), told(&document, lang));
        }
    });
}

#[actix_web::test]
async fn each_document_is_its_golden_file_and_as_its_schema_says() {
    let tuned = tuned(Wanted::default()).await;
    let schema: Value = tuned
        .app
        .browser("auditor")
        .await
        .api(Method::GET, "/api/v1/disclosures/schema", None)
        .await
        .unwrap();
    for kind in KINDS {
        let document = tuned.draft(kind).await;
        assert_eq!(
            schema::problems(&schema, &schema, &document, ""),
            Vec::<String>::new(),
            "{kind}"
        );
        assert_eq!(without_a_record(&document), Vec::<String>::new(), "{kind}");
        let text = document.to_string().to_lowercase();
        for claim in ["compliant", "anoniem", "anonymous", "voldoet aan"] {
            assert!(!text.contains(claim), "{kind} claims: {claim}");
        }
        snapshot(kind, &document);
    }
}

#[actix_web::test]
async fn a_missing_fact_is_marked_with_who_can_supply_it_and_blocks_the_version() {
    let tuned = tuned(Wanted {
        is_complete: false,
        is_released: false,
        ..Wanted::default()
    })
    .await;
    let document = tuned.draft("training_summary").await;
    let schema: Value = tuned
        .app
        .browser("auditor")
        .await
        .api(Method::GET, "/api/v1/disclosures/schema", None)
        .await
        .unwrap();
    assert_eq!(
        schema::problems(&schema, &schema, &document, ""),
        Vec::<String>::new()
    );
    snapshot("training_summary_incomplete", &document);

    let mut operator = tuned.app.browser("operator").await;
    let path = format!("/api/v1/models/{}/disclosures", tuned.model);
    let refused = operator.call(Method::POST, &path, None).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    for field in [
        "provider-name",
        "base-summary",
        "languages",
        "release-date",
        "energy",
    ] {
        assert!(refused.text.contains(field), "{field}: {}", refused.text);
    }
    let page = operator
        .get(&format!(
            "/en/models/{}/disclosures/training_summary",
            tuned.model
        ))
        .await
        .unwrap()
        .text;
    assert!(page.contains("Missing."), "{page}");
    assert!(page.contains("/en/admin/provider"), "{page}");
    assert!(page.contains(&format!("/en/datasets/{}/public-facts", tuned.dataset)));

    everybody_supplies_their_part(&tuned).await;
    let state = operator.api(Method::GET, &path, None).await.unwrap();
    for document in state["documents"].as_array().unwrap() {
        assert_eq!(document["missing"], Value::Array(Vec::new()), "{state:#}");
    }
    tuned.prepared().await;
}

/// On the pages that the marks lead to; also somebody else's is not theirs.
async fn everybody_supplies_their_part(tuned: &Tuned) {
    let app = &tuned.app;
    let path = format!("/nl/datasets/{}/public-facts", tuned.dataset);
    let fields = [
        ("source_category", "licensed_rightholder"),
        ("content_types", "legal"),
        ("content_types", "government"),
        ("acquired_until", "2026-10"),
        ("languages", "nl, fy"),
        ("collection", ""),
        ("characteristics", "Waterland, 2026"),
    ];
    for (login, status) in [
        ("manager.harderwijk", StatusCode::FORBIDDEN),
        ("fg.waterland", StatusCode::FORBIDDEN),
        ("contributor.waterland", StatusCode::SEE_OTHER),
    ] {
        let mut browser = app.browser(login).await;
        let answer = browser.post_form(&path, &fields).await.unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    let wrong = app
        .browser("contributor.waterland")
        .await
        .post_form(
            &path,
            &[("source_category", "found"), ("acquired_until", "maart")],
        )
        .await
        .unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);

    let facts = demo::provider_facts();
    let fields: Vec<(&str, &str)> = facts
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    for (login, status) in [
        ("operator", StatusCode::FORBIDDEN),
        ("admin", StatusCode::SEE_OTHER),
    ] {
        let answer = app
            .browser(login)
            .await
            .post_form("/nl/admin/provider", &fields)
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    let facts = demo::base_facts();
    let fields: Vec<(&str, &str)> = facts
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = value.as_array().map_or(value, |items| &items[0]);
            (name.as_str(), value.as_str().unwrap())
        })
        .collect();
    let path = format!("/nl/models/{}/base-facts", tuned.base);
    for (login, status) in [
        ("researcher.harderwijk", StatusCode::FORBIDDEN),
        ("operator", StatusCode::SEE_OTHER),
    ] {
        let answer = app
            .browser(login)
            .await
            .post_form(&path, &fields)
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    app.browser("operator")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/models/{}/release", tuned.model),
            None,
        )
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_dataset_that_is_not_public_is_described_and_not_named() {
    let tuned = tuned(Wanted {
        confidentiality: "confidential",
        ..Wanted::default()
    })
    .await;
    let summary = tuned.draft("training_summary").await;
    let text = summary.to_string();
    assert!(!text.contains("Notulen van de raad"), "{summary:#}");
    assert!(!text.contains("Archief Waterland"), "{summary:#}");
    assert!(
        text.contains("Een dataset die niet openbaar is"),
        "{summary:#}"
    );
    // The authorities may know.
    let annex = tuned.draft("annex_xi").await.to_string();
    assert!(annex.contains("Notulen van de raad"));

    tuned.withdraw().await;
    let text = tuned.draft("training_summary").await.to_string();
    assert!(text.contains("toestemming ingetrokken"), "{text}");
    assert!(!text.contains("Notulen van de raad"), "{text}");
}
