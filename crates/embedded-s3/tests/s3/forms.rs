//! POST with a signed policy, as an upload form without script sends it.

use std::time::SystemTime;

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use reqwest::Response;

use crate::{
    given::{self, ACCESS_KEY, BUCKET, MIB, World},
    sign::SigningTime,
};

/// The fields of a form whose policy allows one key and `range` bytes, for `seconds` from now.
fn fields(seconds: i64, range: (u64, u64)) -> Vec<(&'static str, String)> {
    let time = SigningTime::now();
    let now = DateTime::from(SystemTime::now()).secs();
    let text = |seconds| {
        let time = DateTime::from_secs(seconds);
        time.fmt(DateTimeFormat::DateTime).unwrap()
    };
    let SigningTime { date, .. } = &time;
    let credential = format!("{ACCESS_KEY}/{}", time.scope());
    let policy = format!(
        r#"{{"expiration": "{}", "conditions": [{{"bucket": "{BUCKET}"}}, {{"key": "posted"}},
        {{"x-amz-algorithm": "AWS4-HMAC-SHA256"}}, {{"x-amz-credential": "{credential}"}},
        {{"x-amz-date": "{date}"}}, ["content-length-range", {}, {}]]}}"#,
        text(now + seconds),
        range.0,
        range.1
    );
    let policy = crate::multipart::base64(policy.as_bytes());
    let signature = time.sign(&policy);
    vec![
        ("key", "posted".to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", date.clone()),
        ("policy", policy),
        ("x-amz-signature", signature),
    ]
}

async fn post(world: &World, fields: &[(&str, String)], file: &[u8]) -> Response {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend(head.as_bytes());
        body.extend(value.as_bytes());
        body.extend(b"\r\n");
    }
    let head = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n";
    body.extend(head.as_bytes());
    body.extend(file);
    body.extend(b"\r\n--edge--\r\n");
    let request = given::http().post(world.url(BUCKET));
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    request.body(body).send().await.unwrap()
}

#[tokio::test]
async fn a_form_with_a_signed_policy_stores_its_file() {
    let world = given::world().await;
    let file = given::noise(MIB, 1);
    let answer = post(&world, &fields(60, (1, 2_000_000)), &file).await;
    assert_eq!(answer.status(), 204);
    assert!(given::get(&world.client, "posted").await == file);
}

#[tokio::test]
async fn a_form_may_do_only_what_its_policy_says() {
    let world = given::world().await;
    let mut other_key = fields(60, (1, 100));
    other_key[0].1 = "other".to_owned();
    let mut forged = fields(60, (1, 100));
    forged[5].1 = "0".repeat(64);
    let unsigned = vec![("key", "posted".to_owned())];
    let cases = [
        ("another key", other_key, 10, 400),
        ("a forged signature", forged, 10, 403),
        ("no signature", unsigned, 10, 403),
        ("an expired policy", fields(-10, (1, 100)), 10, 403),
        ("a file that is too large", fields(60, (1, 100)), 101, 400),
        ("a file that is too small", fields(60, (5, 100)), 4, 400),
    ];
    for (what, fields, size, status) in cases {
        let answer = post(&world, &fields, &given::noise(size, 1)).await;
        assert_eq!(answer.status(), status, "{what}");
    }
    let list = world.client.list_objects_v2().bucket(BUCKET).send().await;
    assert_eq!(list.unwrap().key_count(), Some(0));
}
