//! The object store, spoken to through the AWS SDK whatever store it is.

mod multipart;
mod s3;

pub use self::{
    multipart::PartDone,
    s3::{ObjectError, ObjectHead, ObjectStore, ObjectVersion, Presigned},
};
