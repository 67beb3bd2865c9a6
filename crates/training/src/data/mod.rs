//! Reading training data: examples out of files, documents out of examples.

mod canaries;
mod jsonl;
mod pack;
mod prepare;
mod problems;
mod read;

pub use self::{
    canaries::{REPEATS, canaries},
    pack::pack,
    prepare::{DataSettings, Piece, Prepared, Source, Wanted, prepare},
    problems::{Fault, MOST_TOLD, Problem, Problems},
    read::{Example, read},
};

/// Data that cannot be learnt from.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{0}")]
    Problems(Problems),
    #[error("no document is long enough to learn from; add longer texts")]
    NothingToLearn,
    #[error("{file} cannot be read: {source}")]
    Io {
        /// Name of the file.
        file: String,
        #[source]
        source: std::io::Error,
    },
}
