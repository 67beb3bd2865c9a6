//! Tests of the time-outs and of the number of connections, with limits short enough to wait for.

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region, retry::RetryConfig},
    presigning::PresigningConfig,
    primitives::ByteStream,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Limits;
use crate::server::{Config, Server, start_with};

/// Longer than any limit set here, by far: reaching it means that the limit does not work.
const FOR_EVER: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(3600);

async fn server(limits: Limits) -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: folder.path().to_owned(),
        bind: ([127, 0, 0, 1], 0).into(),
        region: "eu-nl-1".to_owned(),
        access_key: "portal".to_owned(),
        secret_key: "a long enough secret".to_owned(),
        cors_default_origins: Vec::new(),
    };
    (start_with(config, limits).await.unwrap(), folder)
}

fn patient() -> Limits {
    Limits {
        connections: 10,
        head: LONG,
        pause: LONG,
        silence: LONG,
    }
}

fn client(server: &Server) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(server.endpoint())
        .region(Region::new("eu-nl-1"))
        .credentials_provider(Credentials::new(
            "portal",
            "a long enough secret",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::disabled())
        .force_path_style(true);
    Client::from_conf(config.build())
}

async fn connect(server: &Server, text: &str) -> TcpStream {
    let address = server.endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the server closes the connection; a reset counts as a close.
async fn until_closed(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let closed = timeout(FOR_EVER, stream.read_to_end(&mut text)).await;
    drop(closed.expect("the server closes the connection"));
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_closed() {
    let limits = Limits {
        head: SHORT,
        ..patient()
    };
    let (server, _folder) = server(limits).await;
    let stream = connect(&server, "GET / HTTP/1.1\r\nHost: half a").await;
    until_closed(stream).await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_closed() {
    let limits = Limits {
        silence: SHORT,
        ..patient()
    };
    let (server, _folder) = server(limits).await;
    until_closed(connect(&server, "").await).await;
}

#[tokio::test]
async fn a_body_that_stalls_is_refused_and_leaves_nothing_behind() {
    let limits = Limits {
        pause: SHORT,
        silence: SHORT * 4,
        ..patient()
    };
    let (server, folder) = server(limits).await;
    let client = client(&server);
    client.create_bucket().bucket("alpha").send().await.unwrap();
    let put = client.put_object().bucket("alpha").key("a");
    let minute = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let signed = put.presigned(minute).await.unwrap();
    let path = signed.uri().replace(&server.endpoint(), "");
    let host = server.endpoint().replace("http://", "");
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nhalf");
    let answer = until_closed(connect(&server, &head).await).await;
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
    let unfinished = std::fs::read_dir(folder.path().join("tmp")).unwrap();
    assert_eq!(unfinished.count(), 0);
}

/// Only one connection fits: the second client is served once the first, which stopped reading, is given up.
#[tokio::test]
async fn a_client_that_does_not_read_gives_its_place_back() {
    let limits = Limits {
        connections: 1,
        silence: SHORT * 4,
        ..patient()
    };
    let (server, _folder) = server(limits).await;
    let first = client(&server);
    first.create_bucket().bucket("alpha").send().await.unwrap();
    // More than the buffers of both sockets hold.
    let body = ByteStream::from(vec![7; 32 * 1024 * 1024]);
    let put = first.put_object().bucket("alpha").key("a").body(body);
    put.send().await.unwrap();
    let get = first.get_object().bucket("alpha").key("a").send().await;
    let unread = get.unwrap();
    let second = client(&server);
    let head = second.head_bucket().bucket("alpha").send();
    let answer = timeout(FOR_EVER, head).await;
    answer.expect("the place is given back").unwrap();
    let rest = unread.body.collect().await;
    assert!(rest.is_err(), "the first one sees that it was cut off");
}

#[tokio::test]
async fn no_more_connections_are_served_than_allowed() {
    let limits = Limits {
        connections: 1,
        ..patient()
    };
    let (server, _folder) = server(limits).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut first = connect(&server, request).await;
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = connect(&server, request).await;
    let early = timeout(SHORT, second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "the second one waits for the first");
    drop(first);
    let served = timeout(FOR_EVER, second.read_exact(&mut byte)).await;
    served.expect("then it is served").unwrap();
}
