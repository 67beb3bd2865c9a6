//! Signed statements that hold without the portal: keys, envelopes, and the list of published keys.
//!
//! Pure: no network, no database, no clock. The portal signs with it; `faculty verify-receipt`, the serving
//! program and any auditor check with it.

mod envelope;
mod key;
mod published;

pub use self::{
    envelope::{Envelope, EnvelopeSignature, verify},
    key::{BadKey, PublicKey, Signer},
    published::{PublishedKey, PublishedKeys, VerifyError},
};
