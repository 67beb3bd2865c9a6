//! The server, driven over HTTP by the S3 client that the portal uses, and by bare requests for what it hides.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should fail"
)]

mod checksums;
mod conditions;
mod copies;
mod cors;
mod crashes;
mod forms;
mod full_disk;
mod given;
mod keys;
mod listings;
mod multipart;
mod objects;
mod presigned;
mod races;
mod sign;
mod signatures;
mod starting;
mod versions;
