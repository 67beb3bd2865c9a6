//! Many requests at once through keys and projects of two institutions, with limits on every level that change meanwhile, on
//! two replicas: no transaction waits for another in a circle, and what is counted is what was made.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::seq::IndexedRandom as _;
use reqwest::Method;
use serde_json::json;
use virtual_faculty::{app::Ports, gateway};

use crate::support::{Keyholder, Plan, Program, chat_body, connection, given, is_up, new_key};

const CLIENTS: usize = 24;
const LIMITS: [(&str, &str); 7] = [
    ("tokens", "minute"),
    ("tokens", "day"),
    ("tokens", "month"),
    ("requests", "minute"),
    ("requests", "day"),
    ("requests", "month"),
    ("slots", "always"),
];
/// So much that nobody is refused.
const PLENTY: i64 = 1_000_000_000;

fn length() -> Duration {
    let is_deep = std::env::var("FACULTY_TEST_DEEP").is_ok();
    Duration::from_secs(if is_deep { 300 } else { 10 })
}

/// What is asked through.
struct Tree {
    /// Ids and whole keys.
    keys: Vec<(String, String)>,
    /// Projects, each with the keys that may stand under it.
    projects: Vec<(String, Vec<String>)>,
    /// All that has limits.
    nodes: Vec<String>,
}

async fn plant(holder: &Keyholder) -> Tree {
    let app = &holder.app;
    given::accepted_terms(app, "manager.waterland").await;
    let mut tree = Tree {
        keys: vec![(holder.id.clone(), holder.key.clone())],
        projects: Vec::new(),
        nodes: Vec::new(),
    };
    for people in [
        ("developer.harderwijk", "manager.harderwijk"),
        ("manager.waterland", "admin"),
    ] {
        let mut keys = Vec::new();
        for _ in 0..3 {
            keys.push(given::key(app, people, new_key(200_000, 6_000)).await);
        }
        let institution = given::institution_of(app, &keys[0].0).await;
        let ids: Vec<String> = keys.iter().map(|(id, _)| id.clone()).collect();
        for name in ["een", "twee"] {
            let project = given::project(app, &institution, name).await;
            tree.nodes.push(project.clone());
            tree.projects.push((project, ids.clone()));
        }
        tree.nodes.push(institution);
        tree.keys.extend(keys);
    }
    tree.nodes
        .extend(tree.keys.iter().map(|(id, _)| id.clone()));
    let (measures, periods): (Vec<_>, Vec<_>) = LIMITS.into_iter().unzip();
    sqlx::query(
        "INSERT INTO quota_limits (node_id, measure, period, cap)
         SELECT n.id, l.measure, l.period, $3 FROM quota_nodes n
         CROSS JOIN unnest($1::text[], $2::text[]) AS l (measure, period)
         ON CONFLICT (node_id, measure, period) DO UPDATE SET cap = excluded.cap",
    )
    .bind(measures)
    .bind(periods)
    .bind(PLENTY)
    .execute(&mut holder.database().await)
    .await
    .unwrap();
    tree
}

/// One request after another, each with another key at another replica; what went wrong.
async fn client(
    http: reqwest::Client,
    urls: Vec<url::Url>,
    keys: Vec<String>,
    is_over: Arc<AtomicBool>,
) -> (usize, Vec<String>) {
    let (mut answered, mut wrong) = (0, Vec::new());
    while !is_over.load(Relaxed) {
        let (url, key) = {
            let random = &mut rand::rng();
            let url = urls.choose(random).unwrap();
            (url.clone(), keys.choose(random).unwrap().clone())
        };
        let more = json!({
            "max_tokens": rand::random_range(1..30), "stream": rand::random_bool(0.5),
        });
        let request = http
            .post(url.join("/v1/chat/completions").unwrap())
            .bearer_auth(key)
            .json(&chat_body("een twee drie", more));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        if status == 200 && !text.contains("\"error\"") {
            answered += 1;
        } else {
            wrong.push(format!("{status}: {text}"));
        }
    }
    (answered, wrong)
}

/// Moves keys among projects and sets limits anew, in no order.
async fn disturb(holder: &Keyholder, tree: &Tree) {
    let mut admin = holder.app.browser("admin").await;
    let begun = Instant::now();
    while begun.elapsed() < length() {
        let ((project, ids), node, (measure, period)) = {
            let random = &mut rand::rng();
            let project = tree.projects.choose(random).unwrap();
            let node = tree.nodes.choose(random).unwrap();
            (project, node, *LIMITS.choose(random).unwrap())
        };
        let key = ids.choose(&mut rand::rng()).unwrap();
        let path = format!("/api/v1/keys/{key}/project");
        let to = rand::random_bool(0.7).then_some(project);
        let moved = admin.call(Method::PUT, &path, Some(json!({"project": to})));
        assert_eq!(moved.await.unwrap().status, 204);
        let cap = PLENTY + rand::random_range(0..1000);
        let wanted = json!({"measure": measure, "period": period, "cap": cap});
        let path = format!("/api/v1/quotas/{node}");
        let set = admin.call(Method::PUT, &path, Some(wanted)).await.unwrap();
        assert_eq!(set.status, 204, "{}", set.text);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[actix_web::test]
async fn no_order_of_keys_makes_transactions_wait_in_a_circle() {
    let holder = Keyholder::start(200_000, 6_000).await;
    let tree = plant(&holder).await;
    let ports = Ports::new((**holder.app.ports.config).clone()).unwrap();
    let (_first, first_url) = Program::replica(&holder.app);
    let (_second, second_url) = Program::replica(&holder.app);
    let urls = vec![first_url, second_url];
    for url in &urls {
        is_up(&holder.app, url).await;
    }
    holder.upstream.plan(Plan::Paced);
    let is_over = Arc::new(AtomicBool::new(false));
    let keys: Vec<String> = tree.keys.iter().map(|(_, key)| key.clone()).collect();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (http, urls, keys) = (holder.client.clone(), urls.clone(), keys.clone());
            actix_web::rt::spawn(client(http, urls, keys, Arc::clone(&is_over)))
        })
        .collect();
    disturb(&holder, &tree).await;
    is_over.store(true, Relaxed);
    let (mut answered, mut wrong) = (0, Vec::new());
    for client in clients {
        let (of_one, wrong_of_one) = client.await.unwrap();
        answered += of_one;
        wrong.extend(wrong_of_one);
    }
    eprintln!("{answered} requests through {} keys", keys.len());
    assert!(
        wrong.is_empty(),
        "{} of {answered}: {wrong:#?}",
        wrong.len()
    );
    assert!(answered > 100, "{answered}");
    let log = std::fs::read_to_string(holder.app.folder.path().join("faculty.log")).unwrap();
    for trouble in ["deadlock", "40P01"] {
        let lines = log.lines().filter(|line| line.contains(trouble));
        let lines: Vec<_> = lines.collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
    balance(&holder, &ports, &tree).await;
}

/// On every level what was used is what the upstream made, and nothing is held.
async fn balance(holder: &Keyholder, ports: &Ports, tree: &Tree) {
    for _ in 0..300 {
        gateway::sweep(&ports.db, &ports.gateway).await.unwrap();
        if holder.counters().await.1 == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let made = i64::try_from(holder.upstream.tokens()).unwrap();
    assert_eq!(holder.counters().await, (made, 0));
    let mut conn = connection(&holder.app).await;
    for (level, used) in [
        (
            "keys by day",
            "SELECT sum(prompt_tokens + completion_tokens)::bigint FROM usage_days",
        ),
        (
            "single requests",
            "SELECT sum(prompt_tokens + completion_tokens)::bigint FROM usage_records",
        ),
        (
            "institutions",
            "SELECT sum(used)::bigint FROM quota_counters c JOIN quota_nodes n ON n.id = c.node_id
             WHERE n.kind = 'institution' AND measure = 'tokens' AND period = 'month'",
        ),
    ] {
        let used: i64 = sqlx::query_scalar(used).fetch_one(&mut conn).await.unwrap();
        assert_eq!(used, made, "{level}");
    }
    for (project, _) in &tree.projects {
        let (counted, shown): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT coalesce(sum(used), 0)::bigint FROM quota_counters
                     WHERE node_id = $1 AND measure = 'tokens' AND period = 'month'),
                    (SELECT coalesce(sum(prompt_tokens + completion_tokens), 0)::bigint FROM usage_days
                     WHERE project_id = $1)",
        )
        .bind(project.parse::<uuid::Uuid>().unwrap())
        .fetch_one(&mut conn)
        .await
        .unwrap();
        assert_eq!(counted, shown, "a project");
    }
    let deadlocks: i64 = sqlx::query_scalar(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert_eq!(deadlocks, 0);
}
