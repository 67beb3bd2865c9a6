//! What comes after publication: withdrawal in part, many models, strangers at the door.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use virtual_faculty::demo::Browser;

use super::{Tuned, Wanted, next_version, tuned};

async fn due(tuned: &Tuned, id: uuid::Uuid) -> Vec<String> {
    let state: Value = Browser::new(&tuned.app.url)
        .unwrap()
        .get(&format!("/api/v1/disclosures/{id}"))
        .await
        .unwrap()
        .json()
        .unwrap();
    state["due"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn what_was_withdrawn_of_another_part_is_not_said_of_what_was_read() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    tuned.publish(id).await;
    // Another permission of the same dataset, and another version of it.
    let more = tuned
        .app
        .browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/permissions", tuned.dataset),
            Some(json!({
                "layers": ["copyright"], "purposes": ["evaluation"], "recipients": "consortium", "commercial": "no",
                "territories": "world", "processing_locations": "world", "model_families": "all", "valid_from": "2026-01-01",
                "valid_until": "2031-12-31", "evidence": "besluit", "delete_within_days": "30",
            })),
        )
        .await
        .unwrap();
    let evaluation = more["permissions"][0].as_str().unwrap();
    tuned
        .withdraw_part(&format!("permission:{evaluation}"))
        .await;
    let second = next_version(&tuned.app, tuned.dataset).await;
    tuned.withdraw_part(&format!("version:{second}")).await;
    let content = tuned.field("training_summary", "3.3", "withdrawals").await;
    assert_eq!(content["items"], json!([]), "{content:#}");
    tuned.app.run_tasks().await;
    assert_eq!(due(&tuned, id).await, Vec::<String>::new());

    tuned
        .withdraw_part(&format!("version:{}", tuned.version))
        .await;
    let content = tuned.field("training_summary", "3.3", "withdrawals").await;
    assert_eq!(
        content["items"][0]["key"],
        json!(tuned.version),
        "{content:#}"
    );
    tuned.app.run_tasks().await;
    assert_eq!(due(&tuned, id).await, ["withdrawn"]);
}

#[actix_web::test]
async fn the_layer_that_a_model_stands_on_is_said_to_be_withdrawn() {
    let tuned = tuned(Wanted::default()).await;
    tuned.withdraw_part("layer:copyright").await;
    let content = tuned.field("training_summary", "3.3", "withdrawals").await;
    assert_eq!(
        content["items"][0]["key"],
        json!(tuned.version),
        "{content:#}"
    );
}

#[actix_web::test]
async fn a_permission_that_a_model_stood_on_is_said_to_be_withdrawn_also_where_another_is_left() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    tuned.publish(id).await;
    let first: uuid::Uuid = sqlx::query_scalar(
        "SELECT id FROM permissions WHERE dataset_id = $1 ORDER BY created_at LIMIT 1",
    )
    .bind(tuned.dataset)
    .fetch_one(&tuned.app.pool().await)
    .await
    .unwrap();
    let mut manager = tuned.app.browser("manager.waterland").await;
    manager
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{}/permissions", tuned.dataset),
            Some(crate::withdrawal_pages::permission(
                &["fine_tuning"],
                "retrain",
            )),
        )
        .await
        .unwrap();
    tuned.withdraw_part(&format!("permission:{first}")).await;
    let dataset = manager
        .api(
            Method::GET,
            &format!("/api/v1/datasets/{}", tuned.dataset),
            None,
        )
        .await
        .unwrap();
    assert_eq!(
        dataset["version"]["status"], "approved",
        "the other permission holds it: {dataset:#}"
    );
    let content = tuned.field("training_summary", "3.3", "withdrawals").await;
    assert_eq!(
        content["items"][0]["key"],
        json!(tuned.version),
        "{content:#}"
    );
    tuned.app.run_tasks().await;
    assert_eq!(due(&tuned, id).await, ["withdrawn"]);
}

/// Puts copies of the model with published versions in the database, past the portal, all of them newer.
async fn many_more(tuned: &Tuned, count: i32) {
    let mut conn = tuned.app.pool().await.acquire().await.unwrap();
    for statement in [
        "ALTER TABLE models DROP CONSTRAINT models_job_id_key",
        "SET session_replication_role = replica",
        "CREATE TEMPORARY TABLE copies AS
             SELECT n, gen_random_uuid() AS model, gen_random_uuid() AS disclosure
             FROM generate_series(1, current_setting('copies.count')::int) AS n",
        "INSERT INTO models
             SELECT (jsonb_populate_record(m, jsonb_build_object('id', c.model, 'name', m.name || '-' || c.n))).*
             FROM models m CROSS JOIN copies c WHERE m.kind = 'adapter'",
        "INSERT INTO disclosures
             SELECT (jsonb_populate_record(d, jsonb_build_object('id', c.disclosure, 'model_id', c.model))).*
             FROM disclosures d CROSS JOIN copies c",
        "INSERT INTO disclosure_decisions
             SELECT (jsonb_populate_record(o, jsonb_build_object('disclosure_id', c.disclosure,
                 'decided_at', o.decided_at + interval '1 millisecond' * c.n))).*
             FROM disclosure_decisions o CROSS JOIN copies c",
    ] {
        if statement.starts_with("CREATE TEMPORARY") {
            sqlx::query("SELECT set_config('copies.count', $1, false)")
                .bind(count.to_string())
                .execute(&mut *conn)
                .await
                .unwrap();
        }
        sqlx::query(statement).execute(&mut *conn).await.unwrap();
    }
}

#[actix_web::test]
async fn the_oldest_of_many_published_documents_is_looked_at_and_listed_too() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    tuned.publish(id).await;
    many_more(&tuned, 501).await;
    // Nobody signed in walks through all of them, the last published first, each once.
    let mut anybody = Browser::new(&tuned.app.url).unwrap();
    let (mut seen, mut path) = (Vec::new(), "/api/v1/disclosures".to_owned());
    loop {
        let page: Value = anybody.get(&path).await.unwrap().json().unwrap();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 100, "{}", data.len());
        seen.extend(
            data.iter()
                .map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        if page["has_more"] == false {
            // The oldest is ours, with its own hashes and those of nobody else.
            let ours = data.last().unwrap();
            assert_eq!(ours["documents"].as_array().unwrap().len(), 2, "{ours:#}");
            break;
        }
        path = format!("/api/v1/disclosures?after={}", seen.last().unwrap());
    }
    assert_eq!(seen.len(), 502);
    assert_eq!(seen.last(), Some(&id.to_string()));
    let mut each = seen.clone();
    each.sort();
    each.dedup();
    assert_eq!(each.len(), seen.len());
    for (query, count) in [("limit=0", 1), ("limit=3", 3), ("limit=9999", 100)] {
        let page: Value = anybody
            .get(&format!("/api/v1/disclosures?{query}"))
            .await
            .unwrap()
            .json()
            .unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), count, "{query}");
    }

    tuned.withdraw().await;
    tuned.app.run_tasks().await;
    assert_eq!(due(&tuned, id).await, ["withdrawn"]);
}

#[actix_web::test]
async fn whatever_made_a_version_due_is_answered_by_the_next_also_where_it_says_the_same() {
    let tuned = tuned(Wanted::default()).await;
    let first = tuned.prepared().await;
    tuned.publish(first).await;
    let mut operator = tuned.app.browser("operator").await;
    let path = format!("/api/v1/models/{}/disclosures", tuned.model);
    let same = operator.call(Method::POST, &path, None).await.unwrap();
    assert_eq!(same.status, StatusCode::CONFLICT, "{}", same.text);
    // What had changed when it was noticed is as it was by now.
    let pool = tuned.app.pool().await;
    sqlx::query("INSERT INTO disclosure_dues (disclosure_id, reason, noticed_at) VALUES ($1, 'changed', now())")
        .bind(first)
        .execute(&pool)
        .await
        .unwrap();
    let tasks = operator.get("/nl/tasks").await.unwrap().text;
    assert!(tasks.contains("een gegeven is veranderd"), "{tasks}");
    let second = tuned.prepared().await;
    tuned.publish(second).await;
    let tasks = operator.get("/nl/tasks").await.unwrap().text;
    assert!(!tasks.contains("een gegeven is veranderd"), "{tasks}");
}

/// The row is held by somebody else: who waited for it would not be answered.
#[actix_web::test]
async fn a_stranger_is_turned_away_without_waiting_for_the_model() {
    let tuned = tuned(Wanted::default()).await;
    let id = tuned.prepared().await;
    let mut holder = tuned.app.pool().await.begin().await.unwrap();
    sqlx::query("SELECT id FROM models FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let decision = json!({ "conclusion": "same_model", "reason": "x" });
    for (login, path, body, status) in [
        (
            "manager.waterland",
            format!("/api/v1/disclosures/{id}/publish"),
            None,
            StatusCode::NOT_FOUND,
        ),
        (
            "operator",
            format!("/api/v1/disclosures/{id}/publish"),
            None,
            StatusCode::FORBIDDEN,
        ),
        (
            "manager.waterland",
            format!("/api/v1/disclosures/{id}/return"),
            Some(json!({ "reason": "zomaar" })),
            StatusCode::NOT_FOUND,
        ),
        (
            "legal",
            format!("/api/v1/models/{}/disclosures", tuned.model),
            None,
            StatusCode::FORBIDDEN,
        ),
        (
            "operator",
            format!("/api/v1/models/{}/modification", tuned.model),
            Some(decision.clone()),
            StatusCode::FORBIDDEN,
        ),
    ] {
        let mut browser = tuned.app.browser(login).await;
        let answer = browser.call(Method::POST, &path, body).await.unwrap();
        assert_eq!(answer.status, status, "{login} {path}: {}", answer.text);
    }
    holder.rollback().await.unwrap();
}
