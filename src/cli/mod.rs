//! What the program's subcommands do.

mod admin;
mod audit;
mod receipt;
mod run;
mod upload;

pub use self::{
    admin::{AdminCommand, admin},
    audit::{VerifyBundleOptions, verify_bundle},
    receipt::{VerifyReceiptOptions, verify_receipt},
    run::{ConfigCommand, config, migrate, serve, worker},
    upload::{UploadOptions, upload},
};
