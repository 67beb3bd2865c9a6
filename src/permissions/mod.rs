//! What right holders allow: permissions in three layers, and the one function that decides on a use.
//!
//! A dataset's copyright, the personal data in it and its confidentiality are three questions with three
//! answers; a use counts as covered only where every layer that the dataset needs says yes.

mod decide;
mod give;
mod permission;
mod store;
pub mod web;
mod words;

pub use self::{
    decide::{DatasetFacts, Reason, Use, Verdict, decide, policy_sha256},
    give::{GiveError, NewPermission, give},
    permission::{Layer, Permission, Purpose, Recipients, State, Terms},
    store::{Standing, end, of_version, standing},
    words::{RightsBox, rights_box, sentence},
};
