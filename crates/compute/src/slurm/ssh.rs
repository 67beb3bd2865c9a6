//! One connection to a login machine, by the system's own OpenSSH client.
//!
//! The client reads the user's `ssh_config`, so jump hosts and the like work as by hand. It never asks anything: keys
//! with passwords, unknown and changed host keys are errors.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    sync::Mutex,
};

use super::{config::SshSettings, fault};
use crate::ComputeError;

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

/// The login machine.
#[derive(Debug, Clone)]
pub(super) struct Ssh {
    settings: SshSettings,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// The process that holds the connection which all others go through; gone when dropped.
#[derive(Debug)]
struct Connection {
    process: Child,
    folder: TempDir,
}

impl Connection {
    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }
}

impl Ssh {
    pub(super) fn new(settings: SshSettings) -> Self {
        Self {
            settings,
            connection: Arc::default(),
        }
    }

    fn client(&self) -> Command {
        let settings = &self.settings;
        let mut command = Command::new("ssh");
        if let Some(config) = &settings.config {
            command.arg("-F").arg(config);
        }
        command
            .args(["-T", "-x", "-a"])
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"])
            .args([
                "-o",
                "UpdateHostKeys=no",
                "-o",
                "GlobalKnownHostsFile=/dev/null",
            ])
            .args(["-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10"])
            .args(["-o", "ControlPersist=no", "-o", "LogLevel=ERROR"])
            .arg("-o")
            .arg(format!(
                "UserKnownHostsFile={}",
                settings.known_hosts.display()
            ));
        if let Some(user) = &settings.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = settings.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(key) = &settings.key {
            command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key);
        }
        command
    }

    /// A client that runs `sh` there and gives it its standard input.
    ///
    /// # Errors
    /// Where there is no connection and none can be made.
    pub(super) async fn command(&self) -> Result<Command, ComputeError> {
        let mut connection = self.connection.lock().await;
        let is_gone = match connection.as_mut() {
            Some(it) => it
                .process
                .try_wait()
                .map_err(ComputeError::Unreachable)?
                .is_some(),
            None => true,
        };
        if is_gone {
            *connection = None;
            *connection = Some(self.connect().await?);
        }
        let mut command = self.client();
        if let Some(connection) = connection.as_ref() {
            command.arg("-S").arg(connection.socket());
        }
        command.args(["-o", "ControlMaster=no", "--"]);
        command.arg(&self.settings.host).arg("exec /bin/sh -s");
        Ok(command)
    }

    async fn connect(&self) -> Result<Connection, ComputeError> {
        // The path of a socket may not be long.
        let folder = tempfile::Builder::new()
            .prefix("vf-ssh")
            .tempdir_in("/tmp")
            .map_err(ComputeError::Unreachable)?;
        let socket = folder.path().join("s");
        let mut command = self.client();
        command.args(["-M", "-N", "-S"]).arg(&socket);
        command.arg("--").arg(&self.settings.host);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(ComputeError::Unreachable)?;
        let began = Instant::now();
        while !socket.exists() {
            if process
                .try_wait()
                .map_err(ComputeError::Unreachable)?
                .is_some()
            {
                let mut complaint = String::new();
                if let Some(mut stderr) = process.stderr.take() {
                    let _ = stderr.read_to_string(&mut complaint).await;
                }
                return Err(fault::of_ssh(&complaint));
            }
            if began.elapsed() > PATIENCE {
                return Err(fault::unreachable("the login machine does not answer"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(Connection { process, folder })
    }
}
