//! The SQL of documents and of what they state.

mod care;
mod facts;
mod frozen;
mod ledger;
mod versions;

pub(super) use self::{
    facts::{base_facts, insert_base_facts, insert_decision, insert_provider, provider},
    frozen::{Hash, hashes, stored, stored_all},
    ledger::ledger,
    versions::{
        Version, due_models, dues, find, insert_decision_on, insert_due, insert_version,
        lock_model, of_model, published, undecided,
    },
};
