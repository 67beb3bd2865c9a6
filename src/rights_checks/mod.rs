//! What is found about rights at the source of a dataset, over time: licence, reservation of text and data mining,
//! robots.txt. Every look is a fact with its evidence; a later one stands beside it and never replaces it.
//!
//! From these facts, and those of permissions and privacy, the state of any past moment can be read.

mod acknowledge;
mod address;
mod as_at;
mod check;
mod counts;
mod error;
mod fetch;
mod happened;
mod history;
mod html;
mod licence;
mod look;
mod recheck;
mod record;
mod relicense;
mod robots;
mod schedule;
mod store;
mod tdm;
mod waiting;
pub mod web;

pub use self::{
    acknowledge::{Side, acknowledge},
    as_at::{AsAt, as_at, history, in_address, licence_facts, moment},
    check::{Check, Difference, Findings, Outcome, Place, Signal, What},
    counts::{By, Counts, Said, counts},
    error::RightsError,
    fetch::{FetchError, Fetched, Fetcher},
    history::{History, Kind as LaterKind, Later, LicenceFact, StatusFact, Then},
    licence::{UNKNOWN, normalise as normalise_licence},
    look::{Evidence, Seen},
    recheck::{Look, ask, recheck, recheck_due},
    record::{Observation, record},
    relicense::{note_licence, relicense},
    robots::Robots,
    schedule::{Schedule, plan},
    tdm::Reservation,
    waiting::{Waiting, open_for, waiting_for},
};
