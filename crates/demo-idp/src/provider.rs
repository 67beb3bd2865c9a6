//! Starting and stopping the provider.

use std::{
    collections::HashSet,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    body::MessageBody,
    dev::{ServerHandle, ServiceRequest, ServiceResponse},
    error::ErrorMisdirectedRequest,
    http::header::HOST,
    middleware::{DefaultHeaders, Next, from_fn},
    web::{self, Data, PayloadConfig},
};
use chrono::{DateTime, Utc};
use tokio::task::{JoinHandle, spawn_blocking};
use url::Url;

use crate::{
    Clock, Config, KeyError, Person, authorize, discovery,
    expiring::Expiring,
    keys::KeyRing,
    login::{self, Pending},
    page,
    token::{self, Access, Code},
    userinfo,
};

/// Open sign-in pages, codes and access tokens that are kept at most, of each.
const KEPT: usize = 10_000;
/// No form of ours is larger.
const BODY_LIMIT_BYTES: usize = 16 << 10;

/// Why the provider does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Everybody on the network could be everybody.
    #[error("the demo identity provider listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// A redirect address that no browser could be sent to.
    #[error("{0:?} is no redirect address: it must be an http(s) address without fragment")]
    RedirectUri(String),
    /// Nobody could sign in, or one would be two.
    #[error(
        "there must be people, each with a login name of their own, and a client id and secret"
    )]
    Incomplete,
    /// The address is taken or not ours.
    #[error("the demo identity provider cannot listen on {0}")]
    Bind(SocketAddr, #[source] io::Error),
    /// No signing keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) people: Vec<Person>,
    pub(crate) keys: KeyRing,
    pub(crate) started_at: DateTime<Utc>,
    clock: Clock,
    pending: Mutex<Expiring<Pending>>,
    codes: Mutex<Expiring<Code>>,
    access: Mutex<Expiring<Access>>,
}

impl Shared {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub(crate) fn person(&self, login: &str) -> Option<&Person> {
        self.people.iter().find(|person| person.login == login)
    }

    pub(crate) fn pending(&self) -> MutexGuard<'_, Expiring<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn codes(&self) -> MutexGuard<'_, Expiring<Code>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn access(&self) -> MutexGuard<'_, Expiring<Access>> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running provider. Open sign-in pages, codes and access tokens live in memory and end with it.
pub struct Provider {
    shared: Data<Shared>,
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
}

impl Provider {
    /// The issuer, for example `http://127.0.0.1:8090`; discovery is below it.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Signs with a new key from now on; the earlier ones stay in the JWKS.
    ///
    /// Unlike SURFconext, which publishes a key two hours before its use, this shows at once whether a relying party
    /// fetches the keys again when it meets an unknown one.
    ///
    /// # Errors
    /// [`KeyError`] where no key could be made or kept; the old one then goes on signing.
    pub async fn rotate(&self) -> Result<(), KeyError> {
        let shared = self.shared.clone();
        spawn_blocking(move || shared.keys.rotate())
            .await
            .map_err(|_| KeyError::Interrupted)?
    }

    /// Answers what was begun and stops listening.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the demo identity provider ended badly"),
            Err(error) => tracing::warn!(%error, "the demo identity provider ended badly"),
        }
    }
}

/// Starts the provider with the time of the system.
///
/// # Errors
/// [`StartError`]; above all where `bind` is not a loopback address.
pub async fn start(config: Config) -> Result<Provider, StartError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the provider is another party with a clock of its own"
    )]
    let clock: Clock = Arc::new(Utc::now);
    start_at(config, clock).await
}

/// Starts the provider with a clock of the caller's.
///
/// # Errors
/// As [`start()`].
pub async fn start_at(config: Config, clock: Clock) -> Result<Provider, StartError> {
    if !config.bind.ip().is_loopback() {
        return Err(StartError::NotLoopback(config.bind));
    }
    let return_origins = check(&config)?;
    let (listener, address) =
        listen(config.bind).map_err(|error| StartError::Bind(config.bind, error))?;
    let data_dir = config.data_dir;
    let keys = spawn_blocking(move || KeyRing::open(&data_dir))
        .await
        .map_err(|_| KeyError::Interrupted)??;
    let shared = Data::new(Shared {
        issuer: format!("http://{address}"),
        client_id: config.client_id,
        client_secret: config.client_secret,
        redirect_uris: config.redirect_uris,
        people: config.people,
        keys,
        started_at: clock(),
        clock,
        pending: Mutex::new(Expiring::new(KEPT)),
        codes: Mutex::new(Expiring::new(KEPT)),
        access: Mutex::new(Expiring::new(KEPT)),
    });
    let policy = page::content_security_policy(&return_origins);
    let for_workers = shared.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(for_workers.clone())
            .app_data(PayloadConfig::new(BODY_LIMIT_BYTES))
            .wrap(from_fn(only_for_us))
            .wrap(
                DefaultHeaders::new()
                    .add(("Content-Security-Policy", policy.as_str()))
                    .add(("X-Content-Type-Options", "nosniff"))
                    .add(("X-Frame-Options", "DENY"))
                    .add(("Referrer-Policy", "same-origin"))
                    .add(("Cache-Control", "no-store")),
            )
            .route(
                "/.well-known/openid-configuration",
                web::get().to(discovery::configuration),
            )
            .route("/oidc/certs", web::get().to(discovery::certs))
            .route("/oidc/authorize", web::get().to(authorize::authorize))
            .route("/login", web::post().to(login::login))
            .route("/oidc/token", web::post().to(token::token))
            .route("/oidc/userinfo", web::get().to(userinfo::userinfo))
            .route("/oidc/userinfo", web::post().to(userinfo::userinfo))
            .route("/style.css", web::get().to(page::style))
            .default_service(web::to(page::not_found))
    })
    .workers(2)
    .disable_signals()
    .shutdown_timeout(5)
    .client_request_timeout(Duration::from_secs(10))
    .listen(listener)
    .map_err(|error| StartError::Bind(address, error))?
    .run();
    tracing::info!(issuer = %shared.issuer, "the demo identity provider is ready");
    Ok(Provider {
        shared,
        handle: server.handle(),
        server: tokio::spawn(server),
    })
}

/// Checks what was passed in; answers the origins that browsers are sent back to.
fn check(config: &Config) -> Result<Vec<String>, StartError> {
    let logins: HashSet<&str> = config.people.iter().map(|p| p.login.as_str()).collect();
    let is_complete = !config.people.is_empty()
        && logins.len() == config.people.len()
        && !logins.contains("")
        && !config.client_id.is_empty()
        && !config.client_secret.is_empty();
    if !is_complete {
        return Err(StartError::Incomplete);
    }
    config
        .redirect_uris
        .iter()
        .map(|address| {
            return_origin(address).ok_or_else(|| StartError::RedirectUri(address.clone()))
        })
        .collect()
}

fn return_origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    let is_usable = matches!(url.scheme(), "http" | "https") && url.fragment().is_none();
    is_usable.then(|| url.origin().ascii_serialization())
}

fn listen(bind: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(bind)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn only_for_us(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let host = request.headers().get(HOST).and_then(|v| v.to_str().ok());
    let is_for_us = request
        .app_data::<Data<Shared>>()
        .is_some_and(|shared| page::is_for_us(shared, host));
    if !is_for_us {
        return Err(ErrorMisdirectedRequest("this address is not served here"));
    }
    next.call(request).await
}
