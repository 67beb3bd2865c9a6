//! Reading training data: examples out of files, documents out of examples.

mod canaries;
mod pack;
mod prepare;
mod problems;
mod read;

pub use self::{
    canaries::{REPEATS, canaries},
    pack::pack,
    prepare::{DataSettings, Piece, Prepared, Source, prepare},
    problems::{MOST_TOLD, Problem, Problems},
    read::read,
};
pub use training_examples::{Example, Fault, Wanted};

/// Data that cannot be learnt from.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("{0}")]
    Problems(Problems),
    #[error("no document is long enough to learn from; add longer texts")]
    NothingToLearn,
    #[error("{file} cannot be read: {source}")]
    Io {
        /// Where it lies. Names of others' files may tell something, and are not told.
        file: String,
        #[source]
        source: std::io::Error,
    },
}
