//! Fine-tuning: a job of the portal, or files of one's own.
//!
//! A job is worked on in [`job`]: its spec fetched, each file read under a grant of that moment, the result uploaded.
//! [`offline`] does the same with local files. Both train with [`fine_tune`], which knows neither network nor portal.

pub mod checkpoint;
pub mod data;
pub mod energy;
pub mod evaluate;
pub mod fine_tune;
pub mod job;
pub mod offline;
pub mod optimiser;
pub mod settings;
pub mod stop;
