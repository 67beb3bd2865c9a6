//! What the portal signs with: an Ed25519 key that is replaced now and then, while all earlier ones stay published
//! with the time in which they held.
//!
//! One key is active, the one that is configured as `signing_key`. `Signer` signs, `verify` checks without a
//! database (both from the crate `attestation`), `published` is what everybody may know, and `adopt`, `rotate` and `revoke` change which key counts.

mod rotate;
mod store;
pub mod web;

pub use attestation::{
    BadKey, Envelope, EnvelopeSignature, PublicKey, PublishedKey, PublishedKeys, Signer,
    VerifyError, verify,
};

pub use self::{
    rotate::{RotateError, adopt, revoke, rotate},
    store::published,
};
