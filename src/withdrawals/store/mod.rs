//! The SQL of withdrawals.

mod copies;
mod purge;
mod reach;
mod show;
mod write;

pub(super) use self::{
    copies::{ItemCounts, Progress, count_items, items_of},
    purge::{
        Deleted, Item, Words, abort_uploads, add_deletion, add_failure, add_lost_place, add_proof,
        given_up, open_places, plan_purge, unproven_artifacts, unproven_folders, unproven_objects,
        unproven_words, waiting_at, withdraw_versions,
    },
    reach::{
        Contribution, UseCounts, contributions, copies, derived, descendants, jobs_on, keys,
        lock_dataset, lock_datasets_of, lock_models, models, siblings, tokens_read, use_counts,
        versions,
    },
    show::{
        Duty, ListedWithdrawal, MadeOfModel, Stops, Withdrawal, count_models, curated_by, duties,
        find, list, model_named, models_of, open_duties, overdue_once, overdue_untold, stops_of,
    },
    write::{
        NewWithdrawal, add_decision, add_duty, add_lift_proposal, end_duty, insert, insert_jobs,
        insert_keys, insert_models, insert_versions, is_held_elsewhere, is_made_anew,
        lift_proposed_by, revoke_grants, undecided,
    },
};
