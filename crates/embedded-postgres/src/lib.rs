//! A private PostgreSQL cluster, run from the server programs that are installed on this machine.
//!
//! [`start()`] makes the cluster where there is none, starts it, or takes over the one that a killed owner left
//! behind, and answers with a [`Cluster`] whose [`Cluster::url`] any client can use. Nothing is downloaded.
//!
//! What lies in the data folder: `cluster` (PostgreSQL's own files), `password` (of the role `faculty`, mode 0600),
//! `postgres.log`, `lock` (held while an owner lives) and `s` (the unix socket). Started by root, all of it belongs
//! to the system user `postgres`, because the server refuses to run with root rights; where that user cannot reach
//! the data folder, the files lie under `/var/tmp` and the data folder holds a note `elsewhere` with their path.

mod binaries;
mod cluster;
mod database;
mod folder;
mod home;
mod initialise;
mod owner;
mod postmaster;
mod process;
mod start;
mod stop;

use std::path::PathBuf;

pub use self::{
    binaries::{BinariesError, is_installed},
    cluster::Cluster,
    database::DatabaseError,
    folder::FolderError,
    initialise::InitialiseError,
    start::{StartError, start},
    stop::StopError,
};

/// What cluster to run, and where.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder for everything of this cluster; made where it is missing, and given to the server's user.
    pub data_dir: PathBuf,
    /// Folder of `initdb` and `postgres`; `None` looks on `PATH` and in the usual places, newest version first.
    pub bin_dir: Option<PathBuf>,
    /// TCP port on 127.0.0.1; `None` picks one that is free.
    pub port: Option<u16>,
    /// The database that [`Cluster::url`] names; made where it is missing. Lower-case letters, digits and `_`.
    pub database: String,
    /// Whether commits survive a power cut. `false` is for tests: a killed *process* loses nothing either way.
    pub durable: bool,
}

impl Config {
    /// A durable cluster on a free port, with the server programs that are found.
    pub fn new(data_dir: impl Into<PathBuf>, database: impl Into<String>) -> Self {
        Self {
            data_dir: data_dir.into(),
            bin_dir: None,
            port: None,
            database: database.into(),
            durable: true,
        }
    }
}
