//! The SQL of jobs.

mod artifacts;
mod attempts;
mod checkpoints;
mod estimates;
mod evaluations;
mod grants;
mod inputs;
mod jobs;
mod lists;
mod logs;
mod places;
mod queue;
mod withdrawn;

pub(super) use self::{
    artifacts::{
        Artifact, artifacts_of, find_artifact, insert_artifact, put_until, set_artifact_version,
        share_job,
    },
    attempts::{
        NewAttempt, attempt, attempts, attempts_at, beat, end_attempt, events_after,
        insert_attempt, insert_event, last_event, live_attempts, live_count, lock_attempt,
        set_handle,
    },
    checkpoints::{
        NewCheckpoint, checkpoint_numbers, checkpoint_parts, drop_checkpoints, has_found_damage,
        insert_checkpoint, jobs_with_checkpoints, kept, lost_in_a_row, mark_damaged,
        newest_checkpoint, part_of_job, set_deleted, to_delete,
    },
    estimates::{estimate, insert_estimate, place_speed, speed},
    evaluations::{approver_of, insert_evaluation_job, measured_model, newest_evaluation_job},
    grants::{
        KeptVerdict, bind_use, bound_verdicts, files_granted, insert_grant, insert_read,
        insert_tokens_read, keep_tokens_last_told, terms_of, verdicts_after,
    },
    inputs::{base_of, input_versions, inputs, owner_of, set_validation, validation_versions},
    jobs::{claim, find, insert, lock, paused_before, save, slots_lock},
    lists::{Listing, count_by_status, list, newest_of, submitted_for},
    logs::{LogState, OpenLog, delete_logs, hold_logs, log_of, open_logs, put_log},
    places::{live_among, places, put_place, put_report, reports, silent_since},
    queue::{
        asked_of_queue, first_sign, set_asked, set_priority, set_waits_for, time_limit_of, waiting,
    },
    withdrawn::{lock_unfinished, stop_all, uses_of_versions, verdicts_of_versions},
};
