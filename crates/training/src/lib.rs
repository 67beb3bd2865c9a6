//! Fine-tuning: a job of the portal, or files of one's own.
//!
//! A job is worked on in [`job`]: its spec fetched, each file read under a grant of that moment, the result uploaded.
//! [`offline`] does the same with local files. Both do their [`work`] alike, by one of the [`methods`] in one
//! [`training_loop`], which knows neither network nor portal.

pub mod checkpoint;
pub mod data;
pub mod device;
pub mod energy;
pub mod estimate;
pub mod evaluation;
mod export;
pub mod fingerprint;
pub mod job;
pub mod memory;
pub mod methods;
pub mod offline;
pub mod optimiser;
pub mod recipe;
pub mod schedule;
pub mod settings;
pub mod stop;
pub mod training_loop;
pub mod work;
