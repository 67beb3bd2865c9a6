//! A door before the object store at which a test stops one kind of request.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use virtual_faculty::{config::S3, objects::ObjectStore};

/// What is done with the requests that a test means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// They wait until the test lets them through.
    Hold,
    /// The connection is closed.
    Cut,
}

/// Passes everything to the object store but what the test stops.
pub(crate) struct Gate {
    pub(crate) objects: ObjectStore,
    /// Where the store seems to be.
    pub(crate) endpoint: String,
    reached: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    /// Stops requests whose first line holds all of `words`.
    pub(crate) async fn before(config: &S3, words: &'static [&'static str], stop: Stop) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let store = config.endpoint.trim_start_matches("http://").to_owned();
        let mut behind = config.clone();
        behind.endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (reached, open) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let gate = Self {
            objects: ObjectStore::new(&behind),
            endpoint: behind.endpoint,
            reached: Arc::clone(&reached),
            open: Arc::clone(&open),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&store).await else {
                    continue;
                };
                let (reached, open) = (Arc::clone(&reached), Arc::clone(&open));
                tokio::spawn(pass(client, server, (words, stop), (reached, open)));
            }
        });
        gate
    }

    /// Waits until a request stands at the gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    /// Lets everything through from now on.
    pub(crate) fn open(&self) {
        self.open.add_permits(1000);
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    (words, stop): (&'static [&'static str], Stop),
    (reached, open): (Arc<Semaphore>, Arc<Semaphore>),
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move {
        // Whoever leaves first ends it.
        drop(copy(&mut from_server, &mut to_client).await);
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        let bytes = &buffer[..read];
        let line = bytes
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(2000)]);
        if words.iter().all(|word| line.contains(word)) {
            reached.add_permits(1);
            match stop {
                Stop::Hold => open.acquire().await.unwrap().forget(),
                Stop::Cut => return,
            }
        }
        if to_server.write_all(bytes).await.is_err() {
            return;
        }
    }
}
