//! What every long-running command needs: a log, and a way to be stopped.

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Starts the log: `text` for people, `json` for machines, `quiet` for a program that talks to people itself.
pub fn start_logging(format: &str) {
    let usual = if format == "quiet" {
        "warn,s3s=off"
    } else {
        "info,actix_server=warn,sqlx=error,s3s=off"
    };
    let filter = EnvFilter::try_from_env("FACULTY_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start (a program that runs another's work) keeps the first.
    if format == "json" {
        let _ = builder.json().try_init();
    } else {
        let _ = builder.with_ansi(false).try_init();
    }
}

/// Resolves when the process is asked to stop.
pub async fn stop_signal() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
