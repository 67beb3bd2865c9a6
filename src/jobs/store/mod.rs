//! The SQL of jobs.

mod artifacts;
mod attempts;
mod estimates;
mod evaluations;
mod grants;
mod inputs;
mod jobs;
mod lists;
mod places;
mod queue;
mod withdrawn;

pub(super) use self::{
    artifacts::{Artifact, artifacts_of, find_artifact, insert_artifact, set_artifact_version},
    attempts::{
        NewAttempt, attempt, attempts, attempts_at, beat, end_attempt, events_after,
        insert_attempt, insert_event, live_attempts, live_count, lock_attempt, set_handle,
    },
    estimates::{estimate, insert_estimate, speed},
    evaluations::{approver_of, insert_evaluation_job, measured_model, newest_evaluation_job},
    grants::{
        KeptVerdict, bind_use, bound_verdicts, files_granted, insert_grant, insert_read,
        insert_tokens_read, keep_tokens_last_told, terms_of, verdicts_after,
    },
    inputs::{base_of, input_versions, inputs, owner_of, set_validation, validation_versions},
    jobs::{claim, find, insert, lock, save, slots_lock},
    lists::{Listing, count_by_status, list, newest_of, submitted_for},
    places::{live_among, places, put_place, put_report, reports},
    queue::{
        asked_of_queue, first_sign, set_asked, set_priority, set_waits_for, time_limit_of, waiting,
    },
    withdrawn::{lock_unfinished, stop_all, uses_of_versions, verdicts_of_versions},
};
