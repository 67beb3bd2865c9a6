//! Putting files in the portal's store, streamed from the disk.

use std::{
    io::{self, SeekFrom},
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use job_contract::{ArtifactKind, ArtifactRequest, StoredArtifact};
use reqwest::header::CONTENT_LENGTH;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};
use tokio_util::io::ReaderStream;

use super::portal::{CallError, Pauses, Portal};
use crate::stop::Stop;

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{path}: {source}")]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A file, or a stretch of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) path: &'a Path,
    pub(super) start: u64,
    pub(super) length: u64,
}

impl Part<'_> {
    async fn open(&self) -> Result<tokio::io::Take<File>, UploadError> {
        let disk = |source| UploadError::Disk {
            path: self.path.to_owned(),
            source,
        };
        let mut file = File::open(self.path).await.map_err(disk)?;
        file.seek(SeekFrom::Start(self.start)).await.map_err(disk)?;
        Ok(file.take(self.length))
    }

    async fn hash(&self) -> Result<String, UploadError> {
        let mut file = self.open().await?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).await;
            let read = read.map_err(|source| UploadError::Disk {
                path: self.path.to_owned(),
                source,
            })?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(HEXLOWER.encode(&hasher.finalize()));
            };
            hasher.update(bytes);
        }
    }
}

/// Uploads a whole file under its own name.
///
/// # Errors
/// As [`upload`].
pub(super) async fn upload_file(
    portal: &Portal,
    kind: ArtifactKind,
    path: &Path,
) -> Result<StoredArtifact, UploadError> {
    let length = tokio::fs::metadata(path).await.map(|file| file.len());
    let length = length.map_err(|source| UploadError::Disk {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = Part {
        path,
        start: 0,
        length,
    };
    upload(portal, kind, &name, part).await
}

/// Uploads one file; one that is stored already is not sent again.
///
/// # Errors
/// [`UploadError`]; `Unreachable` where the store does not take it for as long as patience lasts.
pub(super) async fn upload(
    portal: &Portal,
    kind: ArtifactKind,
    name: &str,
    part: Part<'_>,
) -> Result<StoredArtifact, UploadError> {
    let request = ArtifactRequest {
        kind,
        name: name.to_owned(),
        size_bytes: part.length,
        sha256: part.hash().await?,
    };
    let mut pauses = Pauses::new(portal.patience());
    loop {
        // The address is good for a short time, so each try asks for a fresh one.
        let place = portal.artifact(&request).await?;
        let stored = StoredArtifact {
            artifact: place.artifact,
            name: request.name.clone(),
            size_bytes: request.size_bytes,
            sha256: request.sha256.clone(),
        };
        if place.is_stored {
            return Ok(stored);
        }
        let body = reqwest::Body::wrap_stream(ReaderStream::new(part.open().await?));
        let mut put = portal.http().put(&place.url).body(body);
        let names_length =
            |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-length");
        if !place.headers.iter().any(names_length) {
            // A store takes no body whose length is not said before.
            put = put.header(CONTENT_LENGTH, part.length);
        }
        for (name, value) in &place.headers {
            put = put.header(name, value);
        }
        let problem = match put.send().await {
            Ok(response) if response.status().is_success() => return Ok(stored),
            Ok(response) => format!("it answers {}", response.status()),
            Err(error) => error.without_url().to_string(),
        };
        tracing::warn!(
            name,
            problem,
            "the store does not take the file, trying again"
        );
        if portal.must_hurry() || !pauses.pause().await {
            let message = format!(
                "the store did not take {name} for {:?}: {problem}",
                portal.patience()
            );
            return Err(CallError::from(Stop::Unreachable(message)).into());
        }
    }
}
