use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use job_contract::{LARGEST_MODEL_FILE, ModelFile};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// Model files in a folder, each under its hash, so that it is fetched once whatever it is called.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    client: reqwest::Client,
}

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{0:?} is not a plain file name")]
    Name(String),
    #[error("{0:?} is not a SHA-256")]
    Hash(String),
    #[error("{name} has {size_bytes} bytes, more than this program takes")]
    TooLarge { name: String, size_bytes: u64 },
    #[error("{name} could not be fetched")]
    Http {
        name: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{name} is not what the portal promised: {what}")]
    Altered { name: String, what: &'static str },
    #[error("the cache folder cannot be used")]
    Io(#[from] io::Error),
}

impl Store {
    /// A store in `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// Where the folder cannot be made, or there is no TLS provider.
    pub fn open(folder: &Path) -> Result<Self, FetchError> {
        std::fs::create_dir_all(folder)?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(io::Error::other)?;
        Ok(Self {
            folder: folder.to_owned(),
            client,
        })
    }

    /// The path of the file in the store, fetched and verified first where it is not there yet.
    ///
    /// # Errors
    /// [`FetchError`]; a file that is not as promised is not kept.
    pub async fn get(&self, file: &ModelFile) -> Result<PathBuf, FetchError> {
        check(file)?;
        let path = self.folder.join(&file.sha256);
        let stored = tokio::fs::metadata(&path).await;
        // Files get their name after they were verified, by one rename.
        if stored.is_ok_and(|stored| stored.is_file() && stored.len() == file.size_bytes) {
            return Ok(path);
        }
        let http = |source: reqwest::Error| FetchError::Http {
            name: file.name.clone(),
            // The address carries a signature.
            source: source.without_url(),
        };
        let response = self.client.get(&file.url).send().await.map_err(http)?;
        let response = response.error_for_status().map_err(http)?;
        let mut partial = NamedTempFile::new_in(&self.folder)?;
        let mut hash = Sha256::new();
        let mut size_bytes = 0;
        let mut bytes = response.bytes_stream();
        while let Some(piece) = bytes.next().await {
            let piece = piece.map_err(http)?;
            size_bytes += piece.len() as u64;
            if size_bytes > file.size_bytes {
                return Err(altered(file, "it is longer"));
            }
            hash.update(&piece);
            partial.write_all(&piece)?;
        }
        if size_bytes != file.size_bytes {
            return Err(altered(file, "it is shorter"));
        }
        if HEXLOWER.encode(&hash.finalize()) != file.sha256 {
            return Err(altered(file, "its hash differs"));
        }
        let synced = tokio::task::spawn_blocking(move || {
            partial.as_file().sync_all()?;
            partial.persist(&path).map_err(|error| error.error)?;
            Ok::<_, io::Error>(path)
        });
        Ok(synced.await.map_err(io::Error::other)??)
    }

    /// The store's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn check(file: &ModelFile) -> Result<(), FetchError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let name = &file.name;
    if !(1..=100).contains(&name.len()) || name.starts_with('.') || !name.bytes().all(is_plain) {
        return Err(FetchError::Name(name.chars().take(100).collect()));
    }
    let hash = &file.sha256;
    if hash.len() != 64
        || !hash
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(FetchError::Hash(hash.chars().take(64).collect()));
    }
    if file.size_bytes > LARGEST_MODEL_FILE {
        return Err(FetchError::TooLarge {
            name: name.clone(),
            size_bytes: file.size_bytes,
        });
    }
    Ok(())
}

fn altered(file: &ModelFile, what: &'static str) -> FetchError {
    FetchError::Altered {
        name: file.name.clone(),
        what,
    }
}
