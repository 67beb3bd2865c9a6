//! What right holders allow, and the one function that decides on a use. Pure: no clock, no database, no network.
//!
//! A permission answers one of three questions ([`Layer`]: copyright, personal data, confidentiality) with
//! [`Terms`]. [`decide`] reads the [`DatasetFacts`] of a dataset version and every [`Permission`] that speaks
//! about it, and answers a [`Verdict`]: yes or no, with every [`Rule`] that spoke and what it read. The default
//! is no.
//!
//! Terms and verdicts name the version of the rules that read them. Rule set 2 stands here; rule set 1 stays
//! whole in [`first`], so that an old verdict can be made again from the [`RecordedPolicy`] it was read from.

mod decide;
pub mod duo;
mod facts;
pub mod first;
mod licence;
pub mod odrl;
mod permission;
mod policy;
pub mod tdmrep;
mod terms;
mod territory;
mod verdict;
mod word;

pub use self::{
    decide::{Moment, decide, decide_on, is_in_force},
    facts::{
        Article6, Article9, Assessment, Confidentiality, DatasetFacts, LicenceFacts, PrivacyFacts,
        TdmReservation,
    },
    licence::{
        LicenceFlags, TABLE as LICENCES, Training, flags as licence_flags,
        stricter as stricter_licence,
    },
    permission::{Permission, PermissionId, State},
    policy::{Policy, PolicyError, ReadPermission, RecordedPolicy, sha256_hex},
    terms::{Duties, Evidence, OnWithdrawal, Terms, TermsError},
    territory::{COUNTRIES, Territory, UnknownTerritory, covers},
    verdict::{Duty, Obligation, Reason, Rule, Use, Verdict},
    word::{Layer, Purpose, Recipients, UnknownWord},
};

/// The version of the rules that decide.
pub const RULE_SET: u32 = 2;

/// The JSON Schema of [`Terms`] in canonical form.
pub const SCHEMA: &str = include_str!("../schema/permission-terms-2.json");
