//! Where a cluster's files lie, and who may touch them.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::owner::Owner;

/// Room for folders of ours that must be reachable by other users or have a short path; survives a restart of the
/// machine, unlike `/tmp`.
const SHARED: &str = "/var/tmp";

/// The note in the data folder that says where the files lie, if not here.
const NOTE: &str = "elsewhere";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system refused.
    #[error("cannot use {path}")]
    Io {
        /// What was to be made, read or written.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Somebody else made a folder under our name in a place where everybody may write.
    #[error("{0} belongs to another user or is not a folder; remove it")]
    Foreign(PathBuf),
}

impl FolderError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}

/// The folder that holds a cluster's files.
#[derive(Debug)]
pub(crate) struct Place {
    /// Where the files lie.
    pub(crate) path: PathBuf,
    /// The note to leave in the data folder, where the files lie elsewhere.
    note: Option<PathBuf>,
    /// Whether the files here are those of an earlier cluster, whose data folder was emptied since.
    pub(crate) is_abandoned: bool,
}

/// Makes the data folder, or finds the one that stands in for it.
pub(crate) fn place(data_dir: &Path, owner: Owner) -> Result<Place, FolderError> {
    let at = FolderError::at;
    fs::create_dir_all(data_dir).map_err(at(data_dir))?;
    let data_dir = fs::canonicalize(data_dir).map_err(at(data_dir))?;
    if owner.can_reach(&data_dir).map_err(at(&data_dir))? {
        owner.own(&data_dir).map_err(at(&data_dir))?;
        fs::set_permissions(&data_dir, fs::Permissions::from_mode(0o700)).map_err(at(&data_dir))?;
        return Ok(Place {
            path: data_dir,
            note: None,
            is_abandoned: false,
        });
    }
    let stand_in = shared_path("data", &data_dir);
    let note = data_dir.join(NOTE);
    let is_known = note.try_exists().map_err(at(&note))?;
    let is_abandoned = stand_in.symlink_metadata().is_ok() && !is_known;
    tracing::info!(
        data_dir = %data_dir.display(),
        stand_in = %stand_in.display(),
        "the user postgres cannot enter the data folder; the database files lie in the stand-in"
    );
    Ok(Place {
        path: stand_in,
        note: Some(note),
        is_abandoned,
    })
}

/// Makes the stand-in folder, if it is one, and leaves the note that leads to it.
pub(crate) fn settle(place: &Place, owner: Owner) -> Result<(), FolderError> {
    let Some(note) = &place.note else {
        return Ok(());
    };
    private_folder(&place.path, owner)?;
    fs::write(note, format!("{}\n", place.path.display())).map_err(FolderError::at(note))
}

/// Renames the files of a cluster whose data folder was emptied; only the latest such is kept.
pub(crate) fn set_aside(abandoned: &Path, owner: Owner) -> Result<(), FolderError> {
    check_private(abandoned, owner)?;
    let aside = abandoned.with_extension("old");
    if aside.symlink_metadata().is_ok() {
        check_private(&aside, owner)?;
        fs::remove_dir_all(&aside).map_err(FolderError::at(&aside))?;
    }
    fs::rename(abandoned, &aside).map_err(FolderError::at(abandoned))
}

/// The folder for the unix socket: inside `home` where the path fits into `sockaddr_un` (107 bytes), else shared.
pub(crate) fn socket_folder(home: &Path, owner: Owner) -> Result<PathBuf, FolderError> {
    let inside = home.join("s");
    let folder = if inside.as_os_str().len() <= 85 {
        inside
    } else {
        shared_path("socket", home)
    };
    private_folder(&folder, owner)?;
    // Sockets of a killed server would stop the next one; none runs when this is called.
    for entry in fs::read_dir(&folder).map_err(FolderError::at(&folder))? {
        let path = entry.map_err(FolderError::at(&folder))?.path();
        fs::remove_file(&path).map_err(FolderError::at(&path))?;
    }
    Ok(folder)
}

fn shared_path(kind: &str, of: &Path) -> PathBuf {
    let digest = Sha256::digest(of.as_os_str().as_encoded_bytes());
    let key: String = HEXLOWER.encode(&digest).chars().take(16).collect();
    // Resolved, because processes are recognised by the path of their working folder.
    let shared = fs::canonicalize(SHARED).unwrap_or_else(|_| SHARED.into());
    shared.join(format!("faculty-{kind}-{key}"))
}

/// Makes a folder that only `owner` may enter, or checks that it is one.
fn private_folder(path: &Path, owner: Owner) -> Result<(), FolderError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => owner.own(path).map_err(FolderError::at(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_private(path, owner),
        Err(error) => Err(FolderError::at(path)(error)),
    }
}

fn check_private(path: &Path, owner: Owner) -> Result<(), FolderError> {
    let metadata = path.symlink_metadata().map_err(FolderError::at(path))?;
    let is_private = metadata.is_dir() && metadata.permissions().mode() & 0o077 == 0;
    if is_private && metadata.uid() == owner.uid() {
        Ok(())
    } else if is_private && metadata.uid() == geteuid().as_raw() {
        // Made by us, and killed before it was given away.
        owner.own(path).map_err(FolderError::at(path))
    } else {
        Err(FolderError::Foreign(path.to_owned()))
    }
}
