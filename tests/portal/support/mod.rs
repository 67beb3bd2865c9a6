//! What tests stand on: a portal of their own with its own database, store and identity provider.

mod app;
mod database;
pub(crate) mod given;
mod programs;

pub(crate) use self::{
    app::TestApp,
    programs::{Program, base_model, sdk_pythons},
};
