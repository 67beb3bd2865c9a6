//! Coding lines and confirming them.

use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::case::{Case, PAGE_ONE, PAGE_TWO, dataset, facts};
use crate::support::{TestApp, database, pdf::pdf};

#[actix_web::test]
async fn a_passage_that_does_not_stand_on_the_page_is_refused() {
    let app = TestApp::start().await;
    let dataset = dataset(&app).await;
    let mut case = Case::with_document(&app, facts(dataset), pdf(&[PAGE_ONE, PAGE_TWO])).await;
    let quote = |page: &str, passage: &str| json!({ "basis": "passage", "value": ["no"], "page": page, "passage": passage });
    for (body, word) in [
        (
            quote("1", "ook met winstoogmerk"),
            "does not stand on page 1",
        ),
        (
            quote("2", "zonder winstoogmerk"),
            "does not stand on page 2",
        ),
        (quote("3", "zonder winstoogmerk"), "no such page"),
        (quote("1", " "), "characters"),
        (
            json!({ "basis": "page", "value": ["no"], "page": "1" }),
            "has text",
        ),
        (
            json!({ "basis": "passage", "value": ["maybe"], "page": "1", "passage": "zonder winstoogmerk" }),
            "value",
        ),
        (
            json!({ "basis": "template", "value": ["no"] }),
            "does not rest on a law",
        ),
        (
            json!({ "basis": "cannot_code", "reason": " " }),
            "cannot be coded",
        ),
        (json!({ "basis": "because" }), "basis"),
    ] {
        let answer = case.code("commercial_use", body.clone()).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}: {}",
            answer.text
        );
        assert!(answer.text.contains(word), "{body}: {}", answer.text);
    }
    let answer = case.code("purposes", json!({ "basis": "silent" })).await;
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    // Longer than the agreement.
    let late = json!({ "basis": "passage", "value": ["2032-01-01"], "page": "2", "passage": "31 december 2031" });
    let answer = case.code("valid_until", late).await;
    assert!(
        answer.text.contains("ends on 2031-12-31"),
        "{}",
        answer.text
    );
    // Line breaks do not matter.
    let answer = case
        .code(
            "commercial_use",
            quote("1", "Gebruik is\n  zonder\twinstoogmerk"),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    // The database holds the rule too.
    let forged = sqlx::query(
        "INSERT INTO agreement_lines (id, agreement_id, layer, term, version, state, value, basis, document_id, page,
             passage, coded_by, coded_at)
         SELECT gen_random_uuid(), agreement_id, layer, term, version + 1, state, value, basis, document_id, page,
             'verzonnen tekst', coded_by, coded_at
         FROM agreement_lines WHERE basis = 'passage'",
    )
    .execute(&mut database::of(&app).await)
    .await
    .unwrap_err();
    assert!(
        forged.to_string().contains("does not stand on page"),
        "{forged}"
    );
}

#[actix_web::test]
async fn the_two_parties_are_two_people() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    // The same person becomes legal reviewer as well.
    sqlx::query(
        "INSERT INTO memberships (user_id, institution_id, role, created_at)
         SELECT user_id, institution_id, 'legal_reviewer', now() FROM memberships m JOIN users u ON u.id = m.user_id
         WHERE m.role = 'manager' AND u.subject = 'manager.waterland'",
    )
    .execute(&mut database::of(&app).await)
    .await
    .unwrap();
    let lines = case.line_ids().await;
    let page = case
        .manager
        .get(&format!("/nl/agreements/{}", case.id))
        .await
        .unwrap()
        .text;
    let boxes: Vec<_> = page.split("name=\"lines\"").skip(1).collect();
    assert_eq!(boxes.len(), 14, "each line is confirmed by its own mark");
    for one in boxes {
        let rest = one.split('>').next().unwrap();
        assert!(
            !rest.contains("checked"),
            "nothing is confirmed beforehand: {rest}"
        );
    }
    let path = case.path("/confirm");
    let of = |party: &str, line: &str| json!({ "party": party, "lines": [line] });
    let mut both = app.browser("manager.waterland").await;
    let first = both
        .call(Method::POST, &path, Some(of("institution", &lines[0])))
        .await
        .unwrap();
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    // Not of that line, and of no other line of the agreement either.
    for line in [&lines[0], &lines[1]] {
        let second = both
            .call(Method::POST, &path, Some(of("platform", line)))
            .await
            .unwrap();
        assert_eq!(second.status, StatusCode::FORBIDDEN, "{}", second.text);
    }
    let forged = sqlx::query(
        "INSERT INTO agreement_confirmations (line_id, agreement_id, party, confirmed_by, confirmed_at)
         SELECT $1, agreement_id, 'platform', confirmed_by, now() FROM agreement_confirmations LIMIT 1",
    )
    .bind(lines[1].parse::<Uuid>().unwrap())
    .execute(&mut database::of(&app).await)
    .await
    .unwrap_err();
    assert!(forged.to_string().contains("both parties"), "{forged}");
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
}

#[actix_web::test]
async fn what_needs_a_human_is_never_approved_and_says_what_to_do() {
    let app = TestApp::start().await;
    let mut case = Case::coded(&app).await;
    let body =
        json!({ "basis": "cannot_code", "reason": "De opbrengst wordt per artikel verrekend." });
    let answer = case.code("compensate", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(case.line("compensate").await["state"], "needs_human");
    case.submit().await;
    let human = case.line("compensate").await["id"].clone();
    let path = case.path("/confirm");
    let body = json!({ "lines": [human] });
    let answer = case
        .legal
        .call(Method::POST, &path, Some(body))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let lines: Vec<_> = case
        .line_ids()
        .await
        .into_iter()
        .filter(|id| json!(id) != human)
        .collect();
    for browser in [&mut case.manager, &mut case.legal] {
        let body = json!({ "lines": lines });
        browser.api(Method::POST, &path, Some(body)).await.unwrap();
    }
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    // The database says no too, whoever asks.
    let forged = sqlx::query(
        "UPDATE agreements SET status = 'in_force', decided_by = submitted_by, decided_at = now()",
    )
    .execute(&mut database::of(&app).await)
    .await
    .unwrap_err();
    assert!(forged.to_string().contains("not every line"), "{forged}");
    // The legal reviewer is told, on the tasks and on the page.
    let tasks = case.legal.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("heeft regels die niet gecodeerd konden worden"),
        "{tasks}"
    );
    let page = case
        .legal
        .get(&format!("/nl/agreements/{}", case.id))
        .await
        .unwrap()
        .text;
    assert!(
        page.contains("geef de overeenkomst terug voor aanpassing, of wijs haar af met een reden"),
        "{page}"
    );
    assert!(page.contains("Teruggeven voor aanpassing"), "{page}");
    // A decision without a reason is none; with one it is, and the contributor hears of it.
    let say = case.path("/say");
    let without = json!({ "verb": "return", "text": "  " });
    let answer = case
        .legal
        .call(Method::POST, &say, Some(without))
        .await
        .unwrap();
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    let body = json!({ "verb": "return", "text": "Spreek één vergoeding af." });
    let answer = case
        .contributor
        .call(Method::POST, &say, Some(body.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    case.legal
        .api(Method::POST, &say, Some(body))
        .await
        .unwrap();
    let tasks = case.contributor.get("/nl/tasks").await.unwrap().text;
    assert!(
        tasks.contains("Er is om aanpassing gevraagd van overeenkomst"),
        "{tasks}"
    );
    // Mended, handed in again: what was confirmed and not touched stays confirmed.
    let answer = case.code("compensate", json!({ "basis": "silent" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    case.submit().await;
    let progress = case.show().await["progress"].clone();
    assert_eq!(progress["confirmed_by_platform"], 13, "{progress}");
    case.confirm_all().await;
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[actix_web::test]
async fn changing_a_line_clears_its_confirmations_and_keeps_its_history() {
    let app = TestApp::start().await;
    let mut case = Case::submitted(&app).await;
    case.confirm_all().await;
    let before = case.line("delete_within_days").await;
    assert_eq!(before["confirmations"].as_array().unwrap().len(), 2);
    let quote = json!({
        "basis": "passage", "value": ["14"], "page": "2", "passage": "gewist binnen 30 dagen",
    });
    let answer = case.code("delete_within_days", quote.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let after = case.line("delete_within_days").await;
    assert_eq!(
        after["confirmations"],
        json!([]),
        "a changed line was confirmed by nobody"
    );
    let answer = case.put_in_force().await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let path = case.path("/lines/copyright/delete_within_days");
    let looked = case.legal.api(Method::GET, &path, None).await.unwrap();
    let old = looked["history"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["id"] == before["id"]);
    assert_eq!(
        old.unwrap()["confirmations"],
        before["confirmations"],
        "history stays"
    );
    // Who still had the old line before them confirms nothing, and overwrites nothing.
    let confirm = case.path("/confirm");
    let stale = json!({ "lines": [before["id"]] });
    let answer = case
        .manager
        .call(Method::POST, &confirm, Some(stale))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    let mut late = quote;
    late["seen"] = before["version"].clone();
    let answer = case
        .legal
        .call(Method::POST, &path, Some(late))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    // What other lines were confirmed for has not changed.
    assert_eq!(
        case.line("purposes").await["confirmations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
