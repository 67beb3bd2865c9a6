//! Two people, frozen bytes, and what comes after.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use data_encoding::HEXLOWER;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use virtual_faculty::{
    app::{self, Ports},
    clock::FixedClock,
    config::Config,
    demo::{self, Browser},
};

use super::{Tuned, Wanted, tuned};

/// Runs a statement past the portal's doors; answers the database's refusal.
async fn refusal(tuned: &Tuned, statement: &'static str) -> String {
    let mut tx = tuned.app.owner_tx().await;
    let done = sqlx::query(statement).execute(tx.conn()).await;
    done.expect_err("the database took what it must refuse")
        .to_string()
}

#[actix_web::test]
async fn one_prepares_another_publishes_and_then_everybody_reads() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    let summary = format!("/nl/disclosures/{id}/training_summary");
    let json = format!("/api/v1/disclosures/{id}/training_summary");
    let mut anybody = Browser::new(&tuned.app.url).unwrap();
    // Nothing is public before it is published.
    assert_eq!(
        anybody.get(&summary).await.unwrap().status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        anybody.get(&json).await.unwrap().status,
        StatusCode::UNAUTHORIZED
    );
    let publish = format!("/api/v1/disclosures/{id}/publish");
    for (login, status) in [
        ("operator", StatusCode::FORBIDDEN),
        ("admin", StatusCode::FORBIDDEN),
        ("manager.waterland", StatusCode::NOT_FOUND),
    ] {
        let mut browser = tuned.app.browser(login).await;
        let answer = browser.call(Method::POST, &publish, None).await.unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    nobody_publishes_what_they_prepared(&tuned, &publish).await;
    waits_for_the_legal_reviewer(&tuned).await;
    tuned.publish(id).await;
    let again = tuned
        .app
        .browser("legal")
        .await
        .call(Method::POST, &publish, None)
        .await
        .unwrap();
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);

    for path in ["/nl/disclosures", "/en/disclosures", &summary] {
        let page = anybody.get(path).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            !page.text.contains('⟨'),
            "{path} shows a text that is not there"
        );
    }
    let page = anybody
        .get(&format!("/en/disclosures/{id}/training_summary"))
        .await
        .unwrap();
    assert!(page.text.contains("Notulen van de raad"), "{}", page.text);
    let bytes = anybody.get(&json).await.unwrap().text;
    let listed: Value = anybody
        .get("/api/v1/disclosures")
        .await
        .unwrap()
        .json()
        .unwrap();
    let documents = listed["data"][0]["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 2, "the public ones only: {listed:#}");
    let known = documents
        .iter()
        .find(|one| one["kind"] == "training_summary")
        .unwrap();
    assert_eq!(
        known["sha256"],
        HEXLOWER.encode(&Sha256::digest(bytes.as_bytes()))
    );

    // What is for the authorities stays with those who may see the model.
    let annex = format!("/api/v1/disclosures/{id}/annex_xi");
    assert_eq!(
        anybody.get(&annex).await.unwrap().status,
        StatusCode::UNAUTHORIZED
    );
    for (login, status) in [
        ("manager.waterland", StatusCode::NOT_FOUND),
        ("researcher.harderwijk", StatusCode::OK),
        ("auditor", StatusCode::OK),
    ] {
        let mut browser = tuned.app.browser(login).await;
        assert_eq!(browser.get(&annex).await.unwrap().status, status, "{login}");
        let drafts = format!("/api/v1/models/{}/disclosures", tuned.model);
        assert_eq!(
            browser.get(&drafts).await.unwrap().status,
            status,
            "{login}"
        );
    }
    the_database_refuses_changes(&tuned).await;
}

/// Somebody who is operator and legal reviewer at once.
async fn nobody_publishes_what_they_prepared(tuned: &Tuned, publish: &str) {
    let mut tx = tuned.app.owner_tx().await;
    sqlx::query(
        "INSERT INTO memberships (user_id, institution_id, role, created_at)
         SELECT user_id, institution_id, 'legal_reviewer', now() FROM memberships WHERE role = 'operator'",
    )
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut both = tuned.app.browser("operator").await;
    let answer = both.call(Method::POST, publish, None).await.unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    assert!(
        answer.text.contains("denied-own-request"),
        "{}",
        answer.text
    );
    let page = both
        .get(&format!("/nl/models/{}/disclosures", tuned.model))
        .await
        .unwrap();
    assert!(!page.text.contains("value=\"publish\""), "{}", page.text);
}

async fn waits_for_the_legal_reviewer(tuned: &Tuned) {
    let mut legal = tuned.app.browser("legal").await;
    let tasks = legal.get("/nl/tasks").await.unwrap().text;
    assert!(tasks.contains("wacht op publicatie"), "{tasks}");
    let page = format!("/nl/models/{}/disclosures", tuned.model);
    assert!(
        legal
            .get(&page)
            .await
            .unwrap()
            .text
            .contains("value=\"publish\"")
    );
}

async fn the_database_refuses_changes(tuned: &Tuned) {
    for statement in [
        "UPDATE disclosure_documents SET canonical = '{}'",
        "DELETE FROM disclosure_decisions",
        "UPDATE disclosures SET number = 7",
        "DELETE FROM provider_facts",
        "UPDATE dataset_public_facts SET collection = 'x'",
    ] {
        let refused = refusal(tuned, statement).await;
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    let own = refusal(
        tuned,
        "WITH d AS (INSERT INTO disclosures (id, model_id, number, prepared_by, prepared_at)
             SELECT gen_random_uuid(), model_id, 9, prepared_by, now() FROM disclosures LIMIT 1
             RETURNING id, prepared_by)
         INSERT INTO disclosure_decisions (disclosure_id, decision, prepared_by, decided_by, decided_at)
         SELECT id, 'published', prepared_by, prepared_by, now() FROM d",
    )
    .await;
    assert!(own.contains("decided_by_another"), "{own}");
    let incomplete = refusal(
        tuned,
        r#"INSERT INTO disclosure_documents (disclosure_id, kind, canonical, sha256)
           SELECT id, 'annex_xi', '{"is":"missing"}', encode(sha256('{"is":"missing"}'), 'hex') FROM disclosures"#,
    )
    .await;
    assert!(incomplete.contains("nothing_is_missing"), "{incomplete}");
}

#[actix_web::test]
async fn what_was_published_is_made_again_to_the_byte_and_the_next_version_shows_the_difference() {
    let tuned = tuned(Wanted::default()).await;
    let first = tuned.prepared().await;
    tuned.publish(first).await;
    let mut operator = tuned.app.browser("operator").await;
    let path = format!("/api/v1/models/{}/disclosures", tuned.model);
    let same = operator.call(Method::POST, &path, None).await.unwrap();
    assert_eq!(same.status, StatusCode::CONFLICT, "{}", same.text);
    assert!(same.text.contains("disclosure-unchanged"), "{}", same.text);
    let document = format!("/api/v1/disclosures/{first}/training_summary");
    let before = operator.get(&document).await.unwrap().text;

    // Every kind of record that may change, changes.
    let mut facts = demo::provider_facts();
    facts["contact"] = "nieuw@tno.example".into();
    tuned.state_provider(facts).await;
    let mut stated = demo::public_facts();
    stated["languages"] = "nl, fy".into();
    tuned
        .app
        .browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/public-facts", tuned.dataset),
            Some(stated),
        )
        .await
        .unwrap();
    let mut base = demo::base_facts();
    base["summary_url"] = "https://example.org/summary".into();
    operator
        .api(
            Method::POST,
            &format!("/api/v1/models/{}/base-facts", tuned.base),
            Some(base),
        )
        .await
        .unwrap();
    tuned.withdraw().await;

    let reproduced = tuned.reproduced(first).await;
    assert_eq!(reproduced.as_object().unwrap().len(), 6);
    for (kind, found) in reproduced.as_object().unwrap() {
        assert_eq!(found, "bytes", "{kind}");
    }
    let second = tuned.prepared().await;
    tuned.publish(second).await;
    assert_eq!(
        operator.get(&document).await.unwrap().text,
        before,
        "the old one stays"
    );
    let mut anybody = Browser::new(&tuned.app.url).unwrap();
    let difference: Value = anybody
        .get(&format!(
            "/api/v1/disclosures/{second}/training_summary/difference"
        ))
        .await
        .unwrap()
        .json()
        .unwrap();
    let found: Vec<_> = difference["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["at"].as_str().unwrap(), one["change"].as_str().unwrap()))
        .collect();
    for expected in [
        ("1.1/provider-contact", "changed"),
        ("1.2/base-summary", "changed"),
        ("1.3/languages", "changed"),
    ] {
        assert!(found.contains(&expected), "{expected:?}: {found:?}");
    }
    assert!(
        found
            .iter()
            .any(|(at, change)| at.starts_with("3.3/withdrawals/") && *change == "added"),
        "{found:?}"
    );
    let page = anybody
        .get(&format!("/nl/disclosures/{second}/training_summary"))
        .await
        .unwrap()
        .text;
    assert!(page.contains("nieuw@tno.example") && page.contains("faculteit@tno.example"));
    let old = anybody
        .get(&format!("/nl/disclosures/{first}/training_summary"))
        .await
        .unwrap()
        .text;
    assert!(old.contains("Er is een nieuwere versie."), "{old}");
}

#[actix_web::test]
async fn what_changed_after_it_was_prepared_is_not_published_but_returned() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    tuned.withdraw().await;
    let mut legal = tuned.app.browser("legal").await;
    let page = format!("/nl/models/{}/disclosures/decide", tuned.model);
    let id_text = id.to_string();
    let decide = |decision: &'static str, reason: &'static str| {
        [
            ("disclosure", id_text.clone()),
            ("decision", decision.into()),
            ("reason", reason.into()),
        ]
    };
    for (decision, reason, status) in [
        ("publish", "", StatusCode::CONFLICT),
        ("return", "", StatusCode::UNPROCESSABLE_ENTITY),
        (
            "return",
            "De toestemming is ingetrokken.",
            StatusCode::SEE_OTHER,
        ),
        ("publish", "", StatusCode::CONFLICT),
    ] {
        let fields = decide(decision, reason);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let answer = legal.post_form(&page, &fields).await.unwrap();
        assert_eq!(answer.status, status, "{decision}: {}", answer.text);
    }
    let shown = tuned
        .app
        .browser("operator")
        .await
        .get(&format!("/nl/models/{}/disclosures", tuned.model))
        .await
        .unwrap()
        .text;
    assert!(shown.contains("De toestemming is ingetrokken."), "{shown}");
    let second = tuned.prepared().await;
    tuned.publish(second).await;
}

#[actix_web::test]
async fn a_withdrawal_and_half_a_year_make_a_published_version_due() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    tuned.publish(id).await;
    let state = format!("/api/v1/disclosures/{id}");
    let mut anybody = Browser::new(&tuned.app.url).unwrap();
    tuned.app.run_tasks().await;
    let fresh: Value = anybody.get(&state).await.unwrap().json().unwrap();
    assert_eq!(fresh["due"], json!([]), "{fresh:#}");

    tuned.withdraw().await;
    tuned.app.run_tasks().await;
    tuned.app.run_tasks().await;
    let due: Value = anybody.get(&state).await.unwrap().json().unwrap();
    assert_eq!(
        due["due"].as_array().unwrap().len(),
        1,
        "noted once: {due:#}"
    );
    assert_eq!(due["due"][0]["reason"], "withdrawn");
    let mut operator = tuned.app.browser("operator").await;
    let tasks = operator.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("toestemming voor data is ingetrokken"),
        "{tasks}"
    );
    let page = anybody
        .get(&format!("/nl/disclosures/{id}/training_summary"))
        .await
        .unwrap();
    assert!(
        page.text.contains("Een nieuwe versie is nodig."),
        "{}",
        page.text
    );

    // The same portal, seven months on.
    let config = Config::read(tuned.app.environment.iter().cloned()).unwrap();
    let later = FixedClock::at(Utc::now() + TimeDelta::days(214));
    let ports = Arc::new(Ports::with_clock(config, Arc::new(later)).unwrap());
    app::worker(&ports).run_due().await.unwrap();
    let due: Value = anybody.get(&state).await.unwrap().json().unwrap();
    let reasons: Vec<_> = due["due"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["reason"])
        .collect();
    assert_eq!(reasons, ["withdrawn", "six_months"], "{due:#}");

    // A newer version that waits for its publication answers it.
    tuned.prepared().await;
    let tasks = operator.get("/nl/tasks").await.unwrap().text;
    assert!(!tasks.contains("Werk de documentatie"), "{tasks}");
}

#[actix_web::test]
async fn a_modification_of_a_third_waits_for_the_decision_of_a_legal_reviewer() {
    // The base took 1.61e21, so a third is 5.4e20.
    let tuned = tuned(Wanted {
        flop: 6e20,
        is_released: false,
        ..Wanted::default()
    })
    .await;
    let mut operator = tuned.app.browser("operator").await;
    let release = format!("/api/v1/models/{}/release", tuned.model);
    let refused = operator.call(Method::POST, &release, None).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert!(
        refused.text.contains("model-needs-decision"),
        "{}",
        refused.text
    );
    let by_hand = refusal(
        &tuned,
        "UPDATE models SET status = 'released' WHERE kind = 'adapter'",
    )
    .await;
    assert!(by_hand.contains("nobody decided"), "{by_hand}");
    let missing = tuned.draft("modification").await.to_string();
    assert!(
        missing.contains("\"missing\"") && missing.contains("legal_reviewer"),
        "{missing}"
    );

    let path = format!("/api/v1/models/{}/modification", tuned.model);
    let decision =
        json!({ "conclusion": "new_model", "reason": "De helft van de rekenkracht is van ons." });
    for (login, status) in [
        ("operator", StatusCode::FORBIDDEN),
        ("manager.waterland", StatusCode::NOT_FOUND),
        ("legal", StatusCode::NO_CONTENT),
    ] {
        let mut browser = tuned.app.browser(login).await;
        let answer = browser
            .call(Method::POST, &path, Some(decision.clone()))
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    operator.api(Method::POST, &release, None).await.unwrap();
    let state = operator.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(state["standing"], "decisive", "{state:#}");
    assert_eq!(state["decision"]["conclusion"], "new_model", "{state:#}");
    let id = tuned.prepared().await;
    tuned.publish(id).await;

    // A smaller base makes the modification weigh more than what was decided on.
    let mut base = demo::base_facts();
    base["training_tokens"] = "1000000000000".into();
    operator
        .api(
            Method::POST,
            &format!("/api/v1/models/{}/base-facts", tuned.base),
            Some(base),
        )
        .await
        .unwrap();
    let state = operator.api(Method::GET, &path, None).await.unwrap();
    assert_eq!(state["decision"], Value::Null, "{state:#}");
}

#[actix_web::test]
async fn a_form_from_elsewhere_prepares_nothing_and_small_modifications_need_no_decision() {
    let tuned = tuned(Wanted::default()).await;
    let mut operator = tuned.app.browser("operator").await;
    let path = format!("/nl/models/{}/disclosures", tuned.model);
    let forged = operator
        .post_bytes(
            &path,
            "application/x-www-form-urlencoded",
            b"csrf=x".to_vec(),
        )
        .await;
    if let Ok(answer) = forged {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    }
    let state = operator
        .api(
            Method::GET,
            &format!("/api/v1/models/{}/disclosures", tuned.model),
            None,
        )
        .await
        .unwrap();
    assert_eq!(state["versions"], json!([]), "{state:#}");
    let refused = tuned
        .app
        .browser("legal")
        .await
        .call(
            Method::POST,
            &format!("/api/v1/models/{}/modification", tuned.model),
            Some(json!({ "conclusion": "same_model", "reason": "x" })),
        )
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    a_base_says_why_it_has_none(&tuned).await;
}

/// It was made elsewhere: its pages say so and lead to where its maker tells of it.
async fn a_base_says_why_it_has_none(tuned: &Tuned) {
    let mut operator = tuned.app.browser("operator").await;
    let base = tuned.base;
    for path in [
        format!("/nl/models/{base}/disclosures"),
        format!("/nl/models/{base}"),
    ] {
        let page = operator.get(&path).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(
            page.text.contains("Dit basismodel is elders gemaakt."),
            "{}",
            page.text
        );
        assert!(page.text.contains(&format!("/nl/models/{base}/base-facts")));
    }
    let page = operator
        .get(&format!("/en/models/{base}/disclosures"))
        .await
        .unwrap()
        .text;
    assert!(page.contains("https://huggingface.co/"), "{page}");
    let told = operator
        .api(
            Method::GET,
            &format!("/api/v1/models/{base}/disclosures"),
            None,
        )
        .await
        .unwrap();
    assert_eq!(told["reason"], "made_elsewhere", "{told:#}");
    assert_eq!(told["documents"], json!([]), "{told:#}");
    // Nothing is prepared of it.
    for path in [
        format!("/api/v1/models/{base}/disclosures"),
        format!("/api/v1/models/{base}/modification"),
    ] {
        let body = json!({ "conclusion": "same_model", "reason": "x" });
        let answer = operator
            .call(Method::POST, &path, Some(body))
            .await
            .unwrap();
        assert!(!answer.status.is_success(), "{path}: {}", answer.text);
    }
    let document = operator
        .get(&format!("/nl/models/{base}/disclosures/annex_xi"))
        .await
        .unwrap();
    assert_eq!(document.status, StatusCode::NOT_FOUND);
}
