//! Why the store did not do what was asked.

use std::io;

/// Why the store refuses or fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("the bucket exists already")]
    BucketExists,
    #[error("the bucket still holds objects, versions or delete markers")]
    BucketNotEmpty,
    #[error("the key does not exist")]
    NoSuchKey,
    #[error("the key is deleted: its newest version {0} is a delete marker")]
    Deleted(String),
    #[error("version {0} is a delete marker")]
    IsDeleteMarker(String),
    #[error("the version does not exist")]
    NoSuchVersion,
    #[error("at least one precondition did not hold")]
    PreconditionFailed,
    #[error("the upload does not exist; it may have been aborted or completed")]
    NoSuchUpload,
    #[error("the upload takes {expected} checksums, not {got}")]
    OtherChecksumAlgorithm {
        expected: &'static str,
        got: &'static str,
    },
    #[error("part {0} was not uploaded, or its ETag or checksum does not match")]
    InvalidPart(u32),
    #[error("parts must be named in ascending order, each once")]
    InvalidPartOrder,
    #[error("part {0} is smaller than 5 MiB and not the last one")]
    PartTooSmall(u32),
    #[error("the checksum does not match what was received")]
    BadDigest,
    #[error("the sizes do not match: {expected} bytes announced, {got} received")]
    WrongSize { expected: u64, got: u64 },
    #[error("no space is left for new objects")]
    Full(#[source] Option<io::Error>),
    #[error("the blob files could not be used")]
    Blobs(#[source] io::Error),
    #[error("the metadata could not be used")]
    Metadata(#[source] Box<redb::Error>),
    #[error("a metadata record could not be read")]
    Record(#[from] serde_json::Error),
    #[error("the metadata names something that is not there: {0}")]
    Corrupt(&'static str),
    #[error("another server has the folder open")]
    InUse,
    #[error("the store is shutting down")]
    Stopping,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full(Some(error)),
            _ => Self::Blobs(error),
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => match Self::from(error) {
                Self::Blobs(error) => Self::Metadata(Box::new(redb::Error::Io(error))),
                full => full,
            },
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            other => Self::Metadata(Box::new(other)),
        }
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::from(redb::Error::from(error))
            }
        })*
    };
}

from_redb!(
    CommitError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError
);
