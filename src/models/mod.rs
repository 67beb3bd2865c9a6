//! Models: the bases that may be tuned, what came out of jobs, their receipts, and which of them are to be served.

mod base_files;
mod base_shape;
mod deploy;
mod download;
mod evaluation;
mod evaluation_store;
#[cfg(test)]
mod golden;
mod measured;
mod model;
mod price;
mod price_store;
mod provenance;
mod quarantine;
mod receipt;
mod register;
mod release;
mod scope;
mod shape_store;
mod store;
pub mod web;

pub use self::{
    base_files::{BaseFile, BaseFilesError, base_files},
    base_shape::BaseShape,
    deploy::{DeployError, Replicas, deploy, drain, scale, stop},
    evaluation::{
        BadReport, DatasetFigures, Evaluation, Figure, LARGEST_REPORT, MemorisationLimit,
        MemorisationStanding, REPORT_NAME, Report, suite_name,
    },
    evaluation_store::{
        evaluation_statement, evaluations_of, find_evaluation, memorisation_limits,
        memorisation_standing,
    },
    measured::{Measured, MeasuredFile, register_evaluation},
    model::{Kind, Model, ModelFile, Quarantine, ServedModel, Status},
    price_store::prices,
    quarantine::{
        Owned, lift, lock_for_use, lock_to_measure, mark, quarantine, retire_quarantined,
    },
    receipt::NoReceipt,
    register::{
        BaseLicence, FromJob, JobFile, JobInput, JobPermission, Makes, NEW_FAMILY, NewBase,
        RegisterError, register_base, register_from_job,
    },
    release::{ReleaseError, ReleaseTo, release, retire},
    scope::{DistributionScope, Limit, LimitKind, binding},
    shape_store::shape_of,
    store::{
        NewFile, allows_commercial_use, base_models, files_of, find, find_by_name, limits, of_job,
        receipt, scope, served, usable_by,
    },
};
