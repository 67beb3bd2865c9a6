//! Reading training data: examples out of files, documents out of examples.

mod prepare;
mod read;

pub use self::{
    prepare::{Prepared, Source, TrainingPiece, prepare},
    read::{Example, read},
};

/// A file that cannot be learnt from. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// Name of the file, as its owner knows it.
        file: String,
        line: u64,
        problem: String,
    },
    #[error("{file} holds no examples")]
    Empty {
        /// Name of the file.
        file: String,
    },
    #[error("{file}: {problem}")]
    File {
        /// Name of the file.
        file: String,
        problem: String,
    },
    #[error("there are {documents} documents, too few to hold some out and train on the rest")]
    TooFew {
        /// In all files together.
        documents: usize,
    },
    #[error("no document is long enough to learn from")]
    NothingToLearn,
    #[error("{file} cannot be read: {source}")]
    Io {
        /// Name of the file.
        file: String,
        #[source]
        source: std::io::Error,
    },
}
