//! The object store, spoken to through the AWS SDK whatever store it is.

mod multipart;
mod put_file;
mod s3;

pub use self::{
    multipart::PartDone,
    put_file::Expected,
    s3::{ObjectError, ObjectHead, ObjectStore, ObjectVersion, Presigned},
};
