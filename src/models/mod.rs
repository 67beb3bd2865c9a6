//! Models: the bases that may be tuned, what came out of jobs, their receipts and where they are served.

mod deploy;
mod model;
mod receipt;
mod register;
mod release;
mod store;
pub mod web;

pub use self::{
    deploy::{DeployError, deploy, stop},
    model::{Kind, Model, ModelFile, ServedModel, Status},
    receipt::{ReceiptError, Statement, verify_envelope, verify_files},
    register::{FromJob, JobInput, NewBase, RegisterError, register_base, register_from_job},
    release::{ReleaseError, release, retire},
    store::{
        NewFile, base_models, files_of, find, find_by_name, mark_of_jobs, of_job, served, usable_by,
    },
};
