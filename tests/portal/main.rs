//! The portal over HTTP, against a real Postgres, a real S3 store and a real OpenID provider.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

mod accounts;
mod browser;
mod datasets;
mod gateway;
mod gateway_cuts;
mod journey;
mod keys;
mod kills;
mod support;
mod uploads;
mod withdrawals;
