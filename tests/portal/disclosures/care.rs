//! Documents state what others put on record: the signed assessment, looks at the source, curation, the release.

use serde_json::{Value, json};

use super::{Wanted, tuned};

/// The kinds of records that the only item of a listed field rests on.
fn kinds(content: &Value) -> Vec<&str> {
    content["items"][0]["source"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["kind"].as_str().unwrap())
        .collect()
}

fn said(content: &Value) -> &str {
    content["items"][0]["text"]["nl"].as_str().unwrap()
}

#[actix_web::test]
async fn personal_data_are_stated_by_the_signed_assessment_and_missing_without_one() {
    let tuned = tuned(Wanted {
        has_personal_data: true,
        ..Wanted::default()
    })
    .await;
    let content = tuned.field("annex_xi", "2(c)", "personal-data").await;
    assert_eq!(kinds(&content), ["dataset_version", "privacy_assessment"]);
    for part in [
        "e: taak van algemeen belang",
        "ondertekend op",
        "met de beschreven maatregelen",
        "politieke opvattingen",
        "96,2% gevonden (met 95% zekerheid tussen 94,1% en 97,6%)",
    ] {
        assert!(said(&content).contains(part), "{part}: {content:#}");
    }
    let page = format!("/datasets/{}/privacy", tuned.dataset);
    assert_eq!(content["items"][0]["source"][1]["href"], page);
    let id = tuned.prepared().await;
    tuned.publish(id).await;

    // A signature that went missing takes the statement with it.
    let mut conn = tuned.app.pool().await.acquire().await.unwrap();
    for statement in [
        "SET session_replication_role = replica",
        "DELETE FROM privacy_signatures",
    ] {
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
    }
    for (kind, section) in [("annex_xi", "2(c)"), ("model_documentation", "6")] {
        let content = tuned.field(kind, section, "personal-data").await;
        assert_eq!(content["is"], "missing", "{content:#}");
        assert_eq!(content["who"], "privacy_officer", "{content:#}");
        assert_eq!(content["href"], page.as_str(), "{content:#}");
    }
}

#[actix_web::test]
async fn curation_names_the_runs_that_the_version_came_out_of() {
    let tuned = tuned(Wanted {
        is_second_version: true,
        ..Wanted::default()
    })
    .await;
    for (kind, section) in [
        ("annex_xi", "2(c)"),
        ("annex_xii", "2(c)"),
        ("model_documentation", "6"),
    ] {
        let content = tuned.field(kind, section, "curation").await;
        assert_eq!(
            kinds(&content),
            ["dataset_version", "curation_run"],
            "{kind}"
        );
        assert!(
            said(&content).contains("alle documenten overgenomen"),
            "{content:#}"
        );
        assert!(!said(&content).contains("zoals aangeleverd"), "{content:#}");
        let run = &content["items"][0]["value"]["runs"][0];
        assert_eq!(run["kind"], "exclusion", "{content:#}");
        assert_eq!(run["statistics"]["files"], 1, "{content:#}");
        // The record can be opened.
        let href = content["items"][0]["source"][1]["href"].as_str().unwrap();
        let page = tuned
            .app
            .browser("auditor")
            .await
            .get(&format!("/nl{href}"))
            .await;
        assert_eq!(page.unwrap().status, 200, "{href}");
    }
}

#[actix_web::test]
async fn what_the_source_says_is_stated_with_the_look_and_the_licence_on_record() {
    let tuned = tuned(Wanted::default()).await;
    let field =
        |kind: &'static str, section: &'static str| tuned.field(kind, section, "rights-at-source");
    let before = field("annex_xi", "2(c)").await;
    assert_eq!(kinds(&before), ["dataset_version", "licence_fact"]);
    assert!(
        said(&before).contains("Niet bij de bron bekeken"),
        "{before:#}"
    );
    assert!(
        said(&before).contains("Licentie CC0-1.0, vastgelegd op"),
        "{before:#}"
    );

    tuned.look_at_source("not_reserved").await;
    for (kind, section) in [
        ("annex_xi", "2(c)"),
        ("model_documentation", "6"),
        ("training_summary", "3.1"),
        ("copyright_policy", "1.3"),
    ] {
        let content = field(kind, section).await;
        assert_eq!(
            kinds(&content),
            [
                "dataset_version",
                "licence_fact",
                "rights_check",
                "evidence"
            ],
            "{kind}"
        );
        for part in [
            "niet voorbehouden",
            "Licentie bij de bron: CC-BY-4.0",
            "1 november 2026",
        ] {
            assert!(said(&content).contains(part), "{part}: {content:#}");
        }
    }
    let first = field("annex_xi", "2(c)").await;
    // Looking again and finding the same changes nothing that is stated.
    tuned.look_at_source("not_reserved").await;
    assert_eq!(field("annex_xi", "2(c)").await, first);
    tuned.look_at_source("reserved").await;
    let reserved = field("annex_xi", "2(c)").await;
    assert_eq!(
        reserved["items"][0]["value"]["check"]["reservation"],
        "reserved"
    );
    tuned.look_at_source("not_reserved").await;
    let again = field("annex_xi", "2(c)").await;
    assert_ne!(
        again["items"][0]["source"], first["items"][0]["source"],
        "not the old look"
    );
}

#[actix_web::test]
async fn what_is_not_public_is_not_given_away_by_its_licence_or_source() {
    let tuned = tuned(Wanted {
        confidentiality: "confidential",
        ..Wanted::default()
    })
    .await;
    tuned.look_at_source("not_reserved").await;
    for (kind, section) in [("training_summary", "3.1"), ("copyright_policy", "1.3")] {
        let content = tuned.field(kind, section, "rights-at-source").await;
        let text = content.to_string();
        assert!(text.contains("niet voorbehouden"), "{content:#}");
        for kept in ["data.example.nl", "CC0-1.0", "CC-BY-4.0", "Notulen"] {
            assert!(!text.contains(kept), "{kept}: {content:#}");
        }
    }
    let annex = tuned.field("annex_xi", "2(c)", "rights-at-source").await;
    assert!(annex.to_string().contains("data.example.nl"), "{annex:#}");
}

#[actix_web::test]
async fn distribution_says_how_far_it_was_released_and_not_what_the_job_wished() {
    let tuned = tuned(Wanted {
        is_released: false,
        ..Wanted::default()
    })
    .await;
    let kinds = [
        ("annex_xi", "1(c)"),
        ("annex_xii", "1(c)"),
        ("model_documentation", "3"),
    ];
    let mut conn = tuned.app.pool().await.acquire().await.unwrap();
    // Not released yet: as far as its lineage allows, which is less than its job wished.
    for statement in [
        "SET session_replication_role = replica",
        "UPDATE jobs SET recipients = 'public', is_commercial = true",
    ] {
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
    }
    for (kind, section) in kinds {
        let content = tuned.field(kind, section, "distribution").await;
        assert_eq!(content["value"]["recipients"], "consortium", "{content:#}");
        assert_eq!(
            content["value"]["allows_commercial_use"], false,
            "{content:#}"
        );
    }
    // Released narrower, in two countries and under the same terms.
    sqlx::query(
        "UPDATE models SET status = 'released', released_at = created_at, release_recipients = 'consortium',
             release_commercial = false, release_territories = ARRAY['NL', 'BE'], release_share_alike = true
         WHERE kind = 'adapter'",
    )
    .execute(&mut *conn)
    .await
    .unwrap();
    for (kind, section) in kinds {
        let content = tuned.field(kind, section, "distribution").await;
        assert_eq!(
            content["value"]["territories"],
            json!(["BE", "NL"]),
            "{content:#}"
        );
        assert_eq!(content["value"]["is_share_alike"], true, "{content:#}");
        let text = content["text"]["nl"].as_str().unwrap();
        for part in ["zonder winstoogmerk", "BE, NL", "dezelfde voorwaarden"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(content["source"][0]["kind"], "model", "{content:#}");
    }
}
