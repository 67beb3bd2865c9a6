//! `faculty-serving`: serves language models over the OpenAI API.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use attestation::PublishedKeys;
use clap::Parser;
use job_contract::ENV_SERVING_TOKEN;
use language_model::inference::Adapter;
use serving::{
    Engine, Registry, UsageLog,
    engine::EngineLimits,
    http::{self, Service},
    portal::{Follower, FollowerSettings},
    registry::{Base, Limits},
    settings::{Arguments, Command, Serve},
};
use tokio::{signal::unix, sync::watch};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

fn main() -> ExitCode {
    // The first provider wins; a second installation would be refused, and there is none.
    drop(rustls::crypto::ring::default_provider().install_default());
    let arguments = Arguments::parse();
    start_log();
    let Command::Serve(settings) = arguments.command;
    match actix_web::rt::System::new().block_on(serve(*settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: Serve) -> anyhow::Result<()> {
    let token = environment(ENV_SERVING_TOKEN).filter(|token| !token.is_empty());
    if !settings.bind.ip().is_loopback() && token.is_none() {
        bail!(
            "{} is not a loopback address: set {ENV_SERVING_TOKEN}",
            settings.bind
        );
    }
    if settings.portal.is_none() && settings.model.is_empty() {
        bail!("nothing to serve: give --model NAME=PATH, or --portal URL");
    }
    let cache_bytes = settings.cache_mib.saturating_mul(1 << 20);
    let registry = Arc::new(Registry::new(Limits {
        most_context_tokens: settings.max_context,
        cache_bytes,
    }));
    load_local(&registry, &settings)?;
    let engine = Engine::start(EngineLimits {
        running: settings.max_running,
        waiting: settings.max_waiting,
        cache_bytes,
        activations: settings.activation_bits,
        threads: settings.threads,
    })?;
    let listener = TcpListener::bind(settings.bind)
        .with_context(|| format!("cannot listen on {}", settings.bind))?;
    let bound = listener.local_addr()?;
    let service = Service {
        registry: Arc::clone(&registry),
        engine: engine.clone(),
        usage_log: Arc::new(UsageLog::default()),
        token: token.as_deref().map(Arc::from),
        may_load_adapters: settings.allow_lora_loading,
    };
    let server = http::serve(service, listener)?;
    let handle = server.handle();
    tracing::info!(address = %bound, models = registry.all().len(), "serving");
    let (tell_to_leave, leave) = watch::channel(false);
    let follower = follow(&settings, bound, token, (registry, engine.clone()), leave)?;
    let leave_within = Duration::from_secs(settings.leave_seconds);
    let mut signals = Signals::new()?;
    let leaving = async {
        if signals.next().await == Signal::Interrupt {
            return;
        }
        tell_to_leave.send_replace(true);
        tokio::select! {
            // Whoever asks twice does not want to wait.
            _ = signals.next() => {}
            () = idle(&engine, leave_within), if settings.portal.is_none() => {}
            () = std::future::pending() => {}
        }
    };
    let mut server = server;
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        followed = follower => {
            followed?;
            tracing::info!("left");
        }
        () = leaving => {}
        () = engine.stopped() => {
            // Nothing comes any more from what runs.
            let (_, ended) = tokio::join!(handle.stop(false), server);
            ended?;
            bail!("the engine has stopped")
        }
    }
    // The last bytes of answers that have ended leave; connections that rest are closed.
    let (_, ended) = tokio::join!(handle.stop(true), server);
    Ok(ended?)
}

/// Waits until nothing runs, but not longer than `most`.
async fn idle(engine: &Engine, most: Duration) {
    let is_idle = async {
        while engine.load() != (0, 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(most, is_idle).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    /// End now.
    Interrupt,
    /// Finish what runs.
    Terminate,
}

/// What the system asks of the program.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

fn load_local(registry: &Registry, settings: &Serve) -> anyhow::Result<()> {
    for model in &settings.model {
        let base = Base::open(&model.name, &model.path, registry.limits())
            .with_context(|| format!("model {}", model.name))?;
        tracing::info!(
            model = model.name,
            megabytes = base.model.size_bytes() / 1_000_000,
            "loaded"
        );
        registry.add_base(base)?;
    }
    for adapter in &settings.adapter {
        let context = || format!("adapter {}", adapter.name);
        let base = registry.base(&adapter.base).with_context(context)?;
        let opened = Adapter::open(&adapter.folder, base.model.config()).with_context(context)?;
        registry
            .add_adapter(&adapter.name, &adapter.base, opened)
            .with_context(context)?;
        tracing::info!(model = adapter.name, base = adapter.base, "loaded");
    }
    Ok(())
}

fn read_keys(path: &Path) -> anyhow::Result<PublishedKeys> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    PublishedKeys::parse(&text).with_context(|| path.display().to_string())
}

/// Follows the portal where there is one, until `leave` is true and nothing runs; without one for good.
fn follow(
    settings: &Serve,
    bound: SocketAddr,
    token: Option<String>,
    (registry, engine): (Arc<Registry>, Engine),
    leave: watch::Receiver<bool>,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + use<>> {
    let follower = match &settings.portal {
        None => None,
        Some(portal) => {
            let token = token.with_context(|| format!("--portal needs {ENV_SERVING_TOKEN}"))?;
            let address = settings
                .address
                .as_ref()
                .map_or_else(|| format!("http://{bound}"), ToString::to_string);
            let address = address.trim_end_matches('/').to_owned();
            let host = address.split_once("://").map(|(_, host)| host.to_owned());
            let name = settings.name.clone().or(host);
            let settings = FollowerSettings {
                portal: portal.clone(),
                token,
                name: name.unwrap_or_else(|| address.clone()),
                address,
                takes: settings.takes.clone(),
                most_adapters: settings.most_adapters,
                leave_within: Duration::from_secs(settings.leave_seconds),
                cache: cache(settings)?.join("models"),
                keys: settings.keys.as_deref().map(read_keys).transpose()?,
            };
            Some(Follower::new(settings, registry, engine)?)
        }
    };
    Ok(async {
        match follower {
            Some(follower) => Ok(follower.run(leave).await?),
            None => std::future::pending().await,
        }
    })
}

fn cache(settings: &Serve) -> anyhow::Result<PathBuf> {
    let home = || Some(std::env::home_dir()?.join(".cache/virtual-faculty"));
    let cache = settings.cache.clone().or_else(home);
    cache.context("there is no home folder; name a cache with --cache")
}

#[expect(
    clippy::disallowed_methods,
    reason = "secrets come by the environment, not by arguments; read here only"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let is_json = environment("FACULTY_LOG_FORMAT").is_some_and(|format| format == "json");
    match is_json {
        true => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .with_writer(std::io::stderr),
            )
            .init(),
        false => registry
            .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
            .init(),
    }
}
