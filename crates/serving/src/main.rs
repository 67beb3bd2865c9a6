//! `faculty-serving`: serves language models over the OpenAI API.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
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
    let follower = follow(&settings, bound, token, registry)?;
    tokio::select! {
        ended = server => Ok(ended?),
        error = follower => {
            handle.stop(true).await;
            Err(error)
        }
        () = engine.stopped() => {
            handle.stop(false).await;
            bail!("the engine has stopped")
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

/// Follows the portal for good where there is one; returns only errors.
fn read_keys(path: &Path) -> anyhow::Result<PublishedKeys> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    PublishedKeys::parse(&text).with_context(|| path.display().to_string())
}

fn follow(
    settings: &Serve,
    bound: SocketAddr,
    token: Option<String>,
    registry: Arc<Registry>,
) -> anyhow::Result<impl Future<Output = anyhow::Error> + use<>> {
    let follower = match &settings.portal {
        None => None,
        Some(portal) => {
            let token = token.with_context(|| format!("--portal needs {ENV_SERVING_TOKEN}"))?;
            let address = settings
                .address
                .as_ref()
                .map_or_else(|| format!("http://{bound}"), ToString::to_string);
            Some(Follower::new(
                FollowerSettings {
                    portal: portal.clone(),
                    token,
                    address: address.trim_end_matches('/').to_owned(),
                    cache: cache(settings)?.join("models"),
                    keys: settings.keys.as_deref().map(read_keys).transpose()?,
                },
                registry,
            )?)
        }
    };
    Ok(async {
        match follower {
            Some(follower) => follower.run().await.into(),
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
