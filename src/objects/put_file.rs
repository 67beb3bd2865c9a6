//! Files of this machine, however large, into the store.

use std::{io, path::Path};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::{fs::File, io::AsyncReadExt as _};

use super::s3::{ObjectError, ObjectStore};

/// What is held in memory at once: the size of a part, unless there would be too many.
const PART_BYTES: u64 = 64 << 20;
/// S3 takes no more of them.
const MOST_PARTS: u64 = 10_000;

/// A file as it was looked at before.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Bytes.
    pub size_bytes: u64,
    /// In hexadecimal.
    pub sha256: &'a str,
}

impl ObjectStore {
    /// Stores a file's bytes as `key`, in parts where it is large; answers the exact version.
    ///
    /// # Errors
    /// Where the file cannot be read, is another than expected, or the store refuses or is away. Parts that were sent
    /// are given up then.
    pub async fn put_file(&self, key: &str, file: Expected<'_>) -> Result<String, ObjectError> {
        let reading = Reading::open(file).await?;
        if file.size_bytes <= PART_BYTES {
            let (bytes, reading) = reading.part(file.size_bytes).await?;
            reading.end().await?;
            return self.put(key, bytes).await;
        }
        let upload = self.create_multipart(key).await?;
        let put = self
            .put_parts((key, &upload), reading, file.size_bytes)
            .await;
        if put.is_err() {
            // What went wrong before is what the caller wants to hear.
            let _ = self.abort_multipart(key, &upload).await;
        }
        put
    }

    async fn put_parts(
        &self,
        (key, upload): (&str, &str),
        mut reading: Reading<'_>,
        size: u64,
    ) -> Result<String, ObjectError> {
        let each = PART_BYTES.max(size.div_ceil(MOST_PARTS));
        let mut checksums = Vec::new();
        let mut rest = size;
        while rest > 0 {
            let part;
            (part, reading) = reading.part(rest.min(each)).await?;
            rest -= part.len() as u64;
            let number = i32::try_from(checksums.len() + 1).unwrap_or(i32::MAX);
            let sha256 = HEXLOWER.encode(&Sha256::digest(&part));
            self.upload_part(key, upload, number, &sha256, Bytes::from(part))
                .await?;
            checksums.push((number, sha256));
        }
        reading.end().await?;
        let parts = self.list_parts(key, upload).await?;
        if parts.len() != checksums.len() {
            return Err(refused("the store does not have all parts"));
        }
        let done = self
            .complete_multipart(key, upload, &parts, &checksums)
            .await?;
        Ok(done.version)
    }
}

/// A file on its way, hashed as it goes.
struct Reading<'a> {
    file: File,
    hash: Sha256,
    expected: Expected<'a>,
}

impl<'a> Reading<'a> {
    async fn open(expected: Expected<'a>) -> Result<Self, ObjectError> {
        let file = File::open(expected.path).await.map_err(unread)?;
        Ok(Self {
            file,
            hash: Sha256::new(),
            expected,
        })
    }

    async fn part(mut self, size: u64) -> Result<(Vec<u8>, Self), ObjectError> {
        let mut part = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut part).await.map_err(unread)?;
        self.hash.update(&part);
        Ok((part, self))
    }

    /// That there is no more, and that it was what was expected.
    async fn end(mut self) -> Result<(), ObjectError> {
        let more = self.file.read(&mut [0]).await.map_err(unread)?;
        let sha256 = HEXLOWER.encode(&self.hash.finalize());
        if more == 0 && sha256 == self.expected.sha256 {
            return Ok(());
        }
        let path = self.expected.path.display();
        Err(refused(&format!(
            "{path} has changed since it was looked at"
        )))
    }
}

fn unread(error: io::Error) -> ObjectError {
    ObjectError::bad_request("read the file", &error)
}

fn refused(words: &str) -> ObjectError {
    ObjectError::bad_request("put the file", &io::Error::other(words.to_owned()))
}
