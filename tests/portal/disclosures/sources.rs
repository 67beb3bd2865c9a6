//! Each field of the Commission's template is a fact of its own, with its own check for missing.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Tuned, Wanted, tuned};

/// What goes with a category, and which field of the summary each of it is.
struct Category {
    name: &'static str,
    facts: Value,
    /// Name of the fact, section and field.
    asked: &'static [(&'static str, &'static str)],
    /// The section and what it says.
    section: &'static str,
    says: &'static [&'static str],
}

fn categories() -> Vec<Category> {
    vec![
        Category {
            name: "public_dataset",
            facts: json!({ "address": "https://data.example.nl/notulen" }),
            asked: &[("address", "public-datasets")],
            section: "2.1",
            says: &["https://data.example.nl/notulen", "Notulen van de raad"],
        },
        Category {
            name: "licensed_rightholder",
            facts: json!({}),
            asked: &[],
            section: "2.2.1",
            says: &["in licentie van rechthebbenden"],
        },
        Category {
            name: "private_third_party",
            facts: json!({ "collection": "Van een uitgever gekocht." }),
            asked: &[("collection", "private-datasets")],
            section: "2.2.2",
            says: &["Van een uitgever gekocht."],
        },
        Category {
            name: "crawled",
            facts: json!({
                "crawlers": "VoorbeeldBot/1.0 van een instelling", "crawl_purpose": "Taalmodellen in het Nederlands",
                "crawl_conduct": "Volgt robots.txt en stopt bij een captcha of betaalmuur.", "crawl_from": "2026-01",
                "crawl_until": "2026-03", "crawl_sites": "Sites van gemeenten", "crawl_domain_count": "11",
                "crawl_domains": "een.example\ntwee.example",
            }),
            asked: &[
                ("crawlers", "crawlers"),
                ("crawl_purpose", "crawl-purpose"),
                ("crawl_conduct", "crawl-conduct"),
                ("crawl_from", "crawl-period"),
                ("crawl_until", "crawl-period"),
                ("crawl_sites", "crawl-sites"),
                ("crawl_domains", "crawl-domains"),
            ],
            section: "2.3",
            says: &[
                "VoorbeeldBot/1.0",
                "Taalmodellen",
                "robots.txt",
                "01/2026",
                "03/2026",
                "Sites van gemeenten",
                "een.example, twee.example",
                "11 domeinen",
            ],
        },
        Category {
            name: "user_data",
            facts: json!({
                "collection": "Vragen aan een balie.", "users_of_models": "no", "users_of_services": "yes",
            }),
            asked: &[
                ("collection", "user-data"),
                ("users_of_models", "users-of-models"),
                ("users_of_services", "users-of-services"),
            ],
            section: "2.4",
            says: &["Vragen aan een balie.", "ja.", "nee."],
        },
        Category {
            name: "synthetic",
            facts: json!({
                "collection": "Gemaakt met een model en nagelezen.", "models": "Voorbeeld 7B | https://example.org/7b",
            }),
            asked: &[
                ("collection", "synthetic-data"),
                ("models", "synthetic-models"),
            ],
            section: "2.5",
            says: &["Voorbeeld 7B (https://example.org/7b)"],
        },
        Category {
            name: "other",
            facts: json!({ "collection": "Gedigitaliseerd in de studiezaal." }),
            asked: &[("collection", "other-data")],
            section: "2.6",
            says: &["Gedigitaliseerd in de studiezaal."],
        },
    ]
}

/// The fields of the summary that nobody has put on record.
async fn missing(tuned: &Tuned) -> Vec<String> {
    let state = tuned
        .app
        .browser("operator")
        .await
        .api(
            Method::GET,
            &format!("/api/v1/models/{}/disclosures", tuned.model),
            None,
        )
        .await
        .unwrap();
    let documents = state["documents"].as_array().unwrap();
    let summary = documents
        .iter()
        .find(|one| one["kind"] == "training_summary");
    summary.unwrap()["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert_eq!(one["who"], "contributor", "{one:#}");
            one["field"].as_str().unwrap().to_owned()
        })
        .collect()
}

/// The section of the summary, as text in Dutch.
async fn section(tuned: &Tuned, id: &str) -> String {
    let document = tuned.draft("training_summary").await;
    let sections = document["sections"].as_array().unwrap();
    let section = sections.iter().find(|one| one["id"] == id).unwrap();
    section.to_string()
}

fn with(first: &Value, more: Value) -> Value {
    let mut all = first.clone();
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

#[actix_web::test]
async fn each_field_of_the_template_has_its_own_fact_and_its_own_check() {
    let tuned = tuned(Wanted::default()).await;
    assert_eq!(
        missing(&tuned).await,
        Vec::<String>::new(),
        "the demo's facts"
    );
    for (fact, field) in [
        ("content_types", "content-types"),
        ("acquired_until", "acquired-until"),
        ("languages", "languages"),
        ("characteristics", "other-characteristics"),
    ] {
        let nothing = if fact == "content_types" {
            json!([])
        } else {
            json!("")
        };
        tuned.state_dataset(json!({ fact: nothing })).await;
        assert_eq!(missing(&tuned).await, [field], "{fact}");
    }
    // Sources that are public were looked at by a person.
    tuned.look_at_source("not_reserved").await;
    for category in categories() {
        let facts = with(&category.facts, json!({ "source_category": category.name }));
        tuned.state_dataset(facts.clone()).await;
        assert_eq!(
            missing(&tuned).await,
            Vec::<String>::new(),
            "{}",
            category.name
        );
        let told = section(&tuned, category.section).await;
        for said in category.says {
            assert!(told.contains(said), "{}: {said}: {told}", category.name);
        }
        assert!(told.contains(r#""value":["text"]"#), "{told}");
        for (fact, field) in category.asked {
            let less = with(&facts, json!({ *fact: "" }));
            tuned.state_dataset(less).await;
            assert_eq!(
                missing(&tuned).await,
                [*field],
                "{fact} of {}",
                category.name
            );
        }
        // Every other section says that none of it was used.
        tuned.state_dataset(facts).await;
        for other in categories().iter().filter(|one| one.name != category.name) {
            let told = section(&tuned, other.section).await;
            assert!(
                told.contains("Nee, niet gebruikt."),
                "{}: {told}",
                other.section
            );
            assert!(
                !told.contains("tokens gelezen"),
                "{}: {told}",
                other.section
            );
        }
    }
    // No category: 3 fields of section 2.1, 2 of 2.2.1, 2 of 2.2.2, 8 of 2.3, 4 of 2.4, 3 of 2.5, 2 of 2.6.
    tuned.state_dataset(json!({ "source_category": "" })).await;
    assert_eq!(
        missing(&tuned).await.len(),
        24,
        "{:#?}",
        missing(&tuned).await
    );
}

#[actix_web::test]
async fn the_page_asks_what_goes_with_the_kind_of_source_and_keeps_the_rest() {
    let tuned = tuned(Wanted::default()).await;
    let path = format!("/nl/datasets/{}/public-facts", tuned.dataset);
    let mut contributor = tuned.app.browser("contributor.waterland").await;
    let basics = [
        ("source_category", "crawled"),
        ("content_types", "legal"),
        ("acquired_until", "2026-10"),
        ("languages", "nl"),
        ("characteristics", "Waterland"),
    ];
    let form = |more: &[(&'static str, &'static str)]| [basics.as_slice(), more].concat();
    let wrong = contributor
        .post_form(
            &path,
            &form(&[
                ("crawl_domain_count", "100"),
                ("crawl_domains", "een.example"),
                ("crawl_from", "2026-05"),
                ("crawl_until", "2026-04"),
                ("models", "Voorbeeld"),
                ("address", "data"),
            ]),
        )
        .await
        .unwrap();
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for said in [
        "Noem ten minste 10 domeinen",
        "Het einde ligt voor het begin.",
        "geen naam, rechte streep en adres",
        "https://",
    ] {
        assert!(wrong.text.contains(said), "{said}: {}", wrong.text);
    }
    // What is wrong is in sight: nothing of it is folded away, but what users are asked.
    assert_eq!(
        wrong.text.matches("<details open>").count(),
        3,
        "{}",
        wrong.text
    );
    let right = contributor
        .post_form(
            &path,
            &form(&[("crawlers", "VoorbeeldBot"), ("users_of_models", "no")]),
        )
        .await
        .unwrap();
    assert_eq!(right.status, StatusCode::SEE_OTHER, "{}", right.text);
    let page = contributor.get(&path).await.unwrap().text;
    assert!(
        page.contains("VoorbeeldBot") && !page.contains('⟨'),
        "{page}"
    );

    // The form of the dataset asks less, and what it does not ask stays.
    tuned.app.pool().await;
    contributor
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/versions", tuned.dataset),
            None,
        )
        .await
        .unwrap();
    let edit = form(&[
        ("title", "Notulen, herzien"),
        ("description", "Voor een test geschreven."),
        ("language", "nl"),
        ("license", "CC0-1.0"),
        ("source", "test"),
        ("right_holder", "Archief Waterland"),
        ("personal_data", "no"),
        ("personal_data_basis", ""),
        ("confidentiality", "public"),
        ("collection", "Nieuw."),
    ]);
    let answer = contributor
        .post_form(&format!("/nl/datasets/{}/edit", tuned.dataset), &edit)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    let stated = contributor
        .api(
            Method::GET,
            &format!("/api/v1/datasets/{}/public-facts", tuned.dataset),
            None,
        )
        .await
        .unwrap();
    assert_eq!(stated["facts"]["collection"], "Nieuw.", "{stated:#}");
    assert_eq!(
        stated["facts"]["details"]["crawl"]["crawlers"], "VoorbeeldBot",
        "{stated:#}"
    );
    assert_eq!(
        stated["facts"]["details"]["users"]["of_models"], false,
        "{stated:#}"
    );
}

#[actix_web::test]
async fn the_database_takes_no_domains_that_are_not_the_largest_tenth() {
    let tuned = tuned(Wanted::default()).await;
    let pool = tuned.app.pool().await;
    for (details, is_taken) in [
        (
            json!({ "crawl": { "domain_count": 20, "domains": ["a.example", "b.example"] } }),
            true,
        ),
        (
            json!({ "crawl": { "domain_count": 21, "domains": ["a.example", "b.example"] } }),
            false,
        ),
        (
            json!({ "crawl": { "domain_count": 1, "domains": ["a.example", "b.example"] } }),
            false,
        ),
        (json!({ "crawl": { "domains": ["a.example"] } }), false),
        (json!({ "models": "x" }), false),
        (json!([]), false),
    ] {
        let done = sqlx::query(
            "INSERT INTO dataset_public_facts (id, dataset_id, content_types, languages, collection, recorded_by,
                 recorded_at, details)
             SELECT gen_random_uuid(), dataset_id, content_types, languages, collection, recorded_by, recorded_at, $1
             FROM dataset_public_facts LIMIT 1",
        )
        .bind(&details)
        .execute(&pool)
        .await;
        assert_eq!(done.is_ok(), is_taken, "{details}: {done:?}");
    }
}

#[actix_web::test]
async fn a_source_that_is_public_and_was_never_looked_at_is_missing() {
    let tuned = tuned(Wanted::default()).await;
    for category in ["public_dataset", "crawled"] {
        tuned
            .state_dataset(json!({ "source_category": category }))
            .await;
        for (kind, section) in [
            ("training_summary", "3.1"),
            ("copyright_policy", "1.3"),
            ("annex_xi", "2(c)"),
            ("model_documentation", "6"),
        ] {
            let content = tuned.field(kind, section, "rights-at-source").await;
            assert_eq!(content["is"], "missing", "{kind}: {content:#}");
            assert_eq!(content["who"], "legal_reviewer", "{kind}: {content:#}");
            assert_eq!(
                content["href"],
                format!("/datasets/{}/rights", tuned.dataset)
            );
        }
    }
    tuned.look_at_source("not_reserved").await;
    let content = tuned
        .field("training_summary", "3.1", "rights-at-source")
        .await;
    assert_eq!(content["is"], "listed", "{content:#}");
}
