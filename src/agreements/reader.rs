//! Starts the process that reads a PDF, and takes nothing but its answer from it.

use std::{io, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use super::pdf::{MOST_CHARACTERS, PATIENCE, Problem, Reading};
use crate::config::Config;

/// Most bytes of an answer: each character up to six as JSON writes it.
const LONGEST_ANSWER: u64 = 6 * MOST_CHARACTERS as u64 + 65_536;

/// The program: the portal's own, unless another one is set.
fn program(config: &Config) -> io::Result<PathBuf> {
    if config.documents.reader.as_os_str().is_empty() {
        std::env::current_exe()
    } else {
        Ok(config.documents.reader.clone())
    }
}

/// Reads a PDF in a process of its own, which is given no settings and no secrets and is ended after a minute.
///
/// # Errors
/// Where the process cannot be started. What the document does to it is a [`Reading::Refused`].
pub(super) async fn read(config: &Config, bytes: &[u8]) -> io::Result<Reading> {
    let mut child = Command::new(program(config)?)
        .arg("read-pdf")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("the reading process has no pipes"));
    };
    let talk = async {
        // A process that ended over its limits no longer listens; its exit says so below.
        let _ = stdin.write_all(bytes).await;
        drop(stdin);
        let mut answer = Vec::new();
        stdout.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
        let status = child.wait().await?;
        Ok::<_, io::Error>((status, answer))
    };
    let (status, answer) = match timeout(PATIENCE, talk).await {
        Ok(talked) => talked?,
        Err(_) => return Ok(Reading::Refused(Problem::TooHeavy)),
    };
    // Ended by a signal: out of memory, out of time, or out of stack.
    if status.code().is_none() {
        return Ok(Reading::Refused(Problem::TooHeavy));
    }
    if !status.success() {
        return Err(io::Error::other(format!(
            "the reading process could not work: {status}"
        )));
    }
    match serde_json::from_slice(&answer) {
        Ok(reading) => Ok(reading),
        Err(_) => Ok(Reading::Refused(Problem::TooMuchText)),
    }
}
