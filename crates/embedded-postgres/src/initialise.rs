//! Making a cluster, once.

use std::{fs, io, process::Stdio};

use crate::{binaries::Binaries, home::Home, owner::Owner};

/// Why no cluster could be made.
#[derive(Debug, thiserror::Error)]
pub enum InitialiseError {
    /// `initdb` could not be started, or its folder not be moved into place.
    #[error("initdb could not be run")]
    Io(#[source] io::Error),
    /// `initdb` refused; its own words follow.
    #[error("initdb failed: {0}")]
    Refused(String),
}

/// Makes an empty cluster with the superuser `faculty`, data checksums and UTF-8.
///
/// Works in a folder of another name and renames it at the end, so a kill leaves no half of a cluster behind.
pub(crate) async fn initialise(
    home: &Home,
    binaries: &Binaries,
    owner: Owner,
    durable: bool,
) -> Result<(), InitialiseError> {
    // C.UTF-8 knows upper and lower case beyond ASCII; some C libraries do not have it.
    let first = run(home, binaries, owner, durable, "C.UTF-8").await;
    match first {
        Err(InitialiseError::Refused(reason)) if reason.contains("locale") => {
            run(home, binaries, owner, durable, "C").await?;
        }
        other => other?,
    }
    fs::rename(home.unfinished(), home.cluster()).map_err(InitialiseError::Io)
}

async fn run(
    home: &Home,
    binaries: &Binaries,
    owner: Owner,
    durable: bool,
    locale: &str,
) -> Result<(), InitialiseError> {
    match fs::remove_dir_all(home.unfinished()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(InitialiseError::Io(error));
        }
        _ => {}
    }
    let mut command = owner.command(&binaries.program("initdb"));
    command
        .arg("--pgdata")
        .arg(home.unfinished())
        .arg("--pwfile")
        .arg(home.password_file())
        .args(["--username", "faculty", "--auth", "scram-sha-256"])
        .args(["--encoding", "UTF8", "--locale", locale])
        .args(["--data-checksums", "--no-instructions"]);
    if !durable {
        command.arg("--no-sync");
    }
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(InitialiseError::Io)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason: Vec<&str> = said.lines().take(10).collect();
    Err(InitialiseError::Refused(reason.join(" ")))
}
