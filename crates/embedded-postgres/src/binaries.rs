//! Finding the server programs.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

/// Folders whose children hold a `bin` of one PostgreSQL version each: Debian, the project's own packages, Homebrew.
const VERSIONED: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Why no fitting server programs were found.
#[derive(Debug, thiserror::Error)]
pub enum BinariesError {
    /// Nothing is installed where we look.
    #[error(
        "PostgreSQL's server programs (initdb, postgres) were not found; install them with: \
         apt-get install postgresql"
    )]
    NotInstalled,
    /// The folder that the caller named does not hold them.
    #[error("{0} does not hold PostgreSQL's server programs (initdb, postgres)")]
    NotThere(PathBuf),
    /// The data were written by another major version; they are never re-initialised.
    #[error(
        "the data folder belongs to PostgreSQL {data}, but found is {found}; install PostgreSQL {data}, or move \
         the data with pg_dump or pg_upgrade"
    )]
    MajorVersion {
        /// Major version that wrote the data.
        data: u32,
        /// Major versions found, newest first.
        found: String,
    },
}

/// Server programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) dir: PathBuf,
    pub(crate) major: u32,
}

impl Binaries {
    /// The path of one program, for example `initdb`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Whether [`crate::start()`] would find server programs, in `bin_dir` or by itself.
pub async fn is_installed(bin_dir: Option<&Path>) -> bool {
    find(bin_dir, None).await.is_ok()
}

/// The server programs to use; those of `data_major` where the data exist already.
pub(crate) async fn find(
    bin_dir: Option<&Path>,
    data_major: Option<u32>,
) -> Result<Binaries, BinariesError> {
    let candidates = match bin_dir {
        Some(dir) => vec![dir.to_owned()],
        None => candidates(std::env::var_os("PATH").as_deref()),
    };
    let mut found = Vec::new();
    for dir in candidates {
        if let Some(major) = major_version(&dir).await {
            found.push(Binaries { dir, major });
        }
    }
    choose(found, data_major).map_err(|error| match (error, bin_dir) {
        (BinariesError::NotInstalled, Some(dir)) => BinariesError::NotThere(dir.to_owned()),
        (other, _) => other,
    })
}

fn choose(found: Vec<Binaries>, data_major: Option<u32>) -> Result<Binaries, BinariesError> {
    let majors = found
        .iter()
        .map(|binaries| binaries.major.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let fitting = found
        .into_iter()
        .find(|binaries| data_major.is_none_or(|major| major == binaries.major));
    match (fitting, data_major) {
        (Some(binaries), _) => Ok(binaries),
        (None, Some(data)) if !majors.is_empty() => Err(BinariesError::MajorVersion {
            data,
            found: majors,
        }),
        (None, _) => Err(BinariesError::NotInstalled),
    }
}

/// Folders to look in: `PATH` first, then the packaged versions, newest first.
fn candidates(path: Option<&OsStr>) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = path
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    let mut versioned: Vec<(u32, PathBuf)> = VERSIONED
        .iter()
        .flat_map(|(parent, prefix)| children(Path::new(parent), prefix).unwrap_or_default())
        .collect();
    versioned.sort_by(|a, b| b.cmp(a));
    dirs.extend(versioned.into_iter().map(|(_, dir)| dir));
    dirs.retain(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file());
    dirs
}

fn children(parent: &Path, prefix: &str) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let version = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix))
            .and_then(|version| version.parse().ok());
        if let Some(version) = version {
            versions.push((version, entry.path().join("bin")));
        }
    }
    Ok(versions)
}

async fn major_version(dir: &Path) -> Option<u32> {
    if !dir.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .await
        .ok()?;
    parse_version(std::str::from_utf8(&output.stdout).ok()?)
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `18beta1`.
fn parse_version(line: &str) -> Option<u32> {
    let version = line.split_whitespace().nth(2)?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(majors: &[u32]) -> Vec<Binaries> {
        let dir = PathBuf::from("/usr/lib/postgresql/bin");
        majors
            .iter()
            .map(|&major| Binaries {
                dir: dir.clone(),
                major,
            })
            .collect()
    }

    #[test]
    fn versions_of_packaged_and_test_builds_are_read() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_version(debian), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_version("zsh 5.9"), None);
    }

    #[test]
    fn new_data_take_the_first_version_and_old_data_their_own() {
        assert_eq!(choose(of(&[17, 15]), None).unwrap().major, 17);
        assert_eq!(choose(of(&[17, 15]), Some(15)).unwrap().major, 15);
    }

    #[test]
    fn data_of_a_version_that_is_not_installed_are_refused() {
        let error = choose(of(&[17, 16]), Some(15)).unwrap_err().to_string();
        assert!(error.contains("belongs to PostgreSQL 15"), "{error}");
        assert!(error.contains("found is 17, 16"), "{error}");
    }

    #[test]
    fn nothing_installed_names_the_command_that_helps() {
        let error = choose(Vec::new(), Some(15)).unwrap_err().to_string();
        assert!(error.contains("apt-get install postgresql"), "{error}");
    }

    #[tokio::test]
    async fn a_named_folder_without_the_programs_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(Some(dir.path()), None).await.unwrap_err();
        assert!(matches!(error, BinariesError::NotThere(_)), "{error}");
    }
}
