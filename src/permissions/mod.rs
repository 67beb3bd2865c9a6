//! What right holders allow: permissions in three layers, and the one function that decides on a use.
//!
//! A dataset's copyright, the personal data in it and its confidentiality are three questions with three
//! answers; a use counts as covered only where every layer that the dataset needs says yes. The rules
//! themselves are the crate `permission-policy`; here they are given, kept, shown and told in words.

mod give;
mod store;
pub mod web;
mod words;

pub use permission_policy::{
    Article6, Article9, Assessment, COUNTRIES, Confidentiality, DatasetFacts, Duties, Duty,
    Evidence, Layer, LicenceFacts, LicenceFlags, Obligation, OnWithdrawal, Permission, Policy,
    PrivacyFacts, Purpose, Reason, Recipients, RecordedPolicy, Rule, State, TdmReservation, Terms,
    Territory, Training, Use, Verdict, decide, licence_flags, sha256_hex, stricter_licence,
};

pub use self::{
    give::{Coverage, GiveError, NewPermission, give, give_in, lock},
    store::{Standing, end, keep_policy, kept_policies, of_version, standing},
    words::{RightsBox, Sentence, duties, place, reason, rights_box, sentence, sentences},
};
