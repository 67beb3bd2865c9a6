//! Clients, upstreams and services that judge which are slow: nobody is waited for without end, nobody gets more for it, and
//! each is told of by its own name.

use std::{net::TcpListener, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, web};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::support::{Keyholder, Plan, chat_body};

const CHAT: &str = "/v1/chat/completions";

/// A connection to the portal that takes hardly anything from the network before it is read.
async fn connection(holder: &Keyholder) -> TcpStream {
    let address = holder.app.url.socket_addrs(|| None).unwrap()[0];
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(address).await.unwrap()
}

fn head(holder: &Keyholder, length: usize) -> String {
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: portal\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n",
        holder.key
    )
}

/// Asks, and never reads what is answered.
async fn ask_and_not_read(holder: &Keyholder, more: Value) -> TcpStream {
    let mut connection = connection(holder).await;
    let body = chat_body("een twee", more).to_string();
    let request = head(holder, body.len()) + &body;
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// Waits until `count` requests are settled, a minute at most.
async fn settled(holder: &Keyholder, count: usize) -> Vec<(i64, i64, String)> {
    for _ in 0..600 {
        let records = holder.records().await;
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not settled: {:?}", holder.records().await);
}

#[actix_web::test]
async fn clients_that_do_not_read_get_no_more_than_their_budget() {
    const AT_ONCE: usize = 4;
    const CAP: i64 = 1_200;
    let holder = Keyholder::start(CAP, 100).await;
    holder.upstream.plan(Plan::Flood);
    let long = json!({"stream": true, "max_tokens": 100_000});
    let mut connections = Vec::new();
    for _ in 0..AT_ONCE {
        connections.push(ask_and_not_read(&holder, long.clone()).await);
    }
    // Nobody reads, nobody leaves: they are ended all the same.
    let records = settled(&holder, AT_ONCE).await;
    assert!(records.iter().all(|one| one.2 == "cut"), "{records:?}");
    let (used, set_aside) = holder.counters().await;
    assert!(used <= CAP, "{used} of {CAP} tokens were used: {records:?}");
    assert_eq!(set_aside, 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let made = i64::try_from(holder.upstream.tokens()).unwrap();
    assert_eq!(
        used, made,
        "what is booked is what was made, and no more is"
    );
    drop(connections);
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_told_so_when_it_does() {
    let holder = Keyholder::start(200_000, 100).await;
    holder.upstream.plan(Plan::Flood);
    let long = json!({"stream": true, "max_tokens": 100_000});
    let mut connection = ask_and_not_read(&holder, long).await;
    let records = settled(&holder, 1).await;
    assert_eq!(records[0].2, "cut");
    assert!(
        records[0].1 < 2_000,
        "there is budget, and no room: {records:?}"
    );
    let mut text = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let told = async {
        while !text.ends_with(b"0\r\n\r\n") {
            let read = connection.read(&mut piece).await.unwrap();
            assert!(read > 0, "it broke off");
            text.extend_from_slice(&piece[..read]);
        }
    };
    timeout(Duration::from_secs(30), told).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("read_too_slowly"), "the end says why");
    assert!(!text.contains("[DONE]"));
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let holder = Keyholder::start_with(&[("FACULTY_GATEWAY__BODY_SECONDS", "1")]).await;
    let mut connection = connection(&holder).await;
    let begun = head(&holder, 1000) + "{\"model\":";
    connection.write_all(begun.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let mut piece = vec![0; 4096];
    let told = async {
        while !String::from_utf8_lossy(&text).contains("request_timeout") {
            let read = connection.read(&mut piece).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..read]);
        }
    };
    timeout(Duration::from_secs(20), told).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert_eq!(holder.upstream.requests(), 0);
    let next = holder.ask("een", json!({})).send().await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

#[actix_web::test]
async fn an_upstream_that_falls_silent_is_left_and_what_it_made_is_booked() {
    let holder = Keyholder::start_with(&[("FACULTY_SERVING__SILENCE_SECONDS", "1")]).await;
    holder.upstream.plan(Plan::Hold);
    let whole = holder.ask("een twee", json!({})).send().await.unwrap();
    assert_eq!(whole.status(), StatusCode::BAD_GATEWAY);
    let whole: Value = whole.json().await.unwrap();
    assert_eq!(whole["error"]["code"], "bad_upstream");
    let stream = json!({"stream": true, "max_tokens": 10});
    let answer = holder.ask("een twee", stream).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("bad_upstream") && !text.contains("[DONE]"),
        "{text}"
    );
    let cut = |made| (2, made, "cut".to_owned());
    assert_eq!(settled(&holder, 2).await, [cut(0), cut(3)]);
    assert_eq!(holder.counters().await, (7, 0));
}

#[actix_web::test]
async fn a_body_that_comes_at_a_steady_pace_may_take_its_time() {
    const PIECES: usize = 6;
    let holder = Keyholder::start_with(&[("FACULTY_GATEWAY__BODY_SECONDS", "1")]).await;
    let mut connection = connection(&holder).await;
    let body = chat_body("een", json!({})).to_string();
    let room = " ".repeat(16 * 1024);
    let begun = head(&holder, body.len() + PIECES * room.len()) + &body;
    connection.write_all(begun.as_bytes()).await.unwrap();
    for _ in 0..PIECES {
        tokio::time::sleep(Duration::from_millis(400)).await;
        connection.write_all(room.as_bytes()).await.unwrap();
    }
    let mut text = Vec::new();
    let mut piece = vec![0; 4096];
    let told = async {
        while !String::from_utf8_lossy(&text).contains("woord") {
            let read = connection.read(&mut piece).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&text));
            text.extend_from_slice(&piece[..read]);
        }
    };
    timeout(Duration::from_secs(20), told).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

async fn never_judge() -> HttpResponse {
    std::future::pending().await
}

#[actix_web::test]
async fn a_judge_that_falls_behind_an_answer_is_told_of_and_not_the_client() {
    const WORDS: usize = 40;
    let holder = Keyholder::start_with(&[("FACULTY_RIGHTS_CHECKS__ALLOW_PRIVATE", "true")]).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/moderations", listener.local_addr().unwrap());
    let server =
        HttpServer::new(|| App::new().route("/v1/moderations", web::post().to(never_judge)))
            .workers(1)
            .disable_signals()
            .listen(listener)
            .unwrap()
            .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    holder.upstream.plan(Plan::Flood);
    let mut manager = holder.app.browser("manager.harderwijk").await;
    for on_failure in ["refuse", "pass"] {
        let hook = json!({"url": url, "judges_answers": true, "on_failure": on_failure});
        let steps = Some(json!({ "moderation": hook }));
        manager
            .api(Method::PUT, "/api/v1/safeguards", steps)
            .await
            .unwrap();
        let more = json!({"stream": true, "max_tokens": WORDS});
        let answer = holder.ask("een twee", more).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let text = answer.text().await.unwrap();
        assert!(!text.contains("read_too_slowly"), "the client reads");
        let seen = text.matches("\"delta\"").count();
        if on_failure == "refuse" {
            assert!(text.contains("moderation_unavailable"), "the end says why");
            assert_eq!(seen, 0);
        } else {
            assert!(text.ends_with("data: [DONE]\n\n"));
            assert_eq!(seen, WORDS, "nothing is lost");
        }
    }
    let records = settled(&holder, 2).await;
    assert_eq!(records[0].2, "cut");
    assert_eq!(records[1], (2, WORDS as i64, "completed".to_owned()));
    handle.stop(false).await;
}
