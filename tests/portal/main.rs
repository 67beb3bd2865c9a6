//! The portal over HTTP, against a real Postgres, a real S3 store and a real OpenID provider.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set itself up should fail; what it prepares goes past the portal's own doors"
)]

mod accounts;
mod browser;
mod datasets;
mod gateway;
mod gateway_cuts;
mod job_contract;
mod jobs;
mod journey;
mod keys;
mod kills;
mod roles;
mod signing;
mod support;
mod transparency;
mod uploads;
mod withdrawals;
