//! A key may ask the model of its own job once that is released, and no other key gets it by itself.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, Tuner, connection, given};

const MANAGER: &str = "manager.harderwijk";

/// What a key for fine-tuning is requested with; `changes` replace fields.
fn key(changes: Value) -> Value {
    let mut asked = json!({
        "name": "tuner", "purpose": "een proef", "models": ["tiny"], "tokens_per_day": 1000, "may_fine_tune": true,
    });
    for (name, value) in changes.as_object().unwrap() {
        asked[name] = value.clone();
    }
    asked
}

/// Id and name of a model that a job of this key made of the dataset.
async fn made(app: &TestApp, tuner: &Tuner, dataset: Uuid) -> (Uuid, String) {
    let wanted = json!({
        "model": "tiny", "training_file": format!("dataset:{dataset}@1"), "hyperparameters": { "n_epochs": 1 },
        // Its key may be for profit, and the data are not.
        "gptnl": { "lora": { "rank": 4 }, "sequence_length": 64, "is_commercial": false },
    });
    let (status, made) = tuner.post("fine_tuning/jobs", &wanted).await;
    assert_eq!(status, 200, "{made:#}");
    let (job, _) = tuner.let_run(app, made["id"].as_str().unwrap()).await;
    let state = given::job_until(app, job, given::is_over).await;
    assert_eq!(state["status"], "succeeded", "{state:#}");
    let id = state["model"]["id"].as_str().unwrap().parse().unwrap();
    (id, state["model"]["name"].as_str().unwrap().to_owned())
}

/// The operator does `what` with a model.
async fn act(app: &TestApp, model: Uuid, what: &str) {
    app.browser("operator")
        .await
        .api(
            Method::POST,
            &format!("/api/v1/models/{model}/{what}"),
            None,
        )
        .await
        .unwrap();
}

/// The models that a key lists.
async fn listed(tuner: &Tuner) -> Vec<String> {
    let (status, page) = tuner.get("models").await;
    assert_eq!(status, 200, "{page:#}");
    let all = page["data"].as_array().unwrap().iter();
    all.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// What is said to a question, where it is no answer.
async fn refusal(tuner: &Tuner, model: &str) -> (u16, Value) {
    let asked = json!({
        "model": model, "messages": [{ "role": "user", "content": "vraag 1" }], "max_tokens": 4,
    });
    let (status, said) = tuner.post("chat/completions", &asked).await;
    (status, said["error"]["code"].clone())
}

#[actix_web::test]
async fn a_key_asks_the_model_of_its_own_job_once_that_is_released() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    let tuner = Tuner::of(&app, MANAGER, "tiny", true).await;
    let colleague = Tuner::of(&app, "researcher.harderwijk", "tiny", true).await;
    let (model, name) = made(&app, &tuner, data.dataset).await;
    let absent = (404, json!("model_not_found"));
    assert_eq!(listed(&tuner).await, ["tiny"], "nobody has released it");
    assert_eq!(refusal(&tuner, &name).await, absent);

    act(&app, model, "release").await;
    assert_eq!(listed(&tuner).await, ["tiny", name.as_str()]);
    let (status, shown) = tuner.get(&format!("models/{name}")).await;
    assert_eq!((status, &shown["id"]), (200, &json!(name)));
    let undeployed = (503, json!("model_not_deployed"));
    assert_eq!(refusal(&tuner, &name).await, undeployed);
    // Another key of the institution is asked for with it, as ever.
    assert_eq!(listed(&colleague).await, ["tiny"]);
    assert_eq!(refusal(&colleague, &name).await, absent);

    // Whoever asks what a withdrawal reaches finds the key, from the release on.
    let edges = sqlx::query_scalar::<_, i64>(
        "SELECT count(*) FROM lineage_edges e JOIN models m ON m.id = e.from_id
         WHERE m.id = $1 AND e.to_kind = 'key' AND e.at = m.released_at",
    )
    .bind(model)
    .fetch_one(&mut connection(&app).await)
    .await
    .unwrap();
    assert_eq!(edges, 1);

    act(&app, model, "retire").await;
    assert_eq!(listed(&tuner).await, ["tiny"]);
    assert_eq!(refusal(&tuner, &name).await, (404, json!("model_retired")));
}

#[actix_web::test]
async fn a_release_gives_no_key_what_it_could_not_be_requested_for() {
    let app = TestApp::start().await;
    given::tiny_base(&app).await;
    let data = given::approved_dataset(&app).await;
    for (changes, why) in [
        (
            json!({ "is_commercial": true }),
            "the data are not for profit",
        ),
        (json!({ "may_infer": false }), "the key asks no model"),
    ] {
        let tuner = Tuner::asking_for(&app, MANAGER, key(changes)).await;
        let (model, _) = made(&app, &tuner, data.dataset).await;
        act(&app, model, "release").await;
        assert_eq!(listed(&tuner).await, ["tiny"], "{why}");
    }
    // One that was revoked meanwhile.
    let tuner = Tuner::of(&app, MANAGER, "tiny", true).await;
    let (model, _) = made(&app, &tuner, data.dataset).await;
    let key = sqlx::query_scalar::<_, Uuid>(
        "SELECT f.api_key_id FROM fine_tuning_jobs f JOIN models m ON m.job_id = f.id WHERE m.id = $1",
    )
    .bind(model)
    .fetch_one(&mut connection(&app).await)
    .await
    .unwrap();
    app.browser(MANAGER)
        .await
        .api(Method::POST, &format!("/api/v1/keys/{key}/revoke"), None)
        .await
        .unwrap();
    act(&app, model, "release").await;
    let reached =
        sqlx::query_scalar::<_, i64>("SELECT count(*) FROM api_key_models WHERE model_id = $1")
            .bind(model)
            .fetch_one(&mut connection(&app).await)
            .await
            .unwrap();
    assert_eq!(reached, 0, "a key that has ended");
}
