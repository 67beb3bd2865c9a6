//! What a withdrawal touches and what it does not, who may know it, and what is decided afterwards.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    support::{TestApp, given},
    withdrawal_pages::{made_model, permission, prepared, seen, withdraw},
};

async fn give(app: &TestApp, dataset: Uuid, terms: Value) -> String {
    let given = app
        .browser("manager.waterland")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/datasets/{dataset}/permissions"),
            Some(terms),
        )
        .await
        .unwrap();
    given["permissions"][0].as_str().unwrap().to_owned()
}

async fn reach(app: &TestApp, login: &str, dataset: Uuid, extent: &str) -> Value {
    app.browser(login)
        .await
        .api(
            Method::GET,
            &format!("/api/v1/datasets/{dataset}/reach?extent={extent}"),
            None,
        )
        .await
        .unwrap()
}

#[actix_web::test]
async fn a_job_is_judged_by_the_verdict_of_its_time_and_not_by_what_changed_since() {
    let app = TestApp::start().await;
    let base = given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let before = reach(&app, "manager.waterland", data.dataset, "").await;
    let first = before["permissions"][0].as_str().unwrap().to_owned();
    let job = given::approved_job(&app, base, data.version, 1).await;
    let state = given::job_until(&app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    // Later the right holder forbids it: from then on such a job would be refused. This one was allowed.
    let mut later = permission(&["evaluation"], "retire");
    later["prohibited"] = json!(["fine_tuning"]);
    let later = give(&app, data.dataset, later).await;

    let small = reach(
        &app,
        "manager.waterland",
        data.dataset,
        &format!("permission:{later}"),
    )
    .await;
    assert_eq!(small["jobs"], json!([]), "{small:#}");
    assert_eq!(small["models"], json!([]), "{small:#}");
    let stood_on = reach(
        &app,
        "manager.waterland",
        data.dataset,
        &format!("permission:{first}"),
    )
    .await;
    assert_eq!(stood_on["jobs"], json!([job]), "{stood_on:#}");
    assert_eq!(
        stood_on["models"].as_array().unwrap().len(),
        1,
        "{stood_on:#}"
    );
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, &format!("permission:{later}")).await;
    let after = seen(&mut manager, id).await;
    assert_eq!(after["models"], json!([]), "{after:#}");
}

/// Whatever happened to `model` in a withdrawal.
fn of(seen: &Value, model: Uuid) -> &Value {
    seen["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["model"] == json!(model))
        .unwrap()
}

#[actix_web::test]
async fn a_model_made_anew_takes_the_place_only_without_the_data_in_its_lineage() {
    let (app, data) = prepared().await;
    let worker = app.work_until_stopped();
    let other = given::approved_dataset(&app).await;
    worker.cancel();
    let base = given::tiny_base(&app).await;
    let old = made_model(&app, base, data.version, "ft:tiny:oud").await;
    let earlier = made_model(&app, base, other.version, "ft:tiny:eerder").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let again = made_model(&app, base, data.version, "ft:tiny:weer").await;
    let good = made_model(&app, base, other.version, "ft:tiny:nieuw").await;
    let mut operator = app.browser("operator").await;
    let path = format!("/api/v1/withdrawals/{id}/decide");
    let decision = |new: &str| {
        Some(json!({
            "model": old, "decision": "retrained", "replaced_by": new, "reason": "opnieuw gemaakt",
        }))
    };
    for (new, what) in [
        (earlier, "made before the withdrawal"),
        (again, "made from the same data"),
        (old, "itself"),
        (base.0, "made by no job"),
    ] {
        let refused = operator
            .call(Method::POST, &path, decision(&new.to_string()))
            .await
            .unwrap();
        assert_eq!(
            refused.status,
            StatusCode::CONFLICT,
            "{what}: {}",
            refused.text
        );
    }
    let unknown = operator
        .call(Method::POST, &path, decision("ft:tiny:niets"))
        .await
        .unwrap();
    assert_eq!(
        unknown.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        unknown.text
    );
    // The database says the same to who goes past the portal.
    let past = sqlx::query(
        "INSERT INTO model_decisions (withdrawal_id, model_id, decision, reason, decided_by, decided_at, replaced_by)
         SELECT $1, $2, 'retrained', 'x', withdrawn_by, now(), $3 FROM withdrawals WHERE id = $1",
    )
    .bind(id)
    .bind(old)
    .bind(again)
    .execute(&app.pool().await)
    .await
    .unwrap_err();
    assert!(
        past.to_string().contains("withdrawn data in its lineage"),
        "{past}"
    );

    let done = operator
        .post_form(
            &format!("/nl/withdrawals/{id}/decide"),
            &[
                ("model", &old.to_string()),
                ("decision", "retrained"),
                ("replaced_by", "ft:tiny:nieuw"),
                ("reason", "opnieuw gemaakt"),
            ],
        )
        .await
        .unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let after = seen(&mut manager, id).await;
    let model = of(&after, old);
    assert_eq!(
        (&model["status"], &model["decision"], &model["replaced_by"]),
        (&json!("retired"), &json!("retrained"), &json!(good)),
        "{after:#}"
    );
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("Opnieuw gemaakt als ft:tiny:nieuw"),
        "{}",
        page.text
    );
    let duties = after["duties"].as_array().unwrap();
    let decide = duties
        .iter()
        .find(|duty| duty["kind"] == "decide_models")
        .unwrap();
    assert!(decide["ended_at"].is_string(), "{after:#}");
}

#[actix_web::test]
async fn a_model_is_used_again_only_where_an_operator_and_a_legal_reviewer_say_so() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    let model = made_model(&app, base, data.version, "ft:tiny:een").await;
    let mut manager = app.browser("manager.waterland").await;
    let id = withdraw(&mut manager, data.dataset, "").await;
    let confirm = format!("/api/v1/withdrawals/{id}/lift");
    let body = || Some(json!({ "model": model, "reason": "de afspraak laat het toe" }));
    let mut legal = app.browser("legal").await;
    let too_early = legal.call(Method::POST, &confirm, body()).await.unwrap();
    assert_eq!(too_early.status, StatusCode::CONFLICT, "{}", too_early.text);

    let mut operator = app.browser("operator").await;
    let propose = format!("/api/v1/withdrawals/{id}/decide");
    let lift = || {
        Some(json!({ "model": model, "decision": "lift", "reason": "artikel 4 van de afspraak" }))
    };
    operator.api(Method::POST, &propose, lift()).await.unwrap();
    let state = seen(&mut manager, id).await;
    assert_eq!(of(&state, model)["is_quarantined"], true, "{state:#}");
    assert!(
        of(&state, model)["decision"].is_null(),
        "proposed is not decided: {state:#}"
    );
    let twice = operator.call(Method::POST, &propose, lift()).await.unwrap();
    assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.text);
    for (login, status) in [
        ("operator", StatusCode::FORBIDDEN),
        ("manager.waterland", StatusCode::NOT_FOUND),
        ("manager.harderwijk", StatusCode::NOT_FOUND),
    ] {
        let answer = app
            .browser(login)
            .await
            .call(Method::POST, &confirm, body())
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{login}: {}", answer.text);
    }
    let past = sqlx::query(
        "INSERT INTO model_decisions (withdrawal_id, model_id, decision, reason, decided_by, decided_at)
         SELECT withdrawal_id, model_id, 'lift', 'x', proposed_by, now() FROM lift_proposals",
    )
    .execute(&app.pool().await)
    .await
    .unwrap_err();
    assert!(past.to_string().contains("nobody else proposed"), "{past}");

    let told = legal
        .api(Method::GET, "/api/v1/notices", None)
        .await
        .unwrap();
    assert!(told.to_string().contains("lift-proposed"), "{told:#}");
    let page = legal.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("artikel 4 van de afspraak")
            && page
                .text
                .contains("Bevestig dat een model weer wordt gebruikt"),
        "{}",
        page.text
    );
    let done = legal
        .post_form(
            &format!("/nl/withdrawals/{id}/lift"),
            &[("model", &model.to_string()), ("reason", "akkoord")],
        )
        .await
        .unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let after = seen(&mut manager, id).await;
    assert_eq!(
        (
            &of(&after, model)["is_quarantined"],
            &of(&after, model)["decision"]
        ),
        (&json!(false), &json!("lift")),
        "{after:#}"
    );
}

#[actix_web::test]
async fn a_right_holder_sees_how_much_is_touched_and_not_the_names_of_others() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    let model = made_model(&app, base, data.version, "ft:tiny:geheim").await;
    let pool = app.pool().await;
    for statement in [
        "UPDATE jobs SET title = 'Proef met een geheime naam'",
        "UPDATE models SET status = 'registered', released_at = NULL, released_by = NULL WHERE kind = 'adapter'",
    ] {
        let done = sqlx::query(statement).execute(&pool).await;
        if let Err(error) = done {
            panic!("{statement}: {error}");
        }
    }
    let seen = reach(&app, "manager.waterland", data.dataset, "").await;
    assert_eq!(seen["models"][0]["id"], json!(model), "{seen:#}");
    assert!(seen["models"][0]["name"].is_null(), "{seen:#}");
    let whole = reach(&app, "legal", data.dataset, "").await;
    assert_eq!(whole["models"][0]["name"], "ft:tiny:geheim", "{whole:#}");
    let mut manager = app.browser("manager.waterland").await;
    for path in [
        format!("/nl/datasets/{}/withdraw", data.dataset),
        format!("/nl/contributions/{}", data.dataset),
        "/nl/contributions".to_owned(),
    ] {
        let page = manager.get(&path).await.unwrap();
        assert!(
            !page.text.contains("geheime naam") && !page.text.contains("ft:tiny:geheim"),
            "{path}: {}",
            page.text
        );
    }
    let page = manager
        .get(&format!("/nl/contributions/{}", data.dataset))
        .await
        .unwrap();
    assert!(
        page.text.contains("Universiteit Harderwijk") && page.text.contains("taalmodellen"),
        "by whom and what for: {}",
        page.text
    );
    let list = manager.get("/en/contributions").await.unwrap();
    assert!(
        list.text.contains("1 job and 1 model with it"),
        "{}",
        list.text
    );
    let id = withdraw(&mut manager, data.dataset, "").await;
    let page = manager.get(&format!("/nl/withdrawals/{id}")).await.unwrap();
    assert!(
        page.text.contains("Een model dat niet is vrijgegeven")
            && !page.text.contains("ft:tiny:geheim"),
        "{}",
        page.text
    );
}

#[actix_web::test]
async fn who_confirms_confirms_what_they_saw() {
    let (app, data) = prepared().await;
    let base = given::tiny_base(&app).await;
    let before = reach(&app, "manager.waterland", data.dataset, "").await;
    let shown = before["seen"].as_str().unwrap().to_owned();
    made_model(&app, base, data.version, "ft:tiny:later").await;
    let mut manager = app.browser("manager.waterland").await;
    let path = format!("/en/datasets/{}/withdraw", data.dataset);
    let fields = [("reason", "niet langer"), ("seen", shown.as_str())];
    let again = manager.post_form(&path, &fields).await.unwrap();
    assert_eq!(
        again.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        again.text
    );
    assert!(
        again.text.contains("has changed since you looked") && again.text.contains("niet langer"),
        "{}",
        again.text
    );
    let api = manager
        .call(
            Method::POST,
            &format!("/api/v1/datasets/{}/withdraw", data.dataset),
            Some(json!({ "reason": "niet langer", "seen": shown })),
        )
        .await
        .unwrap();
    assert_eq!(api.status, StatusCode::CONFLICT, "{}", api.text);
    let now = reach(&app, "manager.waterland", data.dataset, "").await;
    let now = now["seen"].as_str().unwrap();
    assert!(
        again
            .text
            .contains(&format!("name=\"seen\" value=\"{now}\"")),
        "{}",
        again.text
    );
    let fields = [("reason", "niet langer"), ("seen", now)];
    let done = manager.post_form(&path, &fields).await.unwrap();
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
}
