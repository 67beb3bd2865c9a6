//! Signed statements that hold without the portal: keys, envelopes, the list of published keys, receipts.
//!
//! Pure but for reading the files to be checked: no network, no database, no clock. The portal signs with it;
//! `faculty verify-receipt`, the serving program and any auditor check with it.

mod check;
mod envelope;
mod key;
mod published;
mod statement;

pub use self::{
    check::{Evidence, Finding, Report, check},
    envelope::{Envelope, EnvelopeSignature, verify},
    key::{BadKey, PublicKey, Signer},
    published::{PublishedKey, PublishedKeys, VerifyError},
    statement::{
        Digest, EVALUATION_TYPE, Material, PAYLOAD_TYPE, PREDICATE_TYPE, ReceiptError,
        STATEMENT_TYPE, Statement, Subject, verify_receipt,
    },
};
