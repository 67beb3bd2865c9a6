//! A shell that runs scripts, here or on a login machine. Scripts come through its standard input, so that nothing of
//! them is in a command line.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    time::{Instant, timeout_at},
};

use super::{fault, ssh::Ssh};
use crate::ComputeError;

/// Slurm's own commands give up after some 10 seconds a try.
const PATIENCE: Duration = Duration::from_secs(60);
/// All that a local shell gets of our own environment, which holds the portal's secrets.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "TZ", "USER", "LOGNAME"];

/// Where scripts run.
#[derive(Debug)]
pub(super) enum Shell {
    Here {
        slurm_conf: Option<PathBuf>,
    },
    There {
        ssh: Ssh,
        slurm_conf: Option<PathBuf>,
    },
}

/// What a script came to.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) out: Vec<u8>,
    pub(super) complaint: String,
}

impl Said {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl Shell {
    /// Runs the body of a script, of which no command reads our standard input.
    ///
    /// # Errors
    /// Where it could not be run; that it failed is in the answer.
    pub(super) async fn run(&self, body: &str) -> Result<Said, ComputeError> {
        let slurm_conf = match self {
            Self::Here { slurm_conf } | Self::There { slurm_conf, .. } => slurm_conf,
        };
        let conf = slurm_conf.as_ref().map_or_else(String::new, |conf| {
            format!(
                "export SLURM_CONF={}\n",
                super::script::quoted(&conf.to_string_lossy())
            )
        });
        // Read as a whole before any of it runs, and no command can swallow the rest of it.
        let script = format!(
            "main() {{\n{conf}export LC_ALL=C SLURM_TIME_FORMAT=%s\n{body}\n}}\nmain </dev/null\n"
        );
        let mut command = match self {
            Self::Here { .. } => {
                let mut command = Command::new("/bin/sh");
                command.arg("-s").env_clear().envs(
                    PASSED_ON
                        .iter()
                        .filter_map(|name| Some((name, std::env::var_os(name)?))),
                );
                command
            }
            Self::There { ssh, .. } => ssh.command().await?,
        };
        let said = feed(&mut command, script.as_bytes()).await?;
        if matches!(self, Self::There { .. }) && said.code == 255 {
            return Err(fault::of_ssh(&said.complaint));
        }
        Ok(said)
    }

    /// As [`run`](Self::run), of a script that must not fail.
    pub(super) async fn ask(&self, body: &str) -> Result<Vec<u8>, ComputeError> {
        let said = self.run(body).await?;
        if said.code == 0 {
            Ok(said.out)
        } else {
            Err(fault::of_question(said.code, &said.complaint))
        }
    }
}

/// Runs `command` with `input` and waits for its end.
pub(super) async fn feed(command: &mut Command, input: &[u8]) -> Result<Said, ComputeError> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(ComputeError::Unreachable)?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that has ended already says why; that it did not listen to the end is no news.
            let _ = stdin.write_all(input).await;
            let _ = stdin.shutdown().await;
        }
    };
    let deadline = Instant::now() + PATIENCE;
    let (output, ()) = timeout_at(deadline, async {
        tokio::join!(child.wait_with_output(), write)
    })
    .await
    .map_err(|_| fault::unreachable("no answer within a minute"))?;
    let output = output.map_err(ComputeError::Unreachable)?;
    Ok(Said {
        code: output.status.code().unwrap_or(-1),
        out: output.stdout,
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
