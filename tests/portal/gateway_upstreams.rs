//! Servers that are not ours: how they are asked, which of them is, and what is booked where they keep no counts.

use std::{sync::Arc, time::Duration};

use actix_web::dev::ServerHandle;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use virtual_faculty::{
    app::{self, Ports},
    config::{self, Addresses},
};

use crate::support::{Keyholder, Plan, Upstream, chat_body};

/// A portal beside the test's own, in which others serve the model.
struct Portal {
    url: String,
    server: ServerHandle,
}

impl Portal {
    async fn start(holder: &Keyholder, upstreams: Vec<config::Upstream>) -> Self {
        let mut operator = holder.app.browser("operator").await;
        let stop = format!("/api/v1/models/{}/stop", holder.model);
        operator.api(Method::POST, &stop, None).await.unwrap();
        let mut config = (**holder.app.ports.config).clone();
        let all = &mut config.serving.upstreams;
        all.insert(holder.name.clone(), Addresses::Several(upstreams));
        let ports = Arc::new(Ports::new(config).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = app::serve(&ports, listener).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            url: format!("http://{address}/v1/chat/completions"),
            server: handle,
        }
    }

    fn ask(&self, holder: &Keyholder, question: &str, more: Value) -> RequestBuilder {
        let request = holder.client.post(&self.url).bearer_auth(&holder.key);
        request.json(&chat_body(question, more))
    }
}

fn at(url: &str) -> config::Upstream {
    url.parse::<url::Url>().unwrap().into()
}

async fn settled(holder: &Keyholder, count: usize) -> Vec<(i64, i64, String)> {
    for _ in 0..300 {
        let records = holder.records().await;
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not settled: {:?}", holder.records().await);
}

#[actix_web::test]
async fn a_server_is_asked_with_its_own_key_name_and_options() {
    let holder = Keyholder::start(10_000, 100).await;
    let strict = config::Upstream {
        key: "sk-of-the-server".into(),
        model: Some("org/Model".to_owned()),
        counts: false,
        ..at(&holder.upstream.url)
    };
    let portal = Portal::start(&holder, vec![strict]).await;
    for stream in [false, true] {
        let asked = portal.ask(&holder, "een twee", json!({"stream": stream}));
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap();
    }
    let state = &holder.upstream.state;
    let bodies = state.bodies.lock().unwrap().clone();
    assert!(bodies.iter().all(|body| body["model"] == "org/Model"));
    assert!(bodies[0].get("stream_options").is_none());
    assert_eq!(bodies[1]["stream_options"], json!({"include_usage": true}));
    let keys = state.authorizations.lock().unwrap().clone();
    assert_eq!(keys, ["Bearer sk-of-the-server"; 2]);
    let done = (2, 20, "completed".to_owned());
    assert_eq!(holder.records().await, [done.clone(), done]);
    portal.server.stop(false).await;
}

#[actix_web::test]
async fn a_plain_address_is_asked_without_a_key() {
    let holder = Keyholder::start(10_000, 100).await;
    let portal = Portal::start(&holder, vec![at(&holder.upstream.url)]).await;
    let answer = portal.ask(&holder, "een", json!({"stream": true}));
    answer.send().await.unwrap().text().await.unwrap();
    let state = &holder.upstream.state;
    assert_eq!(*state.authorizations.lock().unwrap(), [""]);
    let sent = state.bodies.lock().unwrap()[0].clone();
    assert_eq!(sent["model"], "tiny:test");
    let options = json!({"include_usage": true, "continuous_usage_stats": true});
    assert_eq!(sent["stream_options"], options);
    portal.server.stop(false).await;
}

#[actix_web::test]
async fn what_is_cut_where_nobody_counts_costs_what_was_made_or_seen_of_it() {
    let holder = Keyholder::start(10_000, 100).await;
    holder.upstream.plan(Plan::Hold);
    let portal = Portal::start(&holder, vec![at(&holder.upstream.url)]).await;
    let most = json!({"max_tokens": 2_000});
    let left = portal.ask(&holder, "een twee", most);
    let left = left.timeout(Duration::from_millis(500)).send().await;
    assert!(left.unwrap_err().is_timeout());
    assert!(holder.records().await.is_empty(), "it is still being made");
    holder.upstream.state.gate.add_permits(1);
    let whole = (2, 2_000, "cut".to_owned());
    assert_eq!(settled(&holder, 1).await, std::slice::from_ref(&whole));
    let stream = json!({"max_tokens": 2_000, "stream": true});
    let mut answer = portal
        .ask(&holder, "een twee", stream)
        .send()
        .await
        .unwrap();
    let mut text = String::new();
    while text.matches("woord").count() < 3 {
        let chunk = answer.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    drop(answer);
    let seen = (2, 3, "cut".to_owned());
    assert_eq!(settled(&holder, 2).await, [whole, seen]);
    assert_eq!(holder.counters().await, (2_002 + 5, 0));
    portal.server.stop(false).await;
}

#[actix_web::test]
async fn a_place_that_has_enough_to_do_is_passed_over_and_not_shut_off() {
    let holder = Keyholder::start(100_000, 1_000).await;
    let busy = Upstream::start();
    busy.plan(Plan::Busy);
    let places = vec![at(&busy.url), at(&holder.upstream.url)];
    let portal = Portal::start(&holder, places).await;
    for number in 0..40 {
        let asked = portal.ask(&holder, &format!("{number} twee"), json!({}));
        assert_eq!(asked.send().await.unwrap().status(), StatusCode::OK);
    }
    // What begins differently goes to either first.
    assert!(busy.requests() > 6, "{} were sent there", busy.requests());
    assert_eq!(holder.upstream.requests(), 40);
    assert_eq!(holder.counters().await, (40 * 22, 0));
    portal.server.stop(false).await;
}

/// An address whose queue of connections is full, and from which nobody takes any: no SYN is answered.
async fn silent() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let connect = TcpStream::connect(address);
        match timeout(Duration::from_millis(300), connect).await {
            Ok(connection) => waiting.push(connection.unwrap()),
            Err(_) => return (listener, waiting),
        }
    }
    panic!("it takes every connection");
}

#[actix_web::test]
async fn a_place_that_does_not_answer_a_connection_is_passed_over() {
    let holder = Keyholder::start(100_000, 1_000).await;
    let (listener, waiting) = silent().await;
    let address = format!("http://{}", listener.local_addr().unwrap());
    let places = vec![at(&address), at(&holder.upstream.url)];
    let portal = Portal::start(&holder, places).await;
    for number in 0..6 {
        for stream in [false, true] {
            let more = json!({"stream": stream});
            let asked = portal.ask(&holder, &format!("{number} twee"), more);
            let answer = asked.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "request {number}");
            answer.text().await.unwrap();
        }
    }
    assert_eq!(holder.upstream.requests(), 12);
    assert_eq!(holder.counters().await, (12 * 22, 0));
    drop((listener, waiting));
    portal.server.stop(false).await;
}
