//! Fetching what the job reads: a grant for each file at that moment, the hash checked, the base model kept for
//! the next job.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use job_contract::{InputFile, ReadGrant};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::portal::{CallError, Pauses, Portal};
use crate::stop::{Stop, StopSign};

/// Fresh grants for one file before its failure counts as final.
const GRANTS: u32 = 4;

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum StagingError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{name} has the hash {found}, the job says {expected}")]
    HashMismatch {
        /// The file's name.
        name: String,
        found: String,
        expected: String,
    },
    #[error("what the store has is not {name}: {problem}")]
    Altered {
        /// The file's name.
        name: String,
        problem: String,
    },
    #[error("the store gives no {name}: {problem}")]
    Store {
        /// The file's name.
        name: String,
        problem: String,
    },
    #[error("{path}: {source}")]
    Disk {
        /// Where on this machine.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// How one download ended that did not succeed.
enum DownloadError {
    /// The address is not good (any more).
    Expired(String),
    /// It is gone, or of another size than it was.
    Altered(String),
    /// Another try may help.
    Away(String),
    Disk(io::Error),
}

/// Puts `file` at `target` with its hash checked, unless it is there already; answers the hash that was found. Asks
/// for a grant in any case: that is where the portal decides whether it may be read now.
///
/// # Errors
/// [`StagingError`]; a refusal of the grant comes as [`Stop::Refused`].
pub(super) async fn stage(
    portal: &Portal,
    sign: &StopSign,
    file: &InputFile,
    target: &Path,
) -> Result<String, StagingError> {
    let disk = |source| StagingError::Disk {
        path: target.to_owned(),
        source,
    };
    let mut grant = checked_grant(portal, file).await?;
    if target.exists() {
        let found = hash_file(target).map_err(disk)?;
        if found == file.sha256 {
            return Ok(found);
        }
    }
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(disk)?;
    }
    // The name tells attempts apart, so that two may fetch the same base model at once.
    let part = target.with_extension(format!("{}.part", portal.attempt()));
    let mut pauses = Pauses::new(portal.patience());
    let mut last = None;
    for _ in 0..GRANTS {
        let problem = loop {
            sign.check().map_err(CallError::from)?;
            match download(portal, &grant, &part).await {
                Ok(hash) if hash == file.sha256 => {
                    std::fs::rename(&part, target).map_err(disk)?;
                    return Ok(hash);
                }
                Ok(hash) => {
                    break StagingError::HashMismatch {
                        name: file.name.clone(),
                        found: hash,
                        expected: file.sha256.clone(),
                    };
                }
                Err(DownloadError::Expired(problem)) => {
                    break StagingError::Store {
                        name: file.name.clone(),
                        problem,
                    };
                }
                Err(DownloadError::Altered(problem)) => {
                    break StagingError::Altered {
                        name: file.name.clone(),
                        problem,
                    };
                }
                Err(DownloadError::Away(problem)) => {
                    tracing::warn!(
                        file = file.name,
                        problem,
                        "the store cannot be used, trying again"
                    );
                    if !pauses.pause().await {
                        let message = format!(
                            "the store could not be reached for {:?}: {problem}",
                            portal.patience()
                        );
                        return Err(CallError::from(Stop::Unreachable(message)).into());
                    }
                    grant = checked_grant(portal, file).await?;
                }
                Err(DownloadError::Disk(source)) => return Err(disk(source)),
            }
        };
        tracing::warn!(file = file.name, %problem, "asking for a fresh grant");
        last = Some(problem);
        grant = checked_grant(portal, file).await?;
    }
    let _ = std::fs::remove_file(&part);
    Err(last.unwrap_or_else(|| StagingError::Store {
        name: file.name.clone(),
        problem: "no grant worked".to_owned(),
    }))
}

async fn checked_grant(portal: &Portal, file: &InputFile) -> Result<ReadGrant, StagingError> {
    let grant = portal.grant(file.file).await?;
    if grant.sha256 != file.sha256 {
        return Err(StagingError::HashMismatch {
            name: file.name.clone(),
            found: grant.sha256,
            expected: file.sha256.clone(),
        });
    }
    Ok(grant)
}

/// Fetches to `part`; returns the hash of what came.
async fn download(
    portal: &Portal,
    grant: &ReadGrant,
    part: &Path,
) -> Result<String, DownloadError> {
    let away = |error: reqwest::Error| DownloadError::Away(error.without_url().to_string());
    let mut response = portal.http().get(&grant.url).send().await.map_err(away)?;
    let status = response.status();
    if status == reqwest::StatusCode::NOT_FOUND {
        return Err(DownloadError::Altered("it is not there".to_owned()));
    }
    if status.is_client_error() || status.is_redirection() {
        return Err(DownloadError::Expired(format!("it answers {status}")));
    }
    if !status.is_success() {
        return Err(DownloadError::Away(format!("it answers {status}")));
    }
    // Not a line that was cut: the store itself says how much there is.
    if let Some(length) = response.content_length()
        && length != grant.size_bytes
    {
        return Err(DownloadError::Altered(format!(
            "it has {length} bytes instead of {}",
            grant.size_bytes
        )));
    }
    let mut file = tokio::fs::File::create(part)
        .await
        .map_err(DownloadError::Disk)?;
    let mut hasher = Sha256::new();
    let mut received = 0;
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        received += chunk.len() as u64;
        if received > grant.size_bytes {
            return Err(DownloadError::Expired(
                "it sends more bytes than the grant names".to_owned(),
            ));
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(DownloadError::Disk)?;
    }
    if received < grant.size_bytes {
        return Err(DownloadError::Away(format!(
            "it sent {received} of {} bytes",
            grant.size_bytes
        )));
    }
    file.sync_all().await.map_err(DownloadError::Disk)?;
    Ok(HEXLOWER.encode(&hasher.finalize()))
}

/// The SHA-256 of a file, lower-case hexadecimal.
///
/// # Errors
/// Where it cannot be read.
pub fn hash_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(HEXLOWER.encode(&hasher.finalize()));
        }
        hasher.update(&buffer[..length]);
    }
}
