//! Programs that report at once, some at one address, while what stands where is arranged: no transaction waits for another
//! in a circle.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::support::{Keyholder, connection};

const TOKEN: &str = "serving-token-of-the-tests";
const ROUNDS: usize = 60;
/// Each of two programs.
const ADDRESSES: [&str; 3] = [
    "http://127.0.0.1:9001",
    "http://127.0.0.1:9002",
    "http://127.0.0.1:9003",
];

/// A serving program that the test plays.
struct Played {
    client: Client,
    portal: Url,
    process: Uuid,
    address: &'static str,
}

impl Played {
    async fn report(&self, models: &Value) -> StatusCode {
        let status = json!({
            "process": self.process, "name": "of-the-test", "address": self.address, "models": models,
        });
        let request = self
            .client
            .post(self.portal.join("/internal/v1/serving/status").unwrap())
            .bearer_auth(TOKEN)
            .json(&status);
        request.send().await.unwrap().status()
    }

    /// What it should have, said to be in `state`; nothing where another took its address.
    async fn assigned(&self, state: &str) -> Result<Value, StatusCode> {
        let path = format!("/internal/v1/serving/assignments?process={}", self.process);
        let request = self
            .client
            .get(self.portal.join(&path).unwrap())
            .bearer_auth(TOKEN);
        let answer = request.send().await.unwrap();
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(json!([])),
            wrong => return Err(wrong),
        }
        let assigned: Value = answer.json().await.unwrap();
        let models = assigned["models"].as_array().unwrap().iter();
        let models: Vec<Value> = models
            .map(|one| {
                json!({
                    "deployment": one["deployment"], "model": one["model"], "state": state, "message": null,
                })
            })
            .collect();
        Ok(json!(models))
    }

    /// What was answered wrongly.
    async fn work(&self) -> Vec<StatusCode> {
        let (mut wrong, mut models) = (Vec::new(), json!([]));
        for round in 0..ROUNDS {
            let told = self.report(&models).await;
            if told != StatusCode::NO_CONTENT {
                wrong.push(told);
            }
            let state = ["loading", "ready"][round % 2];
            models = match self.assigned(state).await {
                Ok(models) => models,
                Err(status) => {
                    wrong.push(status);
                    json!([])
                }
            };
        }
        wrong
    }
}

#[actix_web::test]
async fn reports_and_arrangements_at_once_do_not_wait_for_each_other_in_a_circle() {
    let holder = Keyholder::start(10_000, 100).await;
    let mut programs = Vec::new();
    for address in ADDRESSES.into_iter().chain(ADDRESSES) {
        let program = Played {
            client: holder.client.clone(),
            portal: holder.app.url.clone(),
            process: Uuid::now_v7(),
            address,
        };
        assert_eq!(program.report(&json!([])).await, StatusCode::NO_CONTENT);
        programs.push(program);
    }
    let scaled = async {
        let mut operator = holder.app.browser("operator").await;
        for round in 0..ROUNDS {
            let wanted = json!({"model": holder.model, "replicas": 1 + round % 4});
            operator
                .api(Method::POST, "/api/v1/deployments", Some(wanted))
                .await
                .unwrap();
        }
    };
    let worked = futures_util::future::join_all(programs.iter().map(Played::work));
    let (wrong, ()) = tokio::join!(worked, scaled);
    let wrong: Vec<StatusCode> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let deadlocks: i64 = sqlx::query_scalar(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(&mut connection(&holder.app).await)
    .await
    .unwrap();
    assert_eq!(deadlocks, 0);
}
