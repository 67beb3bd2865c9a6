//! An S3 server that runs inside the process, for a portal that has no object store of its own.
//!
//! The protocol (routing, XML, SigV4) is the crate `s3s`; the store is ours: metadata in one file with transactions,
//! bytes in files under random names. Objects have versions where a bucket wants them, uploads may come in parts, and
//! what a checksum or a precondition says is held. It listens on loopback only and knows one account.
//!
//! ```no_run
//! # async fn example() -> Result<(), embedded_s3::StartError> {
//! let server = embedded_s3::start(embedded_s3::Config {
//!     data_dir: "data/objects".into(),
//!     bind: ([127, 0, 0, 1], 0).into(),
//!     region: "eu-nl-1".to_owned(),
//!     access_key: "portal".to_owned(),
//!     secret_key: "a secret from the configuration".to_owned(),
//!     cors_default_origins: vec!["http://127.0.0.1:8080".to_owned()],
//! })
//! .await?;
//! let endpoint = server.endpoint();
//! # drop(endpoint);
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

mod digest;
mod front;
mod server;
mod service;
mod store;

pub use self::server::{Config, Server, StartError, start};
