//! The portal through which partners contribute to GPT-NL and build on it.
//!
//! The parts, from the ground up; each may use those above it in this list, never those below it
//! (`tests/architecture.rs` holds us to it).

// The ground floor, pure: ids, time, failures, who may do what, settings.
pub mod clock;
pub mod config;
pub mod error;
pub mod ids;
pub mod policy;

// The ground floor, with effects: database, object store, background work, pages.
pub mod db;
pub mod objects;
pub mod web;
pub mod worker;

// The subjects, one folder each.
pub mod institutions;

pub mod accounts;

pub mod permissions;

pub mod datasets;
pub mod uploads;

pub mod models;

pub mod keys;

// Processes over the subjects.
pub mod gateway;

pub mod audit;
pub mod home;

// The composition.
pub mod app;
pub mod tasks;

// The program: commands over the composition.
pub mod bootstrap;
pub mod cli;
pub mod demo;
pub mod process;
