use std::time::{Duration, SystemTime};

use aws_sdk_s3::{
    presigning::{PresignedRequest, PresigningConfig},
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use reqwest::{Method, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::given::{self, BUCKET, MIB, World};

/// Sends what was signed, with `change` made to the URL and `headers` put over the signed ones.
async fn send(
    signed: &PresignedRequest,
    change: impl Fn(String) -> String,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Response {
    let method: Method = signed.method().parse().unwrap();
    let mut request = given::http().request(method, change(signed.uri().to_owned()));
    let signed = signed.headers();
    for (name, value) in signed.filter(|(name, _)| headers.iter().all(|it| it.0 != *name)) {
        request = request.header(name, value);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.unwrap()
}

fn as_it_is(url: String) -> String {
    url
}

async fn code(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let code = text.split("<Code>").nth(1).unwrap_or_default();
    (
        status,
        code.split('<').next().unwrap_or_default().to_owned(),
    )
}

async fn signed_put(world: &World) -> PresignedRequest {
    let put = world.client.put_object().bucket(BUCKET).key("a");
    put.presigned(given::a_minute()).await.unwrap()
}

#[tokio::test]
async fn whoever_has_the_url_may_do_just_that() {
    let world = given::world().await;
    let put = signed_put(&world).await;
    let answer = send(&put, as_it_is, &[], "hello").await;
    assert_eq!(answer.status(), 200);
    let get = world.client.get_object().bucket(BUCKET).key("a");
    let get = get.presigned(given::a_minute()).await.unwrap();
    let answer = send(&get, as_it_is, &[], "").await;
    assert_eq!(answer.text().await.unwrap(), "hello");
}

#[tokio::test]
async fn an_expired_url_is_refused() {
    let world = given::world().await;
    let two_minutes_ago = SystemTime::now() - Duration::from_secs(120);
    let config = PresigningConfig::builder().start_time(two_minutes_ago);
    let config = config.expires_in(Duration::from_secs(60)).build().unwrap();
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put.presigned(config).await.unwrap();
    let answer = send(&put, as_it_is, &[], "late").await;
    assert_eq!(code(answer).await, (403, "AccessDenied".to_owned()));
}

/// The page must read the refusal to sign again; a client that sends all before it reads would see a broken connection.
#[tokio::test]
async fn the_refusal_of_a_large_body_can_be_read() {
    let world = given::world().await;
    let put = signed_put(&world).await;
    let path = put.uri().replace(&world.server.endpoint(), "");
    let path = path.replace("/a?", "/b?");
    let host = world.server.endpoint().replace("http://", "");
    let length = 16 * MIB;
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&given::noise(length, 1)).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("</Error>") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(
        answer.contains("<Code>SignatureDoesNotMatch</Code>"),
        "{answer}"
    );
}

#[tokio::test]
async fn another_key_bucket_or_method_is_refused() {
    let world = given::world().await;
    world
        .client
        .create_bucket()
        .bucket("beta")
        .send()
        .await
        .unwrap();
    given::put(&world.client, "b", "secret").await;
    let put = signed_put(&world).await;
    let changes: [fn(String) -> String; 4] = [
        |url| url.replace("/a?", "/b?"),
        |url| url.replace("/alpha/", "/beta/"),
        |url| url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        |url| format!("{url}&acl"),
    ];
    for change in changes {
        let answer = send(&put, change, &[], "x").await;
        let refusal = code(answer).await;
        assert_eq!(refusal, (403, "SignatureDoesNotMatch".to_owned()));
    }
    let answer = given::http().get(put.uri()).send().await.unwrap();
    let refusal = code(answer).await;
    assert_eq!(refusal, (403, "SignatureDoesNotMatch".to_owned()));
    assert_eq!(given::get(&world.client, "b").await, b"secret");
}

#[tokio::test]
async fn a_signed_length_is_held() {
    let world = given::world().await;
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put.content_length(5).presigned(given::a_minute());
    let put = put.await.unwrap();
    let answer = send(&put, as_it_is, &[("content-length", "6")], "longer").await;
    let refusal = code(answer).await;
    assert_eq!(refusal, (403, "SignatureDoesNotMatch".to_owned()));
    let answer = send(&put, as_it_is, &[], "right").await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_signed_checksum_is_held() {
    use sha2::{Digest, Sha256};
    let world = given::world().await;
    let sum = crate::multipart::base64(&Sha256::digest(b"right"));
    let put = world.client.put_object().bucket(BUCKET).key("a");
    let put = put.checksum_sha256(&sum).presigned(given::a_minute());
    let put = put.await.unwrap();
    let answer = send(&put, as_it_is, &[], "wrong").await;
    assert_eq!(code(answer).await, (400, "BadDigest".to_owned()));
    let other = crate::multipart::base64(&Sha256::digest(b"wrong"));
    let answer = send(
        &put,
        as_it_is,
        &[("x-amz-checksum-sha256", &other)],
        "wrong",
    )
    .await;
    let refusal = code(answer).await;
    assert_eq!(refusal, (403, "SignatureDoesNotMatch".to_owned()));
    let answer = send(&put, as_it_is, &[], "right").await;
    assert_eq!(answer.status(), 200);
}

/// Otherwise a URL for one upload would copy any other object within reach of its holder.
#[tokio::test]
async fn headers_that_were_not_signed_are_refused() {
    let world = given::world().await;
    given::put(&world.client, "secret", "secret").await;
    let put = signed_put(&world).await;
    for header in [
        ("x-amz-copy-source", "/alpha/secret"),
        ("x-amz-meta-owner", "me"),
        (
            "x-amz-checksum-sha256",
            "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        ),
    ] {
        let answer = send(&put, as_it_is, &[header], "").await;
        assert_eq!(code(answer).await, (403, "AccessDenied".to_owned()));
    }
    let get = world.client.get_object().bucket(BUCKET).key("a");
    assert_eq!(given::refusal(get.send().await).0, 404);
}

#[tokio::test]
async fn parts_go_up_by_urls_with_length_and_checksum_signed() {
    use sha2::{Digest, Sha256};
    let world = given::world().await;
    let create = world.client.create_multipart_upload().bucket(BUCKET);
    let create = create
        .key("a")
        .checksum_algorithm(ChecksumAlgorithm::Sha256);
    let upload = create.send().await.unwrap().upload_id.unwrap();
    let pieces = [given::noise(5 * MIB, 1), given::noise(1000, 2)];
    let mut parts = CompletedMultipartUpload::builder();
    for (number, piece) in (1..).zip(&pieces) {
        let sum = crate::multipart::base64(&Sha256::digest(piece));
        let part = world.client.upload_part().bucket(BUCKET).key("a");
        let part = part.upload_id(&upload).part_number(number);
        let part = part
            .checksum_sha256(&sum)
            .content_length(piece.len() as i64);
        let part = part.presigned(given::a_minute()).await.unwrap();
        let answer = send(&part, as_it_is, &[], piece.clone()).await;
        assert_eq!(answer.status(), 200);
        let header = |name| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("x-amz-checksum-sha256"), sum);
        let part = CompletedPart::builder().part_number(number);
        let part = part.e_tag(header("etag")).checksum_sha256(sum);
        parts = parts.parts(part.build());
    }
    let complete = world.client.complete_multipart_upload().bucket(BUCKET);
    let complete = complete.key("a").upload_id(&upload);
    let done = complete.multipart_upload(parts.build()).send().await;
    let etag = done.unwrap().e_tag.unwrap();
    assert!(etag.ends_with("-2\""), "{etag}");
    assert!(given::get(&world.client, "a").await == pieces.concat());
}

/// Some clients put the headers to be signed into the query.
#[tokio::test]
async fn a_checksum_in_the_query_is_held_too() {
    use sha2::{Digest, Sha256};
    let world = given::world().await;
    let sum = crate::multipart::base64(&Sha256::digest(b"right"));
    for (body, status) in [("wrong", 400), ("right", 200)] {
        let query = [
            ("x-amz-checksum-sha256", sum.as_str()),
            ("x-amz-meta-by", "q"),
        ];
        let url = crate::sign::presigned_put(&world, "/alpha/a", &query);
        let answer = given::http().put(url).body(body).send().await.unwrap();
        assert_eq!(code(answer).await.0, status);
    }
    let head = world.client.head_object().bucket(BUCKET).key("a");
    let head = head.send().await.unwrap();
    assert_eq!(head.metadata().unwrap().get("by").unwrap(), "q");
}
