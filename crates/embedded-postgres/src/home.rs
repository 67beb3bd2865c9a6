//! The names inside a cluster's folder, and the lock that says who runs it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use rand::RngExt;

use crate::{folder::FolderError, owner::Owner};

/// A log above this is set aside at the next start.
const LOG_LIMIT_BYTES: u64 = 16 << 20;
/// How much of the log an error quotes.
const LOG_TAIL_BYTES: u64 = 2048;

/// The folder of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    path: PathBuf,
    owner: Owner,
}

/// Proof that this process runs the cluster; released when dropped or when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Home {
    pub(crate) fn new(path: PathBuf, owner: Owner) -> Self {
        Self { path, owner }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// PostgreSQL's own data folder.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.path.join("cluster")
    }

    /// Where a cluster is made before it gets its name, so that half of one is never started.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.path.join("cluster.unfinished")
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.path.join("password")
    }

    fn log_file(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    /// The major version that wrote the data; `None` where there are none.
    pub(crate) fn data_major(&self) -> Result<Option<u32>, FolderError> {
        let path = self.cluster().join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|error| {
                FolderError::at(&path)(io::Error::new(io::ErrorKind::InvalidData, error))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FolderError::at(&path)(error)),
        }
    }

    /// Claims the cluster for this process; `None` where a living process has it.
    pub(crate) fn lock(&self) -> Result<Option<Lock>, FolderError> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(FolderError::at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FolderError::at(&path)(error)),
        }
    }

    /// The password of the role `faculty`; `None` where none was made yet.
    pub(crate) fn password(&self) -> Result<Option<String>, FolderError> {
        let path = self.password_file();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FolderError::at(&path)(error)),
        }
    }

    /// Makes and keeps a new password: 256 random bits in hexadecimal.
    pub(crate) fn new_password(&self) -> Result<String, FolderError> {
        let bytes: [u8; 32] = rand::rng().random();
        let password = HEXLOWER.encode(&bytes);
        let path = self.password_file();
        let unfinished = self.path.join("password.unfinished");
        let write = || {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&unfinished)?;
            writeln!(file, "{password}")?;
            file.sync_all()?;
            self.owner.own(&unfinished)?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(FolderError::at(&path))?;
        Ok(password)
    }

    /// Opens the server's log for appending and tells where its next line begins.
    pub(crate) fn open_log(&self) -> Result<(File, u64), FolderError> {
        let path = self.log_file();
        let open = || {
            if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT_BYTES) {
                fs::rename(&path, path.with_extension("log.old"))?;
            }
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)?;
            self.owner.own(&path)?;
            let end = file.metadata()?.len();
            Ok((file, end))
        };
        open().map_err(FolderError::at(&path))
    }

    /// The last lines of the server's log since `from`.
    pub(crate) fn log_tail(&self, from: u64) -> String {
        let read = || -> io::Result<String> {
            let mut file = File::open(self.log_file())?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(
                from.max(end.saturating_sub(LOG_TAIL_BYTES)),
            ))?;
            let mut bytes = Vec::new();
            file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        read().unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
    }
}
