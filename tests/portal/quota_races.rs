//! Two hundred requests at once against a budget for ten, on one replica and on two, with `kill -9` in the middle: the
//! limit is never passed, and in the end what is counted is what the upstream made, to the token.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use virtual_faculty::{app::Ports, gateway};

use crate::support::{Keyholder, Plan, Program, chat_body, is_up};

const AT_ONCE: usize = 200;
const QUESTION: &str = "een twee drie";

/// How often each kind of race is run.
fn rounds() -> usize {
    if std::env::var("FACULTY_TEST_DEEP").is_ok() {
        50
    } else {
        2
    }
}

/// What one request of the race sets aside: more than its prompt can have, and its answer.
fn bound(answer: i64) -> i64 {
    let messages = json!([{"role": "user", "content": QUESTION}]).to_string();
    i64::try_from(messages.len()).unwrap() + 128 + answer
}

struct Race {
    holder: Keyholder,
    ports: Ports,
}

/// What came of the requests of one round.
#[derive(Debug, Default)]
struct Outcome {
    answered: usize,
    refused: usize,
    lost: usize,
}

impl Race {
    async fn prepare() -> Self {
        let holder = Keyholder::start(1_000, 6_000).await;
        // Only tokens are raced for.
        sqlx::query("DELETE FROM quota_limits WHERE measure = 'requests'")
            .execute(&mut holder.database().await)
            .await
            .unwrap();
        let ports = Ports::new((**holder.app.ports.config).clone()).unwrap();
        holder.upstream.plan(Plan::Paced);
        Self { holder, ports }
    }

    /// Lets the key use so much more than it has used.
    async fn allow(&self, more: i64) -> i64 {
        let (used, set_aside) = self.holder.counters().await;
        assert_eq!(set_aside, 0, "the round before it left something behind");
        sqlx::query("UPDATE quota_limits SET cap = $1 WHERE measure = 'tokens'")
            .bind(used + more)
            .execute(&mut self.holder.database().await)
            .await
            .unwrap();
        used + more
    }

    /// All requests at once, spread over the replicas.
    async fn run(&self, urls: &[url::Url], more: &Value) -> Outcome {
        let mut asked = Vec::new();
        for number in 0..AT_ONCE {
            let url = urls[number % urls.len()]
                .join("/v1/chat/completions")
                .unwrap();
            let request = self
                .holder
                .client
                .post(url)
                .bearer_auth(&self.holder.key)
                .json(&chat_body(QUESTION, more.clone()));
            asked.push(tokio::spawn(async move {
                let answer = request.send().await?;
                let status = answer.status();
                answer.text().await.map(|text| (status, text))
            }));
        }
        let mut outcome = Outcome::default();
        for answer in asked {
            match answer.await.unwrap() {
                Ok((StatusCode::OK, text)) if text.contains("\"error\"") => outcome.lost += 1,
                Ok((StatusCode::OK, _)) => outcome.answered += 1,
                Ok((StatusCode::TOO_MANY_REQUESTS, text)) => {
                    assert!(text.contains("insufficient_quota"), "{text}");
                    outcome.refused += 1;
                }
                // The killed replica, or one that is starting.
                Ok(_) | Err(_) => outcome.lost += 1,
            }
        }
        outcome
    }

    /// Charged whole, by name: in the books when the replica was killed, and not at the upstream yet. An upstream that
    /// does not know a request may also have forgotten it, so nothing is given away.
    async fn never_arrived(&self) -> i64 {
        let recovered: Vec<(uuid::Uuid, i64)> = sqlx::query_as(
            "SELECT request_id, prompt_tokens + completion_tokens FROM usage_records WHERE outcome = 'recovered'",
        )
        .fetch_all(&mut self.holder.database().await)
        .await
        .unwrap();
        let known = self.holder.upstream.state.counts.lock().unwrap();
        let unknown = recovered
            .iter()
            .filter(|(request, _)| !known.contains_key(&request.to_string()));
        unknown.map(|(_, tokens)| tokens).sum()
    }

    /// Settles what was left behind, and checks the books against the upstream's own.
    async fn settle(&self, cap: i64, is_killed: bool) {
        if is_killed {
            sqlx::query(
                // As if all had been silent for long enough; who lives begins anew.
                "UPDATE quota_replicas SET expires_at = now() - interval '1 second' WHERE died_at IS NULL",
            )
            .execute(&mut self.holder.database().await)
            .await
            .unwrap();
        }
        for _ in 0..200 {
            gateway::sweep(&self.ports.db, &self.ports.gateway)
                .await
                .unwrap();
            if self.holder.counters().await.1 == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (used, set_aside) = self.holder.counters().await;
        let records = self.holder.records().await;
        let booked: i64 = records.iter().map(|(prompt, made, _)| prompt + made).sum();
        assert_eq!(set_aside, 0, "something is held for requests that are over");
        assert_eq!(used, booked, "the counter is the sum of the records");
        assert_eq!(
            used,
            i64::try_from(self.holder.upstream.tokens()).unwrap() + self.never_arrived().await,
            "what is counted is what the upstream made: {records:?}"
        );
        assert!(used <= cap, "{used} of {cap} tokens were used");
    }
}

#[actix_web::test]
async fn two_hundred_at_once_never_pass_a_budget_for_ten() {
    let race = Race::prepare().await;
    let (mut first, mut first_url) = Program::replica(&race.holder.app);
    let (_second, second_url) = Program::replica(&race.holder.app);
    is_up(&race.holder.app, &first_url).await;
    is_up(&race.holder.app, &second_url).await;
    let stated = json!({"max_tokens": 20});
    let kinds = [
        (stated.clone(), bound(20)),
        (json!({"max_tokens": 20, "stream": true}), bound(20)),
        // The least that an answer of open length begins with.
        (json!({"max_tokens": null}), bound(32)),
        (json!({"max_tokens": null, "stream": true}), bound(32)),
    ];
    for round in 0..rounds() {
        for (more, each) in &kinds {
            for urls in [
                vec![first_url.clone()],
                vec![first_url.clone(), second_url.clone()],
            ] {
                let cap = race.allow(each * 10).await;
                let outcome = race.run(&urls, more).await;
                assert_eq!(outcome.lost, 0, "round {round}: {more} {outcome:?}");
                // A stream of open length grows into what others leave, so it may be fewer; but never one alone.
                let grows = more["max_tokens"].is_null() && more["stream"] == json!(true);
                let least = if grows { 4 } else { 10 };
                assert!(
                    outcome.answered >= least,
                    "round {round}: {more} {outcome:?}"
                );
                race.settle(cap, false).await;
            }
            let cap = race.allow(each * 10).await;
            let urls = [first_url.clone(), second_url.clone()];
            let kill = async {
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..150))).await;
                first.kill();
            };
            let (outcome, ()) = tokio::join!(race.run(&urls, more), kill);
            assert_eq!(
                outcome.answered + outcome.refused + outcome.lost,
                AT_ONCE,
                "{outcome:?}"
            );
            race.settle(cap, true).await;
            (first, first_url) = Program::replica(&race.holder.app);
            is_up(&race.holder.app, &first_url).await;
        }
    }
}
