//! A portal that is asked to stop while clients have not read their answers: it waits for them, and not for ever.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Keyholder, Program, chat_body, is_up};

/// More than networks keep on the way, less than the longest answer.
const BYTES: usize = 12 * 1024 * 1024;

/// A portal beside the test's own with a second to end in, and a client that has not read anything of a long answer
/// that was made and settled.
async fn settled_and_not_read() -> (Keyholder, Program, TcpStream) {
    let holder = Keyholder::start_with(&[
        ("FACULTY_GATEWAY__ANNOUNCE_SECONDS", "0"),
        ("FACULTY_GATEWAY__DRAIN_SECONDS", "1"),
    ])
    .await;
    let message = json!({"role": "assistant", "content": "w".repeat(BYTES)});
    let choices = json!([{"index": 0, "finish_reason": "stop", "message": message}]);
    holder.upstream.script(&[choices]);
    let (replica, url) = Program::replica(&holder.app);
    is_up(&holder.app, &url).await;
    let address = url.socket_addrs(|| None).unwrap()[0];
    let mut connection = TcpStream::connect(address).await.unwrap();
    let body = chat_body("een twee", json!({})).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: portal\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        holder.key,
        body.len(),
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    for _ in 0..300 {
        if !holder.records().await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(holder.records().await, [(2, 1, "completed".to_owned())]);
    (holder, replica, connection)
}

#[actix_web::test]
async fn who_reads_late_has_all_of_an_answer_that_was_made_before_the_portal_left() {
    let (_holder, mut replica, mut connection) = settled_and_not_read().await;
    replica.ask_to_end();
    // Nothing is under way any more, and what may take longest is over.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut answer = Vec::new();
    let read = connection.read_to_end(&mut answer);
    let read = timeout(Duration::from_secs(30), read).await;
    read.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body: Value = serde_json::from_str(body).expect("all of the answer");
    let text = body["choices"][0]["message"]["content"].as_str();
    assert_eq!(text.map(str::len), Some(BYTES));
    assert!(replica.ended().await, "it ends well");
}

#[actix_web::test]
async fn who_never_reads_does_not_keep_the_portal_from_leaving() {
    let (_holder, mut replica, connection) = settled_and_not_read().await;
    replica.ask_to_end();
    // A second to end in, and the half minute besides.
    let ended = timeout(Duration::from_secs(31), replica.ended()).await;
    assert_eq!(ended, Ok(true), "it ends in time, and well");
    drop(connection);
}
