//! Starting a cluster, or taking over the one that runs.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::process::Child;

use crate::{
    BinariesError, Cluster, Config, DatabaseError, FolderError, InitialiseError, StopError,
    binaries::{self, Binaries},
    database, folder,
    home::{Home, Lock},
    initialise::initialise,
    owner::Owner,
    postmaster::{self, Postmaster},
    process::{self, Process},
    stop,
};

/// Recovery after a crash replays the log since the last checkpoint; it may take a while on a slow disk.
const READY_WITHIN: Duration = Duration::from_secs(180);
/// How long processes of a killed server may take to notice that it is gone.
const ORPHANS_END_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Somebody else may take the free port between our look and the server's.
const PORT_TRIES: u32 = 10;

/// Why no cluster runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The name would need quoting, or is too long for PostgreSQL.
    #[error(
        "{0:?} cannot be a database name: use 1 to 63 of a-z, 0-9 and _, not beginning with a digit"
    )]
    DatabaseName(String),
    /// We are root, the server refuses root, and the user it should run as does not exist.
    #[error(
        "the database server refuses root rights and there is no system user postgres; install it with: \
         apt-get install postgresql"
    )]
    NoPostgresUser,
    /// The list of users could not be read.
    #[error("the system's users could not be read")]
    Users(#[source] io::Error),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No fitting server programs.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// A living process runs this cluster.
    #[error("another process is running the cluster in {0}")]
    InUse(PathBuf),
    /// The cluster is there, the password of its role is not.
    #[error("{0} is missing; put it back, or remove the data folder to begin anew")]
    PasswordLost(PathBuf),
    /// The cluster could not be made.
    #[error(transparent)]
    Initialise(#[from] InitialiseError),
    /// A server with other settings runs and does not stop.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// No loopback port is free, or the server program could not be started.
    #[error("the database server could not be started")]
    Spawn(#[source] io::Error),
    /// The port that was asked for is taken.
    #[error("port {0} on 127.0.0.1 is taken by another program")]
    PortTaken(u16),
    /// The server gave up; its own words follow.
    #[error("the database server ended while starting: {0}")]
    Ended(String),
    /// The server runs but takes no connections.
    #[error("the database server was not ready within {} seconds", READY_WITHIN.as_secs())]
    NotReady,
    /// The server runs but refuses our role or database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Starts the cluster in `config.data_dir`, making it first where it is missing.
///
/// A server that outlived its owner (killed, crashed) is taken over where port and durability fit, else restarted.
///
/// # Errors
/// [`StartError`], in words for the person at the terminal.
pub async fn start(config: Config) -> Result<Cluster, StartError> {
    check_name(&config.database)?;
    let owner = Owner::find()
        .map_err(StartError::Users)?
        .ok_or(StartError::NoPostgresUser)?;
    let (home, lock) = open(&config, owner).await?;
    let binaries = binaries::find(config.bin_dir.as_deref(), home.data_major()?).await?;
    let is_new = home.data_major()?.is_none();
    let password = match home.password()? {
        Some(password) => password,
        None if is_new => home.new_password()?,
        None => return Err(StartError::PasswordLost(home.password_file())),
    };
    if is_new {
        initialise(&home, &binaries, owner, config.durable).await?;
    }
    let server = Server {
        config: &config,
        home: &home,
        binaries: &binaries,
        owner,
        password: &password,
    };
    let (process, port, child) = match server.take_over().await? {
        Some(running) => (running.process, running.port, None),
        None => server.launch().await?,
    };
    // From here on a failure stops the server: `Cluster` does so when dropped.
    let database = &config.database;
    let cluster = Cluster {
        url: format!("postgres://faculty:{password}@127.0.0.1:{port}/{database}"),
        process,
        child,
        is_stopped: false,
        _lock: lock,
    };
    database::create_missing(port, &password, database).await?;
    tracing::info!(
        port,
        pid = cluster.pid(),
        is_new,
        "the database server is ready"
    );
    Ok(cluster)
}

/// Whether the name needs no quoting and fits (`NAMEDATALEN` is 64).
fn check_name(name: &str) -> Result<(), StartError> {
    let is_plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let begins_well = !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain && begins_well && (1..=63).contains(&name.len()) {
        Ok(())
    } else {
        Err(StartError::DatabaseName(name.to_owned()))
    }
}

/// Finds the folder and claims it.
async fn open(config: &Config, owner: Owner) -> Result<(Home, Lock), StartError> {
    let place = folder::place(&config.data_dir, owner)?;
    let home = Home::new(place.path.clone(), owner);
    let in_use = || StartError::InUse(config.data_dir.clone());
    if place.is_abandoned {
        let lock = home.lock()?.ok_or_else(in_use)?;
        if let Some(running) = postmaster::running(&home.cluster()) {
            stop::stop(running.process).await?;
        }
        folder::set_aside(home.path(), owner)?;
        drop(lock);
    }
    folder::settle(&place, owner)?;
    let lock = home.lock()?.ok_or_else(in_use)?;
    Ok((home, lock))
}

/// What is needed to start the server of one cluster.
struct Server<'a> {
    config: &'a Config,
    home: &'a Home,
    binaries: &'a Binaries,
    owner: Owner,
    password: &'a str,
}

/// What became of one try to start the server.
enum Try {
    Ready(Process, Box<Child>),
    PortTaken,
    /// Processes of a killed server still hold the shared memory.
    OrphansLeft,
}

impl Server<'_> {
    /// The running server of this cluster where its settings fit; stops one where they do not.
    async fn take_over(&self) -> Result<Option<Postmaster>, StartError> {
        let began = Instant::now();
        while let Some(running) = postmaster::running(&self.home.cluster()) {
            if running.is_ready {
                let fits_port = self.config.port.is_none_or(|port| port == running.port);
                if fits_port && self.fits(running.port).await {
                    tracing::info!(pid = running.process.pid(), "taking over a running server");
                    return Ok(Some(running));
                }
                stop::stop(running.process).await?;
                return Ok(None);
            }
            // It is starting, recovering or stopping; each comes to an end.
            if began.elapsed() > READY_WITHIN {
                stop::stop(running.process).await?;
                return Ok(None);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(None)
    }

    async fn fits(&self, port: u16) -> bool {
        match database::is_durable(port, self.password).await {
            Ok(durable) => durable == self.config.durable,
            Err(error) => {
                tracing::warn!(%error, "a running server does not answer; it is restarted");
                false
            }
        }
    }

    async fn launch(&self) -> Result<(Process, u16, Option<Child>), StartError> {
        let mut port_tries = 0;
        let began = Instant::now();
        loop {
            let port = match self.config.port {
                Some(port) => port,
                None => free_port().map_err(StartError::Spawn)?,
            };
            match self.launch_on(port).await? {
                Try::Ready(process, child) => return Ok((process, port, Some(*child))),
                Try::PortTaken => {
                    port_tries += 1;
                    if self.config.port.is_some() || port_tries >= PORT_TRIES {
                        return Err(StartError::PortTaken(port));
                    }
                }
                Try::OrphansLeft => {
                    if began.elapsed() > READY_WITHIN {
                        return Err(StartError::NotReady);
                    }
                    self.end_orphans().await;
                }
            }
        }
    }

    async fn launch_on(&self, port: u16) -> Result<Try, StartError> {
        let cluster = self.home.cluster();
        if postmaster::is_stale(&cluster) {
            let path = cluster.join("postmaster.pid");
            fs::remove_file(&path).map_err(FolderError::at(&path))?;
        }
        let sockets = folder::socket_folder(self.home.path(), self.owner)?;
        let (log, log_begins) = self.home.open_log()?;
        let log_too = log.try_clone().map_err(StartError::Spawn)?;
        let mut command = self.owner.command(&self.binaries.program("postgres"));
        command
            .arg("-D")
            .arg(&cluster)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", sockets.display()))
            .args(["-c", "unix_socket_permissions=0700"])
            .args(["-c", "logging_collector=off", "-c", "max_connections=100"]);
        if !self.config.durable {
            command.args(["-c", "fsync=off", "-c", "synchronous_commit=off"]);
            command.args(["-c", "full_page_writes=off"]);
        }
        let mut child = command
            // Ctrl-C in the terminal is for us; we stop the server once the pages are closed.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .spawn()
            .map_err(StartError::Spawn)?;
        let began = Instant::now();
        while child.try_wait().map_err(StartError::Spawn)?.is_none() {
            let ready = postmaster::running(&cluster)
                .filter(|running| running.is_ready && Some(running.process.pid()) == child.id());
            if let Some(running) = ready {
                return Ok(Try::Ready(running.process, Box::new(child)));
            }
            if began.elapsed() > READY_WITHIN {
                if let Some(process) = child.id().and_then(Process::find) {
                    stop::stop(process).await?;
                }
                return Err(StartError::NotReady);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        explain(self.home.log_tail(log_begins))
    }

    /// Waits for processes that outlived a killed server, and ends those that do not notice.
    async fn end_orphans(&self) {
        let cluster = self.home.cluster();
        let orphans = process::postgres_in(&cluster);
        for orphan in orphans {
            if !stop::ends_within(orphan, ORPHANS_END_WITHIN).await
                && let Err(error) = orphan.signal(Signal::SIGQUIT)
            {
                tracing::warn!(%error, pid = orphan.pid(), "an orphan could not be ended");
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A port that nobody uses at this moment.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Why the server ended, from its own log (in English: it runs with `LC_ALL=C`).
fn explain(log: String) -> Result<Try, StartError> {
    if log.contains("could not create any TCP/IP sockets") {
        Ok(Try::PortTaken)
    } else if log.contains("pre-existing shared memory block") {
        Ok(Try::OrphansLeft)
    } else {
        Err(StartError::Ended(log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        for good in ["faculty", "faculty_2", "_x"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in ["", "Faculty", "2fast", "a\"b", "a b", "a/b", long.as_str()] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
