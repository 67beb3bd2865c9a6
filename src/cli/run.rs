//! Serving, working, migrating.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, Ports},
    config::Config,
    process::{start_logging, stop_signal},
    signing,
};

/// `faculty config …`
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print what holds, without secrets, and every problem.
    Check,
}

/// Serves pages, API and gateway until asked to stop.
///
/// # Errors
/// Where the settings, the port or the store cannot be used.
pub async fn serve(with_worker: bool) -> anyhow::Result<()> {
    let config = Config::load()?;
    start_logging(&config.log_format);
    let ports = Arc::new(Ports::new(config)?);
    prepare(&ports).await?;
    let listener = std::net::TcpListener::bind(ports.config.bind)
        .with_context(|| format!("cannot listen on {}", ports.config.bind))?;
    let server = app::serve(&ports, listener)?;
    let handle = server.handle();
    let stop = CancellationToken::new();
    let work = with_worker.then(|| tokio::spawn(app::worker(&ports).run(stop.clone())));
    tracing::info!(bind = %ports.config.bind, "serving");
    let metrics = match ports.config.telemetry.metrics_bind.as_str() {
        "" => None,
        bind => {
            let listener = std::net::TcpListener::bind(bind)
                .with_context(|| format!("cannot listen on {bind}"))?;
            let server = app::serve_metrics(&ports, listener)?;
            let handle = server.handle();
            tokio::spawn(server);
            Some(handle)
        }
    };
    let leaving = async {
        stop_signal().await;
        app::leave(&ports, &handle, stop_signal()).await;
    };
    tokio::select! {
        ended = server => ended?,
        // What is left of the server ends with it.
        () = leaving => {}
    }
    app::settle(&ports).await;
    if let Some(metrics) = metrics {
        metrics.stop(false).await;
    }
    stop.cancel();
    if let Some(work) = work {
        work.await?;
    }
    Ok(())
}

/// Works until asked to stop.
///
/// # Errors
/// Where the settings cannot be used.
pub async fn worker() -> anyhow::Result<()> {
    let config = Config::load()?;
    start_logging(&config.log_format);
    let ports = Arc::new(Ports::new(config)?);
    prepare(&ports).await?;
    let stop = CancellationToken::new();
    let work = tokio::spawn(app::worker(&ports).run(stop.clone()));
    tracing::info!("working");
    stop_signal().await;
    stop.cancel();
    work.await?;
    Ok(())
}

/// Brings schema and bucket up to this version; what starts first does it.
async fn prepare(ports: &Ports) -> anyhow::Result<()> {
    ports.db.migrate().await.context("the database's schema")?;
    ports
        .objects
        .prepare(&ports.config.origin())
        .await
        .context("the object store")?;
    signing::adopt(&ports.db, &ports.signer)
        .await
        .context("signing_key")?;
    Ok(())
}

/// Brings the schema up to this version.
///
/// # Errors
/// Where a migration fails, or the schema is newer than this program.
pub async fn migrate() -> anyhow::Result<()> {
    let config = Config::load()?;
    start_logging(&config.log_format);
    let ports = Ports::new(config)?;
    ports.db.migrate().await.context("the database's schema")
}

/// Prints the settings and their problems.
///
/// # Errors
/// Where there are problems.
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
pub fn config(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check => {
            let config = Config::from_environment()?;
            print!("{}", config.redacted());
            for warning in config.warnings() {
                println!("warning: {warning}");
            }
            let problems = config.problems();
            anyhow::ensure!(problems.is_empty(), "\n{}", problems.join("\n"));
            Ok(())
        }
    }
}
