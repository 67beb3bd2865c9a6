//! The SQL of the API.

pub(super) mod events;
pub(super) mod examinations;
pub(super) mod files;
pub(super) mod jobs;
pub(super) mod permissions;
pub(super) mod seen;
pub(super) mod uploads;
