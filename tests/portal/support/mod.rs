//! What tests stand on: a portal of their own with its own database, store and identity provider.

mod app;
mod database;

pub(crate) use self::app::TestApp;
