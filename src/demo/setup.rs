//! The demonstration's folder: secrets and ports that stay the same from one start to the next.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The data folder, held by this process alone.
pub(super) struct Folder {
    path: PathBuf,
    /// Kept open for the lock on it.
    _lock: nix::fcntl::Flock<fs::File>,
}

/// What must stay the same, or data would be lost.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) secret: String,
    pub(super) signing_key: String,
    pub(super) client_secret: String,
    pub(super) s3_secret: String,
    pub(super) serving_token: String,
    pub(super) issuer_port: u16,
    pub(super) s3_port: u16,
    pub(super) serving_port: u16,
    pub(super) postgres_port: u16,
}

impl Folder {
    pub(super) fn open(path: &Path, is_fresh: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        let path = path.canonicalize()?;
        let lock = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))?;
        let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusiveNonblock)
            .map_err(|_| {
                anyhow::anyhow!(
                    "another demo is running in {}; stop it or choose another folder with --data",
                    path.display()
                )
            })?;
        if is_fresh {
            for entry in fs::read_dir(&path)? {
                let entry = entry?.path();
                if entry.file_name().is_some_and(|name| name == "lock") {
                    continue;
                }
                if entry.is_dir() {
                    fs::remove_dir_all(&entry)
                } else {
                    fs::remove_file(&entry)
                }
                .with_context(|| format!("cannot empty {}", entry.display()))?;
            }
        }
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The kept secrets and ports; made at the first start.
    pub(super) fn kept(&self, first_port: u16) -> anyhow::Result<Kept> {
        let path = self.join("kept.json");
        if let Ok(text) = fs::read_to_string(&path) {
            return serde_json::from_str(&text)
                .with_context(|| format!("{} cannot be read", path.display()));
        }
        let secret = || data_encoding::HEXLOWER.encode(&rand::random::<[u8; 32]>());
        // Held until all are chosen, so that no two are the same.
        let mut held = Vec::new();
        let mut port = |wanted: u16| -> anyhow::Result<u16> {
            let listener = TcpListener::bind(("127.0.0.1", wanted))
                .or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            Ok(port)
        };
        let kept = Kept {
            secret: secret(),
            signing_key: secret(),
            client_secret: secret(),
            s3_secret: secret(),
            serving_token: secret(),
            issuer_port: port(first_port.saturating_add(1))?,
            s3_port: port(first_port.saturating_add(2))?,
            serving_port: port(first_port.saturating_add(3))?,
            postgres_port: port(first_port.saturating_add(4))?,
        };
        write_private(&path, &serde_json::to_vec_pretty(&kept)?)?;
        Ok(kept)
    }
}

/// Writes a file that only its owner may read, at once or not at all.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(())
}
