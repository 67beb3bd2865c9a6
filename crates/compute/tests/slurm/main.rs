#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]
//! The Slurm backend with a real Slurm, which each test starts for itself: `scripts/slurm-up`.
//!
//! `FACULTY_TEST_DEEP=1` runs more jobs, and what takes minutes.

mod accounts;
mod cluster;
mod conforms;
mod containers;
mod faults;
mod many;
mod refusals;
