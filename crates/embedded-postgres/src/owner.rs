//! The system user that the server runs as.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use nix::unistd::{Gid, Uid, User, geteuid};
use tokio::process::Command;

/// Runs the server's programs: as ourselves, or as `postgres` where we are root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    uid: Uid,
    /// `Some` where we are root and give our rights up for the server.
    drop_to: Option<Gid>,
}

impl Owner {
    /// Who the server's files and processes belong to; `None` where we are root and there is no user `postgres`.
    pub(crate) fn find() -> io::Result<Option<Self>> {
        let uid = geteuid();
        if !uid.is_root() {
            let drop_to = None;
            return Ok(Some(Self { uid, drop_to }));
        }
        let user = User::from_name("postgres").map_err(io::Error::from)?;
        Ok(user.map(|user| Self {
            uid: user.uid,
            drop_to: Some(user.gid),
        }))
    }

    pub(crate) fn uid(self) -> u32 {
        self.uid.as_raw()
    }

    /// A command that runs with this user's rights, without our environment and away from our folder.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            // The server's user may not be allowed to enter the folder we were started in.
            .current_dir("/");
        if let Some(gid) = self.drop_to {
            // The standard library also empties the supplementary groups when root sets a user.
            command.gid(gid.as_raw()).uid(self.uid.as_raw());
        }
        command
    }

    /// Gives a file or folder to this user.
    pub(crate) fn own(self, path: &Path) -> io::Result<()> {
        match self.drop_to {
            Some(gid) => {
                std::os::unix::fs::lchown(path, Some(self.uid.as_raw()), Some(gid.as_raw()))
            }
            None => Ok(()),
        }
    }

    /// Whether this user may pass through every folder above `path`, by owner, group and mode.
    pub(crate) fn can_reach(self, path: &Path) -> io::Result<bool> {
        let Some(gid) = self.drop_to else {
            return Ok(true);
        };
        for parent in path.ancestors().skip(1) {
            let metadata = fs::metadata(parent)?;
            let mode = metadata.permissions().mode();
            let passable = if metadata.uid() == self.uid.as_raw() {
                mode & 0o100
            } else if metadata.gid() == gid.as_raw() {
                mode & 0o010
            } else {
                mode & 0o001
            };
            if passable == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
