//! The SQL of rights checks.

mod changes;
mod checks;
mod decisions;
mod licences;
mod schedules;
mod subject;
mod then;

pub(super) use self::{
    changes::{ChangeRow, changes, count_open, insert_change, insert_note, is_noted, open_for},
    checks::{
        NewCheck, NewSignal, Way, checks, insert_check, insert_signal, last, last_read,
        last_reservation, said, signal, signals,
    },
    decisions::{DecisionRow, decisions},
    licences::{insert_licence, licences, newest_licence, set_licence},
    schedules::{due, looks_since, postpone, schedule, set_schedule},
    subject::{Subject, lock, subject},
    then::{permissions_at, statuses},
};
