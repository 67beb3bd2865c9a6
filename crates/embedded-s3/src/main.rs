//! The embedded object store as a program of its own.
//!
//! Takes its configuration as JSON on standard input, so that the secret is neither an argument nor in the
//! environment; prints its address on standard output and runs until SIGTERM or SIGINT.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

/// An S3 server for this machine. Reads its configuration as JSON from standard input:
/// {"data_dir", "bind", "region", "access_key", "secret_key", "cors_default_origins"?}
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How to log to standard error.
    #[arg(long, env = "FACULTY_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    data_dir: PathBuf,
    bind: SocketAddr,
    region: String,
    access_key: String,
    secret_key: String,
    #[serde(default)]
    cors_default_origins: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The protocol crate logs every refused request as an error.
    let filter = tracing_subscriber::EnvFilter::new("info,s3s=off");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.as_ref(), "the object store did not start");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    let input: Input = serde_json::from_str(&text)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = embedded_s3::start(embedded_s3::Config {
        data_dir: input.data_dir,
        bind: input.bind,
        region: input.region,
        access_key: input.access_key,
        secret_key: input.secret_key,
        cors_default_origins: input.cors_default_origins,
    })
    .await?;
    writeln!(io::stdout(), "{}", server.endpoint())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}
