//! Terms as ODRL 2.2 (W3C Recommendation of 15 February 2018), with a profile for text and language models.
//!
//! The profile's terms live at `{portal}/ns/permission#`, where each portal publishes them ([`profile`]); any
//! address that ends so is read as ours. Everything else is standard ODRL: `odrl:distribute`, `odrl:index`,
//! constraints on `odrl:recipient`, `odrl:purpose`, `odrl:spatial`, `odrl:product` and `odrl:dateTime`, duties
//! `odrl:attribute`, `odrl:inform`, `odrl:compensate` and `odrl:delete`.

mod export;
mod import;
mod profile;

pub use self::{
    export::{Envelope, Kind, Party, export},
    import::{About, ImportError, Imported, import},
    profile::{FOR_PEOPLE, profile},
};
use crate::Purpose;

/// Where an address of our profile ends.
pub const PROFILE: &str = "/ns/permission#";

/// ODRL's own namespace.
const ODRL: &str = "http://www.w3.org/ns/odrl/2/";

/// The ODRL action of a purpose, as a compact IRI.
fn action(purpose: Purpose) -> String {
    match purpose {
        Purpose::RedistributeOriginal => "odrl:distribute".into(),
        Purpose::RetrievalIndex => "odrl:index".into(),
        Purpose::Pretraining
        | Purpose::ContinuedPretraining
        | Purpose::FineTuning
        | Purpose::Evaluation
        | Purpose::SafetyTesting
        | Purpose::SyntheticDerivation
        | Purpose::RedistributeCurated => format!("faculty:{purpose}"),
    }
}
