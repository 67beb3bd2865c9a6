//! The portal through which partners contribute to GPT-NL and build on it.
//!
//! The parts, from the ground up; which may use which stands in `tests/architecture.rs`, which holds us to it.

// The ground floor, pure: ids, time, failures, who may do what, settings.
pub mod clock;
pub mod config;
pub mod error;
pub mod fine_tuning;
pub mod ids;
pub mod policy;
pub mod telemetry;

// The ground floor, with effects: database, object store, background work, pages.
pub mod db;
pub mod objects;
pub mod signing;
pub mod web;
pub mod worker;

// The subjects, one folder each.
pub mod accounts;
pub mod agreements;
pub mod budgets;
pub mod datasets;
pub mod documents;
pub mod institutions;
pub mod jobs;
pub mod keys;
pub mod licensees;
pub mod models;
pub mod notices;
pub mod permissions;
pub mod privacy;
pub mod quota;
pub mod rights_checks;
pub mod safeguards;
pub mod serving;
pub mod uploads;
pub mod webhooks;

// Processes over the subjects.
pub mod audit;
pub mod complaints;
pub mod disclosures;
pub mod evaluations;
pub mod gateway;
pub mod home;
pub mod ledger;
pub mod lineage;
pub mod withdrawals;

// The composition.
pub mod app;
pub mod tasks;

// The program: commands over the composition.
pub mod bootstrap;
pub mod cli;
pub mod demo;
pub mod process;
