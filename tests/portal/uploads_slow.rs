//! Senders of parts that fall silent hold no room that others need.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use uuid::Uuid;
use virtual_faculty::{
    demo::Browser,
    ids::{InstitutionId, UserId},
    web::start_session,
};

use crate::{datasets::registered, support::TestApp};

const PART: usize = 16 * 1024 * 1024;

/// Another session of whoever signed in last: its cookie, and the token of its forms.
async fn another_session(app: &TestApp) -> (String, String) {
    let (user, institution): (Uuid, Uuid) = sqlx::query_as(
        "SELECT user_id, institution_id FROM sessions ORDER BY created_at DESC LIMIT 1",
    )
    .fetch_one(&app.pool().await)
    .await
    .unwrap();
    let mut tx = app.ports.db.meter().await.unwrap();
    let cookie = start_session(&mut tx, UserId(user), InstitutionId(institution))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut browser = Browser::with_session(&app.url, &cookie).unwrap();
    let token = browser.csrf_token().await.unwrap();
    (cookie, token)
}

#[actix_web::test]
async fn silent_senders_of_parts_through_the_portal_hold_up_no_other() {
    let app = TestApp::without_worker(&[("FACULTY_S3__DIRECT_UPLOADS", "false")]).await;
    let mut contributor = app.browser("contributor.waterland").await;
    let dataset = registered(&mut contributor).await;
    let path = format!("/api/v1/datasets/{dataset}/uploads");
    let wanted = json!({ "path": "groot.txt", "size": 2 * PART, "mime": "text/plain", "fingerprint": "groot" });
    let opened = contributor
        .api(Method::POST, &path, Some(wanted))
        .await
        .unwrap();
    assert_eq!(opened["part_size"], PART);
    let part = vec![b'a'; PART];
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(&part));
    let announced: Vec<Value> = (1..=2)
        .map(|n| json!({ "n": n, "size": PART, "sha256": sha256 }))
        .collect();
    let path = format!(
        "/api/v1/uploads/{}/parts:sign",
        opened["upload_id"].as_str().unwrap()
    );
    let signed = contributor
        .api(Method::POST, &path, Some(json!({ "parts": announced })))
        .await
        .unwrap();
    let url = |at: usize| signed["urls"][at]["url"].as_str().unwrap();

    // Twenty take more than all the room there is; eight of them send a byte, and have room until they are given up.
    let (cookie, token) = another_session(&app).await;
    let origin = app.url.origin().ascii_serialization();
    let head = format!(
        "PUT {} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\ncookie: session={cookie}\r\nx-csrf-token: {token}\r\n\
         content-length: {PART}\r\n\r\n",
        url(0),
        app.url.authority(),
    );
    let address = (app.url.host_str().unwrap(), app.url.port().unwrap());
    let mut silent = Vec::new();
    for n in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        if n % 5 < 2 {
            stream.write_all(b"a").await.unwrap();
        }
        silent.push(stream);
    }
    let put = reqwest::Client::builder()
        .build()
        .unwrap()
        .put(app.url.join(url(1)).unwrap())
        .header("origin", &origin)
        .header("cookie", format!("session={cookie}"))
        .header("x-csrf-token", &token)
        .body(part);
    let sent = timeout(Duration::from_secs(20), put.send()).await;
    let answer = sent
        .expect("the part waits for those who send nothing")
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(silent.len(), 20, "they are there until the end");
}
