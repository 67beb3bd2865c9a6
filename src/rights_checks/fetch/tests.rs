//! What the fetcher refuses to connect to, and what connections it keeps.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A server that answers `{}` to `[]`, on each connection `answers` times: the next question there it reads, and hangs
/// up. With how many connections it had.
async fn server(answers: usize) -> (Url, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::task::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Relaxed);
            for question in 0..=answers {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n[]") {
                    if connection.read_buf(&mut asked).await.unwrap() == 0 {
                        break;
                    }
                }
                if question < answers {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    connection.write_all(answer).await.unwrap();
                }
            }
        }
    });
    let url = Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
    (url, connections)
}

async fn ask(fetcher: &Fetcher, url: &Url) -> Result<(u16, Option<Vec<u8>>), FetchError> {
    let bounds = (100, Duration::from_secs(5));
    let answer = fetcher.ask(url, &[], b"[]".to_vec(), bounds).await;
    // Until the connection is back where the next question finds it.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    answer
}

#[tokio::test]
async fn questions_share_a_connection_and_are_asked_again_where_it_ended() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let contact = Url::parse("https://faculty.example.nl/").unwrap();
    let fetcher = Fetcher::new(true, &contact).unwrap();
    let (url, connections) = server(3).await;
    for (question, expected) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        let answer = ask(&fetcher, &url).await.unwrap();
        assert_eq!(answer, (200, Some(b"{}".to_vec())));
        assert_eq!(connections.load(Relaxed), expected, "question {question}");
    }
    let (url, connections) = server(0).await;
    assert!(ask(&fetcher, &url).await.is_err(), "nobody answers");
    assert_eq!(connections.load(Relaxed), 2, "once more, and no more");
}

#[test]
fn a_redirect_is_judged_anew() {
    let base = Url::parse("https://source.example.nl/a/b").unwrap();
    for (location, expected) in [
        ("/c", Ok("https://source.example.nl/c")),
        ("c?x=1", Ok("https://source.example.nl/a/c?x=1")),
        ("http://other.example.nl/", Ok("http://other.example.nl/")),
        ("//127.0.0.1/", Err(Refused::Inside)),
        ("//localhost/", Err(Refused::Inside)),
        ("http://127.0.0.1/", Err(Refused::Inside)),
        ("http://2130706433/", Err(Refused::Inside)),
        ("http://134744072/", Err(Refused::OddNumber)),
        ("http://[::ffff:10.0.0.1]/", Err(Refused::Inside)),
        ("http://169.254.169.254/latest/", Err(Refused::Inside)),
        ("https://source.example.nl:8443/", Err(Refused::Port)),
        ("file:///etc/passwd", Err(Refused::Scheme)),
        ("javascript:alert(1)", Err(Refused::Scheme)),
        ("data:text/html,x", Err(Refused::Scheme)),
    ] {
        let found = next(&base, location, Reach::Web);
        assert_eq!(
            found.as_ref().map(Url::as_str),
            expected.as_ref().copied(),
            "{location}"
        );
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_resolved() {
    let resolve = |reach| PublicOnly(reach).resolve("localhost".parse().unwrap());
    let refused = resolve(Reach::Web).await.err().unwrap();
    assert_eq!(refused.downcast_ref::<Refused>(), Some(&Refused::Inside));
    assert!(
        resolve(Reach::Anything)
            .await
            .is_ok_and(|mut found| found.next().is_some())
    );
}

/// The address is asked for past every check of its text: what is refused is the connection.
#[tokio::test]
async fn a_connection_to_the_inside_is_refused_when_it_is_made() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let contact = Url::parse("https://faculty.example.nl/").unwrap();
    let fetcher = Fetcher::new(false, &contact).unwrap();
    let sent = fetcher
        .client
        .get(format!("http://localhost:{port}/"))
        .send()
        .await;
    let error = sorted(sent.unwrap_err());
    assert_eq!(error.code(), "inside", "{error:?}");
}
