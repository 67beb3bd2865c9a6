//! Starting and stopping.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    config::{S3Config, StaticConfigProvider},
    region::Region,
    s3_error,
    service::S3ServiceBuilder,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    front::{Front, Limits, connection},
    service::Service,
    store::{Store, StoreError},
};

/// The largest XML document taken: 10 000 parts with their checksums fit.
const MAX_XML_BYTES: usize = 4 * 1024 * 1024;
/// The largest file in a form. Forms are held in memory; larger files are for PUT.
const MAX_FORM_FILE_BYTES: u64 = 32 * 1024 * 1024;
const MAX_FORM_FIELDS_BYTES: usize = 256 * 1024;
/// How long to wait for a folder that is in use, and between two tries.
const LOCK_TIME: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How long to wait after a failed accept (no file descriptors, say) before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the server keeps its objects, where it listens, and who may use it.
#[derive(Clone)]
pub struct Config {
    /// The folder for metadata and bytes; made where it is not there. One server at a time may use it.
    pub data_dir: PathBuf,
    /// A loopback address; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The region that signatures must name, for example `eu-nl-1`.
    pub region: String,
    /// Name of the one account.
    pub access_key: String,
    /// Its secret, at least 8 characters.
    pub secret_key: String,
    /// Origins of pages that may call buckets without CORS rules of their own, for example `http://127.0.0.1:8080`.
    pub cors_default_origins: Vec<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("data_dir", &self.data_dir)
            .field("bind", &self.bind)
            .field("region", &self.region)
            .field("cors_default_origins", &self.cors_default_origins)
            .finish_non_exhaustive()
    }
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is meant for this machine only.
    #[error("{0} is not a loopback address")]
    NotLoopback(IpAddr),
    /// A key or the region cannot be used.
    #[error("{0}")]
    BadConfig(&'static str),
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be used, is damaged, or another server uses it.
    #[error("cannot use the folder {folder}")]
    Store {
        /// The folder asked for.
        folder: PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A running server. Dropping it ends it at once, as a crash would; [`Server::stop`] lets requests finish.
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    accepting: Option<JoinHandle<()>>,
    store: Option<Store>,
}

/// Opens the folder, binds and serves in the background.
///
/// # Errors
/// See [`StartError`]; nothing is left running then.
pub async fn start(config: Config) -> Result<Server, StartError> {
    start_with(config, Limits::default()).await
}

pub(crate) async fn start_with(config: Config, limits: Limits) -> Result<Server, StartError> {
    check(&config)?;
    let folder = config.data_dir.clone();
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Store {
        folder: config.data_dir.clone(),
        source,
    };
    let store = open(folder)
        .await
        .map_err(|error| unusable(Box::new(error)))?;
    let bind = |source| StartError::Bind {
        address: config.bind,
        source,
    };
    let listener = TcpListener::bind(config.bind).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;

    let mut builder = S3ServiceBuilder::new(Service::new(store.clone(), config.region.clone()));
    builder.set_auth(Account {
        access_key: config.access_key,
        secret_key: SecretKey::from(config.secret_key),
    });
    let mut protocol = S3Config::default();
    protocol.xml_max_body_size = MAX_XML_BYTES;
    protocol.post_object_max_file_size = MAX_FORM_FILE_BYTES;
    protocol.form_max_fields_size = MAX_FORM_FIELDS_BYTES;
    protocol.form_max_field_size = MAX_FORM_FIELDS_BYTES;
    protocol.form_max_parts = 100;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(protocol))));
    let front = Arc::new(Front::new(
        builder.build(),
        store.clone(),
        config.region,
        config.cors_default_origins,
        limits,
    ));
    let stop = CancellationToken::new();
    let accepting = tokio::spawn(accept(listener, front, stop.clone()));
    tracing::info!(%address, "the embedded object store is ready");
    Ok(Server {
        address,
        stop,
        accepting: Some(accepting),
        store: Some(store),
    })
}

/// Opens the store; waits a little where another server has it open, which may be about to end.
async fn open(folder: PathBuf) -> Result<Store, StoreError> {
    let deadline = tokio::time::Instant::now() + LOCK_TIME;
    loop {
        let folder = folder.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder));
        match opened.await.unwrap_or(Err(StoreError::Stopping)) {
            Err(StoreError::InUse) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            opened => return opened,
        }
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    let ip = config.bind.ip();
    if !ip.is_loopback() {
        return Err(StartError::NotLoopback(ip));
    }
    if config.access_key.is_empty() || config.access_key.contains('/') {
        return Err(StartError::BadConfig("the access key is empty or has a /"));
    }
    if config.secret_key.len() < 8 {
        return Err(StartError::BadConfig("the secret key is too short"));
    }
    if config.region.is_empty() || Region::new(config.region.clone().into()).is_err() {
        return Err(StartError::BadConfig("the region is not a region's name"));
    }
    Ok(())
}

impl Server {
    /// Where clients connect, for example `http://127.0.0.1:9000`; path style only.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no new requests, lets those under way finish for a few seconds, and closes the folder.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.await);
        }
        if let Some(store) = self.store.take() {
            store.close().await;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        // Takes the connections along: the task owns them.
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

async fn accept(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let limit = front.limits().connections;
    loop {
        let has_room = connections.len() < limit;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            // Those beyond the limit wait in the system's queue.
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, _)) => {
                    let (front, stop) = (Arc::clone(&front), stop.clone());
                    connections.spawn(connection::serve(front, stream, stop));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The one account that may use the server.
struct Account {
    access_key: String,
    secret_key: SecretKey,
}

#[async_trait]
impl S3Auth for Account {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key {
            Ok(self.secret_key.clone())
        } else {
            Err(s3_error!(InvalidAccessKeyId, "there is no such access key"))
        }
    }
}
