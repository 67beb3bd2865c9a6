//! What is said to the public, the authorities and downstream users about a model (AI Act, article 53): made from
//! the records alone, prepared by one person and published by another, frozen, and made anew when it no longer holds.
//!
//! [`store::ledger`] reads what is on record as at an instant, [`documents`] makes the documents of it, and nothing
//! else may state a fact. A document of a date can so be made again from the records of that date.

mod base_facts;
mod canonical;
mod decide_modification;
mod difference;
mod document;
mod documents;
mod due;
mod error;
mod kind;
mod ledger;
mod prepare;
mod provider;
mod publish;
mod ratio;
mod store;
mod version;
mod waiting;
pub mod web;

use std::time::Duration;

pub use self::{
    base_facts::{BaseFacts, Compute, MODALITIES, RawBaseFacts, describe_base},
    decide_modification::{Conclusion, UnknownConclusion, decide_modification},
    difference::{Change, Difference, difference},
    document::{
        Audience, Content, Document, EDITION, Field, Item, Missing, Section, Source, Words,
    },
    due::look,
    error::DisclosureError,
    kind::{Kind, UnknownKind},
    prepare::prepare,
    provider::{ProviderFacts, RawProviderFacts, describe_provider},
    publish::{publish, return_to_operator},
    ratio::{BaseCompute, GENERAL_PURPOSE_FLOP, Ratio, Standing},
    version::{Reason, Reproduced, is_half_a_year_old},
    waiting::{Waiting, WaitsFor, waiting_for},
};

/// How often published documents are looked at again.
pub const LOOK_EVERY: Duration = Duration::from_secs(600);
