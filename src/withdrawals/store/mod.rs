//! The SQL of withdrawals.

mod purge;
mod reach;
mod show;
mod write;

pub(super) use self::{
    purge::{
        Deleted, Item, Progress, abort_uploads, add_deletion, add_failure, add_proof, count_items,
        given_up, items_of, plan_purge, unproven_folders, unproven_objects, withdraw_versions,
    },
    reach::{
        Contribution, contributions, copies, derived, descendants, jobs_on, keys, lock_dataset,
        lock_datasets_of, lock_models, models, tokens_read, versions,
    },
    show::{
        Duty, ListedWithdrawal, MadeOfModel, Stops, Withdrawal, duties, find, list, models_of,
        open_duties, stops_of,
    },
    write::{
        NewWithdrawal, add_decision, add_duty, end_duty, insert, insert_jobs, insert_keys,
        insert_models, insert_versions, is_held_elsewhere, undecided,
    },
};
