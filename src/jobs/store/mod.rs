//! The SQL of jobs.

mod artifacts;
mod attempts;
mod grants;
mod inputs;
mod jobs;
mod lists;

pub(super) use self::{
    artifacts::{Artifact, artifacts_of, find_artifact, insert_artifact, set_artifact_version},
    attempts::{
        NewAttempt, attempt, attempts, attempts_at, beat, end_attempt, events_after,
        insert_attempt, insert_event, live_attempts, live_count, lock_attempt, set_handle,
    },
    grants::{
        bind_use, bound_verdicts, files_granted, insert_grant, insert_read, insert_tokens_read,
        terms_of,
    },
    inputs::{input_versions, inputs, owner_of},
    jobs::{claim, find, insert, lock, next_approved, save, slots_lock},
    lists::{Listing, list, of_versions, submitted_for, unfinished_of_dataset},
};
