//! What tests stand on: a portal of their own with its own database, store and identity provider.

mod app;
pub(crate) mod chromium;
mod database;
pub(crate) mod given;
mod keyholder;
mod programs;
mod upstream;
pub(crate) mod visitor;

pub(crate) use self::{
    app::TestApp,
    database::connection,
    keyholder::{Keyholder, new_key},
    programs::{Program, base_model, portal_is_up, sdk_pythons},
    upstream::{Plan, Upstream},
};
