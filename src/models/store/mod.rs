//! The SQL of models, their files and receipts.

mod files;
mod models;
mod receipts;
mod scopes;

pub(super) use self::{
    files::insert_file,
    models::{insert, list, lock, save_status},
    receipts::{audit_position, insert_receipt, receipt_row, terms},
    scopes::{needs_decision, save_release},
};
pub use self::{
    files::{NewFile, files_of},
    models::{base_models, find, find_by_name, of_job, served, usable_by},
    receipts::receipt,
    scopes::{allows_commercial_use, limits, scope},
};
