//! What is set aside, counted and given back when things go wrong around it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use virtual_faculty::{
    app::{self, Ports},
    clock::FixedClock,
    quota::Window,
};

use crate::support::{Keyholder, Plan, Program, chat_body, is_up};

const CHAT: &str = "/v1/chat/completions";

/// Asks one of the portals.
pub(crate) async fn ask(holder: &Keyholder, url: &url::Url, more: Value) -> Response {
    let url = url.join(CHAT).unwrap();
    let body = chat_body("een twee", more);
    let request = holder.client.post(url).bearer_auth(&holder.key).json(&body);
    request.send().await.unwrap()
}

/// A portal beside the test's own, in this process.
pub(crate) async fn serve(ports: &Arc<Ports>) -> (url::Url, actix_web::dev::ServerHandle) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = app::serve(ports, listener).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (url.parse().unwrap(), handle)
}

/// Reads a stream until it has so many tokens.
pub(crate) async fn read_tokens(answer: &mut Response, tokens: usize) -> String {
    let mut text = String::new();
    while text.matches("woord").count() < tokens {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[actix_web::test]
async fn an_answer_of_open_length_grows_until_the_budget_is_used_up_and_ends_for_its_length() {
    let holder = Keyholder::start(450, 100).await;
    holder.upstream.plan(Plan::Paced);
    let open =
        json!({"max_tokens": null, "stream": true, "stream_options": {"include_usage": true}});
    let answer = ask(&holder, &holder.app.url, open).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let (used, set_aside) = holder.counters().await;
    assert_eq!(set_aside, 0);
    // The prompt is two tokens, so nearly all of it can be the answer's, far more than was set aside at first.
    assert!((350..=450).contains(&used), "{used} of 450");
    assert!(text.contains(&format!("\"total_tokens\":{used}")), "{used}");
    assert_eq!(holder.upstream.tokens(), u64::try_from(used).unwrap());
}

#[actix_web::test]
async fn a_long_answer_holds_a_step_and_leaves_the_rest_to_others() {
    let holder = Keyholder::start(3_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let long = json!({"max_tokens": 32_000, "stream": true});
    let mut answer = ask(&holder, &holder.app.url, long).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read_tokens(&mut answer, 3).await;
    let (_, set_aside) = holder.counters().await;
    assert!(set_aside < 600, "{set_aside}");
    holder.upstream.plan(Plan::Answer);
    let beside = ask(&holder, &holder.app.url, json!({})).await;
    assert_eq!(beside.status(), StatusCode::OK);
}

#[actix_web::test]
async fn a_failed_upstream_costs_nothing() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Fail);
    for stream in [true, false] {
        let answer = ask(&holder, &holder.app.url, json!({"stream": stream})).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    }
    let failed = (0, 0, "failed".to_owned());
    assert_eq!(holder.records().await, [failed.clone(), failed]);
    assert_eq!(holder.counters().await, (0, 0));
}

#[actix_web::test]
async fn limits_above_the_key_bind_and_a_change_holds_at_once() {
    let holder = Keyholder::start(100_000, 100).await;
    assert_eq!(
        ask(&holder, &holder.app.url, json!({})).await.status(),
        StatusCode::OK
    );
    let limit = async |measure: &str, period: &str, cap: i64| {
        sqlx::query(
            "INSERT INTO quota_limits (node_id, measure, period, cap)
             SELECT institution_id, $1, $2, $3 FROM api_keys
             ON CONFLICT (node_id, measure, period) DO UPDATE SET cap = excluded.cap",
        )
        .bind(measure)
        .bind(period)
        .bind(cap)
        .execute(&mut holder.database().await)
        .await
        .unwrap();
    };
    limit("tokens", "month", 100).await;
    let refused = ask(&holder, &holder.app.url, json!({})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["x-should-retry"], "false");
    let body: Value = refused.json().await.unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("institution") && message.contains("month"),
        "{message}"
    );
    limit("tokens", "month", 100_000).await;
    assert_eq!(
        ask(&holder, &holder.app.url, json!({})).await.status(),
        StatusCode::OK
    );
    limit("slots", "always", 1).await;
    holder.upstream.plan(Plan::Hold);
    let stream = json!({"stream": true, "max_tokens": 10});
    let mut first = ask(&holder, &holder.app.url, stream.clone()).await;
    read_tokens(&mut first, 3).await;
    let second = ask(&holder, &holder.app.url, stream).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(second.headers()["retry-after"], "1");
    holder.upstream.state.gate.add_permits(1);
    first.text().await.unwrap();
    holder.upstream.plan(Plan::Answer);
    assert_eq!(
        ask(&holder, &holder.app.url, json!({})).await.status(),
        StatusCode::OK
    );
}

#[actix_web::test]
async fn a_revoked_key_is_refused_and_cut_on_the_other_replica_within_a_second() {
    let holder = Keyholder::start(10_000, 6_000).await;
    let (_replica, other) = Program::replica(&holder.app);
    is_up(&holder.app, &other).await;
    assert_eq!(
        ask(&holder, &other, json!({})).await.status(),
        StatusCode::OK
    );
    holder.upstream.plan(Plan::Hold);
    let mut running = ask(&holder, &other, json!({"stream": true, "max_tokens": 50})).await;
    let mut text = read_tokens(&mut running, 3).await;
    holder.upstream.plan(Plan::Answer);
    let mut manager = holder.app.browser("manager.harderwijk").await;
    let revoke = format!("/api/v1/keys/{}/revoke", holder.id);
    manager.api(Method::POST, &revoke, None).await.unwrap();
    let revoked = Instant::now();
    let here = ask(&holder, &holder.app.url, json!({})).await;
    assert_eq!(
        here.status(),
        StatusCode::UNAUTHORIZED,
        "where it was revoked, at once"
    );
    while ask(&holder, &other, json!({})).await.status() != StatusCode::UNAUTHORIZED {
        assert!(revoked.elapsed() < Duration::from_secs(1), "still admitted");
    }
    while let Some(chunk) = running.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        revoked.elapsed() < Duration::from_secs(1),
        "{:?}",
        revoked.elapsed()
    );
    assert!(text.contains("invalid_api_key"), "{text}");
}

#[actix_web::test]
async fn a_request_counts_in_the_day_in_which_it_was_admitted() {
    let holder = Keyholder::start(10_000, 100).await;
    // Half a minute before midnight in the Netherlands, whatever the season.
    let midnight = Window::Day.end(Utc::now()).unwrap();
    let late = midnight - TimeDelta::seconds(30);
    let clock = Arc::new(FixedClock::at(late));
    let config = (**holder.app.ports.config).clone();
    let ports = Arc::new(Ports::with_clock(config, clock.clone()).unwrap());
    let (url, handle) = serve(&ports).await;
    holder.upstream.plan(Plan::Hold);
    let mut answer = ask(&holder, &url, json!({"stream": true, "max_tokens": 10})).await;
    read_tokens(&mut answer, 3).await;
    clock.advance(TimeDelta::minutes(2));
    holder.upstream.plan(Plan::Answer);
    let next = ask(&holder, &url, json!({"max_tokens": 20})).await;
    assert_eq!(next.status(), StatusCode::OK);
    holder.upstream.state.gate.add_permits(1);
    answer.text().await.unwrap();
    let days: Vec<(DateTime<Utc>, i64)> = sqlx::query_as(
        "SELECT starts_at, used FROM quota_counters c JOIN api_keys k ON k.id = c.node_id
         WHERE measure = 'tokens' AND period = 'day' ORDER BY starts_at",
    )
    .fetch_all(&mut holder.database().await)
    .await
    .unwrap();
    assert_eq!(days, [(Window::Day.start(late), 12), (midnight, 22)]);
    handle.stop(false).await;
}

#[actix_web::test]
async fn sigterm_lets_answers_end_and_books_them() {
    let holder = Keyholder::start(10_000, 100).await;
    let (mut replica, url) = Program::replica(&holder.app);
    is_up(&holder.app, &url).await;
    holder.upstream.plan(Plan::Hold);
    let mut answer = ask(&holder, &url, json!({"stream": true, "max_tokens": 10})).await;
    let mut text = read_tokens(&mut answer, 3).await;
    let rest = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        holder.upstream.state.gate.add_permits(1);
        text.push_str(&answer.text().await.unwrap());
        text
    };
    let (text, ()) = tokio::join!(rest, replica.terminate());
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(holder.records().await, [(2, 10, "completed".to_owned())]);
    assert_eq!(holder.counters().await, (12, 0));
    let alive: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM quota_leases l JOIN quota_replicas r ON r.id = l.replica_id
         WHERE r.died_at IS NOT NULL",
    )
    .fetch_one(&mut holder.database().await)
    .await
    .unwrap();
    assert_eq!(alive, 0, "it gave back what it held");
}

/// Passes connections on to the database until it is told to cut them.
struct Wire {
    port: u16,
    cut: std::sync::Mutex<CancellationToken>,
}

impl Wire {
    async fn start(to: &url::Url) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            cut: std::sync::Mutex::default(),
        });
        let to = format!("{}:{}", to.host_str().unwrap(), to.port().unwrap_or(5432));
        let own = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let cut = own.cut.lock().unwrap().clone();
                let to = to.clone();
                tokio::spawn(cut.run_until_cancelled_owned(async move {
                    let mut server = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut client, &mut server).await
                }));
            }
        });
        wire
    }

    fn cut(&self) {
        self.cut.lock().unwrap().cancel();
    }

    fn mend(&self) {
        *self.cut.lock().unwrap() = CancellationToken::new();
    }
}

#[actix_web::test]
async fn without_the_database_nobody_is_let_in_and_nothing_is_lost() {
    let holder = Keyholder::start(10_000, 1_000).await;
    let mut address: url::Url = holder.app.owner_url.parse().unwrap();
    let wire = Wire::start(&address).await;
    address.set_host(Some("127.0.0.1")).unwrap();
    address.set_port(Some(wire.port)).unwrap();
    address.set_username("faculty_app").unwrap();
    let mut config = (**holder.app.ports.config).clone();
    config.database.url = address.to_string().into();
    let ports = Arc::new(Ports::new(config).unwrap());
    let (url, handle) = serve(&ports).await;
    assert_eq!(ask(&holder, &url, json!({})).await.status(), StatusCode::OK);
    holder.upstream.plan(Plan::Hold);
    let mut answer = ask(&holder, &url, json!({"stream": true, "max_tokens": 10})).await;
    read_tokens(&mut answer, 3).await;
    wire.cut();
    holder.upstream.state.gate.add_permits(1);
    holder.upstream.plan(Plan::Answer);
    let refused = ask(&holder, &url, json!({})).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let text = answer.text().await.unwrap();
    assert!(
        text.ends_with("data: [DONE]\n\n"),
        "what runs goes on: {text}"
    );
    wire.mend();
    let mended = Instant::now();
    while ask(&holder, &url, json!({})).await.status() != StatusCode::OK {
        assert!(
            mended.elapsed() < Duration::from_secs(20),
            "it does not come back"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(holder.counters().await, (22 + 12 + 22, 0));
    assert_eq!(holder.upstream.tokens(), 56);
    handle.stop(false).await;
}
