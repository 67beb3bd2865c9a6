//! Mixed load on two replicas while the upstream fails at random, clients hang up, keys are revoked and the database
//! goes away: no record is lost or doubled, errors stay of their class, and memory does not grow.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use rand::seq::IndexedRandom as _;
use reqwest::Method;
use serde_json::{Value, json};
use virtual_faculty::{app::Ports, gateway};

use crate::{
    job_kills::without_database,
    support::{Keyholder, Plan, Program, chat_body, is_up, new_key},
};

const CLIENTS: usize = 12;
const WEATHER: [Plan; 7] = [
    Plan::Answer,
    Plan::Answer,
    Plan::Paced,
    Plan::Paced,
    Plan::Break,
    Plan::Fail,
    Plan::Refuse,
];
/// What a client may be told while all this happens.
const CLASSES: [(u16, &str); 4] = [
    (200, "ok"),
    (400, "context_length_exceeded"),
    (502, "server_error"),
    (503, "server_error"),
];

fn length() -> Duration {
    let is_deep = std::env::var("FACULTY_TEST_DEEP").is_ok();
    Duration::from_secs(if is_deep { 30 * 60 } else { 30 })
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    is_over: AtomicBool,
    classes: Mutex<BTreeMap<(u16, String), usize>>,
    /// Ids of whole answers.
    answered: Mutex<HashSet<String>>,
}

impl Seen {
    fn count(&self, status: u16, class: &str) {
        let mut classes = self.classes.lock().unwrap();
        *classes.entry((status, class.to_owned())).or_default() += 1;
    }
}

/// One client after another of its kind: asks, reads some or all, asks again.
async fn client(http: reqwest::Client, urls: Vec<url::Url>, key: String, seen: Arc<Seen>) {
    while !seen.is_over.load(Relaxed) {
        let streams = rand::random_bool(0.5);
        let more = match (streams, rand::random_range(0..4)) {
            // Of open length.
            (true, 0) => json!({"max_tokens": null, "stream": true}),
            _ => json!({"max_tokens": rand::random_range(1..40), "stream": streams}),
        };
        let url = urls.choose(&mut rand::rng()).unwrap();
        let request = http
            .post(url.join("/v1/chat/completions").unwrap())
            .bearer_auth(&key)
            .json(&chat_body("een twee drie vier", more));
        if rand::random_bool(0.1) {
            // Hangs up before it heard anything, or soon after.
            let patience = Duration::from_millis(rand::random_range(0..60));
            let asked = tokio::time::timeout(patience, async move {
                let mut parts = request.send().await?.bytes_stream();
                while parts.next().await.transpose()?.is_some() {}
                reqwest::Result::Ok(())
            });
            drop(asked.await);
            seen.count(0, "hung up");
            continue;
        }
        let Ok(answer) = request.send().await else {
            seen.count(0, "no connection");
            continue;
        };
        let status = answer.status().as_u16();
        let id = answer.headers().get("x-request-id").cloned();
        let Ok(text) = answer.text().await else {
            seen.count(status, "broken off");
            continue;
        };
        if status == 200 && (!streams || text.contains("[DONE]")) && !text.contains("\"error\"") {
            let id = id.unwrap().to_str().unwrap().to_owned();
            assert!(seen.answered.lock().unwrap().insert(id), "an id came twice");
        }
        seen.count(status, &class(status, &text));
    }
}

fn class(status: u16, text: &str) -> String {
    if status == 200 {
        return "ok".to_owned();
    }
    let body: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{status}: {text}"));
    let error = &body["error"];
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|said| !said.is_empty()),
        "{status}: {text}"
    );
    let told = error["code"].as_str().filter(|_| status < 500);
    told.or(error["type"].as_str()).unwrap().to_owned()
}

/// A key more, used and revoked: refused by every replica soon after. The longest that it took.
async fn revoke_one(holder: &Keyholder, urls: &[url::Url]) -> Duration {
    let mut developer = holder.app.browser("developer.harderwijk").await;
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let asked = Some(new_key(1_000, 60));
    let made = developer.api(Method::POST, "/api/v1/keys", asked).await;
    let id = made.unwrap()["id"].as_str().unwrap().to_owned();
    let path = |verb: &str| format!("/api/v1/keys/{id}/{verb}");
    let accepting = Some(json!({"accept_terms": true}));
    let [approve, reveal, revoke] = ["approve", "reveal", "revoke"].map(path);
    let approved = manager.api(Method::POST, &approve, accepting).await;
    approved.unwrap();
    let shown = developer.api(Method::POST, &reveal, None).await.unwrap();
    let key = shown["api_key"].as_str().unwrap().to_owned();
    let ask = |url: &url::Url| {
        let request = holder
            .client
            .post(url.join("/v1/chat/completions").unwrap());
        let request = request.bearer_auth(&key);
        request
            .json(&chat_body("een", json!({"max_tokens": 2})))
            .send()
    };
    for url in urls {
        let known = ask(url).await.unwrap().status();
        assert_ne!(known, 401, "a key that was just shown");
    }
    developer.api(Method::POST, &revoke, None).await.unwrap();
    let begun = Instant::now();
    for url in urls {
        while ask(url).await.unwrap().status() != 401 {
            assert!(begun.elapsed() < Duration::from_secs(10), "still let in");
        }
    }
    begun.elapsed()
}

/// Kilobytes of memory that a process has.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[actix_web::test]
async fn under_mixed_load_and_failures_nothing_is_lost_doubled_or_kept() {
    let holder = Keyholder::start(200_000, 6_000).await;
    // Nothing here is about limits.
    sqlx::query("DELETE FROM quota_limits")
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    let ports = Ports::new((**holder.app.ports.config).clone()).unwrap();
    let (first, first_url) = Program::replica(&holder.app);
    let (second, second_url) = Program::replica(&holder.app);
    let urls = vec![first_url, second_url];
    for url in &urls {
        is_up(&holder.app, url).await;
    }
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (urls, key) = (urls.clone(), holder.key.clone());
            actix_web::rt::spawn(client(holder.client.clone(), urls, key, Arc::clone(&seen)))
        })
        .collect();

    let begun = Instant::now();
    let mut memory = Vec::new();
    let (mut slowest, mut outages) = (Duration::ZERO, 0);
    while begun.elapsed() < length() {
        for _ in 0..8 {
            holder
                .upstream
                .plan(*WEATHER.choose(&mut rand::rng()).unwrap());
            tokio::time::sleep(Duration::from_millis(rand::random_range(50..500))).await;
        }
        holder.upstream.plan(Plan::Answer);
        slowest = slowest.max(revoke_one(&holder, &urls).await);
        memory.push([first.id(), second.id()].map(resident).iter().sum::<u64>());
        without_database(
            &holder.app,
            Duration::from_millis(rand::random_range(200..3000)),
        )
        .await;
        outages += 1;
        for url in &urls {
            is_up(&holder.app, url).await;
        }
    }
    holder.upstream.plan(Plan::Answer);
    seen.is_over.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    let classes = seen.classes.lock().unwrap().clone();
    let (early, late) = (most(&memory, 1), most(&memory, 2));
    eprintln!(
        "{classes:?}; {outages} times without the database; refused at most {slowest:?} after a revocation; memory {early} \
         and {late} kB"
    );
    for (status, class) in classes.keys().filter(|(status, _)| *status != 0) {
        let known = CLASSES.contains(&(*status, class.as_str()));
        assert!(
            known || (*status, class.as_str()) == (200, "broken off"),
            "{classes:?}"
        );
    }
    assert!(classes[&(200, "ok".to_owned())] > 100, "{classes:?}");
    if memory.len() >= 30 {
        assert!(late * 100 <= early * 105, "memory grew: {memory:?}");
    }
    balance(&holder, &ports, &seen).await;
}

/// The most of the given third of the samples, of 0 to 2.
fn most(samples: &[u64], third: usize) -> u64 {
    let each = samples.len().div_ceil(3).max(1);
    let part = samples
        .chunks(each)
        .nth(third)
        .or(samples.chunks(each).last());
    part.and_then(|part| part.iter().max().copied())
        .unwrap_or_default()
}

/// Every token that the upstream made is in the books, once.
async fn balance(holder: &Keyholder, ports: &Ports, seen: &Seen) {
    for _ in 0..300 {
        gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
        if holder.counters().await.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (used, set_aside) = holder.counters().await;
    assert_eq!(set_aside, 0, "something is held for requests that are over");
    let records: Vec<(uuid::Uuid, i64)> =
        sqlx::query_as("SELECT request_id, prompt_tokens + completion_tokens FROM usage_records")
            .fetch_all(&mut holder.database().await)
            .await
            .unwrap();
    let ids: HashSet<String> = records.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids.len(), records.len(), "a request was booked twice");
    let answered = seen.answered.lock().unwrap();
    let lost: Vec<_> = answered.difference(&ids).collect();
    assert!(lost.is_empty(), "answered and not booked: {lost:?}");
    let booked: i64 = records.iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(used, booked, "the counter is the sum of the records");
    let counts = holder.upstream.state.counts.lock().unwrap();
    for (id, tokens) in &records {
        let made = counts
            .get(&id.to_string())
            .map(|(prompt, made, _)| prompt + made);
        assert_eq!(Some(*tokens as u64), made.or(Some(0)), "{id}");
    }
    let made: u64 = counts.values().map(|(prompt, made, _)| prompt + made).sum();
    assert_eq!(
        u64::try_from(used).unwrap(),
        made,
        "what is counted is what was made"
    );
}
